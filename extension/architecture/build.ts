import type { ConfigReader, LinearSpec, NormSpec } from './spec';

/** A torch Linear (`prefix.weight` `[out, in]`, `prefix.bias`). */
export function linear(site: string, prefix: string, inWidth: number, outWidth: number, bias: boolean): LinearSpec {
  return { site, weight: `${prefix}.weight`, ...(bias ? { bias: `${prefix}.bias` } : {}), inWidth, outWidth, layout: 'outIn' };
}

/** GPT-2's Conv1D (`prefix.weight` `[in, out]`). */
export function conv1d(site: string, prefix: string, inWidth: number, outWidth: number): LinearSpec {
  return { site, weight: `${prefix}.weight`, bias: `${prefix}.bias`, inWidth, outWidth, layout: 'inOut' };
}

export function layerNorm(prefix: string, width: number, epsilon: number, affine = true): NormSpec {
  return { kind: 'layer', weight: affine ? `${prefix}.weight` : null, bias: affine ? `${prefix}.bias` : null, width, epsilon };
}

export function rmsNorm(prefix: string, width: number, epsilon: number, addOne = false): NormSpec {
  return { kind: 'rms', weight: `${prefix}.weight`, width, epsilon, ...(addOne ? { addOne } : {}) };
}

/**
 * Whether a checkpoint holds a tied language-model head. A base model saved without one lists its class in
 * `architectures`; where nothing is listed the family's habit decides.
 */
export function declaresHead(config: ConfigReader, kind: 'causal' | 'masked'): boolean {
  const listed = config.list('architectures')?.filter((name): name is string => typeof name === 'string') ?? [];
  if (listed.length === 0) return kind === 'causal';
  return listed.some((name) => (kind === 'causal' ? /LMHead|ForCausalLM/ : /ForMaskedLM|ForPreTraining/).test(name));
}

/** Buffers that old checkpoints carry beside their weights. */
export const KNOWN_BUFFERS: readonly RegExp[] = [/(^|\.)attn\.(bias|masked_bias)$/, /(^|\.)attention\.(bias|masked_bias)$/, /rotary_emb\.inv_freq$/, /(^|\.)position_ids$/, /(^|\.)token_type_ids$/];
