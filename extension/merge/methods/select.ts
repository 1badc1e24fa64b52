import type { Statistics, StatisticsPass } from '../engine/passTypes';

/** What a kernel that ranks values is asked for; its parameters carry this as `rank`. */
export type RankRequest =
  /** Counts the magnitudes of each series: `(bits >>> shift)` below 2^width, of those whose bits above are `prefixes[query]`. Query q is about series `series[q]`. */
  | { readonly kind: 'histogram'; readonly series: readonly number[]; readonly prefixes: readonly number[]; readonly shift: number; readonly width: number }
  /** Counts per block the magnitudes that equal `bits[query]`. */
  | { readonly kind: 'equal'; readonly series: readonly number[]; readonly bits: readonly number[] };

/** A value by its rank. Ranks count from 0 at the largest magnitude; among equal magnitudes the lower index comes first. */
export interface Ranked {
  /** Bits of the magnitude at the rank. */
  readonly bits: number;
  /** Elements with a larger magnitude. */
  readonly above: number;
  readonly equal: number;
}

const HIGH_BITS = 15, LOW_BITS = 16;

/**
 * Exact selection by rank without sorting: a histogram of the upper 15 bits of the magnitudes, then one of the lower 16 bits in the bin where
 * the rank lies. `queries` are pairs of series and rank; the result has their order.
 */
export function* ranked(pass: (rank: RankRequest) => Omit<StatisticsPass, 'kind' | 'values' | 'counts'>, queries: readonly (readonly [series: number, rank: number])[]): Generator<StatisticsPass, readonly Ranked[], Statistics> {
  const series = [...new Set(queries.map(([s]) => s))];
  const upper: RankRequest = { kind: 'histogram', series, prefixes: series.map(() => 0), shift: LOW_BITS, width: HIGH_BITS };
  const coarse = yield { kind: 'statistics', ...pass(upper), values: 0, counts: series.length << HIGH_BITS };
  const bins = queries.map(([s, rank]) => walk(coarse.counts.subarray(series.indexOf(s) << HIGH_BITS, (series.indexOf(s) + 1) << HIGH_BITS), rank));
  const lower: RankRequest = { kind: 'histogram', series: queries.map(([s]) => s), prefixes: bins.map(({ bin }) => bin), shift: 0, width: LOW_BITS };
  const fine = yield { kind: 'statistics', ...pass(lower), values: 0, counts: queries.length << LOW_BITS };
  return queries.map(([, rank], q) => {
    const { bin, above } = bins[q], found = walk(fine.counts.subarray(q << LOW_BITS, (q + 1) << LOW_BITS), rank - above);
    return { bits: bin * 2 ** LOW_BITS + found.bin, above: above + found.above, equal: found.count };
  });
}

/** The bin, counted from the top, in which the rank lies. */
function walk(counts: Uint32Array, rank: number): { readonly bin: number; readonly above: number; readonly count: number } {
  let above = 0;
  for (let bin = counts.length - 1; bin >= 0; bin--) {
    if (above + counts[bin] > rank) return { bin, above, count: counts[bin] };
    above += counts[bin];
  }
  throw new RangeError(`rank ${rank} of ${above} elements`);
}

/** Keeps the magnitudes of ranks [skip, skip + keep). */
export interface Band {
  /** Bits [low, high) are kept, but for the equals below. */
  readonly low: number;
  readonly high: number;
  /** Where the cut goes through equal magnitudes: those of `bits` are kept whose number among them, by index, is in [from, to). `before[block]` counts them. */
  readonly cuts: readonly { readonly bits: number; readonly from: number; readonly to: number; readonly before: Float64Array }[];
}

/** Finds the bands of several series; where a cut goes through equal magnitudes, one more pass counts them per block. */
export function* bands(pass: (rank: RankRequest) => Omit<StatisticsPass, 'kind' | 'values' | 'counts'>, wanted: readonly { readonly series: number; readonly skip: number; readonly keep: number }[]): Generator<StatisticsPass, readonly Band[], Statistics> {
  const queries = wanted.flatMap(({ series, skip, keep }) => [[series, skip + keep - 1] as const, ...(skip > 0 ? [[series, skip] as const] : [])]);
  const found = yield* ranked(pass, queries);
  let q = 0;
  const parts = wanted.map(({ series, skip, keep }) => {
    const last = found[q++], first = skip > 0 ? found[q++] : null, end = skip + keep;
    const cuts: { series: number; bits: number; from: number; to: number }[] = [];
    const cut = (at: Ranked, from: number, to: number): void => { if (from > 0 || to < at.equal) cuts.push({ series, bits: at.bits, from, to }); };
    if (first && first.bits === last.bits) cut(last, skip - last.above, end - last.above);
    else {
      cut(last, 0, end - last.above);
      if (first) cut(first, skip - first.above, first.equal);
    }
    return { low: last.bits, high: first ? first.bits + 1 : 0x7fffffff, cuts };
  });
  const cuts = parts.flatMap((part) => part.cuts);
  if (cuts.length === 0) return parts.map(({ low, high }) => ({ low, high, cuts: [] }));
  const rank: RankRequest = { kind: 'equal', series: cuts.map((c) => c.series), bits: cuts.map((c) => c.bits) };
  const { blocks } = yield { kind: 'statistics', ...pass(rank), values: cuts.length };
  let c = 0;
  return parts.map(({ low, high, cuts: own }) => ({
    low, high, cuts: own.map(({ bits, from, to }) => {
      const before = new Float64Array(blocks.length + 1), column = c++;
      blocks.forEach((values, b) => { before[b + 1] = before[b] + values[column]; });
      return { bits, from, to, before };
    }),
  }));
}
