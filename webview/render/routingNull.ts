import type { Score } from '../../extension/protocol/score';
import type { Coactivation } from './routingMetrics';
import { coactivation, switchRate } from './routingMetrics';

/** Neighbouring tokens are alike: what varies is taken over blocks of this many. */
export const BLOCK_TOKENS = 16;
const Z95 = 1.96;
const SWITCH_DRAWS = 99;
const PAIR_DRAWS = 60;

/** Numbers in [0, 1) that repeat for a seed (a 32-bit mixing generator). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4294967296;
  };
}

/** Spans of consecutive tokens in which order is shuffled: one for each text. */
export type Spans = readonly (readonly [number, number])[];

/** Share of neighbours with different first experts against the same tokens in random order, text by text. */
export function switchScore(ids: ArrayLike<number>, spans: Spans, seed = 0): Score {
  const starts = new Set(spans.map(([from]) => from));
  const value = switchRate(ids, starts);
  const pairs = spans.reduce((sum, [from, to]) => sum + Math.max(0, to - from - 1), 0);
  const base = { n: pairs, nOf: 'pairs of neighbours', unit: 'share', direction: 'less', nullKind: 'tokens of each text in random order' } as const;
  if (value === null) return { ...base, value: null, null: null, nullSd: null, nullDraws: 0, z: null, p: null, why: 'no neighbouring tokens' };
  const random = seededNumbers(seed);
  const order = Array.from(ids);
  const draws: number[] = [];
  for (let draw = 0; draw < SWITCH_DRAWS; draw++) {
    for (const [from, to] of spans) {
      for (let i = to - 1; i > from; i--) {
        const j = from + Math.floor(random() * (i - from + 1));
        const held = order[i] ?? 0;
        order[i] = order[j] ?? 0;
        order[j] = held;
      }
    }
    draws.push(switchRate(order, starts) ?? 0);
  }
  const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
  const sd = Math.sqrt(draws.reduce((a, b) => a + (b - mean) ** 2, 0) / (draws.length - 1));
  return { ...base, value, null: mean, nullSd: sd, nullDraws: draws.length, z: sd > 0 ? (value - mean) / sd : null, p: (draws.filter((d) => d <= value).length + 1) / (draws.length + 1) };
}

/** Pairs of experts when each token draws its k experts on its own, with the same loads: 95 % band of P(b | a). */
export interface PairNull {
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly mean: Float64Array;
  readonly draws: number;
}

export function pairNull(observed: Coactivation, k: number, seed = 0): PairNull {
  const steps = pairNullSteps(observed, k, seed);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same, one draw a step, so that a page can spread it over frames. */
export function* pairNullSteps(observed: Coactivation, k: number, seed = 0): Generator<void, PairNull> {
  const { E, tokens } = observed;
  const cumulative = new Float64Array(E);
  let total = 0;
  for (let e = 0; e < E; e++) cumulative[e] = total += observed.counts[e * E + e] ?? 0;
  const used = Array.from({ length: E }, (_, e) => e).filter((e) => (observed.counts[e * E + e] ?? 0) > 0).length;
  const size = Math.min(k, used);
  const random = seededNumbers(seed);
  const sums = new Float64Array(E * E);
  const squares = new Float64Array(E * E);
  const chosen = new Uint16Array(tokens * k).fill(0xffff);
  for (let draw = 0; draw < PAIR_DRAWS; draw++) {
    for (let t = 0; t < tokens; t++) {
      for (let i = 0; i < size; ) {
        const expert = firstAbove(cumulative, random() * total);
        let fresh = true;
        for (let j = 0; j < i; j++) if (chosen[t * k + j] === expert) fresh = false;
        if (fresh) chosen[t * k + i++] = expert;
      }
    }
    const drawn = coactivation(chosen, k, E);
    for (let a = 0; a < E; a++) {
      const own = drawn.counts[a * E + a] ?? 0;
      for (let b = 0; own > 0 && b < E; b++) {
        const at = a * E + b;
        const share = (drawn.counts[at] ?? 0) / own;
        sums[at] = (sums[at] ?? 0) + share;
        squares[at] = (squares[at] ?? 0) + share * share;
      }
    }
    yield;
  }
  const mean = sums.map((sum) => sum / PAIR_DRAWS);
  const half = squares.map((square, i) => Z95 * Math.sqrt(Math.max(0, square / PAIR_DRAWS - (mean[i] ?? 0) ** 2)));
  return { mean, low: mean.map((m, i) => Math.max(0, m - (half[i] ?? 0))), high: mean.map((m, i) => Math.min(1, m + (half[i] ?? 0))), draws: PAIR_DRAWS };
}

/** Index of the first cumulative value above `at`. */
function firstAbove(cumulative: Float64Array, at: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cumulative[middle] ?? 0) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Sums over blocks of neighbouring tokens that the spread of a mean needs. */
export interface BlockMoments {
  /** Sum of the values, of the squared block sums, and of block size times block sum. */
  readonly sum: number;
  readonly squares: number;
  readonly sized: number;
}

/** Half width of the 95 % interval of a mean over tokens in blocks of the given sizes: the variance of a mean of clusters. */
export function momentsHalfWidth({ sum, squares, sized }: BlockMoments, blocks: number, n: number, sizeSquares: number): number {
  if (n === 0 || blocks < 2) return Infinity;
  const mean = sum / n;
  const spread = Math.max(0, squares - 2 * mean * sized + mean * mean * sizeSquares);
  return (Z95 * Math.sqrt((spread * blocks) / (blocks - 1))) / n;
}

/** The same from the sums of the blocks themselves. */
export function blockHalfWidth(sums: ArrayLike<number>, sizes: ArrayLike<number>): number {
  let sum = 0;
  let squares = 0;
  let sized = 0;
  let n = 0;
  let sizeSquares = 0;
  for (let b = 0; b < sums.length; b++) {
    const [value, size] = [sums[b] ?? 0, sizes[b] ?? 0];
    sum += value;
    squares += value * value;
    sized += value * size;
    n += size;
    sizeSquares += size * size;
  }
  return momentsHalfWidth({ sum, squares, sized }, sums.length, n, sizeSquares);
}
