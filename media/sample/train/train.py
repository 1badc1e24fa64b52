"""Trains the sample model (or its small sibling) on one CPU thread within a wall-clock budget; resumable.

    python train.py --work FOLDER --size main|small --minutes 55 --export FOLDER

The schedule is tied to the clock: warm-up over the first 2 %, then a cosine from the full rate to 4 %
over the seconds spent training (stops and restarts do not count), so the result depends on the
machine; the log says how many tokens it saw.
"""
import argparse
import csv
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from export import export

CONTEXT, BATCH, SEED = 256, 12, 0
WARMUP, FLOOR = 0.02, 0.04
SHAPES = {
    "main": dict(hidden_size=160, intermediate_size=448, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2),
    "small": dict(hidden_size=96, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2),
}
MATRIX_RATE, VECTOR_RATE, WEIGHT_DECAY = 0.02, 0.004, 0.05
SAVE_SECONDS, EXPORT_SECONDS, LOG_STEPS, VALIDATE_STEPS = 120, 540, 10, 200


def make_model(size, vocabulary):
    from transformers import LlamaConfig, LlamaForCausalLM
    torch.manual_seed(SEED)
    config = LlamaConfig(vocab_size=vocabulary, max_position_embeddings=CONTEXT, tie_word_embeddings=True, rms_norm_eps=1e-5,
                         bos_token_id=0, eos_token_id=1, attention_dropout=0.0, **SHAPES[size])
    return LlamaForCausalLM(config)


def encode(work, name):
    """Token ids of all documents of one file, by domain: documents end to end, each opened by <s> and closed by </s>."""
    path = work / f"{name}.npz"
    if not path.exists():
        from tokenizers import Tokenizer
        tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
        streams = {}
        for line in open(work / f"{name}.jsonl", encoding="utf-8"):
            doc = json.loads(line)
            streams.setdefault(doc["domain"], []).append(np.array(tokenizer.encode(doc["text"]).ids + [1], np.uint16))
        np.savez(path, **{k: np.concatenate(v) for k, v in streams.items()})
    data = np.load(path)
    return {k: data[k].astype(np.int64) for k in sorted(data.files)}


class Rows:
    """Rows of one context each. Every domain is drawn equally often, its rows without replacement within a pass.

    Half the rows get <s> in front although they begin inside a document: at use a text begins with <s>,
    and windows of long texts do not.
    """

    def __init__(self, streams, seed):
        self.streams, self.random = streams, np.random.default_rng(seed)
        self.queues = {k: [] for k in streams}

    def _row(self, domain):
        stream = self.streams[domain]
        if not self.queues[domain]:
            starts = np.arange(self.random.integers(CONTEXT), len(stream) - CONTEXT, CONTEXT)
            self.random.shuffle(starts)
            self.queues[domain] = list(starts)
        row = stream[(at := self.queues[domain].pop()):at + CONTEXT].copy()
        return np.concatenate([[0], row[:-1]]) if self.random.random() < 0.5 else row

    def batch(self, rows):
        names = sorted(self.streams)
        return torch.from_numpy(np.stack([self._row(names[i]) for i in self.random.integers(len(names), size=rows)]))


class Muon:
    """Momentum, then the nearest orthogonal matrix by five Newton-Schulz steps, for all matrices of one shape at once."""

    def __init__(self, parameters):
        self.groups = {}
        for p in parameters:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.momentum = [torch.zeros(len(g), *s) for s, g in self.groups.items()]

    @torch.no_grad()
    def step(self, rate):
        for group, momentum in zip(self.groups.values(), self.momentum):
            gradient = torch.stack([p.grad for p in group])
            momentum.lerp_(gradient, 0.05)
            x = torch.lerp(gradient, momentum, 0.95)
            tall = x.shape[1] > x.shape[2]
            x = x.mT if tall else x
            x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
            for _ in range(5):
                a = x @ x.mT
                x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
            x = x.mT if tall else x
            scale = max(1, x.shape[1] / x.shape[2]) ** 0.5
            for p, update in zip(group, x):
                p.mul_(1 - rate * WEIGHT_DECAY).add_(update, alpha=-rate * scale)


def loss_of(model, ids):
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    return F.cross_entropy(model.lm_head(hidden[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


@torch.no_grad()
def quick_validation(model, streams, rows=4):
    model.eval()
    total = {k: loss_of(model, torch.from_numpy(np.stack([s[i * CONTEXT:(i + 1) * CONTEXT] for i in range(rows)]))).item() for k, s in streams.items()}
    model.train()
    return sum(total.values()) / len(total)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--size", choices=SHAPES, default="main")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--export", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    train, held = encode(args.work, "train"), encode(args.work, "heldout")
    model = make_model(args.size, 2048)
    rows = Rows(train, SEED)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim < 2 or "embed" in n]
    muon, adam = Muon(matrices), torch.optim.AdamW(others, lr=VECTOR_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    step, spent, saved, exported = 0, 0.0, 0.0, 0.0
    checkpoint, log = args.work / f"{args.size}.pt", args.work / f"{args.size}-log.csv"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        muon.momentum, step, spent = state["muon"], state["step"], state["spent"]
        rows.random, rows.queues = state["random"], state["queues"]
        saved = exported = spent
        lines = log.read_text().splitlines()
        log.write_text("\n".join(lines[:1] + [line for line in lines[1:] if int(line.split(",")[0]) <= step]) + "\n")
    else:
        log.write_text("step,tokens,seconds,rateFactor,trainLoss,heldoutLoss\n")
    model.train()
    running, budget = None, args.minutes * 60

    def save():
        part = checkpoint.with_suffix(".part")
        torch.save({"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.momentum, "step": step,
                    "spent": spent, "random": rows.random, "queues": rows.queues}, part)
        os.replace(part, checkpoint)

    while spent < budget:
        began = time.monotonic()
        progress = spent / budget
        factor = min(1, (progress + 1e-3) / WARMUP) * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * progress)))
        loss = loss_of(model, rows.batch(BATCH))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for group in adam.param_groups:
            group["lr"] = VECTOR_RATE * factor
        adam.step()
        muon.step(MATRIX_RATE * factor)
        model.zero_grad(set_to_none=True)
        step += 1
        running = loss.item() if running is None else 0.95 * running + 0.05 * loss.item()
        spent += time.monotonic() - began
        if step % LOG_STEPS == 0:
            held_loss = f"{quick_validation(model, held):.4f}" if step % VALIDATE_STEPS == 0 else ""
            with open(log, "a", newline="") as file:
                csv.writer(file, lineterminator="\n").writerow([step, step * BATCH * CONTEXT, round(spent, 1), round(factor, 4), round(running, 4), held_loss])
        if spent - saved > SAVE_SECONDS:
            save()
            saved = spent
        if spent - exported > EXPORT_SECONDS:
            export(model, args.work / "tokenizer.json", args.export)
            exported = spent
    save()
    export(model, args.work / "tokenizer.json", args.export)


if __name__ == "__main__":
    main()
