import { Matrix, QrDecomposition, SingularValueDecomposition } from 'ml-matrix';

/** A low-rank matrix B A by its largest directions. */
export interface TruncatedFactors {
  /** `[rank, in]` and `[out, rank]`, float64: singular values stand in `b`. */
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly rank: number;
  /** All singular values of B A, descending. */
  readonly singularValues: readonly number[];
  /** Share of the squared norm that is kept. */
  readonly energy: number;
}

/**
 * Singular value decomposition of B A from its factors (A `[rank, in]`, B `[out, rank]`), cut to `keep` directions: QR of B and of A^T, then the
 * decomposition of a small square matrix; B A itself is never made.
 */
export function truncateFactors(a: ArrayLike<number>, b: ArrayLike<number>, rank: number, keep: number): TruncatedFactors {
  const inWidth = a.length / rank, outWidth = b.length / rank;
  const left = orthogonal(Matrix.from1DArray(outWidth, rank, Array.from(b))), right = orthogonal(Matrix.from1DArray(rank, inWidth, Array.from(a)).transpose());
  const core = left.r.mmul(right.r.transpose());
  const svd = new SingularValueDecomposition(core, { autoTranspose: true }), values = [...svd.diagonal].sort((x, y) => y - x), n = Math.min(keep, values.length);
  const u = left.q.mmul(svd.leftSingularVectors), v = right.q.mmul(svd.rightSingularVectors), outA = new Float64Array(n * inWidth), outB = new Float64Array(outWidth * n);
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < inWidth; i++) outA[k * inWidth + i] = v.get(i, k);
    for (let o = 0; o < outWidth; o++) outB[o * n + k] = u.get(o, k) * svd.diagonal[k];
  }
  const square = (list: readonly number[]): number => list.reduce((sum, x) => sum + x * x, 0), total = square(values);
  return { a: outA, b: outB, rank: n, singularValues: values, energy: total > 0 ? square(values.slice(0, n)) / total : 1 };
}

/** Thin Q and R; a matrix with more columns than rows is its own R. */
function orthogonal(x: Matrix): { readonly q: Matrix; readonly r: Matrix } {
  if (x.columns > x.rows) return { q: Matrix.eye(x.rows), r: x };
  const qr = new QrDecomposition(x);
  return { q: qr.orthogonalMatrix, r: qr.upperTriangularMatrix };
}
