import { scoreAgainstNull } from '../numerics/nullScore';
import { mean, quantile } from '../numerics/statistics';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';
import type { Score } from '../protocol/score';
import { shuffledLabels } from './controls';
import { avgKRows } from './routers';

export interface RouterGeometry {
  /** Cosine of every two router rows `[experts, experts]`, 1 on the diagonal; 0 where a row is zero. */
  readonly cosine: Float32Array;
  /** Mean of the off-diagonal cosines under the null, and half the width of its central 95 %. */
  readonly nullMean: number;
  readonly nullBand: number;
  readonly nullLow: number;
  readonly nullHigh: number;
  readonly nullDraws: number;
  /** Mean off-diagonal cosine: experts whose router rows differ more than those of random partitions are told apart by avg-k. */
  readonly score: Score;
}

/** Cosines of the rows `[rows, width]`, `[rows, rows]`. */
export function cosineMatrix(rows: Float32Array, count: number, width: number): Float32Array {
  const norms = Float64Array.from({ length: count }, (_, r) => Math.sqrt(dot(rows, r, rows, r, width)));
  const out = new Float32Array(count * count);
  for (let a = 0; a < count; a++) {
    for (let b = 0; b <= a; b++) {
      const scale = norms[a] * norms[b];
      const cosine = a === b ? 1 : scale > 0 ? dot(rows, a, rows, b, width) / scale : 0;
      out[a * count + b] = cosine;
      out[b * count + a] = cosine;
    }
  }
  return out;
}

function dot(a: Float32Array, rowA: number, b: Float32Array, rowB: number, width: number): number {
  let sum = 0;
  for (let c = 0; c < width; c++) sum += a[rowA * width + c] * b[rowB * width + c];
  return sum;
}

/** Cosines of the avg-k rows of a partition beside those of random partitions of the same sizes (20 by default). */
export function routerGeometry(keys: Float32Array, neurons: number, width: number, labels: ArrayLike<number>, experts: number, seed: number, draws = 20): RouterGeometry {
  return finish(routerGeometrySteps(keys, neurons, width, labels, experts, seed, draws));
}

/** `routerGeometry` in steps. */
export function* routerGeometrySteps(keys: Float32Array, neurons: number, width: number, labels: ArrayLike<number>, experts: number, seed: number, draws = 20): Steps<RouterGeometry> {
  const cosine = cosineMatrix(avgKRows(keys, neurons, width, labels, experts), experts, width);
  const entries: number[] = [];
  const means: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    yield;
    const drawn = offDiagonal(cosineMatrix(avgKRows(keys, neurons, width, shuffledLabels(labels, seed, draw), experts), experts, width), experts);
    for (const value of drawn) entries.push(value);
    means.push(mean(drawn));
  }
  const sorted = Float64Array.from(entries).sort();
  const low = quantile(sorted, 0.025);
  const high = quantile(sorted, 0.975);
  const score = scoreAgainstNull({ value: mean(offDiagonal(cosine, experts)), draws: means, n: experts, nOf: 'experts', unit: 'cosine', direction: 'less', nullKind: 'random partitions of the same sizes' });
  return { cosine, nullMean: mean(entries), nullBand: (high - low) / 2, nullLow: low, nullHigh: high, nullDraws: draws, score };
}

function offDiagonal(matrix: Float32Array, n: number): Float64Array {
  const out = new Float64Array((n * (n - 1)) / 2);
  for (let a = 1, at = 0; a < n; a++) for (let b = 0; b < a; b++, at++) out[at] = matrix[a * n + b];
  return out;
}
