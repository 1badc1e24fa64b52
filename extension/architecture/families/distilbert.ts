import { KNOWN_BUFFERS, layerNorm, linear } from '../build';
import { activationOf, count, LIMITS } from '../config';
import type { Architecture, BlockSpec } from '../spec';

const EPSILON = 1e-12;

/** DistilBERT: BERT's block under other names, no token types. */
export const distilbert: Architecture = {
  name: 'distilbert',
  modelTypes: ['distilbert'],
  read(config, has) {
    const d = count(config, LIMITS.width, 'dim', 'hidden_size'), layers = count(config, LIMITS.layers, 'n_layers', 'num_hidden_layers'), heads = count(config, LIMITS.heads, 'n_heads', 'num_attention_heads'), f = count(config, LIMITS.width, 'hidden_dim', 'intermediate_size');
    const activation = activationOf(config, 'gelu', 'activation');
    const blocks = Array.from({ length: layers }, (_, i): BlockSpec => {
      const at = `transformer.layer.${i}`, site = `blocks.${i}`;
      return {
        index: i, weightGroup: at, residual: 'serial',
        attention: {
          kind: 'attention', norms: { after: layerNorm(`${at}.sa_layer_norm`, d, EPSILON) },
          qkv: { kind: 'separate', q: linear(`${site}.attention.q`, `${at}.attention.q_lin`, d, d, true), k: linear(`${site}.attention.k`, `${at}.attention.k_lin`, d, d, true), v: linear(`${site}.attention.v`, `${at}.attention.v_lin`, d, d, true) },
          o: linear(`${site}.attention.o`, `${at}.attention.out_lin`, d, d, true), heads, kvHeads: heads, headDim: d / heads, scale: (d / heads) ** -0.5, causal: false,
        },
        ffn: { kind: 'ffn', norms: { after: layerNorm(`${at}.output_layer_norm`, d, EPSILON) }, activation, up: linear(`${site}.ffn.up`, `${at}.ffn.lin1`, d, f, true), down: linear(`${site}.ffn.down`, `${at}.ffn.lin2`, f, d, true) },
      };
    });
    const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size');
    const own = has('vocab_projector.weight') && !config.booleanOr(true, 'tie_word_embeddings');
    return {
      family: config.modelType, architecture: 'distilbert', bodyPrefixes: ['distilbert.', ''], buffers: KNOWN_BUFFERS,
      stacks: [{ name: 'encoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'max_position_embeddings'), vocabulary, embedding: { token: 'embeddings.word_embeddings.weight', width: d, scale: 1, position: { weight: 'embeddings.position_embeddings.weight', offset: 0 }, norm: layerNorm('embeddings.LayerNorm', d, EPSILON) }, ropes: new Map(), blocks }],
      ...(has('vocab_transform.weight') ? { head: {
        kind: 'masked' as const, tied: !own,
        transform: { dense: linear('head.transform', 'vocab_transform', d, d, true), activation, norm: layerNorm('vocab_layer_norm', d, EPSILON) },
        decoder: { site: 'head', weight: own ? 'vocab_projector.weight' : 'embeddings.word_embeddings.weight', bias: 'vocab_projector.bias', inWidth: d, outWidth: vocabulary, layout: 'outIn' as const },
      } } : {}),
    };
  },
};
