import { Matrix, SingularValueDecomposition } from 'ml-matrix';

/** The orthogonal factor of a matrix and what it leaves. */
export interface Polar {
  /** U V^T of the thin decomposition U S V^T, `[rows, columns]`, row-major. */
  readonly factor: Float64Array;
  /** Sum of the singular values that count. */
  readonly singularSum: number;
  /** How many count. */
  readonly rank: number;
}

/** Directions whose singular value is below this share of the largest are rounding of sums in float32: they are left out. */
export const POLAR_CUTOFF = 1e-7;

/**
 * Orthogonal Procrustes by thin singular value decomposition: among all T with orthonormal rows or columns, U V^T is the one closest to `c` and
 * maximises tr(T^T c) (Schoenemann 1966). Cubic; above a few hundred rows matrix products on the device are faster.
 */
export function polarFactor(c: ArrayLike<number>, rows: number, columns: number): Polar {
  const factor = new Float64Array(rows * columns), matrix = Matrix.from1DArray(rows, columns, Array.from(c));
  if (matrix.norm('frobenius') === 0) return { factor, singularSum: 0, rank: 0 };
  const svd = new SingularValueDecomposition(matrix, { autoTranspose: true });
  const u = svd.leftSingularVectors, v = svd.rightSingularVectors, values = svd.diagonal, limit = POLAR_CUTOFF * Math.max(...values);
  let singularSum = 0, rank = 0;
  for (let k = 0; k < Math.min(rows, columns); k++) {
    if (!(values[k] > limit)) continue;
    singularSum += values[k];
    rank++;
    for (let i = 0; i < rows; i++) {
      const left = u.get(i, k);
      for (let j = 0; j < columns; j++) factor[i * columns + j] += left * v.get(j, k);
    }
  }
  return { factor, singularSum, rank };
}

/** Sum of the singular values: 0 for a zero matrix. */
export function nuclearNorm(c: ArrayLike<number>, rows: number, columns: number): number {
  const matrix = Matrix.from1DArray(rows, columns, Array.from(c));
  if (matrix.norm('frobenius') === 0) return 0;
  return new SingularValueDecomposition(matrix, { autoTranspose: true, computeLeftSingularVectors: false, computeRightSingularVectors: false }).diagonal.reduce((sum, x) => sum + x, 0);
}
