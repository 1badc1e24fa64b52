/** Mean in float64, pairwise order fixed by index; NaN of nothing. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/** Standard deviation with N - 1; NaN of fewer than two. Values that are all equal give exactly 0. */
export function sampleSd(values: ArrayLike<number>): number {
  const centre = mean(values);
  let sum = 0;
  let equal = true;
  for (let i = 0; i < values.length; i++) {
    sum += (values[i] - centre) ** 2;
    if (values[i] !== values[0]) equal = false;
  }
  if (values.length > 1 && equal) return 0;
  return values.length > 1 ? Math.sqrt(sum / (values.length - 1)) : NaN;
}

/** Quantile of ascending values at position p (N + 1) (Hyndman and Fan type 6), clamped to the extremes. */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const last = sorted.length - 1;
  const position = Math.min(last, Math.max(0, p * (sorted.length + 1) - 1));
  const below = Math.floor(position);
  const above = Math.min(last, below + 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

/** Median, of any order of values; NaN of nothing. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[half] : 0.5 * (sorted[half - 1] + sorted[half]);
}

/** Pearson correlation; NaN when one side has no spread. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const meanA = mean(a);
  const meanB = mean(b);
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] - meanA;
    const y = b[i] - meanB;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : NaN;
}

/**
 * Benjamini-Hochberg adjusted p-values (q-values), same order as given. Not-a-number p-values stay NaN and are not counted
 * as tests.
 */
export function benjaminiHochberg(p: ArrayLike<number>): Float64Array {
  const q = new Float64Array(p.length).fill(NaN);
  const order = Array.from({ length: p.length }, (_, i) => i).filter((i) => !Number.isNaN(p[i]));
  order.sort((a, b) => p[a] - p[b] || a - b);
  let running = 1;
  for (let rank = order.length; rank >= 1; rank--) {
    running = Math.min(running, (p[order[rank - 1]] * order.length) / rank);
    q[order[rank - 1]] = running;
  }
  return q;
}

/** Shannon entropy in nats of non-negative weights (normalised here); 0 for nothing. */
export function entropy(weights: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i];
  if (!(total > 0)) return 0;
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const share = weights[i] / total;
    if (share > 0) sum -= share * Math.log(share);
  }
  return sum;
}
