"""Loads the folder that Modulens wrote (node test/golden/module/writeFixture.mjs) in PEFT and keeps the logits.

    python test/golden/module/makeWritten.py

Writes golden.safetensors into test/fixtures/module/written-lora.
"""

import json
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from tapReference import reference_taps, worst_relative  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
KEPT = ("blocks.1.ffn.hidden", "blocks.0.attention.output", "logits")


def main() -> None:
    base, folder = FIXTURES / "golden" / "llama", FIXTURES / "module" / "written-lora"
    rows = json.loads((base / "input.json").read_text())["input_ids"]

    def load():
        return transformers.LlamaForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()

    plain = reference_taps(load(), rows)
    model = PeftModel.from_pretrained(load(), folder).eval()
    layers = [m for m in model.modules() if isinstance(m, LoraLayer)]
    assert len(layers) == 5, len(layers)
    assert sorted(m.scaling["default"] for m in layers) == [-0.9, 0.1, 1 / 3, 1.7, 1.7], [m.scaling for m in layers]
    taps = reference_taps(model, rows, base=model.get_base_model())
    assert worst_relative(taps, plain)[0] > 0.05
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    save_file({k: taps[k] for k in KEPT}, folder / "golden.safetensors", metadata={"versions": json.dumps(versions)})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
