"""X-LoRA as PEFT 0.21.0 saves it: damaged, because sub-adapters are called "0", "1", ... and the filter of names drops
every tensor whose path holds `.0.`, `.1.`, ... Writes below test/fixtures/routing/:

  xlora-damaged/       three adapters on the golden llama, classifier of depth 2, as saved
  xlora-complete.json  names and shapes of the same folder with the filter switched off
  xlora-moved.json          what reloading the damaged folder does to scalings and logits
"""

import json
import shutil
import tempfile
from pathlib import Path

import peft.utils.save_and_load as saving
import torch
from makeArrow import GOLDEN, OUT, VERSIONS, base_of, save_adapter
from peft import PeftModel, XLoraConfig, get_peft_model
from safetensors import safe_open

ROWS = json.loads((GOLDEN / "llama" / "input.json").read_text())["input_ids"]


def fresh_base():
    base = base_of("llama")
    base.config.use_cache = False
    return base


def tidy(folder):
    for readme in folder.rglob("README.md"):
        readme.unlink()
    for file in folder.rglob("adapter_config.json"):
        settings = json.loads(file.read_text())
        settings["base_model_name_or_path"] = "llama"
        if "adapters" in settings:
            settings["adapters"] = {name: name for name in settings["adapters"]}
        if isinstance(settings.get("target_modules"), list):
            settings["target_modules"].sort()
        file.write_text(json.dumps(settings, indent=2) + "\n")


def names_of(folder):
    out = {}
    for file in sorted(folder.rglob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            out[str(file.relative_to(folder))] = {k: list(tensors.get_slice(k).get_shape()) for k in tensors.keys()}
    return out


def main():
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        adapters = {str(i): str(scratch / f"adapter{i}") for i in range(3)}
        for i, path in enumerate(adapters.values()):
            save_adapter(Path(path), "llama", ["q_proj", "v_proj"], 8, 300 + i, {}, 1.0)
        model = get_peft_model(fresh_base(), XLoraConfig(task_type="CAUSAL_LM", hidden_size=16, xlora_depth=2, xlora_size=8, adapters=adapters)).eval()
        with torch.no_grad():
            for parameter in model.base_model.internal_xlora_classifier.parameters():
                parameter.copy_(torch.randn(parameter.shape))
        ids = torch.tensor([ROWS[-1]])
        with torch.no_grad():
            logits, scalings = model(input_ids=ids).logits, model.get_latest_scalings().clone()
        damaged = OUT / "xlora-damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        model.save_pretrained(damaged)
        original, saving._filter_state_dict_for_adapter_name = saving._filter_state_dict_for_adapter_name, lambda state, unwanted: state
        model.save_pretrained(scratch / "complete")
        saving._filter_state_dict_for_adapter_name = original
        (OUT / "xlora-complete.json").write_text(json.dumps({"versions": VERSIONS, "files": names_of(scratch / "complete")}, indent=1) + "\n")
        again = PeftModel.from_pretrained(fresh_base(), damaged).eval()
        with torch.no_grad():
            moved_logits = (again(input_ids=ids).logits - logits).abs().max().item()
        moved = {"versions": VERSIONS, "scalings": (again.get_latest_scalings() - scalings).abs().max().item(), "logits": moved_logits}
        tidy(damaged)
        (OUT / "xlora-moved.json").write_text(json.dumps(moved, indent=1) + "\n")


if __name__ == "__main__":
    main()
