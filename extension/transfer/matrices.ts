/** A B for row-major A `[m, k]` and B `[k, n]`, float64. */
export function multiply(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const factor = a[i * k + p];
      if (factor === 0) continue;
      for (let j = 0, from = p * n, to = i * n; j < n; j++) out[to + j] += factor * b[from + j];
    }
  }
  return out;
}

/** A^T B for A `[k, m]` and B `[k, n]`: `[m, n]`. */
export function transposedProduct(a: Float64Array, b: Float64Array, k: number, m: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let p = 0; p < k; p++) {
    for (let i = 0; i < m; i++) {
      const factor = a[p * m + i];
      if (factor === 0) continue;
      for (let j = 0, from = p * n, to = i * n; j < n; j++) out[to + j] += factor * b[from + j];
    }
  }
  return out;
}

/** The transpose `[columns, rows]`. */
export function transpose(x: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = x[i * columns + j];
  return out;
}

/** Two matrices of the same rows side by side `[rows, w + c]`. */
export function columns(left: Float64Array, w: number, right: Float64Array, c: number, rows: number): Float64Array {
  const out = new Float64Array(rows * (w + c));
  for (let i = 0; i < rows; i++) {
    out.set(left.subarray(i * w, (i + 1) * w), i * (w + c));
    out.set(right.subarray(i * c, (i + 1) * c), i * (w + c) + w);
  }
  return out;
}

/** The block of a matrix with `width` columns. */
export function block(x: Float64Array, width: number, rows: readonly [number, number], cols: readonly [number, number]): Float64Array {
  const h = rows[1] - rows[0], w = cols[1] - cols[0], out = new Float64Array(h * w);
  for (let i = 0; i < h; i++) out.set(x.subarray((rows[0] + i) * width + cols[0], (rows[0] + i) * width + cols[1]), i * w);
  return out;
}
