#!/usr/bin/env python3
"""Tiny Llama models and what mergekit makes of them: test/fixtures/merge.

    pip install mergekit torch transformers peft safetensors tokenizers   (an environment of its own)
    python test/golden/merge/makeMerge.py

Everything is drawn from fixed seeds. Methods with random masks are left out: no other program can draw mergekit's masks; they are tested by
their algebra instead. mergekit is run as it is; none of its code is part of this repository.
"""
import json
import pathlib
import shutil
import tempfile

import mergekit
import peft
import torch
import transformers
import yaml
from importlib.metadata import version
from mergekit.config import MergeConfiguration
from mergekit.merge import MergeOptions, run_merge
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

OUT = pathlib.Path(__file__).resolve().parents[2] / 'fixtures' / 'merge'
MODELS = {'base': 0, 'a': 1, 'b': 2, 'c': 3}


def config(vocabulary=48):
    return LlamaConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, vocab_size=vocabulary, max_position_embeddings=64, tie_word_embeddings=False)


def save(model, folder, tokenizer=None):
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    if tokenizer:
        tokenizer.save_pretrained(folder)
    for extra in ('generation_config.json',):
        (folder / extra).unlink(missing_ok=True)


def finetune(base, seed, scale=0.01, vocabulary=48):
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config(vocabulary))
    with torch.no_grad():
        for (name, p), q in zip(model.named_parameters(), base.parameters()):
            rows = min(p.shape[0], q.shape[0])
            if p.shape == q.shape:
                p.copy_(q + scale * torch.randn_like(p))
            else:
                p[:rows].copy_(q[:rows] + scale * torch.randn(rows, *p.shape[1:]))
        # A frozen layer: its differences are zero.
        model.model.layers[1].mlp.down_proj.weight.copy_(base.model.layers[1].mlp.down_proj.weight)
    return model


def tokenizer(words):
    tok = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token='<unk>'))
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tok, unk_token='<unk>')


def listed(*names, **parameters):
    return [{'model': n, 'parameters': {k: (v[i] if isinstance(v, (list, tuple)) else v) for k, v in parameters.items()}} if parameters else {'model': n} for i, n in enumerate(names)]


F32 = {'dtype': 'float32'}
CASES = {
    'linear': {'merge_method': 'linear', 'models': listed('a', 'b', 'c', weight=(1.0, 0.5, 0.7)), **F32},
    'linear-raw': {'merge_method': 'linear', 'models': listed('a', 'b', weight=(0.3, -0.2)), 'parameters': {'normalize': False}, **F32},
    'linear-bf16': {'merge_method': 'linear', 'models': listed('a', 'b', 'c', weight=(1.0, 0.5, 0.7)), **F32, 'out_dtype': 'bfloat16'},
    'linear-gradient': {'merge_method': 'linear', 'models': [
        {'model': 'a', 'parameters': {'weight': [{'filter': 'mlp', 'value': [0.0, 0.5, 1.0]}, {'filter': 'self_attn', 'value': [1.0, 0.2]}, {'value': 0.4}]}},
        {'model': 'b', 'parameters': {'weight': [0.2, 0.9]}}], **F32},
    'task_arithmetic': {'merge_method': 'task_arithmetic', 'base_model': 'base', 'models': listed('a', 'b', 'c', weight=(0.6, -0.3, 0.2)), 'parameters': {'lambda': 1.3}, **F32},
    'task_arithmetic-normalize': {'merge_method': 'task_arithmetic', 'base_model': 'base', 'models': [{'model': 'base'}] + listed('a', 'b', weight=(0.6, 0.3)), 'parameters': {'normalize': True}, **F32},
    'ties-02': {'merge_method': 'ties', 'base_model': 'base', 'models': listed('a', 'b', 'c', weight=(1.0, 0.5, 0.7), density=0.2), **F32},
    'ties-05': {'merge_method': 'ties', 'base_model': 'base', 'models': listed('a', 'b', 'c', weight=(1.0, 0.5, 0.7), density=(0.5, 0.4, 0.9)), 'parameters': {'normalize': False, 'lambda': 0.8}, **F32},
    'ties-negative': {'merge_method': 'ties', 'base_model': 'base', 'models': listed('a', 'b', 'c', weight=(1.0, -0.5, 0.7), density=0.5), **F32},
    'ties-rescale': {'merge_method': 'ties', 'base_model': 'base', 'models': listed('a', 'b', weight=1.0, density=0.3), 'parameters': {'rescale': True}, **F32},
    'ties-whole-bf16': {'merge_method': 'ties', 'base_model': 'base', 'models': listed('a', 'b', 'c', weight=(1.0, 0.5, 0.7)), **F32, 'out_dtype': 'bfloat16'},
    'breadcrumbs': {'merge_method': 'breadcrumbs', 'base_model': 'base', 'models': listed('a', 'b', weight=(0.9, 0.4), density=0.5, gamma=0.1), **F32},
    'breadcrumbs_ties': {'merge_method': 'breadcrumbs_ties', 'base_model': 'base', 'models': listed('a', 'b', 'c', weight=(0.9, 0.4, 1.0), density=0.7, gamma=0.1), **F32},
    'slerp-03': {'merge_method': 'slerp', 'base_model': 'a', 'models': listed('a', 'b'), 'parameters': {'t': 0.3}, **F32},
    'slerp-filters': {'merge_method': 'slerp', 'base_model': 'base', 'slices': [{'sources': [{'model': 'base', 'layer_range': [0, 3]}, {'model': 'far', 'layer_range': [0, 3]}]}], 'parameters': {'t': [{'filter': 'self_attn', 'value': [0, 0.5, 0.3, 0.7, 1]}, {'filter': 'mlp', 'value': [1, 0.5, 0.7, 0.3, 0]}, {'value': 0.5}]}, **F32},
    'nuslerp': {'merge_method': 'nuslerp', 'models': listed('a', 'far', weight=(0.7, 0.3)), **F32},
    'nuslerp-base': {'merge_method': 'nuslerp', 'base_model': 'base', 'models': listed('far', 'other', weight=(0.7, 0.5)), **F32},
    'nuslerp-rows': {'merge_method': 'nuslerp', 'base_model': 'base', 'models': listed('far', 'other', weight=(0.7, 0.5)), 'parameters': {'nuslerp_flatten': False}, **F32},
    'nuslerp-columns': {'merge_method': 'nuslerp', 'models': listed('far', 'other', weight=(0.7, 0.5)), 'parameters': {'nuslerp_flatten': False, 'nuslerp_row_wise': True}, **F32},
    'multislerp': {'merge_method': 'multislerp', 'models': listed('far', 'other', 'a', weight=(1.0, 0.5, 0.7)), **F32},
    'multislerp-base': {'merge_method': 'multislerp', 'base_model': 'base', 'models': listed('far', 'other', weight=(1.0, 0.5)), **F32},
    'karcher': {'merge_method': 'karcher', 'models': listed('far', 'other', 'a'), **F32},
    'model_stock': {'merge_method': 'model_stock', 'base_model': 'base', 'models': listed('far', 'other', 'a'), **F32},
    'model_stock-rows': {'merge_method': 'model_stock', 'base_model': 'base', 'models': listed('far', 'other'), 'parameters': {'filter_wise': True}, **F32},
    'nearswap': {'merge_method': 'nearswap', 'base_model': 'base', 'models': listed('base', 'a'), 'parameters': {'t': 0.004}, **F32},
    'sce': {'merge_method': 'sce', 'base_model': 'base', 'models': listed('far', 'other', 'a'), **F32},
    'sce-half': {'merge_method': 'sce', 'base_model': 'base', 'models': listed('far', 'other', 'a'), 'parameters': {'select_topk': 0.5}, **F32},
    'arcee_fusion': {'merge_method': 'arcee_fusion', 'base_model': 'base', 'models': listed('base', 'far'), **F32},
    'ram': {'merge_method': 'ram', 'base_model': 'base', 'models': listed('a', 'b', 'c'), 'parameters': {'epsilon': 0.005}, **F32},
    'passthrough-stack': {'merge_method': 'passthrough', 'slices': [{'sources': [{'model': 'a', 'layer_range': [0, 2]}]}, {'sources': [{'model': 'b', 'layer_range': [1, 3], 'parameters': {'scale': [{'filter': 'o_proj', 'value': 0.5}, {'value': 1.0}]}}]}], **F32},
    'linear-slices': {'merge_method': 'linear', 'slices': [{'sources': [{'model': 'a', 'layer_range': [0, 1], 'parameters': {'weight': 0.5}}, {'model': 'b', 'layer_range': [2, 3], 'parameters': {'weight': 0.25}}]}, {'sources': [{'model': 'c', 'layer_range': [0, 2], 'parameters': {'weight': 1.0}}, {'model': 'a', 'layer_range': [1, 3], 'parameters': {'weight': [0.1, 0.9]}}]}], **F32},
    'linear-lora': {'merge_method': 'linear', 'models': listed('base+lora', 'a', weight=(1.0, 0.5)), **F32},
    'union': {'merge_method': 'linear', 'base_model': 'words', 'models': listed('words', 'more', weight=(0.6, 0.4)), 'tokenizer': {'source': 'union'}, **F32},
    'union-base': {'merge_method': 'linear', 'base_model': 'words', 'models': listed('words', 'more', weight=(0.6, 0.4)), 'tokenizer': {'source': 'base'}, **F32},
}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    torch.manual_seed(0)
    base = LlamaForCausalLM(config())
    save(base, OUT / 'base')
    for name, seed in MODELS.items():
        if name != 'base':
            save(finetune(base, seed), OUT / name)
    # Far from the base, and from each other: angles matter.
    save(finetune(base, 4, 0.03), OUT / 'far')
    save(finetune(base, 5, 0.02), OUT / 'other')
    torch.manual_seed(6)
    lora = get_peft_model(LlamaForCausalLM.from_pretrained(OUT / 'base'), LoraConfig(r=4, lora_alpha=6, target_modules=['q_proj', 'down_proj'], init_lora_weights=False, task_type='CAUSAL_LM'))
    lora.save_pretrained(OUT / 'lora')
    (OUT / 'lora' / 'README.md').unlink(missing_ok=True)
    settings = json.loads((OUT / 'lora' / 'adapter_config.json').read_text())
    settings['base_model_name_or_path'] = 'base'
    settings['target_modules'] = sorted(settings['target_modules'])
    (OUT / 'lora' / 'adapter_config.json').write_text(json.dumps(settings, indent=2) + '\n')
    words = ['<unk>'] + [f'w{i}' for i in range(47)]
    more = ['<unk>'] + [f'w{i}' for i in range(40, 4, -1)] + [f'new{i}' for i in range(6)]
    save(base, OUT / 'words', tokenizer(words))
    save(finetune(base, 7, 0.01, len(more)), OUT / 'more', tokenizer(more))

    (OUT / 'expected').mkdir()
    for name, recipe in CASES.items():
        text = json.dumps(recipe)
        for model in sorted({p.name for p in OUT.iterdir() if p.is_dir()} - {'expected'}, key=len, reverse=True):
            text = text.replace(f'"{model}"', f'"{OUT / model}"').replace(f'"{model}+', f'"{OUT / model}+').replace(f'+{model}"', f'+{OUT / model}"')
        if recipe.get('tokenizer'):
            text = text.replace(f'{{"source": "{OUT / "base"}"}}', '{"source": "base"}')
        with tempfile.TemporaryDirectory() as folder:
            run_merge(MergeConfiguration.model_validate(yaml.safe_load(text)), folder, MergeOptions(copy_tokenizer=False, lora_merge_cache=folder + '-lora', quiet=True))
            tensors = load_file(folder + '/model.safetensors')
            save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / 'expected' / f'{name}.safetensors', {'mergekit': version('mergekit'), 'torch': torch.__version__})
        print(name)
    (OUT / 'cases.json').write_text(json.dumps({'madeBy': {'mergekit': version('mergekit'), 'torch': torch.__version__, 'transformers': transformers.__version__, 'peft': peft.__version__}, 'cases': CASES}, indent=1) + '\n')


if __name__ == '__main__':
    main()
