"""Writes a model folder as Hugging Face writes them, in bf16, by temporary file and rename."""
import json
import os
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file


def export(model, tokenizer, folder):
    folder.mkdir(parents=True, exist_ok=True)
    # The head is the embedding matrix: written once, as transformers does for tied weights.
    tensors = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    save_file(tensors, folder / "model.safetensors.part", metadata={"format": "pt"})
    os.chmod(folder / "model.safetensors.part", 0o644)
    os.replace(folder / "model.safetensors.part", folder / "model.safetensors")
    config = model.config.to_dict()
    keep = ("model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps", "rope_parameters",
            "attention_bias", "mlp_bias", "tie_word_embeddings", "bos_token_id", "eos_token_id", "initializer_range")
    config = {"architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", **{k: config[k] for k in keep if k in config},
              "rope_theta": 10000.0}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True,
        "clean_up_tokenization_spaces": False, "model_max_length": model.config.max_position_embeddings}, indent=2) + "\n")


if __name__ == "__main__":
    # python export.py WORK SIZE FOLDER: the last saved state of a training that may still be running.
    from train import make_model
    work, size, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    model = make_model(size, 2048)
    model.load_state_dict(torch.load(work / f"{size}.pt", weights_only=False)["model"])
    export(model, work / "tokenizer.json", folder)
