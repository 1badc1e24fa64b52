import { declaresHead, KNOWN_BUFFERS, linear, rmsNorm } from '../build';
import { activationOf, count, LIMITS } from '../config';
import { mixtureSize, stackedExperts } from '../experts';
import { ropeOf } from '../rope';
import type { Architecture, BlockSpec, LinearSpec } from '../spec';

/** Epsilon of the norms inside blocks, which follow no config field; the final norm does. */
const BLOCK_EPSILON = 1e-6;

/** JetMoE: experts in the FFN, and experts of attention heads that share keys and values. */
export const jetmoe: Architecture = {
  name: 'jetmoe',
  modelTypes: ['jetmoe'],
  read(config, has) {
    const d = count(config, LIMITS.width, 'hidden_size'), layers = count(config, LIMITS.layers, 'num_hidden_layers'), kvHeads = count(config, LIMITS.heads, 'num_key_value_heads'), headDim = count(config, LIMITS.width, 'kv_channels', 'head_dim');
    const size = mixtureSize(config, d, { experts: ['num_local_experts'], width: 'intermediate_size' }), activation = activationOf(config, 'silu', 'activation_function'), { experts, k } = size, kv = kvHeads * headDim;
    const blocks = Array.from({ length: layers }, (_, i): BlockSpec => {
      const at = `layers.${i}`, site = `blocks.${i}`, heads = `${at}.self_attention.experts`;
      const part = (e: number, letter: 'q' | 'o', weight: string, inWidth: number, outWidth: number): LinearSpec => ({ site: `${site}.attention.experts.${e}.${letter}`, weight, inWidth, outWidth, layout: 'outIn', slice: { shape: [experts, outWidth, inWidth], index: e, from: 0, step: 1 } });
      return {
        index: i, weightGroup: at, residual: 'serial',
        attention: {
          kind: 'attention', norms: { before: rmsNorm(`${at}.input_layernorm`, d, BLOCK_EPSILON) }, heads: kvHeads, kvHeads, headDim, scale: headDim ** -0.5, causal: true, rope: 'rope',
          qkv: {
            kind: 'routed', router: linear(`${site}.attention.router`, `${heads}.router.layer`, d, experts, false), rule: { kind: 'topKSoftmax' }, k, kv: linear(`${site}.attention.kv`, `${at}.self_attention.kv_proj`, d, 2 * kv, false),
            experts: Array.from({ length: experts }, (_e, e) => ({ q: part(e, 'q', `${heads}.input_linear.weight`, d, kv), o: part(e, 'o', `${heads}.output_linear.weight`, kv, d) })), bias: `${heads}.bias`,
          },
        },
        ffn: {
          kind: 'moe', norms: { before: rmsNorm(`${at}.post_attention_layernorm`, d, BLOCK_EPSILON) }, activation, rule: { kind: 'topKSoftmax' }, k, router: linear(`${site}.ffn.router`, `${at}.mlp.router.layer`, d, experts, false),
          experts: stackedExperts(`${site}.ffn.experts`, { gateUp: `${at}.mlp.input_linear.weight`, down: `${at}.mlp.output_linear.weight`, layout: 'outIn', arrangement: 'halves' }, size), bias: `${at}.mlp.bias`,
        },
      };
    });
    const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size'), tied = config.booleanOr(true, 'tie_word_embeddings'), own = has('lm_head.weight') && !tied;
    return {
      family: config.modelType, architecture: 'jetmoe', bodyPrefixes: ['model.', ''], buffers: KNOWN_BUFFERS,
      stacks: [{ name: 'decoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'max_position_embeddings'), vocabulary, embedding: { token: 'embed_tokens.weight', width: d, scale: 1 }, ropes: new Map([['rope', ropeOf(config, headDim)]]), blocks, finalNorm: rmsNorm('norm', d, config.numberOr(1e-6, 'rms_norm_eps')) }],
      ...(own || (tied && declaresHead(config, 'causal')) ? { head: { kind: 'causal' as const, tied: !own, decoder: { site: 'head', weight: own ? 'lm_head.weight' : 'embed_tokens.weight', inWidth: d, outWidth: vocabulary, layout: 'outIn' as const } } } : {}),
    };
  },
};
