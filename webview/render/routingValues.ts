import { BLOCK_TOKENS, momentsHalfWidth } from './routingNull';
import type { Counted, SiteNumbers } from './routingTrace';

/** What pictures show of a token and an expert: its weight, the score that the weight was made of, or that score over the length of what was read. */
export type Quantity = 'weight' | 'logit' | 'cosine';
export const QUANTITY_WORDS: Readonly<Record<Quantity, string>> = { weight: 'weight', logit: 'logit', cosine: 'cosine' };
/** What a quantity is, for tooltips. */
export const QUANTITY_SAYS: Readonly<Record<Quantity, string>> = {
  weight: 'Share of the token that goes to an expert, as the router weighs it.',
  logit: 'Score before the softmax. Where scores are products with the input they grow with its length, so that layers cannot be compared by them.',
  cosine: 'Score over the length of what the router read: |cos| between the token and the expert\u2019s direction. It can be compared between layers.',
};

/** Quantities that a site's numbers hold. */
export function quantitiesOf(numbers: SiteNumbers | null): readonly Quantity[] {
  return numbers?.logits ? (numbers.norms ? ['weight', 'logit', 'cosine'] : ['weight', 'logit']) : ['weight'];
}

/** Value of the slot `j` of a token; NaN where there is none. A token of length 0 has cosine 0. */
export function slotValue(numbers: SiteNumbers, token: number, j: number, quantity: Quantity): number {
  const at = token * numbers.slots + j;
  if (quantity === 'weight') return numbers.weights[at] ?? NaN;
  const logit = numbers.logits?.[at] ?? NaN;
  if (quantity === 'logit') return logit;
  const length = numbers.norms?.[token] ?? NaN;
  return length > 0 ? Math.min(1, logit / length) : length === 0 ? 0 : NaN;
}

/** Means of a score over tokens, per expert; NaN where no token kept the expert. */
export interface ScoreStats {
  readonly mean: Float64Array;
  /** Half width of the 95 % interval from blocks of neighbouring tokens. */
  readonly half: Float64Array;
  /** Tokens that kept each expert: all of them unless a trace keeps only the best. */
  readonly n: Float64Array;
  /** Mean over experts: what the site gives when it prefers none. */
  readonly level: number;
}

/** Mean logits or cosines of a site over the counted tokens. */
export function scoreStats(numbers: SiteNumbers, counted: Counted, quantity: Exclude<Quantity, 'weight'>): ScoreStats {
  const { E, slots } = numbers;
  const zero = (): Float64Array => new Float64Array(E);
  const [sum, squares, sized, sizes, n, blocks] = [zero(), zero(), zero(), zero(), zero(), zero()];
  const [inBlock, kept] = [zero(), zero()];
  for (const [first, last] of counted.spans) {
    for (let from = first; from < last; from += BLOCK_TOKENS) {
      inBlock.fill(0);
      kept.fill(0);
      for (let i = from; i < Math.min(last, from + BLOCK_TOKENS); i++) {
        const t = counted.tokens[i] ?? 0;
        for (let j = 0; j < slots; j++) {
          const e = numbers.ids[t * slots + j] ?? E;
          const value = slotValue(numbers, t, j, quantity);
          if (e >= E || !Number.isFinite(value)) continue;
          inBlock[e] = (inBlock[e] ?? 0) + value;
          kept[e] = (kept[e] ?? 0) + 1;
        }
      }
      for (let e = 0; e < E; e++) {
        const size = kept[e] ?? 0;
        if (size === 0) continue;
        const total = inBlock[e] ?? 0;
        sum[e] = (sum[e] ?? 0) + total;
        squares[e] = (squares[e] ?? 0) + total * total;
        sized[e] = (sized[e] ?? 0) + total * size;
        sizes[e] = (sizes[e] ?? 0) + size * size;
        n[e] = (n[e] ?? 0) + size;
        blocks[e] = (blocks[e] ?? 0) + 1;
      }
    }
  }
  const mean = sum.map((value, e) => ((n[e] ?? 0) > 0 ? value / (n[e] ?? 1) : NaN));
  const half = sum.map((value, e) => momentsHalfWidth({ sum: value, squares: squares[e] ?? 0, sized: sized[e] ?? 0 }, blocks[e] ?? 0, n[e] ?? 0, sizes[e] ?? 0));
  const known = mean.filter(Number.isFinite);
  return { mean, half, n, level: known.length > 0 ? known.reduce((a, b) => a + b, 0) / known.length : NaN };
}
