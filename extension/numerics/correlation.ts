/** Means and standard deviations (over n, not n - 1) of the columns of `[n, width]`, float64. */
export function columnMoments(x: ArrayLike<number>, n: number, width: number): { readonly mean: Float64Array; readonly sd: Float64Array } {
  const mean = new Float64Array(width), sd = new Float64Array(width);
  for (let t = 0, at = 0; t < n; t++) for (let j = 0; j < width; j++, at++) mean[j] += x[at];
  for (let j = 0; j < width; j++) mean[j] /= Math.max(1, n);
  for (let t = 0, at = 0; t < n; t++) for (let j = 0; j < width; j++, at++) sd[j] += (x[at] - mean[j]) ** 2;
  for (let j = 0; j < width; j++) sd[j] = Math.sqrt(sd[j] / Math.max(1, n));
  return { mean, sd };
}

/** A column whose spread is below this share of its size is constant: what is left is rounding. */
const CONSTANT = 1e-7;

/** Columns made to mean 0 and length 1, laid out column by column `[width, n]`; a constant column becomes zeros. */
export function standardisedColumns(x: ArrayLike<number>, n: number, width: number): Float32Array {
  const { mean, sd } = columnMoments(x, n, width), out = new Float32Array(width * n), root = Math.sqrt(n);
  for (let j = 0; j < width; j++) {
    if (sd[j] <= CONSTANT * Math.abs(mean[j]) || sd[j] === 0) continue;
    const factor = 1 / (sd[j] * root);
    for (let t = 0; t < n; t++) out[j * n + t] = (x[t * width + j] - mean[j]) * factor;
  }
  return out;
}

/**
 * Pearson correlation of every column of x `[n, dx]` with every column of y `[n, dy]`: `[dx, dy]`, float64. A constant column correlates 0
 * with everything, as in scikit-learn's `r_regression` for a constant target (for a constant feature that one may give infinities).
 */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>, n: number, dx: number, dy: number): Float64Array {
  const mx = columnMoments(x, n, dx), my = columnMoments(y, n, dy), out = new Float64Array(dx * dy);
  for (let t = 0; t < n; t++) {
    for (let i = 0; i < dx; i++) {
      const left = x[t * dx + i] - mx.mean[i];
      for (let j = 0; j < dy; j++) out[i * dy + j] += left * (y[t * dy + j] - my.mean[j]);
    }
  }
  for (let i = 0; i < dx; i++) for (let j = 0; j < dy; j++) {
    const scale = n * mx.sd[i] * my.sd[j];
    out[i * dy + j] = scale > 0 ? Math.min(1, Math.max(-1, out[i * dy + j] / scale)) : 0;
  }
  return out;
}
