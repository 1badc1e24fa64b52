/** Eigenvalues in descending order; row `i` of `vectors` is the unit eigenvector of `values[i]`. */
export interface SymmetricEigen {
  readonly values: Float64Array;
  /** `[n, n]`, row-major */
  readonly vectors: Float64Array;
}

/** Sweeps over all pairs; six to ten are enough for any matrix, the bound only ends what holds NaN. */
const MAX_SWEEPS = 60;
/** Off-diagonal entries below this share of the matrix's norm cannot change an eigenvalue's last bit. */
const NEGLIGIBLE = 1e-17;

/**
 * Eigen-decomposition of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, "Matrix Computations", 8.5).
 * Meant for the small Gram matrices of low-rank updates (n up to a few hundred): slower than tridiagonal methods, but
 * accurate for small eigenvalues and the same bits on every machine. Only the lower triangle is read.
 * @param matrix `[n, n]`, row-major; left as it is
 */
export function symmetricEigen(matrix: ArrayLike<number>, n: number): SymmetricEigen {
  if (matrix.length !== n * n) throw new RangeError(`a matrix of ${matrix.length} entries is not ${n} by ${n}`);
  const m = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) m[i * n + j] = m[j * n + i] = matrix[i * n + j];
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  let norm = 0;
  for (const x of m) norm += x * x;
  const limit = NEGLIGIBLE * Math.sqrt(norm);
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let turned = false;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(m[p * n + q]) <= limit) continue;
        turned = true;
        rotate(m, v, n, p, q);
      }
    }
    if (!turned) break;
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => m[b * n + b] - m[a * n + a] || a - b);
  const values = new Float64Array(n), vectors = new Float64Array(n * n);
  for (const [to, from] of order.entries()) {
    values[to] = m[from * n + from];
    vectors.set(v.subarray(from * n, (from + 1) * n), to * n);
  }
  return { values, vectors };
}

/** Turns the plane (p, q) so that m[p, q] becomes 0; rows of `v` collect the turns. */
function rotate(m: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const theta = (m[q * n + q] - m[p * n + p]) / (2 * m[p * n + q]);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1), s = t * c;
  for (let k = 0; k < n; k++) {
    const kp = m[k * n + p], kq = m[k * n + q];
    m[k * n + p] = c * kp - s * kq;
    m[k * n + q] = s * kp + c * kq;
  }
  for (let k = 0; k < n; k++) {
    const pk = m[p * n + k], qk = m[q * n + k], vp = v[p * n + k], vq = v[q * n + k];
    m[p * n + k] = c * pk - s * qk;
    m[q * n + k] = s * pk + c * qk;
    v[p * n + k] = c * vp - s * vq;
    v[q * n + k] = s * vp + c * vq;
  }
  m[p * n + q] = m[q * n + p] = 0;
}
