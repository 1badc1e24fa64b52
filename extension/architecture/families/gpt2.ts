import { conv1d, declaresHead, KNOWN_BUFFERS, layerNorm } from '../build';
import { activationOf, count, LIMITS } from '../config';
import type { Architecture, BlockSpec } from '../spec';

/** GPT-2: learned positions, pre-norm, fused qkv as Conv1D, tied head. */
export const gpt2: Architecture = {
  name: 'gpt2',
  modelTypes: ['gpt2'],
  read(config, has) {
    const d = count(config, LIMITS.width, 'n_embd', 'hidden_size'), layers = count(config, LIMITS.layers, 'n_layer', 'num_hidden_layers'), heads = count(config, LIMITS.heads, 'n_head', 'num_attention_heads');
    const f = config.numberOr(4 * d, 'n_inner', 'intermediate_size'), epsilon = config.numberOr(1e-5, 'layer_norm_epsilon');
    const activation = activationOf(config, 'gelu_new', 'activation_function');
    if (config.booleanOr(false, 'add_cross_attention')) config.unsupported('add_cross_attention', true, 'false');
    const byLayer = config.booleanOr(false, 'scale_attn_by_inverse_layer_idx'), scaled = config.booleanOr(true, 'scale_attn_weights');
    const blocks = Array.from({ length: layers }, (_, i): BlockSpec => {
      const at = `h.${i}`, site = `blocks.${i}`;
      return {
        index: i, weightGroup: at, residual: 'serial',
        attention: {
          kind: 'attention', norms: { before: layerNorm(`${at}.ln_1`, d, epsilon) },
          qkv: { kind: 'fused', linear: conv1d(`${site}.attention.qkv`, `${at}.attn.c_attn`, d, 3 * d), arrangement: 'concat' },
          o: conv1d(`${site}.attention.o`, `${at}.attn.c_proj`, d, d),
          heads, kvHeads: heads, headDim: d / heads, scale: (scaled ? (d / heads) ** -0.5 : 1) / (byLayer ? i + 1 : 1), causal: true,
        },
        ffn: { kind: 'ffn', norms: { before: layerNorm(`${at}.ln_2`, d, epsilon) }, activation, up: conv1d(`${site}.ffn.up`, `${at}.mlp.c_fc`, d, f), down: conv1d(`${site}.ffn.down`, `${at}.mlp.c_proj`, f, d) },
      };
    });
    const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size');
    const untied = has('lm_head.weight') && !config.booleanOr(true, 'tie_word_embeddings');
    return {
      family: config.modelType, architecture: 'gpt2', bodyPrefixes: ['transformer.', ''], buffers: KNOWN_BUFFERS,
      stacks: [{ name: 'decoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'n_positions', 'n_ctx', 'max_position_embeddings'), vocabulary, embedding: { token: 'wte.weight', width: d, scale: 1, position: { weight: 'wpe.weight', offset: 0 } }, ropes: new Map(), blocks, finalNorm: layerNorm('ln_f', d, epsilon) }],
      ...(untied || declaresHead(config, 'causal') ? { head: { kind: 'causal' as const, tied: !untied, decoder: { site: 'head', weight: untied ? 'lm_head.weight' : 'wte.weight', inWidth: d, outWidth: vocabulary, layout: 'outIn' as const } } } : {}),
    };
  },
};
