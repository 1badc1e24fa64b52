import { bitAt, bitCount, bitRowBytes } from '../../numerics/pairCounts';

/**
 * Standardised activity of neurons from stored bits: rows `[neurons, tokens]` with mean 0 and length 1, so that a dot product of two rows is
 * the correlation of their activity. Neurons that were always or never active are zero rows.
 */
export function standardisedActivity(bits: Uint8Array, tokens: number, neurons: ArrayLike<number>): Float32Array {
  const width = bitRowBytes(tokens), out = new Float32Array(neurons.length * tokens);
  for (let i = 0; i < neurons.length; i++) {
    const from = neurons[i] * width;
    const share = bitCount(bits.subarray(from, from + width)) / tokens, variance = share * (1 - share);
    if (!(variance > 0)) continue;
    const scale = 1 / Math.sqrt(variance * tokens), on = (1 - share) * scale, off = -share * scale;
    for (let t = 0, at = i * tokens; t < tokens; t++, at++) out[at] = bitAt(bits, width, neurons[i], t) ? on : off;
  }
  return out;
}
