"""LoRA adapters as PEFT applies them, on the golden models of makeGoldens.py."""

import json
import shutil
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file

from tapReference import reference_taps, worst_relative

KEPT = ("blocks.1.ffn.hidden", "blocks.0.attention.output", "logits")
"""Taps that go into a golden file; the rest follows from them."""
HALF = 0.5


@dataclass(frozen=True)
class LoraVariant:
    name: str
    base: str
    notes: str
    config: dict = field(default_factory=dict)


GPT2 = dict(target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)
LLAMA_ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
VARIANTS = [
    LoraVariant("gpt2-lora-plain", "gpt2", "every Conv1D, fan_in_fan_out", dict(r=4, lora_alpha=6, **GPT2)),
    LoraVariant("gpt2-lora-patterns", "gpt2", "ranks and alphas by pattern; `mlp.c_proj` must not match `attn.c_proj`", dict(
        r=4, lora_alpha=6, rank_pattern={"mlp.c_proj": 2, "h.1.attn.c_attn": 3}, alpha_pattern={"c_fc": 3, "mlp.c_proj": 10}, **GPT2)),
    LoraVariant("gpt2-lora-rslora", "gpt2", "scaled by alpha / sqrt(r)", dict(r=4, lora_alpha=3, use_rslora=True, **GPT2)),
    LoraVariant("llama-lora-qv", "llama", "q and v only", dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])),
    LoraVariant("llama-lora-all", "llama", "every linear map of the blocks", dict(r=2, lora_alpha=4, target_modules=LLAMA_ALL)),
    LoraVariant("llama-lora-patterns", "llama", "ranks and alphas by pattern, one a regular expression", dict(
        r=3, lora_alpha=6, target_modules=LLAMA_ALL, rank_pattern={"q_proj": 5, r".*\.[12]\.mlp\.down_proj": 1},
        alpha_pattern={"layers.0.mlp.up_proj": 12, "k_proj": 2})),
    LoraVariant("llama-lora-rslora", "llama", "scaled by alpha / sqrt(r), ranks by pattern too", dict(
        r=4, lora_alpha=4, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"], rank_pattern={"v_proj": 2})),
    LoraVariant("llama-lora-one-layer", "llama", "layers_to_transform: only block 1", dict(
        r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"], layers_to_transform=[1])),
]


def _base(folder: Path):
    cls = getattr(transformers, json.loads((folder / "config.json").read_text())["architectures"][0])
    return cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def make(variant: LoraVariant, out: Path, versions: dict) -> dict:
    folder = out / variant.name
    shutil.rmtree(folder, ignore_errors=True)
    seed = zlib.crc32(variant.name.encode()) % 100_000
    rows = json.loads((out / variant.base / "input.json").read_text())["input_ids"]
    plain = reference_taps(_base(out / variant.base), rows)
    model = get_peft_model(_base(out / variant.base), LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.1, **variant.config))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.25 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = variant.base
    # PEFT keeps target_modules as a set, whose order changes from run to run.
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")

    loaded = PeftModel.from_pretrained(_base(out / variant.base), folder).eval()
    full = reference_taps(loaded, rows, base=loaded.get_base_model())
    for module in loaded.modules():
        if isinstance(module, LoraLayer):
            module.scale_layer(HALF)
    half = reference_taps(loaded, rows, base=loaded.get_base_model())
    effect, half_effect = worst_relative(full, plain)[0], worst_relative(half, full)[0]
    assert effect > 0.05 and half_effect > 0.02, (variant.name, effect, half_effect)
    metadata = {"versions": json.dumps(versions)}
    save_file({k: full[k] for k in KEPT}, folder / "golden.safetensors", metadata=metadata)
    save_file({k: half[k] for k in KEPT}, folder / "goldenHalf.safetensors", metadata=metadata)
    print(f"{variant.name:28} effect {effect:.2f}, at half strength {half_effect:.2f}")
    return {
        "name": variant.name, "folder": variant.name, "base": variant.base, "taps": sorted(KEPT),
        "strengths": {"golden.safetensors": 1, "goldenHalf.safetensors": HALF},
        "sites": sum(isinstance(m, LoraLayer) for m in loaded.modules()),
        "notes": variant.notes, "versions": versions,
    }
