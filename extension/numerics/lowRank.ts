import { symmetricEigen } from './symmetricEigen';

/** A matrix `B A` of low rank by its factors, row-major. */
export interface LowRank {
  readonly rank: number;
  readonly inWidth: number;
  readonly outWidth: number;
  /** `[rank, inWidth]` */
  readonly a: Float32Array;
  /** `[outWidth, rank]` */
  readonly b: Float32Array;
}

/** What the singular values of a low-rank matrix say. */
export interface Spectrum {
  /** Descending `[rank]`. */
  readonly singularValues: Float64Array;
  /** First right singular vector, its coordinate of largest magnitude positive; all zeros for a zero matrix `[inWidth]`. */
  readonly direction: Float64Array;
  /** Square of the first singular value over the sum of squares; 0 for a zero matrix. */
  readonly energy: number;
  /** Sum of squares over the square of the first; 0 for a zero matrix. */
  readonly stableRank: number;
  readonly frobenius: number;
  /** Second over first singular value: near 1 the direction is hardly determined. 0 for a zero matrix. */
  readonly ratio: number;
}

/** Eigenvalues of A A^T below this share of the largest are rounding: A's rows are dependent there. */
const DEPENDENT = 1e-14;

/**
 * Singular values and first right singular vector of B A from r x r matrices only: with A A^T = S S^T (S by
 * eigen-decomposition, so that dependent rows do no harm) and S^T (B^T B) S = Y L Y^T the singular values are sqrt(L) and
 * the vector is A^T S^-T y, normalised. Takes O(r^2 (in + out)), in float64, and is exact where power steps have to converge.
 */
export function spectrumOf(m: LowRank): Spectrum {
  const { rank: r, inWidth } = m;
  const left = symmetricEigen(rowProducts(m, m), r), right = columnProducts(m, m);
  const kept = left.values.reduce((n, value) => n + (value > DEPENDENT * left.values[0] ? 1 : 0), 0);
  const core = new Float64Array(kept * kept);
  for (let i = 0; i < kept; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let p = 0; p < r; p++) for (let q = 0; q < r; q++) sum += left.vectors[i * r + p] * right[p * r + q] * left.vectors[j * r + q];
      core[i * kept + j] = core[j * kept + i] = sum * Math.sqrt(left.values[i] * left.values[j]);
    }
  }
  const inner = symmetricEigen(core, kept), singularValues = new Float64Array(r);
  for (let i = 0; i < kept; i++) singularValues[i] = Math.sqrt(Math.max(0, inner.values[i]));
  const square = singularValues.reduce((sum, s) => sum + s * s, 0), first = singularValues[0];
  const direction = new Float64Array(inWidth);
  if (!(first > 0)) return { singularValues, direction, energy: 0, stableRank: 0, frobenius: 0, ratio: 0 };
  for (let p = 0; p < r; p++) {
    let weight = 0;
    for (let i = 0; i < kept; i++) weight += left.vectors[i * r + p] * (inner.vectors[i] / Math.sqrt(left.values[i]));
    for (let k = 0; k < inWidth; k++) direction[k] += weight * m.a[p * inWidth + k];
  }
  normalise(direction);
  return { singularValues, direction, energy: (first * first) / square, stableRank: square / (first * first), frobenius: Math.sqrt(square), ratio: (r > 1 ? singularValues[1] : 0) / first };
}

/** Sum over all entries of X * Y for X = B A and Y = B' A', from the products of their factors; ranks may differ. */
export function innerProduct(x: LowRank, y: LowRank): number {
  const rows = rowProducts(x, y), columns = columnProducts(x, y);
  let sum = 0;
  for (let i = 0; i < rows.length; i++) sum += rows[i] * columns[i];
  return sum;
}

/** O-LoRA's overlap of what two updates read: the sum of |A A'^T| (arXiv 2310.14152). */
export function readOverlap(x: LowRank, y: LowRank): number {
  return rowProducts(x, y).reduce((sum, value) => sum + Math.abs(value), 0);
}

/** Weighted sum of matrices as one stack of factors: no product is made, ranks add up. */
export function stackLowRank(parts: readonly { readonly factors: LowRank; readonly weight: number }[]): LowRank {
  const { inWidth, outWidth } = parts[0].factors, rank = parts.reduce((sum, { factors }) => sum + factors.rank, 0);
  const a = new Float32Array(rank * inWidth), b = new Float32Array(outWidth * rank);
  let at = 0;
  for (const { factors: f, weight } of parts) {
    a.set(f.a, at * inWidth);
    for (let o = 0; o < outWidth; o++) for (let p = 0; p < f.rank; p++) b[o * rank + at + p] = weight * f.b[o * f.rank + p];
    at += f.rank;
  }
  return { rank, inWidth, outWidth, a, b };
}

/** A A'^T `[x.rank, y.rank]` */
function rowProducts(x: LowRank, y: LowRank): Float64Array {
  if (x.inWidth !== y.inWidth) throw new RangeError(`updates that read ${x.inWidth} and ${y.inWidth} features`);
  const out = new Float64Array(x.rank * y.rank), width = x.inWidth;
  for (let i = 0; i < x.rank; i++) {
    for (let j = 0; j < y.rank; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += x.a[i * width + k] * y.a[j * width + k];
      out[i * y.rank + j] = sum;
    }
  }
  return out;
}

/** B^T B' `[x.rank, y.rank]` */
function columnProducts(x: LowRank, y: LowRank): Float64Array {
  if (x.outWidth !== y.outWidth) throw new RangeError(`updates that write ${x.outWidth} and ${y.outWidth} features`);
  const out = new Float64Array(x.rank * y.rank);
  for (let o = 0; o < x.outWidth; o++) {
    for (let i = 0; i < x.rank; i++) {
      const left = x.b[o * x.rank + i];
      for (let j = 0; j < y.rank; j++) out[i * y.rank + j] += left * y.b[o * y.rank + j];
    }
  }
  return out;
}

/** Length 1, and the first coordinate of largest magnitude positive, so that views and tests agree on the sign. */
function normalise(v: Float64Array): void {
  let square = 0, largest = 0;
  for (let i = 0; i < v.length; i++) {
    square += v[i] * v[i];
    // Coordinates that differ by rounding alone count as equal: the first one decides.
    if (Math.abs(v[i]) > Math.abs(v[largest]) * (1 + 1e-9)) largest = i;
  }
  const factor = (v[largest] < 0 ? -1 : 1) / Math.sqrt(square);
  for (let i = 0; i < v.length; i++) v[i] *= factor;
}
