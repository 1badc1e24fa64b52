import { combineOrCopy, copy, gramOf } from './common';
import type { MergeMethod } from './types';

/**
 * Karcher (Riemannian) mean of the directions, times the mean length. Every iteration needs only the inner products of the inputs, so it runs on
 * K numbers between one pass that measures them and one that applies the result.
 */
export const karcher: MergeMethod = {
  name: 'karcher', title: 'Karcher mean', formula: 'm ← expₘ(Σ logₘ(uᵢ)/K), uᵢ = θᵢ/‖θᵢ‖; θ = m Σ‖θᵢ‖/K', says: 'The point of the sphere with the least squared angles to all models.', source: 'Karcher 1977; mergekit',
  base: 'unused', models: [2, null], baseIsModel: true,
  parameters: [{ name: 'max_iter', type: 'number', scope: 'merge', default: 10, least: 0, says: 'Most iterations.' }, { name: 'tol', type: 'number', scope: 'merge', default: 1e-5, least: 0, says: 'Stop when a step is shorter than this.' }],
  *merge(task) {
    const gram = yield* gramOf(task, false), count = gram.length, tol = task.number('tol');
    const lengths = gram.map((row, i) => Math.sqrt(row[i])), valid = lengths.flatMap((length, i) => (length > tol ? [i] : []));
    if (valid.length === 0) return copy(0);
    const coefficients = karcherDirection(valid.map((i) => valid.map((j) => gram[i][j] / (lengths[i] * lengths[j]))), task.number('max_iter'), tol);
    const scale = lengths.reduce((a, b) => a + b, 0) / count, out = new Array<number>(count).fill(0);
    valid.forEach((i, k) => { out[i] = (scale * coefficients[k]) / lengths[i]; });
    return combineOrCopy(out);
  },
};

/** Coefficients of the mean direction on unit vectors with these cosines. */
export function karcherDirection(cosines: readonly (readonly number[])[], iterations: number, tol: number): readonly number[] {
  const k = cosines.length, alpha = 1 / k;
  const product = (a: readonly number[], b: readonly number[]): number => { let sum = 0; for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) sum += a[i] * b[j] * cosines[i][j]; return sum; };
  let mean = new Array<number>(k).fill(alpha);
  const length = Math.sqrt(Math.max(0, product(mean, mean)));
  mean = length < tol ? mean.map((_, i) => (i === 0 ? 1 : 0)) : mean.map((x) => x / length);
  for (let step = 0; step < iterations; step++) {
    const tangent = new Array<number>(k).fill(0);
    for (let i = 0; i < k; i++) {
      let cosine = 0;
      for (let j = 0; j < k; j++) cosine += mean[j] * cosines[j][i];
      cosine = Math.max(-1, Math.min(1, cosine));
      const angle = Math.acos(cosine);
      if (angle < tol) continue;
      const factor = (alpha * angle) / Math.sin(angle);
      tangent[i] += factor;
      for (let j = 0; j < k; j++) tangent[j] -= factor * cosine * mean[j];
    }
    const size = Math.sqrt(Math.max(0, product(tangent, tangent)));
    if (size < tol) break;
    mean = mean.map((x, i) => Math.cos(size) * x + (Math.sin(size) / size) * tangent[i]);
    const norm = Math.sqrt(Math.max(0, product(mean, mean)));
    if (norm > tol) mean = mean.map((x) => x / norm);
  }
  return mean;
}
