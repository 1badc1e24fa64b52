import type { MergeDtype } from '../../protocol/merge';

export interface ConfigChanges {
  readonly dtype: MergeDtype | null;
  /** For each layer of the result the layer of the template that stood there; null: the layers are as they were. */
  readonly layers: readonly number[] | null;
  readonly vocabulary: number | null;
  readonly untied: boolean;
}

const LAYER_COUNTS = ['num_hidden_layers', 'n_layer', 'num_layers', 'n_layers', 'max_window_layers'];

/** The template's configuration with what the merge changes. The key that named the dtype stays; lists with an entry per layer follow the layers. */
export function mergedConfig(config: Readonly<Record<string, unknown>>, { dtype, layers, vocabulary, untied }: ConfigChanges): Readonly<Record<string, unknown>> {
  const out: Record<string, unknown> = { ...config };
  if (dtype) out['torch_dtype' in out && !('dtype' in out) ? 'torch_dtype' : 'dtype'] = dtype;
  if (vocabulary !== null) out['vocab_size'] = vocabulary;
  if (untied) out['tie_word_embeddings'] = false;
  if (layers) {
    const counted = LAYER_COUNTS.map((key) => config[key]).find((value): value is number => typeof value === 'number');
    for (const key of LAYER_COUNTS) if (config[key] === counted && counted !== undefined) out[key] = layers.length;
    for (const [key, value] of Object.entries(config)) if (Array.isArray(value) && value.length === counted && /layer|type|window|rope/.test(key)) out[key] = layers.map((layer) => value[layer % value.length] as unknown);
  }
  return out;
}
