/** Distribution functions in float64. Sources: NIST DLMF 5.10 (Lanczos), 7.9 and 8.17.22 (continued fractions). */

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;

/** ln Gamma(x) for x > 0 (Lanczos, g = 7, nine terms). */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1;
  let sum: number = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (y + i);
  const t = y + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** ln n! for integers; exact sums below 256, Lanczos above. */
export function logFactorial(n: number): number {
  return n < LOG_FACTORIALS.length ? LOG_FACTORIALS[n] : logGamma(n + 1);
}
const LOG_FACTORIALS = new Float64Array(256);
for (let n = 2; n < LOG_FACTORIALS.length; n++) LOG_FACTORIALS[n] = LOG_FACTORIALS[n - 1] + Math.log(n);

/** Complementary error function; relative error about 1e-14. */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x);
  if (x < 2) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  if (x > 27) return 0;
  let fraction = 0;
  for (let n = 120; n >= 1; n--) fraction = (n / 2) / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/** P(Z <= z) of the standard normal. */
export function normalCdf(z: number): number {
  return 0.5 * erfc(-z / Math.SQRT2);
}

/** z with P(Z <= z) = p, by bisection on `normalCdf`; p in (0, 1). */
export function normalQuantile(p: number): number {
  return invert(normalCdf, p);
}

/** Regularised incomplete beta function I_x(a, b). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const tiny = 1e-300;
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let result = d;
  for (let m = 1; m <= 5000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + even * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + even / c;
    if (Math.abs(c) < tiny) c = tiny;
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + odd * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + odd / c;
    if (Math.abs(c) < tiny) c = tiny;
    const step = d * c;
    result *= step;
    if (Math.abs(step - 1) < 1e-16) break;
  }
  return front * result;
}

/** P(T <= t) of Student's t with `df` > 0 degrees of freedom. */
export function studentCdf(t: number, df: number): number {
  if (Number.isNaN(t)) return NaN;
  const tail = 0.5 * incompleteBeta(df / (df + t * t), df / 2, 0.5);
  return t > 0 ? 1 - tail : tail;
}

/** P(T > t): accurate in the far tail, where 1 - cdf would cancel. */
export function studentTail(t: number, df: number): number {
  return studentCdf(-t, df);
}

/** t with P(T <= t) = p; p in (0, 1). */
export function studentQuantile(p: number, df: number): number {
  return invert((t) => studentCdf(t, df), p);
}

function invert(cdf: (x: number) => number, p: number): number {
  if (!(p > 0 && p < 1)) return p === 0 ? -Infinity : p === 1 ? Infinity : NaN;
  if (p > 0.5) return -invertLow(cdf, 1 - p);
  return invertLow(cdf, p);
}

/** Both distributions are symmetric, so only the accurate lower half is searched. */
function invertLow(cdf: (x: number) => number, p: number): number {
  if (p === 0.5) return 0;
  let low = -1;
  while (cdf(low) > p) low *= 2;
  let high = 0;
  for (let i = 0; i < 200; i++) {
    const middle = 0.5 * (low + high);
    if (middle === low || middle === high) break;
    if (cdf(middle) > p) high = middle;
    else low = middle;
  }
  return 0.5 * (low + high);
}

/**
 * P(X > t) for the number X of marked items among `drawn` draws without replacement out of `population` items, `marked` of
 * them marked.
 */
export function hypergeometricTail(t: number, population: number, marked: number, drawn: number): number {
  const low = Math.max(0, drawn - (population - marked));
  const high = Math.min(drawn, marked);
  const first = Math.floor(t) + 1;
  if (first <= low) return 1;
  if (first > high) return 0;
  const logChoose = (n: number, k: number): number => logFactorial(n) - logFactorial(k) - logFactorial(n - k);
  const mass = (k: number): number => Math.exp(logChoose(marked, k) + logChoose(population - marked, drawn - k) - logChoose(population, drawn));
  if (first > (drawn * marked) / population) {
    let term = mass(first);
    let sum = term;
    for (let k = first; k < high; k++) {
      term *= ((marked - k) * (drawn - k)) / ((k + 1) * (population - marked - drawn + k + 1));
      sum += term;
    }
    return Math.min(1, sum);
  }
  let term = mass(first - 1);
  let below = term;
  for (let k = first - 1; k > low; k--) {
    term *= (k * (population - marked - drawn + k)) / ((marked - k + 1) * (drawn - k + 1));
    below += term;
  }
  return Math.max(0, 1 - below);
}

/** P(X > t) for X ~ Binomial(n, p). */
export function binomialTail(t: number, n: number, p: number): number {
  const first = Math.floor(t) + 1;
  if (first <= 0) return 1;
  if (first > n) return 0;
  return incompleteBeta(p, first, n - first + 1);
}

/** Smallest integer t >= 0 with `tail(t) <= level`; `tail` must fall. The threshold of emergent.md 3.1. */
export function smallestThreshold(tail: (t: number) => number, level: number): number {
  let t = 0;
  while (tail(t) > level) t++;
  return t;
}
