/** C[m, n] = A[m, k] · B[n, k]ᵀ, row-major float32. */
export type MatmulTransposed = (a: Float32Array, b: Float32Array, m: number, n: number, k: number) => Float32Array;

/** Plain float32 `A·Bᵀ`, four by four rows at a time, float64 accumulation in index order. */
export function matmulTransposed(a: Float32Array, b: Float32Array, m: number, n: number, k: number): Float32Array {
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    const ai = i * k;
    let j = 0;
    for (; j + 3 < n; j += 4) {
      const b0 = j * k;
      const b1 = b0 + k;
      const b2 = b1 + k;
      const b3 = b2 + k;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let c = 0; c < k; c++) {
        const x = a[ai + c];
        s0 += x * b[b0 + c];
        s1 += x * b[b1 + c];
        s2 += x * b[b2 + c];
        s3 += x * b[b3 + c];
      }
      out[i * n + j] = s0;
      out[i * n + j + 1] = s1;
      out[i * n + j + 2] = s2;
      out[i * n + j + 3] = s3;
    }
    for (; j < n; j++) {
      let s = 0;
      for (let c = 0; c < k; c++) s += a[ai + c] * b[j * k + c];
      out[i * n + j] = s;
    }
  }
  return out;
}
