import { KNOWN_BUFFERS, layerNorm, linear } from '../build';
import { activationOf, count, LIMITS } from '../config';
import { ropeOf } from '../rope';
import type { Architecture, BlockSpec } from '../spec';

/** GPT-NeoX (Pythia): parallel residual, rotary on part of a head, qkv fused head by head. */
export const gptNeox: Architecture = {
  name: 'gptNeox',
  modelTypes: ['gpt_neox'],
  read(config, has) {
    const d = count(config, LIMITS.width, 'hidden_size'), layers = count(config, LIMITS.layers, 'num_hidden_layers'), heads = count(config, LIMITS.heads, 'num_attention_heads'), f = count(config, LIMITS.width, 'intermediate_size');
    const epsilon = config.numberOr(1e-5, 'layer_norm_eps'), activation = activationOf(config, 'gelu', 'hidden_act'), bias = config.booleanOr(true, 'attention_bias');
    const parallel = config.booleanOr(true, 'use_parallel_residual'), headDim = d / heads;
    const partial = config.object('rope_parameters')?.optionalNumber('partial_rotary_factor') ?? config.numberOr(0.25, 'rotary_pct', 'partial_rotary_factor');
    const blocks = Array.from({ length: layers }, (_, i): BlockSpec => {
      const at = `layers.${i}`, site = `blocks.${i}`;
      return {
        index: i, weightGroup: at, residual: parallel ? 'parallel' : 'serial',
        attention: {
          kind: 'attention', norms: { before: layerNorm(`${at}.input_layernorm`, d, epsilon) },
          qkv: { kind: 'fused', linear: linear(`${site}.attention.qkv`, `${at}.attention.query_key_value`, d, 3 * d, bias), arrangement: 'perHead' },
          o: linear(`${site}.attention.o`, `${at}.attention.dense`, d, d, bias), heads, kvHeads: heads, headDim, scale: headDim ** -0.5, causal: true, rope: 'rope',
        },
        ffn: { kind: 'ffn', norms: { before: layerNorm(`${at}.post_attention_layernorm`, d, epsilon) }, activation, up: linear(`${site}.ffn.up`, `${at}.mlp.dense_h_to_4h`, d, f, true), down: linear(`${site}.ffn.down`, `${at}.mlp.dense_4h_to_h`, f, d, true) },
      };
    });
    const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size');
    const tied = config.booleanOr(false, 'tie_word_embeddings');
    return {
      family: config.modelType, architecture: 'gptNeox', bodyPrefixes: ['gpt_neox.', ''], buffers: KNOWN_BUFFERS,
      stacks: [{ name: 'decoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'max_position_embeddings'), vocabulary, embedding: { token: 'embed_in.weight', width: d, scale: 1 }, ropes: new Map([['rope', ropeOf(config, headDim, { partial })]]), blocks, finalNorm: layerNorm('final_layer_norm', d, epsilon) }],
      ...(has('embed_out.weight') || tied ? { head: { kind: 'causal' as const, tied, decoder: { site: 'head', weight: tied ? 'embed_in.weight' : 'embed_out.weight', inWidth: d, outWidth: vocabulary, layout: 'outIn' as const } } } : {}),
    };
  },
};
