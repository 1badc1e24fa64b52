import { declaresHead, KNOWN_BUFFERS, layerNorm, linear } from '../build';
import { activationOf, count, LIMITS } from '../config';
import type { Architecture, BlockSpec, NormSpec } from '../spec';

const EPSILON = 1e-5;
/** OPT's position table starts two rows late. */
const POSITION_OFFSET = 2;

/** OPT: learned positions, ReLU, pre-norm (350m: post-norm with a narrower embedding). */
export const opt: Architecture = {
  name: 'opt',
  modelTypes: ['opt'],
  read(config, has) {
    const d = count(config, LIMITS.width, 'hidden_size'), layers = count(config, LIMITS.layers, 'num_hidden_layers'), heads = count(config, LIMITS.heads, 'num_attention_heads'), f = count(config, LIMITS.width, 'ffn_dim');
    const activation = activationOf(config, 'relu', 'activation_function'), bias = config.booleanOr(true, 'enable_bias'), affine = config.booleanOr(true, 'layer_norm_elementwise_affine');
    const before = config.booleanOr(true, 'do_layer_norm_before'), width = config.numberOr(d, 'word_embed_proj_dim');
    const placed = (norm: NormSpec) => (before ? { before: norm } : { after: norm });
    const blocks = Array.from({ length: layers }, (_, i): BlockSpec => {
      const at = `layers.${i}`, site = `blocks.${i}`;
      return {
        index: i, weightGroup: at, residual: 'serial',
        attention: {
          kind: 'attention', norms: placed(layerNorm(`${at}.self_attn_layer_norm`, d, EPSILON, affine)),
          qkv: { kind: 'separate', q: linear(`${site}.attention.q`, `${at}.self_attn.q_proj`, d, d, bias), k: linear(`${site}.attention.k`, `${at}.self_attn.k_proj`, d, d, bias), v: linear(`${site}.attention.v`, `${at}.self_attn.v_proj`, d, d, bias) },
          o: linear(`${site}.attention.o`, `${at}.self_attn.out_proj`, d, d, bias), heads, kvHeads: heads, headDim: d / heads, scale: (d / heads) ** -0.5, causal: true,
        },
        ffn: { kind: 'ffn', norms: placed(layerNorm(`${at}.final_layer_norm`, d, EPSILON, affine)), activation, up: linear(`${site}.ffn.up`, `${at}.fc1`, d, f, bias), down: linear(`${site}.ffn.down`, `${at}.fc2`, f, d, bias) },
      };
    });
    const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size'), own = has('lm_head.weight') && !config.booleanOr(true, 'tie_word_embeddings');
    const projected = width !== d;
    return {
      family: config.modelType, architecture: 'opt', bodyPrefixes: ['model.decoder.', 'decoder.', ''], buffers: KNOWN_BUFFERS,
      stacks: [{
        name: 'decoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'max_position_embeddings'), vocabulary, ropes: new Map(), blocks,
        embedding: { token: 'embed_tokens.weight', width, scale: 1, position: { weight: 'embed_positions.weight', offset: POSITION_OFFSET }, ...(projected ? { projection: linear('embeddings.projection', 'project_in', width, d, false) } : {}) },
        ...(before && !config.booleanOr(false, '_remove_final_layer_norm') ? { finalNorm: layerNorm('final_layer_norm', d, EPSILON, affine) } : {}),
      }],
      ...(own || declaresHead(config, 'causal') ? { head: { kind: 'causal' as const, tied: !own, ...(projected ? { projection: linear('head.projection', 'project_out', d, width, false) } : {}), decoder: { site: 'head', weight: own ? 'lm_head.weight' : 'embed_tokens.weight', inWidth: width, outWidth: vocabulary, layout: 'outIn' as const } } } : {}),
    };
  },
};
