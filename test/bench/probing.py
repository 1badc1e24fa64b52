"""The peer of our probe's speed: PyTorch with forward hooks that gather the same statistics.

    python test/bench/probing.py MODEL_DIR [--repeat 3] [--batch-rows 2] [--threshold T] [--out STATS.safetensors]

MODEL_DIR is what `makeModels.mjs gpt2-small` writes: a GPT-2 shape and input.json with rows of ids and a label per row.
Per block and neuron: sums of a, |a| and a squared, tokens on which it is active, sum of the norm of its output, the same
by label, and the Gram matrix of binary activity [f, f]. A neuron is active on a token where |a| * ||its down row|| exceeds
the threshold. Prints one JSON document: seconds of each repetition, their minimum, and the peak resident memory.

Nothing is held back: inference mode, fused attention, rows in one batch, in-place accumulation with addmm.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import torch
import transformers


class BlockStatistics:
    """Accumulators of one block; `add` takes the hidden activations [tokens, f] of one batch."""

    def __init__(self, down: torch.Tensor, labels: int, threshold: float) -> None:
        width = down.shape[0]
        self.norms = down.norm(dim=1)
        self.threshold = threshold
        self.tokens = 0
        self.sum = torch.zeros(width)
        self.absolute = torch.zeros(width)
        self.square = torch.zeros(width)
        self.active = torch.zeros(width)
        self.output = torch.zeros(width)
        self.by_label = torch.zeros(labels, width)
        self.gram = torch.zeros(width, width)

    def add(self, hidden: torch.Tensor, one_hot: torch.Tensor) -> None:
        magnitude = hidden.abs()
        output = magnitude * self.norms
        active = (output > self.threshold).float()
        self.tokens += hidden.shape[0]
        self.sum += hidden.sum(0)
        self.absolute += magnitude.sum(0)
        self.square += hidden.square().sum(0)
        self.active += active.sum(0)
        self.output += output.sum(0)
        self.by_label.addmm_(one_hot.T, output)
        self.gram.addmm_(active.T, active)


def run(model, rows: torch.Tensor, labels: torch.Tensor, batch_rows: int, threshold: float) -> list[BlockStatistics]:
    count = int(labels.max()) + 1
    statistics = [BlockStatistics(block.mlp.c_proj.weight, count, threshold) for block in model.h]
    one_hot = torch.empty(0)

    def hook_of(block_statistics: BlockStatistics):
        def hook(_module, args):
            block_statistics.add(args[0].reshape(-1, args[0].shape[-1]), one_hot)
        return hook

    handles = [b.mlp.c_proj.register_forward_pre_hook(hook_of(s)) for b, s in zip(model.h, statistics)]
    for start in range(0, len(rows), batch_rows):
        batch = rows[start:start + batch_rows]
        of_token = labels[start:start + batch_rows].repeat_interleave(batch.shape[1])
        one_hot = torch.nn.functional.one_hot(of_token, count).float()
        model(input_ids=batch, use_cache=False)
    for handle in handles:
        handle.remove()
    return statistics


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--batch-rows", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--threshold", type=float, default=0.02)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    start = time.perf_counter()
    model = transformers.GPT2Model.from_pretrained(options.model, dtype=torch.float32).eval()
    load_seconds = time.perf_counter() - start
    probe = json.loads((options.model / "input.json").read_text())
    rows, labels = torch.tensor(probe["input_ids"]), torch.tensor(probe["labels"])
    seconds, cpu_seconds = [], []
    with torch.inference_mode():
        for _ in range(options.repeat):
            statistics = None
            start, used = time.perf_counter(), time.process_time()
            statistics = run(model, rows, labels, options.batch_rows, options.threshold)
            seconds.append(time.perf_counter() - start)
            cpu_seconds.append(time.process_time() - used)
        # Read before anything that only the comparison of numbers needs.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if options.out:
        from safetensors.torch import save_file
        save_file({f"blocks.{i}.{name}": getattr(s, name).clone() for i, s in enumerate(statistics)
                   for name in ("sum", "absolute", "square", "active", "output", "by_label", "gram")}, options.out)
    print(json.dumps({
        "peer": "pytorch", "torch": torch.__version__, "transformers": transformers.__version__,
        "threads": torch.get_num_threads(), "tokens": rows.numel(), "blocks": len(statistics),
        "batchTokens": options.batch_rows * rows.shape[1], "loadSeconds": load_seconds, "seconds": seconds,
        "cpuSeconds": cpu_seconds,
        "best": min(seconds), "peakRssBytes": peak,
        "active": [float(s.active.double().sum()) for s in statistics],
        "together": [float(s.gram.double().sum()) for s in statistics],
        "output": [float(s.output.double().sum()) for s in statistics],
    }))


if __name__ == "__main__":
    main()
