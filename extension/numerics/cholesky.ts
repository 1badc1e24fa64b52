import type { Steps } from './steps';

/** Multiplications between two pauses: some ten milliseconds. */
const STEP = 1e7;

/**
 * Lower triangle L with L L^T = G + shift I, in float64; G `[n, n]` is symmetric and only its lower triangle is read.
 * Null where the shifted matrix is not positive definite.
 */
export function* choleskySteps(g: Float64Array, n: number, shift: number): Steps<Float64Array | null> {
  const l = new Float64Array(n * n);
  let work = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = g[i * n + j] + (i === j ? shift : 0);
      const a = i * n, b = j * n;
      for (let k = 0; k < j; k++) sum -= l[a + k] * l[b + k];
      if (i > j) l[a + j] = sum / l[b + j];
      else if (sum > 0) l[a + j] = Math.sqrt(sum);
      else return null;
    }
    work += (i * i) / 2;
    if (work > STEP) {
      work = 0;
      yield;
    }
  }
  return l;
}

/** X with L L^T X = R, for right-hand sides R `[n, m]`. */
export function* choleskySolveSteps(l: Float64Array, r: Float64Array, n: number, m: number): Steps<Float64Array> {
  const x = Float64Array.from(r);
  let work = 0;
  const pause = (): boolean => { work += n * m / 2; if (work < STEP) return false; work = 0; return true; };
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k];
      for (let c = 0, to = i * m, from = k * m; c < m; c++) x[to + c] -= factor * x[from + c];
    }
    const diagonal = l[i * n + i];
    for (let c = 0; c < m; c++) x[i * m + c] /= diagonal;
    if (pause()) yield;
  }
  for (let i = n - 1; i >= 0; i--) {
    const diagonal = l[i * n + i];
    for (let c = 0; c < m; c++) x[i * m + c] /= diagonal;
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k];
      for (let c = 0, from = i * m, to = k * m; c < m; c++) x[to + c] -= factor * x[from + c];
    }
    if (pause()) yield;
  }
  return x;
}

/** Ridge strengths tried, relative to the mean variance of a feature. */
export const RIDGE_RHOS = [1e-4, 1e-3, 1e-2, 1e-1] as const;

/** (G + rho tr(G) / n I)^-1 R: ridge regression from sums of products. Null where the features are all zero. */
export function* ridgeSteps(g: Float64Array, r: Float64Array, n: number, m: number, rho: number): Steps<Float64Array | null> {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += g[i * n + i];
  const l = trace > 0 ? yield* choleskySteps(g, n, (rho * trace) / n) : null;
  return l ? yield* choleskySolveSteps(l, r, n, m) : null;
}
