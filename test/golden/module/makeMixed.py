"""Several modules at once, as PEFT's mixed model applies them: two LoRAs (one of them at half its weight), a LoHa and a LoKr on the golden llama.

    python test/golden/module/makeMixed.py

Writes test/fixtures/module/mixed.json (which folders, which weights) and mixed.safetensors (logits).
"""

import json
from pathlib import Path

import peft
import torch
import transformers
from peft import PeftMixedModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
FOLDERS = [("golden/llama-lora-qv", 1.0), ("golden/llama-lora-all", 0.5), ("module/loha-llama", 1.0), ("module/lokr-llama", 1.0)]


def main() -> None:
    base = FIXTURES / "golden" / "llama"
    rows = json.loads((base / "input.json").read_text())["input_ids"]
    model = transformers.LlamaForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()
    names = [f"m{i}" for i in range(len(FOLDERS))]
    mixed = PeftMixedModel.from_pretrained(model, FIXTURES / FOLDERS[0][0], names[0])
    for name, (folder, _) in list(zip(names, FOLDERS))[1:]:
        mixed.load_adapter(FIXTURES / folder, name)
    mixed.set_adapter(names)
    for name, (_, weight) in zip(names, FOLDERS):
        for layer in mixed.modules():
            if isinstance(layer, LoraLayer) and name in layer.scaling:
                layer.scaling[name] *= weight
    mixed.eval()
    with torch.no_grad():
        logits = torch.cat([mixed(input_ids=torch.tensor([row])).logits[0] for row in rows]).to(torch.float32).clone()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    save_file({"logits": logits}, FIXTURES / "module" / "mixed.safetensors", metadata={"versions": json.dumps(versions)})
    (FIXTURES / "module" / "mixed.safetensors").chmod(0o644)
    (FIXTURES / "module" / "mixed.json").write_text(json.dumps({"versions": versions, "modules": FOLDERS}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
