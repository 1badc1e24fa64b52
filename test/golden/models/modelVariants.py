"""The families and variants of makeGoldens.py as data."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers as t
from safetensors.torch import load_file, save_file

VOCABULARY = 64


@dataclass(frozen=True)
class Variant:
    name: str
    cls: type
    config: Callable[[], object]
    notes: str
    without: dict | None = None
    """Config changes that switch the variant's speciality off."""
    min_effect: float = 5e-3
    unit_offset: bool = False
    """Norm weights are stored as offsets from one (Gemma)."""
    dtype: torch.dtype | None = None
    shard: str | None = None
    rewrite: Callable[[Path], None] | None = None
    """Edits the saved folder; the reference is computed from the edited one."""
    vocabulary: int = VOCABULARY
    original_format: bool = True
    """Names and shapes as the hub has them; otherwise as transformers 5 keeps them in memory (stacked experts)."""
    seed: int = 0
    """Added to the variant's own seed where that makes two experts tie."""


def _edit_config(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        file = folder / "config.json"
        config = json.loads(file.read_text())
        change(config)
        file.write_text(json.dumps(config, indent=2) + "\n")
    return apply


def _edit_weights(change: Callable[[dict], dict]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        file = folder / "model.safetensors"
        save_file(change(load_file(file)), file, metadata={"format": "pt"})
    return apply


def _legacy_rope(type_key: str | None) -> Callable[[Path], None]:
    """config.json as transformers 4 wrote it: rope_theta and rope_scaling beside each other."""
    def change(config: dict) -> None:
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope.pop("rope_theta")
        kind = rope.pop("rope_type")
        config["rope_scaling"] = None if kind == "default" else {type_key or "rope_type": kind, **rope}
        config["torch_dtype"] = config.pop("dtype", "float32")
        config["transformers_version"] = "4.44.0"
    return _edit_config(change)


def _gpt2(**changes):
    return lambda: t.GPT2Config(**{**dict(
        vocab_size=VOCABULARY, n_positions=32, n_embd=16, n_layer=3, n_head=4, n_inner=40, bos_token_id=1, eos_token_id=2,
    ), **changes})


def _bert(cls=t.BertConfig, **changes):
    return lambda: cls(**{**dict(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=40,
        max_position_embeddings=32, layer_norm_eps=1e-3, type_vocab_size=2,
    ), **changes})


def _roberta(cls):
    return _bert(cls, max_position_embeddings=34, type_vocab_size=1, pad_token_id=1)


def _llama(cls=t.LlamaConfig, **changes):
    return lambda: cls(**{**dict(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, intermediate_size=40, max_position_embeddings=32, rms_norm_eps=1e-3, bos_token_id=1, eos_token_id=2,
        pad_token_id=0, tie_word_embeddings=False,
    ), **changes})


def _moe(cls, **changes):
    return _llama(cls, **{**dict(intermediate_size=12, num_experts_per_tok=2), **changes})


def _deepseek(cls, **changes):
    return _moe(cls, **{**dict(
        num_attention_heads=2, num_key_value_heads=2, head_dim=4, intermediate_size=20, moe_intermediate_size=8, n_routed_experts=6, n_shared_experts=1, qk_nope_head_dim=6,
        qk_rope_head_dim=4, v_head_dim=5, kv_lora_rank=8, q_lora_rank=7,
    ), **changes})


def _rope(**parameters) -> dict:
    return {"rope_parameters": {"rope_theta": 500.0, **parameters}}


def _neox(**changes):
    return lambda: t.GPTNeoXConfig(**{**dict(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=40,
        max_position_embeddings=32, bos_token_id=1, eos_token_id=2, layer_norm_eps=1e-3,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.25},
    ), **changes})


def _opt(**changes):
    return lambda: t.OPTConfig(**{**dict(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=3, ffn_dim=40, num_attention_heads=4,
        max_position_embeddings=32, word_embed_proj_dim=16,
    ), **changes})


def _phi():
    return lambda: t.PhiConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=40, max_position_embeddings=32, layer_norm_eps=1e-3, bos_token_id=1, eos_token_id=2,
    )


def _gpt2_hub(folder: Path) -> None:
    """Names as the hub's gpt2 has them: no prefix, causal-mask buffers, head tied and absent."""
    def change(tensors: dict) -> dict:
        renamed = {name.removeprefix("transformer."): value for name, value in tensors.items()}
        for i in range(2):
            renamed[f"h.{i}.attn.bias"] = torch.ones(32, 32).tril().reshape(1, 1, 32, 32)
            renamed[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
        return renamed
    _edit_weights(change)(folder)


def _bert_old(folder: Path) -> None:
    """Names as the first BERT checkpoints have them: gamma/beta, position_ids, the decoder stored a second time."""
    def change(tensors: dict) -> dict:
        renamed = {
            n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v.clone()
            for n, v in tensors.items()
        }
        renamed["bert.embeddings.position_ids"] = torch.arange(32).unsqueeze(0)
        renamed["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].clone()
        return renamed
    _edit_weights(change)(folder)


def _neox_legacy(folder: Path) -> None:
    def change(config: dict) -> None:
        rope = config.pop("rope_parameters")
        config["rotary_pct"] = rope["partial_rotary_factor"]
        config["rotary_emb_base"] = rope["rope_theta"]
        config["transformers_version"] = "4.24.0"
    _edit_config(change)(folder)


def _mxfp4(folder: Path) -> None:
    """Experts as GPT-OSS publishes them: random FP4 codes with a power of two for each 32, unpacked by the reference itself."""
    generator = torch.Generator().manual_seed(11)

    def change(tensors: dict) -> dict:
        out = {}
        for name, value in tensors.items():
            if not name.endswith(("experts.gate_up_proj", "experts.down_proj")):
                out[name] = value
                continue
            experts, inner, outputs = value.shape
            shape = (experts, outputs, inner // 32)
            out[name + "_blocks"] = torch.randint(0, 256, (*shape, 16), generator=generator, dtype=torch.uint8)
            out[name + "_scales"] = torch.randint(122, 126, shape, generator=generator, dtype=torch.uint8)
        return out
    _edit_weights(change)(folder)
    _edit_config(lambda config: config.update(quantization_config={"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}))(folder)


LLAMA3 = _rope(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16,
)
YARN = _rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=8, beta_fast=4.0, beta_slow=1.0)
NO_SCALING = _rope(rope_type="default")
YARN_OSS = dict(
    rope_type="yarn", factor=4.0, original_max_position_embeddings=8, beta_fast=4.0, beta_slow=1.0, truncate=False, rope_theta=150.0,
)
YARN_DEEPSEEK = _rope(
    rope_type="yarn", factor=4.0, original_max_position_embeddings=8, beta_fast=4.0, beta_slow=1.0, mscale=0.707, mscale_all_dim=0.5,
)
GRANITE = dict(embedding_multiplier=3.0, attention_multiplier=0.2, residual_multiplier=0.4, logits_scaling=5.0)
LM, MLM = t.GPT2LMHeadModel, t.BertForMaskedLM

VARIANTS: list[Variant] = [
    Variant("gpt2", LM, _gpt2(layer_norm_epsilon=1e-3), "gelu_new, tied head", {"activation_function": "relu"}),
    Variant("gpt2-gelu", LM, _gpt2(activation_function="gelu", n_layer=2, n_inner=None, tie_word_embeddings=False),
            "exact gelu, default inner width, untied head", {"activation_function": "gelu_new"}, 3e-4),
    Variant("gpt2-inverse-layer", LM, _gpt2(scale_attn_by_inverse_layer_idx=True),
            "attention also scaled by 1 / (block + 1)", {"scale_attn_by_inverse_layer_idx": False}),
    Variant("gpt2-base", t.GPT2Model, _gpt2(n_layer=2), "saved from the base model: no prefix, no head, no logits tap"),
    Variant("gpt2-hub", LM, _gpt2(n_layer=2, n_inner=None), "no prefix but a tied head; mask buffers among the weights",
            rewrite=_gpt2_hub),
    Variant("gpt2-f16", LM, _gpt2(n_layer=2), "weights stored as float16", dtype=torch.float16),
    Variant("bert", MLM, _bert(), "post-norm, exact gelu, token types, masked LM head with its transform",
            {"layer_norm_eps": 1e-12}, 1e-3),
    Variant("bert-base", t.BertModel, _bert(num_hidden_layers=2, hidden_act="gelu_new"), "saved from the base model: no head; pooler present"),
    Variant("bert-old-names", MLM, _bert(num_hidden_layers=2), "gamma/beta, position_ids, decoder stored twice", rewrite=_bert_old),
    Variant("roberta", t.RobertaForMaskedLM, _roberta(t.RobertaConfig), "positions start at padding id + 1"),
    Variant("xlm-roberta", t.XLMRobertaForMaskedLM, _roberta(t.XLMRobertaConfig), "as roberta"),
    Variant("distilbert", t.DistilBertForMaskedLM, lambda: t.DistilBertConfig(
        vocab_size=VOCABULARY, dim=16, hidden_dim=40, n_heads=4, n_layers=3, max_position_embeddings=32), "no token types"),
    Variant("albert", t.AlbertForMaskedLM, _bert(t.AlbertConfig, embedding_size=12),
            "three blocks share one group; narrower embedding mapped in; gelu_new", {"hidden_act": "relu"}),
    Variant("albert-two-groups", t.AlbertForMaskedLM, _bert(t.AlbertConfig, embedding_size=12, num_hidden_groups=2, num_hidden_layers=4, intermediate_size=32),
            "four blocks in two groups"),
    Variant("llama", t.LlamaForCausalLM, _llama(num_hidden_layers=3, head_dim=4, **_rope(rope_type="default")),
            "grouped queries, untied head, rope theta 500", {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}}, 1e-3),
    Variant("llama-tied-biases", t.LlamaForCausalLM, _llama(tie_word_embeddings=True, attention_bias=True, mlp_bias=True, num_key_value_heads=4),
            "tied head, biases everywhere, head_dim not d / heads, config in the older form", rewrite=_legacy_rope(None)),
    Variant("llama-bf16-sharded", t.LlamaForCausalLM, _llama(), "bfloat16 weights in several shards", dtype=torch.bfloat16, shard="8KB"),
    Variant("llama-rope-linear", t.LlamaForCausalLM, _llama(**_rope(rope_type="linear", factor=3.0)),
            "linear rope scaling, older config form with `type`", NO_SCALING, rewrite=_legacy_rope("type")),
    Variant("llama-rope-dynamic", t.LlamaForCausalLM, _llama(**_rope(rope_type="dynamic", factor=4.0)),
            "dynamic rope scaling, rows within the context: equals the plain one", rewrite=_legacy_rope(None)),
    Variant("llama-rope-llama3", t.LlamaForCausalLM, _llama(**LLAMA3), "llama3 rope scaling, older config form", NO_SCALING,
            rewrite=_legacy_rope(None)),
    Variant("llama-rope-yarn", t.LlamaForCausalLM, _llama(**YARN), "yarn rope scaling with its attention factor", NO_SCALING),
    Variant("mistral", t.MistralForCausalLM, _llama(t.MistralConfig, sliding_window=5), "sliding window of 5", {"sliding_window": None}),
    Variant("qwen2", t.Qwen2ForCausalLM, _llama(
        t.Qwen2Config, num_hidden_layers=3, head_dim=4, use_sliding_window=True, sliding_window=5, max_window_layers=1),
        "biases on q, k, v; sliding window from block 1 on",
        {"layer_types": ["full_attention"] * 3}),
    Variant("qwen2-plain", t.Qwen2ForCausalLM, _llama(t.Qwen2Config, head_dim=4, sliding_window=5, use_sliding_window=False, tie_word_embeddings=True),
            "sliding_window in the config but switched off", rewrite=_edit_config(lambda c: (c.update(sliding_window=5), c.pop("layer_types", None)))),
    Variant("qwen3", t.Qwen3ForCausalLM, _llama(t.Qwen3Config, tie_word_embeddings=True), "norms on q and k, head_dim not d / heads"),
    Variant("smollm3", t.SmolLM3ForCausalLM, _llama(t.SmolLM3Config, num_hidden_layers=3, head_dim=4, no_rope_layer_interval=2, tie_word_embeddings=True, **_rope(rope_type="default")),
            "every second block without rope", {"no_rope_layers": [1, 1, 1]}),
    Variant("gemma", t.GemmaForCausalLM, _llama(t.GemmaConfig, num_key_value_heads=1, tie_word_embeddings=True),
            "GeGLU (tanh), norm weights stored minus one, embeddings times sqrt(d)", {"rms_norm_eps": 1e-12}, 1e-4, unit_offset=True),
    Variant("gemma2", t.Gemma2ForCausalLM, _llama(
        t.Gemma2Config, tie_word_embeddings=True, sliding_window=5, query_pre_attn_scalar=12,
        attn_logit_softcapping=2.0, final_logit_softcapping=3.0),
        "norms before and after, soft caps, sliding window in every second block",
        {"attn_logit_softcapping": None}, unit_offset=True),
    Variant("gemma3", t.Gemma3ForCausalLM, _llama(
        t.Gemma3TextConfig, num_hidden_layers=3, head_dim=4, intermediate_size=32, tie_word_embeddings=True, sliding_window=5, query_pre_attn_scalar=6,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
                         "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1000.0}}),
        "two rope settings, q and k norms, sliding window in blocks 0 and 2", {"sliding_window": 40}, unit_offset=True),
    Variant("gpt-neox", t.GPTNeoXForCausalLM, _neox(hidden_size=32, num_attention_heads=2, num_hidden_layers=2, intermediate_size=32), "parallel residual, a quarter of each head rotated", {"use_parallel_residual": False}),
    Variant("gpt-neox-serial", t.GPTNeoXForCausalLM, _neox(use_parallel_residual=False),
            "serial residual, config in the older form", {"use_parallel_residual": True}, rewrite=_neox_legacy),
    Variant("opt", t.OPTForCausalLM, _opt(), "pre-norm, relu, positions offset by 2", {"activation_function": "gelu"}),
    Variant("opt-post-norm", t.OPTForCausalLM, _opt(do_layer_norm_before=False, word_embed_proj_dim=12),
            "post-norm without a final norm; narrower embedding mapped in and out (final = last block's output, before mapping out)"),
    Variant("phi", t.PhiForCausalLM, _phi(),
            "parallel residual with one norm, partial rope, biases also on the head"),
    Variant("granite", t.GraniteForCausalLM, _llama(t.GraniteConfig, head_dim=4, tie_word_embeddings=True, **GRANITE),
            "factors on embeddings, scores, branches and logits", {"residual_multiplier": 1.0}),
    Variant("mixtral", t.MixtralForCausalLM, _moe(t.MixtralConfig, num_local_experts=5),
            "experts w1, w2, w3 of their own; weights of the chosen two sum to one", {"num_experts_per_tok": 5}),
    Variant("mixtral-stacked", t.MixtralForCausalLM, _moe(t.MixtralConfig, num_local_experts=4, num_experts_per_tok=3),
            "experts stacked as transformers 5 keeps them, bfloat16", {"num_experts_per_tok": 1}, dtype=torch.bfloat16, original_format=False),
    Variant("olmoe", t.OlmoeForCausalLM, _moe(t.OlmoeConfig, head_dim=4, num_experts=6, clip_qkv=1.0, eos_token_id=2),
            "q and k norms across all heads, clipped q, k and v, weights that sum to less than one", {"norm_topk_prob": True}),
    Variant("qwen2-moe", t.Qwen2MoeForCausalLM, _moe(
        t.Qwen2MoeConfig, head_dim=4, num_hidden_layers=3, intermediate_size=20, num_experts=4, moe_intermediate_size=8, shared_expert_intermediate_size=12,
        mlp_only_layers=[1], use_sliding_window=True, sliding_window=5, max_window_layers=2),
        "shared expert with its gate, block 1 dense, sliding window in block 0", {"norm_topk_prob": True}),
    Variant("qwen3-moe", t.Qwen3MoeForCausalLM, _moe(
        t.Qwen3MoeConfig, num_experts=6, moe_intermediate_size=8, norm_topk_prob=True, decoder_sparse_step=1, tie_word_embeddings=True),
        "norms on each head of q and k, weights renormalised", {"norm_topk_prob": False}),
    Variant("qwen3-moe-stacked", t.Qwen3MoeForCausalLM, _moe(
        t.Qwen3MoeConfig, num_hidden_layers=3, intermediate_size=20, num_experts=4, moe_intermediate_size=8, decoder_sparse_step=2),
        "experts stacked, every second block holds them, weights as they are", {"norm_topk_prob": True}, original_format=False),
    Variant("granite-moe", t.GraniteMoeForCausalLM, _moe(t.GraniteMoeConfig, head_dim=4, num_local_experts=5, tie_word_embeddings=True, **GRANITE),
            "experts in input_linear and output_linear; softmax over the chosen", {"num_experts_per_tok": 5}),
    Variant("granite-moe-renamed", t.GraniteMoeForCausalLM, _moe(t.GraniteMoeConfig, head_dim=4, num_local_experts=4, **GRANITE),
            "names as transformers 5 keeps them", {"attention_multiplier": 1.0}, original_format=False),
    Variant("gpt-oss", t.GptOssForCausalLM, _moe(t.GptOssConfig, num_local_experts=5, sliding_window=5, swiglu_limit=1.5, rope_parameters=YARN_OSS),
            "attention sinks, window in block 0, interleaved experts with biases, clamped activation", {"swiglu_limit": 7.0}),
    Variant("gpt-oss-bf16", t.GptOssForCausalLM, _moe(t.GptOssConfig, num_local_experts=4, sliding_window=5, rope_parameters=YARN_OSS),
            "as published before packing: bfloat16", {"sliding_window": 40}, dtype=torch.bfloat16),
    Variant("gpt-oss-mxfp4", t.GptOssForCausalLM, _moe(t.GptOssConfig, hidden_size=32, intermediate_size=32, num_local_experts=3, sliding_window=5, rope_parameters=YARN_OSS),
            "experts packed as MXFP4", {"sliding_window": 40}, dtype=torch.bfloat16, rewrite=_mxfp4),
    Variant("deepseek-v2", t.DeepseekV2ForCausalLM, _deepseek(t.DeepseekV2Config, topk_method="group_limited_greedy", n_group=3, topk_group=2, q_lora_rank=None, routed_scaling_factor=1.5, first_k_dense_replace=1, **YARN_DEEPSEEK),
            "latent attention, best two of three groups of experts, a shared one, block 0 dense, yarn with its factors", {"topk_group": 1}),
    Variant("deepseek-v2-greedy", t.DeepseekV2ForCausalLM, _deepseek(t.DeepseekV2Config, topk_method="greedy", first_k_dense_replace=0, num_hidden_layers=1),
            "latent queries, experts chosen without groups", {"routed_scaling_factor": 2.0}),
    Variant("deepseek-v3", t.DeepseekV3ForCausalLM, _deepseek(t.DeepseekV3Config, n_group=3, topk_group=2, first_k_dense_replace=1, norm_topk_prob=True),
            "latent attention, sigmoid router with a bias for the choice, groups, weights times 2.5", {"topk_group": 1}),
    Variant("jetmoe", t.JetMoeForCausalLM, lambda: t.JetMoeConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_key_value_heads=2, kv_channels=4, intermediate_size=12, max_position_embeddings=32,
        num_local_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-3, bos_token_id=1, eos_token_id=2, pad_token_id=0, rope_parameters={"rope_type": "default", "rope_theta": 500.0}),
        "experts of attention heads that share keys and values, stacked FFN experts, a bias after each", {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}}, 1e-3, seed=1),
]
