"""Makes the golden references for `probe`: one tiny random model per family and variant, every tap of it as
transformers computes it, and LoRA adapters as PEFT applies them.

    python test/golden/models/makeGoldens.py [NAME ...]

Writes test/fixtures/golden/NAME/ (config.json, weights, input.json, golden.safetensors) and index.json.
Each variant names a change that switches its speciality off; the script fails when that changes nothing, because a
golden that does not exercise its speciality proves nothing.
"""

import copy
import json
import shutil
import sys
import zlib
from pathlib import Path

import peft
import safetensors
import torch
import transformers
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
from tapReference import reference_routing, reference_taps, worst_relative  # noqa: E402
import loraVariants  # noqa: E402
from modelVariants import VARIANTS, Variant  # noqa: E402

OUT = Path(__file__).resolve().parents[2] / "fixtures" / "golden"
MAX_FOLDER_BYTES = 170_000
VERSIONS = {
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "peft": peft.__version__,
    "safetensors": safetensors.__version__,
}


def randomise(model: torch.nn.Module, seed: int, unit_offset: bool) -> None:
    """Fills every parameter so that a missing bias, norm weight or transposition shows up."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1 and name.endswith("weight"):
                parameter.copy_(0.3 * noise if unit_offset else 1 + 0.3 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.25 * noise)
            elif "embed" in name or "wte" in name or "wpe" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(0.35 * noise)
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))


def rows_for(vocabulary: int, seed: int, lengths=(1, 3, 6, 29)) -> list[list[int]]:
    """Ragged rows without the low ids, because RoBERTa's padding id would shift positions."""
    generator = torch.Generator().manual_seed(seed + 1)
    return [torch.randint(4, vocabulary, (n,), generator=generator).tolist() for n in lengths]


def load(cls, folder: Path, **config_changes):
    config = transformers.AutoConfig.from_pretrained(folder)
    for key, value in config_changes.items():
        setattr(config, key, value)
    model, info = cls.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    missing = [key for key in info["missing_keys"] if "pooler" not in key]
    assert not missing and not info["mismatched_keys"], (folder, info)
    return model.eval()


def sensitivity(cls, folder: Path, rows, taps) -> float:
    """How much rounding noise on the weights moves the taps: must stay far below the tolerance of the test."""
    model = load(cls, folder)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + 6e-8 * torch.randn(parameter.shape, generator=generator))
    return worst_relative(reference_taps(model, rows), taps)[0]


def make_variant(variant: Variant) -> dict:
    folder = OUT / variant.name
    shutil.rmtree(folder, ignore_errors=True)
    seed = (zlib.crc32(variant.name.encode()) + variant.seed) % 100_000
    torch.manual_seed(seed)
    model = variant.cls(variant.config())
    randomise(model, seed, variant.unit_offset)
    if variant.dtype is not None:
        model = model.to(variant.dtype)
    options = {**({"max_shard_size": variant.shard} if variant.shard else {}), **({} if variant.original_format else {"save_original_format": False})}
    model.save_pretrained(folder, **options)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if variant.rewrite is not None:
        variant.rewrite(folder)
    rows = rows_for(variant.vocabulary, seed)
    taps = reference_taps(load(variant.cls, folder), rows)
    assert all(torch.isfinite(t).all() for t in taps.values())
    noise = sensitivity(variant.cls, folder, rows, taps)
    assert noise < 2e-5, (variant.name, noise)
    effect = None
    if variant.without is not None:
        control = reference_taps(load(variant.cls, folder, **copy.deepcopy(variant.without)), rows)
        effect = worst_relative(control, taps)[0]
        assert effect > variant.min_effect, (variant.name, "speciality not exercised", effect)
    save_file(taps, folder / "golden.safetensors", metadata={"versions": json.dumps(VERSIONS)})
    if any("router.logits" in name for name in taps):
        routing, margin = reference_routing(load(variant.cls, folder), rows)
        assert margin > 1e-3, (variant.name, "two experts are too close for a test", margin)
        save_file(routing, folder / "routing.safetensors", metadata={"versions": json.dumps(VERSIONS)})
    (folder / "input.json").write_text(json.dumps({"input_ids": rows}) + "\n")
    size = sum(f.stat().st_size for f in folder.iterdir())
    assert size < MAX_FOLDER_BYTES, (variant.name, size)
    print(f"{variant.name:28} {len(taps):3} taps {size / 1000:6.0f} kB  noise {noise:.1e}  effect {effect}")
    return {
        "name": variant.name,
        "folder": variant.name,
        "family": json.loads((folder / "config.json").read_text())["model_type"],
        "taps": list(taps),
        "tokens": [len(row) for row in rows],
        "roundingNoise": float(f"{noise:.2g}"),
        "notes": variant.notes,
        "versions": VERSIONS,
    }


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    OUT.mkdir(parents=True, exist_ok=True)
    wanted = set(sys.argv[1:])
    index_file = OUT / "index.json"
    old = json.loads(index_file.read_text()) if index_file.exists() else {"models": [], "modules": []}
    kept = {"models": {e["name"]: e for e in old["models"]}, "modules": {e["name"]: e for e in old["modules"]}}
    models = [
        make_variant(v) if not wanted or v.name in wanted or v.name not in kept["models"] else kept["models"][v.name]
        for v in VARIANTS
    ]
    modules = [
        loraVariants.make(v, OUT, VERSIONS) if not wanted or v.name in wanted or v.name not in kept["modules"]
        else kept["modules"][v.name]
        for v in loraVariants.VARIANTS
    ]
    index_file.write_text(json.dumps({"madeBy": "test/golden/models/makeGoldens.py", "models": models, "modules": modules}, indent=1) + "\n")


if __name__ == "__main__":
    main()
