import { matmulTransposed } from '../numerics/gemm';
import { Random } from '../numerics/random';
import { symmetricEigen } from '../numerics/symmetricEigen';
import { transposed } from './dora';
import type { LoweredSite } from './types';

/** Share of the squared norm that factors of an update hold where no rank is asked for, within `MAX_RANK`. */
export const ENERGY_KEPT = 0.999;
/** Largest rank that is chosen by itself: above it factors are no smaller than the update at the widths of small models. */
export const MAX_RANK = 128;
/** Directions beyond the rank that the subspace gets, and its iterations (Halko, Martinsson and Tropp, arXiv 0909.4061, section 4.5). */
const OVERSAMPLING = 16;
const ITERATIONS = 4;
/** A subspace as large as this share of the smaller side is taken whole. */
const WHOLE = 0.5;

/**
 * The best factors of a dense update `[out, in]`: B = U sqrt(S), A = sqrt(S) V^T of its leading singular values, scaling 1. Exact up to rounding where
 * the subspace is the whole space, else by randomised subspace iteration. `energy` is the share of the squared norm that they hold.
 * @param rank undefined: the smallest that holds `ENERGY_KEPT`, at most `MAX_RANK`
 */
export function factorsOf(update: Float32Array, outWidth: number, inWidth: number, rank?: number): Omit<LoweredSite, 'target'> {
  const least = Math.min(outWidth, inWidth), most = Math.min(least, rank ?? MAX_RANK), wanted = Math.min(least, most + OVERSAMPLING), k = wanted >= WHOLE * least ? least : wanted;
  let total = 0;
  for (const x of update) total += x * x;
  const turned = transposed(update, outWidth, inWidth), random = new Random(0, 'dense factors');
  // Rows of q span what the update writes, of p what it reads.
  let p = orthonormal(Float32Array.from({ length: k * inWidth }, () => random.normal()), k, inWidth), q = p;
  for (let pass = 0; pass < (k === least ? 2 : ITERATIONS); pass++) {
    q = orthonormal(transposed(matmulTransposed(update, p, outWidth, k, inWidth), outWidth, k), k, outWidth);
    if (pass < ITERATIONS - 1) p = orthonormal(transposed(matmulTransposed(turned, q, inWidth, k, outWidth), inWidth, k), k, inWidth);
  }
  // M = Q^T W `[k, in]`; the eigenvectors of M M^T turn Q into left singular vectors.
  const m = transposed(matmulTransposed(turned, q, inWidth, k, outWidth), inWidth, k), gram = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let c = 0; c < inWidth; c++) sum += m[i * inWidth + c] * m[j * inWidth + c];
      gram[i * k + j] = gram[j * k + i] = sum;
    }
  }
  const { values, vectors } = symmetricEigen(gram, k), kept = rankOf(values, total, most, rank !== undefined);
  const a = new Float32Array(kept * inWidth), b = new Float32Array(outWidth * kept);
  let held = 0;
  for (let r = 0; r < kept; r++) {
    held += Math.max(0, values[r]);
    const root = Math.sqrt(Math.sqrt(Math.max(0, values[r])));
    for (let o = 0; o < outWidth; o++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += vectors[r * k + i] * q[i * outWidth + o];
      b[o * kept + r] = root * sum;
    }
    for (let c = 0; c < inWidth && root > 0; c++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += vectors[r * k + i] * m[i * inWidth + c];
      a[r * inWidth + c] = sum / root;
    }
  }
  return { a, b, rank: kept, scaling: 1, inWidth, outWidth, energy: total > 0 ? Math.min(1, held / total) : 1 };
}

/** How many of the descending squares are needed. */
function rankOf(squares: Float64Array, total: number, most: number, fixed: boolean): number {
  if (fixed) return most;
  let held = 0;
  for (let r = 0; r < most; r++) {
    held += Math.max(0, squares[r]);
    if (held >= ENERGY_KEPT * total) return r + 1;
  }
  return most;
}

/** Rows made orthonormal, by Gram-Schmidt done twice in float64; a row that depends on others becomes zero. */
function orthonormal(rows: Float32Array, count: number, width: number): Float32Array {
  const work = Float64Array.from(rows);
  for (let i = 0; i < count; i++) {
    const row = work.subarray(i * width, (i + 1) * width), before = Math.sqrt(row.reduce((s, x) => s + x * x, 0));
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const other = work.subarray(j * width, (j + 1) * width);
        let dot = 0;
        for (let c = 0; c < width; c++) dot += row[c] * other[c];
        if (dot !== 0) for (let c = 0; c < width; c++) row[c] -= dot * other[c];
      }
    }
    const norm = Math.sqrt(row.reduce((s, x) => s + x * x, 0)), factor = norm > 1e-7 * before && norm > 0 ? 1 / norm : 0;
    for (let c = 0; c < width; c++) row[c] *= factor;
  }
  return Float32Array.from(work);
}
