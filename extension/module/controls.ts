import { Random } from '../numerics/random';
import { type Factors, productNorm, shuffledFactors } from './shuffle';

/** How a random module is made from a learned one: what it keeps of it. */
export const CONTROL_KINDS = ['moment-matched', 'norm-matched'] as const;

/**
 * Instead of what was learned, its null. `moment-matched`: the entries of each factor permuted (`shuffledFactors`), so that the distribution of
 * values and the norm of the update stay. `norm-matched`: Gaussian factors, scaled so that the norm of the update stays.
 */
export interface ModuleControl {
  readonly kind: (typeof CONTROL_KINDS)[number];
  readonly seed: number;
}

/** Factors of the null of an update; `target` names its random stream. ||B A|| in the Frobenius norm is the source's. */
export function controlFactors(factors: Factors, rank: number, control: ModuleControl, target: string): Factors {
  if (control.kind === 'moment-matched') return shuffledFactors(factors, rank, new Random(control.seed, 'random module', target));
  const random = new Random(control.seed, 'gaussian module', target), left = random.fork('A'), right = random.fork('B');
  const a = Float32Array.from(factors.a, () => left.normal()), b = Float32Array.from(factors.b, () => right.normal());
  const before = productNorm(factors.a, factors.b, rank), after = productNorm(a, b, rank), factor = after > 0 ? before / after : 0;
  return { a, b: b.map((x) => x * factor) };
}

/** The null of any other array of parameters (a prompt, a vector of scales): entries permuted, or Gaussian with the mean and the variance of the entries. */
export function controlEntries(values: Float32Array, control: ModuleControl, name: string): Float32Array {
  if (control.kind === 'moment-matched') return new Random(control.seed, 'random module', name).shuffle(Float32Array.from(values));
  const random = new Random(control.seed, 'gaussian module', name);
  let sum = 0, square = 0;
  for (const x of values) sum += x;
  const mean = values.length > 0 ? sum / values.length : 0;
  for (const x of values) square += (x - mean) ** 2;
  const deviation = values.length > 0 ? Math.sqrt(square / values.length) : 0;
  return Float32Array.from(values, () => mean + deviation * random.normal());
}
