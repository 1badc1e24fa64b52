import type { ConfigReader, RopeSpec } from './spec';

/**
 * Inverse frequencies of a rotary embedding, scaling included. Sources: RoFormer (2104.09864), and for `llama3` and
 * `yarn` (2309.00071) the published descriptions as transformers' `modeling_rope_utils` applies them.
 */
export function ropeOf(config: ConfigReader, headDim: number, options: { readonly theta?: number; readonly partial?: number; readonly scaled?: boolean } = {}): RopeSpec {
  const scaling = options.scaled === false ? null : config.object('rope_scaling') ?? config.object('rope_parameters');
  const theta = options.theta ?? scaling?.optionalNumber('rope_theta') ?? config.numberOr(10000, 'rope_theta', 'rotary_emb_base');
  const partial = options.partial ?? scaling?.optionalNumber('partial_rotary_factor') ?? config.numberOr(1, 'partial_rotary_factor');
  const rotaryDim = Math.floor(headDim * partial);
  const base = Float64Array.from({ length: rotaryDim / 2 }, (_, i) => theta ** -((2 * i) / rotaryDim));
  const type = scaling?.stringOr('default', 'rope_type', 'type') ?? 'default';
  if (!scaling || type === 'default' || type === 'mrope') return { rotaryDim, inverseFrequencies: base, attentionFactor: 1 };
  switch (type) {
    case 'linear': {
      const factor = scaling.number('factor');
      return { rotaryDim, inverseFrequencies: base.map((f) => f / factor), attentionFactor: 1 };
    }
    case 'dynamic':
      // Only sequences longer than the context change the base, and those are cut before they come here.
      return { rotaryDim, inverseFrequencies: base, attentionFactor: 1 };
    case 'llama3':
      return { rotaryDim, inverseFrequencies: llama3(base, scaling), attentionFactor: 1 };
    case 'yarn':
      return yarn(base, rotaryDim, theta, config, scaling);
    default:
      return scaling.unsupported('rope_type', type, 'default, linear, dynamic, llama3, yarn');
  }
}

function llama3(base: Float64Array, scaling: ConfigReader): Float64Array {
  const factor = scaling.number('factor'), low = scaling.number('low_freq_factor'), high = scaling.number('high_freq_factor');
  const original = scaling.number('original_max_position_embeddings');
  return base.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < original / high) return frequency;
    if (wavelength > original / low) return frequency / factor;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

function yarn(base: Float64Array, rotaryDim: number, theta: number, config: ConfigReader, scaling: ConfigReader): RopeSpec {
  const original = scaling.numberOr(config.number('max_position_embeddings'), 'original_max_position_embeddings');
  const factor = scaling.optionalNumber('factor') ?? config.number('max_position_embeddings') / original;
  const fast = scaling.numberOr(32, 'beta_fast'), slow = scaling.numberOr(1, 'beta_slow');
  const magnitude = (scale: number, m: number): number => (scale <= 1 ? 1 : 0.1 * m * Math.log(scale) + 1);
  const mscale = scaling.optionalNumber('mscale'), mscaleAll = scaling.optionalNumber('mscale_all_dim');
  const attentionFactor = scaling.optionalNumber('attention_factor') ?? (mscale && mscaleAll ? magnitude(factor, mscale) / magnitude(factor, mscaleAll) : magnitude(factor, 1));
  const dimensionOf = (rotations: number): number => (rotaryDim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const truncate = scaling.booleanOr(true, 'truncate');
  let low = dimensionOf(fast), high = dimensionOf(slow);
  if (truncate) [low, high] = [Math.floor(low), Math.ceil(high)];
  low = Math.max(low, 0);
  high = Math.min(high, rotaryDim - 1);
  if (low === high) high += 0.001;
  const inverseFrequencies = base.map((frequency, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (frequency / factor) * ramp + frequency * (1 - ramp);
  });
  return { rotaryDim, inverseFrequencies, attentionFactor };
}

/** cos and sin of positions, `[tokens, rotaryDim]` each, both halves filled (half-rotation layout). */
export function ropeTables(rope: RopeSpec, positions: Float32Array): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const half = rope.rotaryDim / 2;
  const cos = new Float32Array(positions.length * rope.rotaryDim), sin = new Float32Array(positions.length * rope.rotaryDim);
  for (let t = 0; t < positions.length; t++) {
    for (let i = 0; i < half; i++) {
      // The reference multiplies in float32 before it takes the cosine; long contexts differ visibly otherwise.
      const angle = Math.fround(positions[t] * Math.fround(rope.inverseFrequencies[i]));
      const at = t * rope.rotaryDim + i;
      cos[at] = cos[at + half] = Math.cos(angle) * rope.attentionFactor;
      sin[at] = sin[at + half] = Math.sin(angle) * rope.attentionFactor;
    }
  }
  return { cos, sin };
}
