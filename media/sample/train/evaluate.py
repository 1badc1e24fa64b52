"""States what was learnt: held-out loss of the exported files beside a unigram and a bigram model.

    python evaluate.py --work FOLDER --sample media/sample

Loss rule: one document a row of held-out text; the first id (<s>) is not scored, every other id once;
windows of the full context, stride half, each id with the longest left context; nats per token, sums in
float64. The baselines are counted on the training tokens: unigram with add-one, bigram with
Witten-Bell smoothing towards that unigram. All of them see the same held-out tokens.
"""
import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from train import CONTEXT, encode

DOCUMENT_CHARACTERS, DOMAIN_CHARACTERS = 10_000, 30_000


def texts(path):
    """Held-out documents by domain, each cut to its first 10,000 characters, until a domain has 30,000."""
    found, size = {}, {}
    for line in open(path, encoding="utf-8"):
        doc = json.loads(line)
        if size.get(doc["domain"], 0) < DOMAIN_CHARACTERS:
            text = doc["text"][:DOCUMENT_CHARACTERS]
            found.setdefault(doc["domain"], []).append(text)
            size[doc["domain"]] = size.get(doc["domain"], 0) + len(text)
    return dict(sorted(found.items()))


@torch.no_grad()
def model_nll(model, ids):
    """Negative log-likelihood of ids[1:] in nats, by the windows above; windows of one length go together."""
    total, scored, windows = 0.0, 1, []
    for start in range(0, max(1, len(ids)), CONTEXT // 2):
        end = min(start + CONTEXT, len(ids))
        windows.append((start, end, scored))
        scored = end
        if end == len(ids):
            break
    full = [w for w in windows if w[1] - w[0] == CONTEXT]
    groups = [full[i:i + 16] for i in range(0, len(full), 16)] + [[w] for w in windows if w[1] - w[0] < CONTEXT]
    for group in groups:
        batch = torch.tensor([ids[a:b] for a, b, _ in group])
        logits = model(input_ids=batch, use_cache=False).logits.float()
        nll = F.cross_entropy(logits[:, :-1].flatten(0, 1), batch[:, 1:].flatten(), reduction="none").double().view(len(group), -1)
        for row, (start, _, first) in zip(nll, group):
            total += row[first - start - 1:].sum().item()
    return total


def baselines(work):
    streams = encode(work, "train")
    counts = np.zeros(2048)
    pairs = np.zeros((2048, 2048), np.float32)
    for ids in streams.values():
        counts += np.bincount(ids, minlength=2048)
        np.add.at(pairs, (ids[:-1], ids[1:]), 1)
    unigram = (counts + 1) / (counts.sum() + 2048)
    total, types = pairs.sum(1, keepdims=True), (pairs > 0).sum(1, keepdims=True)
    bigram = (pairs + types * unigram) / np.maximum(total + types, 1)
    bigram[total[:, 0] == 0] = unigram
    return -np.log(unigram), -np.log(bigram)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sample", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(args.sample / "modulens-sample" / "tokenizer.json"))
    unigram, bigram = baselines(args.work)
    sets = {"base": texts(args.work / "heldout.jsonl")}
    adapters = [d for d in ("banking", "dutch") if (args.sample / f"lora-{d}").exists()]
    for domain in adapters:
        sets[domain] = texts(args.work / f"adapter-{domain}-heldout.jsonl")
    ids = {name: {k: [tokenizer.encode(t).ids for t in v] for k, v in group.items()} for name, group in sets.items()}

    def table(score):
        """Loss by domain and over all tokens of one set."""
        def of(group):
            sums = {k: (sum(score(x) for x in v), sum(len(x) - 1 for x in v)) for k, v in group.items()}
            whole = {"all": (sum(a for a, _ in sums.values()), sum(b for _, b in sums.values()))} if len(sums) > 1 else {}
            return {k: round(a / b, 4) for k, (a, b) in {**whole, **sums}.items()}
        return of

    count = lambda group: {k: {"documents": len(v), "tokens": sum(len(x) - 1 for x in v)} for k, v in group.items()}
    score = {"unigram": lambda x: float(unigram[x[1:]].sum()), "bigram": lambda x: float(bigram[x[:-1], x[1:]].astype(np.float64).sum())}
    load = lambda name: AutoModelForCausalLM.from_pretrained(args.sample / name, dtype=torch.float32).eval()
    small, main_model = load("modulens-sample-small"), load("modulens-sample")
    score["modulens-sample-small"] = lambda x: model_nll(small, x)
    score["modulens-sample"] = lambda x: model_nll(main_model, x)
    out = {"unit": "nats per token", "weights": "the exported bf16 files, computed in float32 by transformers",
           "heldout": {n: count(g) for n, g in ids.items()},
           "characters": {n: {k: sum(map(len, v)) for k, v in g.items()} for n, g in sets.items()},
           "parameters": {n: sum(p.numel() for p in m.parameters()) for n, m in (("modulens-sample", main_model), ("modulens-sample-small", small))},
           "uniform": round(math.log(2048), 4), "loss": {}}
    for name, group in ids.items():
        out["loss"][name] = {k: table(s)(group) for k, s in score.items()}
        print(json.dumps(out["loss"][name]), flush=True)
    from peft import PeftModel
    for domain in adapters:
        tuned = PeftModel.from_pretrained(load("modulens-sample"), args.sample / f"lora-{domain}").eval()
        tuned.to(torch.float32)
        for name in ("base", *adapters):
            out["loss"][name][f"modulens-sample + lora-{domain}"] = table(lambda x: model_nll(tuned, x))(ids[name])
        print(domain, json.dumps({n: out["loss"][n][f"modulens-sample + lora-{domain}"] for n in ids}), flush=True)
    import peft
    import tokenizers
    import transformers
    out["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "peft": peft.__version__}
    (args.sample / "validation.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
