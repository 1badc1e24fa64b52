import { clusterSizes } from '../numerics/labels';
import { quantile } from '../numerics/statistics';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';
import { shuffledLabels } from './controls';

export interface ExpertMatrix {
  /** Mean entry between the neurons of two experts, a neuron with itself left out `[experts, experts]`. */
  readonly raw: Float32Array;
  /** `raw` minus the null's mean entry (in a random partition all entries, diagonal included, have the same mean) `[experts, experts]`. */
  readonly excess: Float32Array;
  /** Half the width of the null's central 95 % for an off-diagonal entry. */
  readonly excessBand: number;
  readonly nullDraws: number;
}

/** Means of a symmetric neuron-by-neuron matrix over pairs of experts, `[experts, experts]`. */
export function blockMeans(matrix: Float32Array, neurons: number, labels: ArrayLike<number>, experts: number): Float64Array {
  const sums = new Float64Array(experts * experts);
  const row = new Float64Array(experts);
  for (let i = 0; i < neurons; i++) {
    row.fill(0);
    const at = i * neurons;
    for (let j = 0; j < neurons; j++) row[labels[j]] += matrix[at + j];
    row[labels[i]] -= matrix[at + i];
    const to = labels[i] * experts;
    for (let e = 0; e < experts; e++) sums[to + e] += row[e];
  }
  const sizes = clusterSizes(labels, experts);
  for (let a = 0; a < experts; a++) for (let b = 0; b < experts; b++) sums[a * experts + b] /= sizes[a] * (a === b ? sizes[b] - 1 : sizes[b]) || NaN;
  return sums;
}

/** Co-activation (or cosine of keys) between experts beside random partitions of the same sizes; 20 draws by default. */
export function expertMatrix(matrix: Float32Array, neurons: number, labels: ArrayLike<number>, experts: number, seed: number, draws = 20): ExpertMatrix {
  return finish(expertMatrixSteps(matrix, neurons, labels, experts, seed, draws));
}

/** `expertMatrix` in steps. */
export function* expertMatrixSteps(matrix: Float32Array, neurons: number, labels: ArrayLike<number>, experts: number, seed: number, draws = 20): Steps<ExpertMatrix> {
  const raw = blockMeans(matrix, neurons, labels, experts);
  const off: number[] = [];
  let sum = 0;
  let count = 0;
  for (let draw = 0; draw < draws; draw++) {
    yield;
    const drawn = blockMeans(matrix, neurons, shuffledLabels(labels, seed, draw), experts);
    for (let a = 0; a < experts; a++) {
      for (let b = 0; b <= a; b++) {
        const value = drawn[a * experts + b];
        if (!Number.isFinite(value)) continue;
        sum += a === b ? value : 2 * value;
        count += a === b ? 1 : 2;
        if (a !== b) off.push(value);
      }
    }
  }
  const centre = sum / count;
  const sorted = Float64Array.from(off).sort();
  return {
    raw: new Float32Array(raw),
    excess: Float32Array.from(raw, (value) => value - centre),
    excessBand: sorted.length > 0 ? (quantile(sorted, 0.975) - quantile(sorted, 0.025)) / 2 : NaN,
    nullDraws: draws,
  };
}

/** Correlations from second moments: `gram = HᵀH` `[neurons, neurons]`, sums `[neurons]` over `tokens`. Neurons without spread correlate 0 with all. */
export function correlationFromGram(gram: Float32Array, sums: ArrayLike<number>, tokens: number, neurons: number): Float32Array {
  const out = new Float32Array(neurons * neurons);
  const scale = Float64Array.from({ length: neurons }, (_, i) => {
    const variance = gram[i * neurons + i] / tokens - (sums[i] / tokens) ** 2;
    return variance > 1e-12 * (gram[i * neurons + i] / tokens) ? 1 / Math.sqrt(variance) : 0;
  });
  for (let i = 0; i < neurons; i++) {
    for (let j = 0; j < neurons; j++) out[i * neurons + j] = (gram[i * neurons + j] / tokens - (sums[i] / tokens) * (sums[j] / tokens)) * scale[i] * scale[j];
  }
  return out;
}
