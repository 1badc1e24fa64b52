import { KNOWN_BUFFERS, layerNorm, linear } from '../build';
import { activationOf, count, LIMITS } from '../config';
import { ropeOf } from '../rope';
import type { Architecture, BlockSpec } from '../spec';

/** Phi (1, 1.5, 2): parallel residual behind one norm, rotary on part of a head, biases everywhere, the head included. */
export const phi: Architecture = {
  name: 'phi',
  modelTypes: ['phi'],
  read(config, has) {
    const d = count(config, LIMITS.width, 'hidden_size'), layers = count(config, LIMITS.layers, 'num_hidden_layers'), heads = count(config, LIMITS.heads, 'num_attention_heads'), f = count(config, LIMITS.width, 'intermediate_size');
    const kvHeads = config.numberOr(heads, 'num_key_value_heads'), headDim = config.numberOr(d / heads, 'head_dim'), epsilon = config.numberOr(1e-5, 'layer_norm_eps');
    if (heads % kvHeads !== 0) config.unsupported('num_key_value_heads', kvHeads, `a divisor of num_attention_heads (${heads})`);
    const activation = activationOf(config, 'gelu_new', 'hidden_act'), normed = config.booleanOr(false, 'qk_layernorm');
    const partial = config.object('rope_parameters')?.optionalNumber('partial_rotary_factor') ?? config.numberOr(0.5, 'partial_rotary_factor');
    const blocks = Array.from({ length: layers }, (_, i): BlockSpec => {
      const at = `layers.${i}`, site = `blocks.${i}`, before = layerNorm(`${at}.input_layernorm`, d, epsilon);
      const projection = (letter: 'q' | 'k' | 'v', out: number) => linear(`${site}.attention.${letter}`, `${at}.self_attn.${letter}_proj`, d, out, true);
      return {
        index: i, weightGroup: at, residual: 'parallel',
        attention: {
          kind: 'attention', norms: { before },
          qkv: { kind: 'separate', q: projection('q', heads * headDim), k: projection('k', kvHeads * headDim), v: projection('v', kvHeads * headDim) },
          o: linear(`${site}.attention.o`, `${at}.self_attn.dense`, heads * headDim, d, true), heads, kvHeads, headDim, scale: headDim ** -0.5, causal: true, rope: 'rope',
          ...(normed ? { qNorm: layerNorm(`${at}.self_attn.q_layernorm`, headDim, epsilon), kNorm: layerNorm(`${at}.self_attn.k_layernorm`, headDim, epsilon) } : {}),
        },
        ffn: { kind: 'ffn', norms: { before }, activation, up: linear(`${site}.ffn.up`, `${at}.mlp.fc1`, d, f, true), down: linear(`${site}.ffn.down`, `${at}.mlp.fc2`, f, d, true) },
      };
    });
    const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size'), tied = config.booleanOr(false, 'tie_word_embeddings');
    return {
      family: config.modelType, architecture: 'phi', bodyPrefixes: ['model.', ''], buffers: KNOWN_BUFFERS,
      stacks: [{ name: 'decoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'max_position_embeddings'), vocabulary, embedding: { token: 'embed_tokens.weight', width: d, scale: 1 }, ropes: new Map([['rope', ropeOf(config, headDim, { partial })]]), blocks, finalNorm: layerNorm('final_layernorm', d, epsilon) }],
      ...(has('lm_head.bias') ? { head: { kind: 'causal' as const, tied, decoder: { site: 'head', weight: tied ? 'embed_tokens.weight' : 'lm_head.weight', bias: 'lm_head.bias', inWidth: d, outWidth: vocabulary, layout: 'outIn' as const } } } : {}),
    };
  },
};
