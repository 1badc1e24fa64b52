/** Gram matrix of the rows of x `[n, width]`: `[n, n]`, float64. */
export function rowGram(x: ArrayLike<number>, n: number, width: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let s = 0; s < n; s++) {
    for (let t = 0; t <= s; t++) {
      let sum = 0;
      for (let j = 0; j < width; j++) sum += x[s * width + j] * x[t * width + j];
      out[s * n + t] = out[t * n + s] = sum;
    }
  }
  return out;
}

/** K with its row and column means taken off: the Gram matrix of centred rows. */
export function centredGram(k: ArrayLike<number>, n: number): Float64Array {
  const out = Float64Array.from(k), means = new Float64Array(n);
  let all = 0;
  for (let s = 0; s < n; s++) {
    for (let t = 0; t < n; t++) means[s] += k[s * n + t];
    means[s] /= n;
    all += means[s] / n;
  }
  for (let s = 0; s < n; s++) for (let t = 0; t < n; t++) out[s * n + t] += all - means[s] - means[t];
  return out;
}

/** Sum over all entries of K * L, with rows and columns of L taken in the order `order`. */
export function gramProduct(k: Float64Array, l: Float64Array, n: number, order?: Int32Array): number {
  let sum = 0;
  if (!order) for (let i = 0; i < k.length; i++) sum += k[i] * l[i];
  else for (let s = 0; s < n; s++) for (let t = 0; t < n; t++) sum += k[s * n + t] * l[order[s] * n + order[t]];
  return sum;
}

/** Linear centred kernel alignment from Gram matrices `[n, n]` (Kornblith et al., arXiv 1905.00414): 1 where one is a rotation and scaling of the other. */
export function linearCka(k: ArrayLike<number>, l: ArrayLike<number>, n: number): number {
  const a = centredGram(k, n), b = centredGram(l, n), scale = Math.sqrt(gramProduct(a, a, n) * gramProduct(b, b, n));
  return scale > 0 ? gramProduct(a, b, n) / scale : 0;
}

/** The same with the unbiased estimate of the Hilbert-Schmidt criterion (Song et al. 2012): near 0 for unrelated representations whatever their width. n > 3. */
export function linearCkaUnbiased(k: ArrayLike<number>, l: ArrayLike<number>, n: number): number {
  const a = hollow(k, n), b = hollow(l, n), scale = unbiasedHsic(a, a, n) * unbiasedHsic(b, b, n);
  return scale > 0 ? unbiasedHsic(a, b, n) / Math.sqrt(scale) : 0;
}

/** A Gram matrix with zero diagonal and its row sums. */
export interface HollowGram {
  readonly values: Float64Array;
  readonly rows: Float64Array;
  readonly total: number;
}

export function hollow(k: ArrayLike<number>, n: number): HollowGram {
  const values = Float64Array.from(k), rows = new Float64Array(n);
  let total = 0;
  for (let s = 0; s < n; s++) {
    values[s * n + s] = 0;
    for (let t = 0; t < n; t++) rows[s] += values[s * n + t];
    total += rows[s];
  }
  return { values, rows, total };
}

/** `[tr(KL) + (1'K1)(1'L1) / ((n-1)(n-2)) - 2 / (n-2) 1'KL1] / (n(n-3))`, rows of L in the order `order`. */
export function unbiasedHsic(k: HollowGram, l: HollowGram, n: number, order?: Int32Array): number {
  let cross = 0;
  for (let s = 0; s < n; s++) cross += k.rows[s] * l.rows[order ? order[s] : s];
  return (gramProduct(k.values, l.values, n, order) + (k.total * l.total) / ((n - 1) * (n - 2)) - (2 / (n - 2)) * cross) / (n * (n - 3));
}
