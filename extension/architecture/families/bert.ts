import { KNOWN_BUFFERS, layerNorm, linear } from '../build';
import { activationOf, count, LIMITS } from '../config';
import type { Architecture, BlockSpec, ConfigReader, HeadSpec } from '../spec';

/** BERT and its renamings: post-norm, learned positions, token types. RoBERTa's positions start after the padding id. */
export const bert: Architecture = {
  name: 'bert',
  modelTypes: ['bert', 'roberta', 'xlm-roberta', 'camembert'],
  read(config, has) {
    const d = count(config, LIMITS.width, 'hidden_size'), layers = count(config, LIMITS.layers, 'num_hidden_layers'), heads = count(config, LIMITS.heads, 'num_attention_heads'), f = count(config, LIMITS.width, 'intermediate_size');
    const epsilon = config.numberOr(1e-12, 'layer_norm_eps'), activation = activationOf(config, 'gelu', 'hidden_act');
    const kind = config.stringOr('absolute', 'position_embedding_type');
    if (kind !== 'absolute') config.unsupported('position_embedding_type', kind, 'absolute');
    if (config.booleanOr(false, 'is_decoder')) config.unsupported('is_decoder', true, 'false');
    const blocks = Array.from({ length: layers }, (_, i): BlockSpec => {
      const at = `encoder.layer.${i}`, site = `blocks.${i}`;
      return {
        index: i, weightGroup: at, residual: 'serial',
        attention: {
          kind: 'attention', norms: { after: layerNorm(`${at}.attention.output.LayerNorm`, d, epsilon) },
          qkv: { kind: 'separate', q: linear(`${site}.attention.q`, `${at}.attention.self.query`, d, d, true), k: linear(`${site}.attention.k`, `${at}.attention.self.key`, d, d, true), v: linear(`${site}.attention.v`, `${at}.attention.self.value`, d, d, true) },
          o: linear(`${site}.attention.o`, `${at}.attention.output.dense`, d, d, true), heads, kvHeads: heads, headDim: d / heads, scale: (d / heads) ** -0.5, causal: false,
        },
        ffn: { kind: 'ffn', norms: { after: layerNorm(`${at}.output.LayerNorm`, d, epsilon) }, activation, up: linear(`${site}.ffn.up`, `${at}.intermediate.dense`, d, f, true), down: linear(`${site}.ffn.down`, `${at}.output.dense`, f, d, true) },
      };
    });
    const shifted = config.modelType !== 'bert', offset = shifted ? config.numberOr(1, 'pad_token_id') + 1 : 0;
    const vocabulary = count(config, LIMITS.vocabulary, 'vocab_size');
    const head = headOf(config, has, d, vocabulary, epsilon, shifted);
    return {
      family: config.modelType, architecture: 'bert', bodyPrefixes: shifted ? ['roberta.', 'camembert.', ''] : ['bert.', ''], buffers: KNOWN_BUFFERS,
      stacks: [{ name: 'encoder', tapPrefix: '', dModel: d, context: count(config, LIMITS.context, 'max_position_embeddings') - offset, vocabulary, embedding: { token: 'embeddings.word_embeddings.weight', width: d, scale: 1, position: { weight: 'embeddings.position_embeddings.weight', offset }, tokenType: 'embeddings.token_type_embeddings.weight', norm: layerNorm('embeddings.LayerNorm', d, epsilon) }, ropes: new Map(), blocks }],
      ...(head ? { head } : {}),
    };
  },
};

function headOf(config: ConfigReader, has: (tensor: string) => boolean, d: number, vocabulary: number, epsilon: number, roberta: boolean): HeadSpec | null {
  const names = roberta ? { dense: 'lm_head.dense', norm: 'lm_head.layer_norm', decoder: 'lm_head.decoder.weight', bias: 'lm_head.bias' } : { dense: 'cls.predictions.transform.dense', norm: 'cls.predictions.transform.LayerNorm', decoder: 'cls.predictions.decoder.weight', bias: 'cls.predictions.bias' };
  if (!has(`${names.dense}.weight`)) return null;
  const own = has(names.decoder) && !config.booleanOr(true, 'tie_word_embeddings');
  return {
    kind: 'masked', tied: !own,
    transform: { dense: linear('head.transform', names.dense, d, d, true), activation: roberta ? 'gelu' : activationOf(config, 'gelu', 'hidden_act'), norm: layerNorm(names.norm, d, epsilon) },
    decoder: { site: 'head', weight: own ? names.decoder : 'embeddings.word_embeddings.weight', bias: names.bias, inWidth: d, outWidth: vocabulary, layout: 'outIn' },
  };
}
