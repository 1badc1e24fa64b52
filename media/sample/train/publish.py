"""Copies what others need out of the work folder: held-out samples, the data card's numbers, the training logs.

    python publish.py --work FOLDER --sample media/sample
"""
import argparse
import json
import shutil
from pathlib import Path

PIECE, PER_LABEL = 700, 6_000  # characters


def pieces(docs):
    """Runs of whole lines of about 700 characters, taken round robin from the documents so that each is heard."""
    queues = []
    for doc in docs:
        made, piece = [], ""
        for line in doc["text"][:30_000].split("\n"):
            if not piece and not line.strip():
                continue
            if len(piece) + len(line) > PIECE and len(piece) > PIECE // 2:
                made.append(piece.rstrip())
                piece = ""
            if len(line) <= 2 * PIECE:
                piece += line + "\n"
        if len(piece) > PIECE // 3 and not made:
            made.append(piece.rstrip())
        # Every third piece: neighbours are too alike to be worth their room.
        queues.append((doc, made[::3]))
    size, at = 0, 0
    while size < PER_LABEL and any(at < len(made) for _, made in queues):
        for doc, made in queues:
            if at < len(made) and size < PER_LABEL:
                size += len(made[at])
                yield doc, made[at]
        at += 1


def write(path, rows):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


def losses(validation):
    """The README's table of losses, so that it cannot differ from validation.json."""
    title = {"base": "nine domains", "banking": "banking", "dutch": "Dutch"}
    names = list(title)
    lines = ["| model | " + " | ".join(title[n] for n in names) + " |", "|---" * (len(names) + 1) + "|"]
    rows = list(validation["loss"]["base"])
    for row in rows:
        cells = [validation["loss"][n][row] for n in names]
        lines.append(f"| {row} | " + " | ".join(f"{next(iter(c.values())):.3f}" for c in cells) + " |")
    tokens = [f"{validation['heldout'][n].get('all', {}).get('tokens') or sum(c['tokens'] for c in validation['heldout'][n].values()):,}" for n in names]
    return "\n".join([*lines, "| held-out tokens | " + " | ".join(tokens) + " |"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sample", type=Path, required=True)
    args = parser.parse_args()
    read = lambda name: [json.loads(line) for line in open(args.work / f"{name}.jsonl", encoding="utf-8")]
    held, rows = read("heldout"), []
    for domain in sorted({d["domain"] for d in held}):
        rows += [{"text": text, "label": domain, "source": doc["source"]} for doc, text in pieces([d for d in held if d["domain"] == domain])]
    write(args.sample / "heldout.jsonl", rows)
    dutch = read("adapter-dutch-heldout")
    write(args.sample / "heldout-dutch.jsonl", [{"text": text, "source": doc["source"]} for doc, text in pieces(dutch)])
    questions = [line for doc in read("adapter-banking-heldout") for line in doc["text"].strip().split("\n")]
    write(args.sample / "heldout-banking.jsonl", [{"text": text, "source": "banking77"} for text in questions[:100]])
    shutil.copyfile(args.work / "data.json", args.sample / "data.json")
    readme = args.sample / "README.md"
    head, _, rest = readme.read_text(encoding="utf-8").partition("<!-- losses -->")
    table = losses(json.loads((args.sample / "validation.json").read_text()))
    readme.write_text(f"{head}<!-- losses -->\n\n{table}\n\n<!-- end -->{rest.partition('<!-- end -->')[2] or rest}", encoding="utf-8")
    logs = args.sample / "train" / "logs"
    logs.mkdir(exist_ok=True)
    for name in ("main", "small", "lora-banking", "lora-dutch"):
        if (args.work / f"{name}-log.csv").exists():
            shutil.copyfile(args.work / f"{name}-log.csv", logs / f"{name}.csv")


if __name__ == "__main__":
    main()
