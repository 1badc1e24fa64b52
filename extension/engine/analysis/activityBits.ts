/**
 * Standardised activity of neurons from stored bits: rows `[neurons, tokens]` with mean 0 and length 1, so that a dot product of two rows is
 * the correlation of their activity. Neurons that were always or never active are zero rows.
 */
export function standardisedActivity(bits: Uint8Array, tokens: number, neurons: ArrayLike<number>): Float32Array {
  const width = Math.ceil(tokens / 8), out = new Float32Array(neurons.length * tokens);
  for (let i = 0; i < neurons.length; i++) {
    const from = neurons[i] * width;
    let count = 0;
    for (let b = 0; b < width; b++) count += POPULATION[bits[from + b]];
    const share = count / tokens, variance = share * (1 - share);
    if (!(variance > 0)) continue;
    const scale = 1 / Math.sqrt(variance * tokens), on = (1 - share) * scale, off = -share * scale;
    for (let t = 0, at = i * tokens; t < tokens; t++, at++) out[at] = (bits[from + (t >> 3)] >> (t & 7)) & 1 ? on : off;
  }
  return out;
}

const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => { let n = 0; for (let x = byte; x > 0; x &= x - 1) n++; return n; });
