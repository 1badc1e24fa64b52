"""Plugged-in modules as PEFT applies them, on the golden models of ../models/makeGoldens.py.

    python test/golden/module/makePeft.py [NAME ...]

Writes test/fixtures/module/NAME/ (adapter_config.json, adapter_model.safetensors, golden.safetensors: `full`, and `half` where half a strength
means something) and index.json. Rows run one at a time; of prompts only the logits of the text's own tokens are kept.
`half` is the base with every parameter half way to those of PEFT's merged model: the meaning of strength for modules that are changes of weights.
"""

import copy
import json
import shutil
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import peft
import torch
import transformers
from peft import (IA3Config, LoHaConfig, LoKrConfig, LoraConfig, PeftModel, PrefixTuningConfig, PromptEncoderConfig,
                  PromptTuningConfig, VeraConfig, get_peft_model)
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
OUT = FIXTURES / "module"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GPT2 = dict(target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)
BERT = ["query", "key", "value", "dense"]
VIRTUAL = 3
"""Rows have up to 29 tokens and the contexts are 32."""


@dataclass(frozen=True)
class Variant:
    name: str
    base: str
    kind: str
    notes: str
    config: object
    half: bool = True
    settings: dict = field(default_factory=dict)


def lora(**options):
    return LoraConfig(r=4, lora_alpha=6, lora_dropout=0.1, **options)


VARIANTS = [
    Variant("lora-dora-llama", "llama", "lora", "DoRA on every map", lambda: lora(use_dora=True, target_modules=ALL)),
    Variant("lora-dora-gpt2", "gpt2", "lora", "DoRA on Conv1D with biases", lambda: lora(use_dora=True, **GPT2)),
    Variant("lora-dora-bert", "bert", "lora", "DoRA behind biases, the map of the head's transform too", lambda: lora(use_dora=True, target_modules=BERT)),
    Variant("lora-dora-rslora-qwen2", "qwen2", "lora", "DoRA with rsLoRA and ranks by pattern", lambda: lora(
        use_dora=True, use_rslora=True, target_modules=["q_proj", "down_proj"], rank_pattern={"down_proj": 2})),
    Variant("lora-bias-b-gpt2", "gpt2", "lora", "factors B with biases", lambda: lora(lora_bias=True, **GPT2)),
    Variant("lora-bias-all-gpt2", "gpt2", "lora", "every bias trained", lambda: lora(bias="all", **GPT2)),
    Variant("lora-bias-only-bert", "bert", "lora", "biases of the changed maps trained", lambda: lora(bias="lora_only", target_modules=["query", "value"])),
    Variant("lora-dora-bias-bert", "bert", "lora", "DoRA with trained biases", lambda: lora(use_dora=True, bias="all", target_modules=["query", "dense"])),
    Variant("lora-norms-llama", "llama", "lora", "norms saved whole", lambda: lora(target_modules=["q_proj"], modules_to_save=["norm", "input_layernorm"])),
    Variant("lora-head-llama", "llama", "lora", "an untied head saved whole", lambda: lora(target_modules=["q_proj"], modules_to_save=["lm_head"])),
    Variant("lora-head-gpt2", "gpt2", "lora", "a tied head saved whole: the embedding stays", lambda: lora(modules_to_save=["lm_head"], **GPT2)),
    Variant("lora-embedding-saved-gpt2", "gpt2", "lora", "a tied embedding saved whole: the head stays", lambda: lora(modules_to_save=["wte"], **GPT2)),
    Variant("lora-embedding-kept-tied-gpt2", "gpt2", "lora", "ensure_weight_tying, which PEFT heeds for embed_tokens only", lambda: lora(modules_to_save=["wte"], ensure_weight_tying=True, **GPT2)),
    Variant("lora-embedding-kept-tied-llama", "llama-tied-biases", "lora", "a tied embedding saved whole with its tie", lambda: lora(target_modules=["q_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True)),
    Variant("lora-embedding-saved-llama", "llama", "lora", "embedding and head saved whole", lambda: lora(target_modules=["v_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    Variant("lora-embedding-gpt2", "gpt2", "lora", "factors for a tied embedding", lambda: lora(target_modules=["wte", "c_attn"], fan_in_fan_out=True), half=False),
    Variant("lora-embedding-llama", "llama", "lora", "factors for the embedding and for the head", lambda: lora(target_modules=["embed_tokens", "lm_head", "q_proj"])),
    Variant("lora-embedding-gemma3", "gemma3", "lora", "factors for a scaled embedding", lambda: lora(target_modules=["embed_tokens", "q_proj"]), half=False),
    Variant("lora-embedding-gemma2", "gemma2", "lora", "factors for an embedding that is scaled later", lambda: lora(target_modules=["embed_tokens", "q_proj"]), half=False),
    Variant("lora-head-tied-qwen3", "qwen3", "lora", "factors for a tied head", lambda: lora(target_modules=["lm_head", "k_proj"]), half=False),
    Variant("lora-all-linear-bert", "bert", "lora", "all-linear: the head's transform too", lambda: lora(target_modules="all-linear")),
    Variant("lora-all-linear-roberta", "roberta", "lora", "all-linear", lambda: lora(target_modules="all-linear")),
    Variant("lora-distilbert", "distilbert", "lora", "q_lin, lin2 and the head's transform", lambda: lora(target_modules=["q_lin", "lin2", "vocab_transform"])),
    Variant("lora-albert", "albert", "lora", "one map that every layer shares", lambda: lora(target_modules=["query", "ffn_output"])),
    Variant("lora-gpt-neox", "gpt-neox", "lora", "a fused qkv, head by head", lambda: lora(target_modules=["query_key_value", "dense"])),
    Variant("lora-phi", "phi", "lora", "parallel residual", lambda: lora(target_modules=["q_proj", "fc2"])),
    Variant("lora-opt", "opt", "lora", "out_proj and fc1", lambda: lora(target_modules=["out_proj", "fc1"])),
    Variant("lora-regex-mistral", "mistral", "lora", "targets by regular expression", lambda: lora(target_modules=r".*\.1\.self_attn\.(q|v)_proj")),
    Variant("ia3-llama", "llama", "ia3", "keys, values and what down_proj reads", lambda: IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"])),
    Variant("ia3-gpt2", "gpt2", "ia3", "a fused qkv with its bias, Conv1D", lambda: IA3Config(target_modules=["c_attn", "mlp.c_proj"], feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True)),
    Variant("ia3-bert", "bert", "ia3", "outputs with biases; a norm saved whole", lambda: IA3Config(
        target_modules=["key", "value", "output.dense"], feedforward_modules=["output.dense"], modules_to_save=["cls.predictions.transform.LayerNorm"])),
    Variant("loha-llama", "llama", "loha", "every map", lambda: LoHaConfig(r=3, alpha=5, target_modules=ALL)),
    Variant("loha-bert", "bert", "loha", "ranks and alphas by pattern", lambda: LoHaConfig(
        r=3, alpha=5, target_modules=["query", "intermediate.dense"], rank_pattern={"query": 2}, alpha_pattern={"query": 3})),
    Variant("lokr-llama", "llama", "lokr", "second factor in two parts", lambda: LoKrConfig(r=2, alpha=3, target_modules=ALL)),
    Variant("lokr-both-bert", "bert", "lokr", "both factors in two parts", lambda: LoKrConfig(r=1, alpha=3, decompose_both=True, target_modules=["query", "intermediate.dense"])),
    Variant("lokr-whole-qwen2", "qwen2", "lokr", "whole factors", lambda: LoKrConfig(r=16, alpha=8, decompose_factor=4, target_modules=["q_proj", "up_proj"])),
    Variant("vera-llama", "llama", "vera", "widths differ: the shared projections are cut", lambda: VeraConfig(r=6, target_modules=["q_proj", "up_proj", "down_proj"])),
    Variant("vera-gpt2", "gpt2", "vera", "Conv1D", lambda: VeraConfig(r=6, fan_in_fan_out=True, target_modules=["c_attn", "c_fc"])),
    Variant("vera-bert", "bert", "vera", "with trained biases", lambda: VeraConfig(r=6, bias="vera_only", target_modules=["query", "value"])),
    Variant("prompt-llama", "llama", "prompt", "virtual tokens, rotary positions", lambda: PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL), half=False),
    Variant("prompt-gpt2", "gpt2", "prompt", "virtual tokens, learned positions", lambda: PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL), half=False),
    Variant("prompt-gemma2", "gemma2", "prompt", "an embedding that is scaled later, windows", lambda: PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL), half=False),
    Variant("prompt-gemma3", "gemma3", "prompt", "a scaled embedding, windows", lambda: PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL), half=False),
    Variant("p-tuning-qwen2", "qwen2", "prompt", "an encoder of the virtual tokens, applied when saved", lambda: PromptEncoderConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL, encoder_hidden_size=8), half=False),
    Variant("prefix-llama", "llama", "prefix", "keys and values, grouped heads", lambda: PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL), half=False),
    Variant("prefix-gpt2", "gpt2", "prefix", "keys and values, learned positions", lambda: PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL), half=False),
    Variant("prefix-mistral", "mistral", "prefix", "windows, wider heads", lambda: PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL, num_attention_heads=2, token_dim=16), half=False),
    Variant("prefix-projected-gpt-neox", "gpt-neox", "prefix", "a projection, applied when saved", lambda: PrefixTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=VIRTUAL, prefix_projection=True, encoder_hidden_size=8), half=False),
]
LEARNED = ("lora_", "ia3_", "hada_", "lokr_", "vera_lambda", "prompt_encoder", "modules_to_save")


def load_base(name: str):
    folder = FIXTURES / "golden" / name
    cls = getattr(transformers, json.loads((folder / "config.json").read_text())["architectures"][0])
    return cls.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def logits_of(model, rows) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([model(input_ids=torch.tensor([row])).logits[0, -len(row):] for row in rows]).to(torch.float32).clone()


def randomise(model, seed: int, config) -> None:
    generator = torch.Generator().manual_seed(seed)
    bias = getattr(config, "bias", "none") or "none"
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            draw = torch.randn(parameter.shape, generator=generator)
            if "original_module" in name:
                continue
            if "magnitude" in name:
                parameter.mul_(1 + 0.3 * draw)
            elif "ia3_l" in name:
                parameter.copy_(1 + 0.5 * draw)
            elif "modules_to_save" in name:
                parameter.add_(0.3 * draw)
            elif any(part in name for part in LEARNED):
                parameter.copy_(0.4 * draw)
            elif bias != "none" and parameter.requires_grad and name.endswith("bias"):
                parameter.add_(0.3 * draw)


def half_way(base, merged) -> torch.nn.Module:
    """The merged model with every parameter half way from the base's."""
    before = base.state_dict()
    with torch.no_grad():
        done = set()
        for name, parameter in merged.named_parameters(remove_duplicate=False):
            if parameter.data_ptr() in done:
                continue
            done.add(parameter.data_ptr())
            parameter.copy_(before[name] + 0.5 * (parameter - before[name]))
    return merged


def make(variant: Variant) -> dict:
    folder = OUT / variant.name
    shutil.rmtree(folder, ignore_errors=True)
    seed = zlib.crc32(variant.name.encode()) % 100_000
    torch.manual_seed(seed)
    rows = json.loads((FIXTURES / "golden" / variant.base / "input.json").read_text())["input_ids"]
    plain = logits_of(load_base(variant.base), rows)
    model = get_peft_model(load_base(variant.base), variant.config())
    randomise(model, seed, variant.config())
    model.eval()
    trained = logits_of(model, rows)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = variant.base
    for key in ("target_modules", "feedforward_modules"):
        if isinstance(settings.get(key), list):
            settings[key].sort()
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")

    loaded = PeftModel.from_pretrained(load_base(variant.base), folder).eval()
    full = logits_of(loaded, rows)
    effect = float((full - plain).abs().max() / plain.abs().max())
    drift = float((full - trained).abs().max() / plain.abs().max())
    assert effect > 0.02, (variant.name, "no effect", effect)
    assert drift < 1e-5, (variant.name, "saved and loaded differ", drift)
    golden = {"full": full}
    if variant.half:
        merged = loaded.merge_and_unload()
        exact = float((logits_of(merged, rows) - full).abs().max() / full.abs().max())
        assert exact < 2e-4, (variant.name, "merging changes the model", exact)
        half = logits_of(half_way(load_base(variant.base), merged), rows)
        assert float((half - full).abs().max() / full.abs().max()) > 0.01, variant.name
        golden["half"] = half
    save_file(golden, folder / "golden.safetensors", metadata={"versions": json.dumps(VERSIONS)})
    for file in folder.iterdir():
        file.chmod(0o644)
    print(f"{variant.name:32} effect {effect:.2f}  {sum(f.stat().st_size for f in folder.iterdir()) / 1000:.0f} kB")
    return {"name": variant.name, "base": variant.base, "kind": variant.kind, "notes": variant.notes, "half": variant.half}


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    OUT.mkdir(parents=True, exist_ok=True)
    wanted = set(sys.argv[1:])
    index = OUT / "index.json"
    entries = {e["name"]: e for e in json.loads(index.read_text())["modules"]} if index.exists() else {}
    failed = []
    for variant in VARIANTS:
        if wanted and variant.name not in wanted:
            continue
        try:
            entries[variant.name] = make(variant)
        except Exception as error:  # noqa: BLE001 - the list at the end names all that failed
            failed.append((variant.name, repr(error)[:300]))
    names = [v.name for v in VARIANTS]
    index.write_text(json.dumps({"versions": VERSIONS, "modules": [entries[n] for n in names if n in entries]}, indent=1) + "\n")
    for name, error in failed:
        print("FAILED", name, error)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
