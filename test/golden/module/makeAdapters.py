"""Modules of AdapterHub as the library `adapters` applies them, on the golden models of ../models/makeGoldens.py.

    python test/golden/module/makeAdapters.py [NAME ...]

Needs an environment of its own, because `adapters` pins transformers 4. Writes test/fixtures/module/NAME/ (adapter_config.json, pytorch_adapter.bin or
adapter.safetensors, golden.safetensors) and adapters.json. Rows run one at a time, so that gates average over each text's own tokens.
"""

import json
import shutil
import sys
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import adapters
import torch
import transformers
from adapters import (BnConfig, ConfigUnion, DoubleSeqBnConfig, IA3Config, LoRAConfig, ParBnConfig, PrefixTuningConfig, SeqBnConfig)
from safetensors.torch import load_file, save_file

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
OUT = FIXTURES / "module"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "adapters": adapters.__version__}
CLASSES = {"bert": "BertForMaskedLM", "gpt2": "GPT2LMHeadModel", "roberta": "RobertaForMaskedLM", "distilbert": "DistilBertForMaskedLM", "llama": "LlamaForCausalLM"}


@dataclass(frozen=True)
class Variant:
    name: str
    base: str
    kind: str
    notes: str
    config: object
    safetensors: bool = False


def bn(**options):
    return BnConfig(**{**dict(mh_adapter=True, output_adapter=True, reduction_factor=4, non_linearity="relu"), **options})


def prefix(**options):
    return PrefixTuningConfig(prefix_length=3, bottleneck_size=5, **options)


VARIANTS = [
    Variant("hub-seq-bert", "bert", "adapter", "seq_bn (pfeiffer)", lambda: SeqBnConfig(reduction_factor=4)),
    Variant("hub-seq-gpt2", "gpt2", "adapter", "seq_bn before the norm; safetensors", lambda: SeqBnConfig(reduction_factor=4), True),
    Variant("hub-double-bert", "bert", "adapter", "double_seq_bn (houlsby), another width in one layer", lambda: DoubleSeqBnConfig(reduction_factor={"1": 8, "default": 4})),
    Variant("hub-double-gpt2", "gpt2", "adapter", "double_seq_bn", lambda: DoubleSeqBnConfig(reduction_factor=4)),
    Variant("hub-parallel-bert", "bert", "adapter", "par_bn, scaled", lambda: ParBnConfig(reduction_factor=4)),
    Variant("hub-parallel-gpt2", "gpt2", "adapter", "par_bn, leaving a layer out", lambda: ParBnConfig(reduction_factor=4, leave_out=[1])),
    Variant("hub-seq-roberta", "roberta", "adapter", "seq_bn with its own norms", lambda: SeqBnConfig(reduction_factor=4, ln_before=True, ln_after=True)),
    Variant("hub-seq-distilbert", "distilbert", "adapter", "double_seq_bn with gelu", lambda: DoubleSeqBnConfig(reduction_factor=4, non_linearity="gelu")),
    Variant("hub-seq-llama", "llama", "adapter", "seq_bn with leakyrelu", lambda: SeqBnConfig(reduction_factor=4, non_linearity="leakyrelu")),
    Variant("hub-post-add-bert", "bert", "adapter", "residual after the sum", lambda: bn(original_ln_before=True, residual_before_ln="post_add")),
    Variant("hub-residual-after-bert", "bert", "adapter", "residual after the base's norm, no norm behind", lambda: bn(original_ln_before=True, residual_before_ln=False, original_ln_after=False)),
    Variant("hub-residual-own-bert", "bert", "adapter", "own residual before its own norm", lambda: bn(adapter_residual_before_ln=True, ln_after=True, original_ln_before=True)),
    Variant("hub-learned-scale-bert", "bert", "adapter", "a learned scale and a gate", lambda: bn(scaling="learned", use_gating=True, original_ln_before=True)),
    Variant("hub-channel-scale-gpt2", "gpt2", "adapter", "a learned scale per feature, gated, beside", lambda: bn(scaling="channel", use_gating=True, is_parallel=True)),
    Variant("hub-lora-bert", "bert", "lora", "query, value, FFN", lambda: LoRAConfig(r=3, alpha=6, intermediate_lora=True, output_lora=True)),
    Variant("hub-lora-gated-bert", "bert", "lora", "gates take the place of alpha / r", lambda: LoRAConfig(r=3, alpha=6, use_gating=True)),
    Variant("hub-lora-gpt2", "gpt2", "lora", "a fused map's query and value", lambda: LoRAConfig(r=3, alpha=6)),
    Variant("hub-lora-gated-gpt2", "gpt2", "lora", "a fused map's key and value, a gate each", lambda: LoRAConfig(r=3, alpha=6, attn_matrices=["k", "v"], use_gating=True)),
    Variant("hub-lora-llama", "llama", "lora", "q, k and v", lambda: LoRAConfig(r=3, alpha=6, attn_matrices=["q", "k", "v"])),
    Variant("hub-ia3-bert", "bert", "ia3", "key, value, intermediate", lambda: IA3Config()),
    Variant("hub-ia3-gpt2", "gpt2", "ia3", "a fused map's key and value", lambda: IA3Config()),
    Variant("hub-prefix-bert", "bert", "prefix", "both directions, projected", lambda: prefix()),
    Variant("hub-prefix-gpt2", "gpt2", "prefix", "positions stay, projected", lambda: prefix()),
    Variant("hub-prefix-flat-llama", "llama", "prefix", "grouped heads, flat", lambda: prefix(flat=True)),
    Variant("hub-prefix-gated-bert", "bert", "prefix", "one gate for keys and one for values", lambda: prefix(use_gating=True, shared_gating=False)),
    Variant("hub-unipelt-bert", "bert", "union", "UniPELT: prefix, adapter and LoRA, all gated", lambda: ConfigUnion(
        prefix(use_gating=True), SeqBnConfig(reduction_factor=4, use_gating=True), LoRAConfig(r=2, alpha=2, use_gating=True))),
    Variant("hub-unipelt-gpt2", "gpt2", "union", "UniPELT", lambda: ConfigUnion(
        prefix(use_gating=True), SeqBnConfig(reduction_factor=4, use_gating=True), LoRAConfig(r=2, alpha=2, use_gating=True))),
    Variant("hub-mam-bert", "bert", "union", "mix and match: a flat prefix and a parallel adapter", lambda: ConfigUnion(prefix(flat=True), ParBnConfig(reduction_factor=4))),
]


def load_base(name: str):
    folder = FIXTURES / "golden" / name
    config = transformers.AutoConfig.from_pretrained(folder)
    # transformers 5, which wrote the files, keeps the base of rotary positions in another field.
    rope = json.loads((folder / "config.json").read_text()).get("rope_parameters")
    if rope:
        config.rope_theta = rope["rope_theta"]
    model = getattr(transformers, CLASSES[name]).from_pretrained(folder, config=config, dtype=torch.float32, attn_implementation="eager").eval()
    adapters.init(model)
    return model


def logits_of(model, rows) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([model(input_ids=torch.tensor([row])).logits[0] for row in rows]).to(torch.float32).clone()


def randomise(model, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".x." not in name:
                continue
            draw = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.3 * draw)
            elif name.endswith("scaling"):
                parameter.copy_(1 + 0.5 * draw)
            elif "lora_B" in name and model.ia3:
                parameter.copy_(1 + 0.5 * draw)
            else:
                parameter.copy_(0.5 * draw)


def make(variant: Variant) -> dict:
    folder = OUT / variant.name
    shutil.rmtree(folder, ignore_errors=True)
    seed = zlib.crc32(variant.name.encode()) % 100_000
    torch.manual_seed(seed)
    rows = json.loads((FIXTURES / "golden" / variant.base / "input.json").read_text())["input_ids"]
    plain = logits_of(load_base(variant.base), rows)
    known = load_file(FIXTURES / "golden" / variant.base / "golden.safetensors")["logits"]
    assert float((plain - known).abs().max() / known.abs().max()) < 1e-4, "transformers 4 computes another base"
    model = load_base(variant.base)
    model.ia3 = variant.kind == "ia3"
    model.add_adapter("x", config=variant.config())
    model.set_active_adapters("x")
    model.eval()
    randomise(model, seed)
    model.save_adapter(str(folder), "x", with_head=False, **({"use_safetensors": True} if variant.safetensors else {}))
    for file in folder.iterdir():
        if "head" in file.name:
            file.unlink()
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["model_name"] = variant.base
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    loaded = load_base(variant.base)
    loaded.load_adapter(str(folder), load_as="x", set_active=True, with_head=False, **({"use_safetensors": True} if variant.safetensors else {}))
    loaded.eval()
    full = logits_of(loaded, rows)
    drift = float((full - logits_of(model, rows)).abs().max() / plain.abs().max())
    effect = float((full - plain).abs().max() / plain.abs().max())
    assert drift < 1e-5 and effect > 0.02, (variant.name, drift, effect)
    save_file({"full": full}, folder / "golden.safetensors", metadata={"versions": json.dumps(VERSIONS)})
    for file in folder.iterdir():
        file.chmod(0o644)
    print(f"{variant.name:28} effect {effect:.2f}  {sum(f.stat().st_size for f in folder.iterdir()) / 1000:.0f} kB", sorted(f.name for f in folder.iterdir()))
    return {"name": variant.name, "base": variant.base, "kind": variant.kind, "notes": variant.notes}


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    wanted, index = set(sys.argv[1:]), OUT / "adapters.json"
    entries = {e["name"]: e for e in json.loads(index.read_text())["modules"]} if index.exists() else {}
    failed = []
    for variant in VARIANTS:
        if wanted and variant.name not in wanted:
            continue
        try:
            entries[variant.name] = make(variant)
        except Exception as error:  # noqa: BLE001 - the list at the end names all that failed
            failed.append((variant.name, repr(error)[:300]))
    index.write_text(json.dumps({"versions": VERSIONS, "modules": [entries[v.name] for v in VARIANTS if v.name in entries]}, indent=1) + "\n")
    for name, error in failed:
        print("FAILED", name, error)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
