import { KNOWN_BUFFERS, layerNorm, linear } from '../build';
import { activationOf, count, LIMITS } from '../config';
import type { Architecture, BlockSpec } from '../spec';

/** ALBERT: BERT's block with weights shared over layers and a narrower embedding. */
export const albert: Architecture = {
  name: 'albert',
  modelTypes: ['albert'],
  read(config, has) {
    const d = count(config, LIMITS.width, 'hidden_size'), layers = count(config, LIMITS.layers, 'num_hidden_layers'), heads = count(config, LIMITS.heads, 'num_attention_heads'), f = count(config, LIMITS.width, 'intermediate_size');
    const groups = config.numberOr(1, 'num_hidden_groups'), inner = config.numberOr(1, 'inner_group_num'), width = config.numberOr(128, 'embedding_size');
    const epsilon = config.numberOr(1e-12, 'layer_norm_eps'), activation = activationOf(config, 'gelu_new', 'hidden_act');
    const blocks = Array.from({ length: layers * inner }, (_, i): BlockSpec => {
      const group = Math.floor(Math.floor(i / inner) / (layers / groups));
      const at = `encoder.albert_layer_groups.${group}.albert_layers.${i % inner}`, site = `blocks.${i}`;
      return {
        index: i, weightGroup: at, residual: 'serial',
        attention: {
          kind: 'attention', norms: { after: layerNorm(`${at}.attention.LayerNorm`, d, epsilon) },
          qkv: { kind: 'separate', q: linear(`${site}.attention.q`, `${at}.attention.query`, d, d, true), k: linear(`${site}.attention.k`, `${at}.attention.key`, d, d, true), v: linear(`${site}.attention.v`, `${at}.attention.value`, d, d, true) },
          o: linear(`${site}.attention.o`, `${at}.attention.dense`, d, d, true), heads, kvHeads: heads, headDim: d / heads, scale: (d / heads) ** -0.5, causal: false,
        },
        ffn: { kind: 'ffn', norms: { after: layerNorm(`${at}.full_layer_layer_norm`, d, epsilon) }, activation, up: linear(`${site}.ffn.up`, `${at}.ffn`, d, f, true), down: linear(`${site}.ffn.down`, `${at}.ffn_output`, f, d, true) },
      };
    });
    const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size');
    return {
      family: config.modelType, architecture: 'albert', bodyPrefixes: ['albert.', ''], buffers: KNOWN_BUFFERS,
      stacks: [{
        name: 'encoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'max_position_embeddings'), vocabulary, ropes: new Map(), blocks,
        embedding: { token: 'embeddings.word_embeddings.weight', width, scale: 1, position: { weight: 'embeddings.position_embeddings.weight', offset: 0 }, tokenType: 'embeddings.token_type_embeddings.weight', norm: layerNorm('embeddings.LayerNorm', width, epsilon), projection: linear('embeddings.projection', 'encoder.embedding_hidden_mapping_in', width, d, true) },
      }],
      ...(has('predictions.dense.weight') ? { head: {
        kind: 'masked' as const, tied: true,
        transform: { dense: linear('head.transform', 'predictions.dense', d, width, true), activation, norm: layerNorm('predictions.LayerNorm', width, epsilon) },
        decoder: { site: 'head', weight: 'embeddings.word_embeddings.weight', bias: 'predictions.bias', inWidth: width, outWidth: vocabulary, layout: 'outIn' as const },
      } } : {}),
    };
  },
};
