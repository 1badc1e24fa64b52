/** The chosen rows of a matrix `[.., width]`, one after the other. */
export function takeRows<T extends Float32Array | Uint8Array>(matrix: T, width: number, rows: ArrayLike<number>): T {
  const out = new (matrix.constructor as new (length: number) => T)(rows.length * width);
  for (let i = 0; i < rows.length; i++) out.set(matrix.subarray(rows[i] * width, (rows[i] + 1) * width), i * width);
  return out;
}
