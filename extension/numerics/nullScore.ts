import { studentQuantile, studentTail } from './distributions';
import { mean, quantile, sampleSd } from './statistics';

/** Draws from which on a p-value is a count of draws: with fewer, (r+1)/(N+1) could never fall to 0.05. */
const COUNTED_DRAWS = 19;
/** Draws from which on the 2.5 % and 97.5 % quantiles lie inside the sample. */
const QUANTILE_DRAWS = 39;

export interface NullScoreInput {
  readonly value: number;
  /** The same figure under the null, one number per draw. */
  readonly draws: ArrayLike<number>;
  /** Sample size that the figure rests on, counted in `nOf`. */
  readonly n: number;
  readonly nOf: string;
  readonly unit: string;
  /** Side that counts as evidence: modular structure gives more ('greater') or less ('less') than the null. */
  readonly direction: 'greater' | 'less';
  /** What was drawn, in words. */
  readonly nullKind: string;
  /** 95 % interval of the value where it was estimated. */
  readonly interval?: readonly [number, number];
}

/** A figure with its null: field by field the `Score` of the protocol (this room imports nothing, so the shape is repeated; a test compares them). */
export interface NullScore {
  readonly value: number | null;
  readonly null: number | null;
  readonly nullSd: number | null;
  readonly nullDraws: number;
  readonly z: number | null;
  readonly p: number | null;
  readonly n: number;
  readonly nOf: string;
  readonly unit: string;
  readonly direction: 'greater' | 'less';
  readonly nullKind: string;
  readonly interval?: readonly [number, number];
  readonly nullInterval?: readonly [number, number];
  readonly why?: string;
}

/**
 * Compares a figure with draws of its null. p is one-sided: from 19 draws on (r+1)/(N+1) with r = draws at least as extreme
 * (ties count against the figure); below that a Student-t prediction, t = (value - mean) / (sd sqrt(1 + 1/N)), N - 1 degrees of
 * freedom. Draws of no spread and fewer than 19 also count. Figures that are not finite become null with `why`.
 */
export function scoreAgainstNull(input: NullScoreInput): NullScore {
  const { value, n, nOf, unit, direction, nullKind, interval } = input;
  const draws = Float64Array.from(input.draws).filter(Number.isFinite);
  const lost = input.draws.length - draws.length;
  const head = { n, nOf, unit, direction, nullKind, nullDraws: draws.length };
  if (!Number.isFinite(value)) return { ...head, value: null, null: finiteOrNull(mean(draws)), nullSd: finiteOrNull(sampleSd(draws)), z: null, p: null, why: 'the figure is not a finite number' };
  const withInterval = interval && Number.isFinite(interval[0]) && Number.isFinite(interval[1]) ? { interval } : {};
  if (draws.length === 0) return { ...head, ...withInterval, value, null: null, nullSd: null, z: null, p: null, why: 'no draw of the null is a finite number' };
  const centre = mean(draws);
  const sd = draws.length > 1 ? sampleSd(draws) : null;
  const notes: string[] = [];
  if (lost > 0) notes.push(`${lost} draws of the null were not finite and were left out`);
  if (draws.length === 1) notes.push('one draw of the null gives no spread');
  else if (!(sd! > 0)) notes.push('all draws of the null are equal');
  const p = draws.length === 1 ? null : pValue(value, draws, centre, sd!, direction);
  return {
    ...head,
    ...withInterval,
    value,
    null: centre,
    nullSd: sd,
    z: sd !== null && sd > 0 ? (value - centre) / sd : null,
    p,
    ...(sd === null ? {} : { nullInterval: nullInterval(draws, centre, sd) }),
    ...(notes.length > 0 ? { why: notes.join('; ') } : {}),
  };
}

/** How many draws are at least as extreme as the value, ties included. */
export function countExtreme(value: number, draws: ArrayLike<number>, direction: 'greater' | 'less'): number {
  let count = 0;
  for (let i = 0; i < draws.length; i++) if (direction === 'greater' ? draws[i] >= value : draws[i] <= value) count++;
  return count;
}

function pValue(value: number, draws: Float64Array, centre: number, sd: number, direction: 'greater' | 'less'): number {
  const count = draws.length;
  if (count >= COUNTED_DRAWS || !(sd > 0)) return (countExtreme(value, draws, direction) + 1) / (count + 1);
  const t = (value - centre) / (sd * Math.sqrt(1 + 1 / count));
  return studentTail(direction === 'greater' ? t : -t, count - 1);
}

/** 95 % of a further draw: quantiles of many draws, a Student-t prediction of few. */
function nullInterval(draws: Float64Array, centre: number, sd: number): readonly [number, number] {
  if (draws.length >= QUANTILE_DRAWS) {
    const sorted = draws.slice().sort();
    return [quantile(sorted, 0.025), quantile(sorted, 0.975)];
  }
  const reach = studentQuantile(0.975, draws.length - 1) * sd * Math.sqrt(1 + 1 / draws.length);
  return [centre - reach, centre + reach];
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
