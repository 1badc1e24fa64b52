import type { Statistics, StatisticsPass } from '../engine/passTypes';

/** What a kernel that ranks values is asked for; its parameters carry this as `rank`. */
export type RankRequest =
  /** Counts the magnitudes of each series: `(bits >>> shift)` below 2^width, of those whose bits above are `prefixes[query]`. Query q is about series `series[q]`. */
  | { readonly kind: 'histogram'; readonly series: readonly number[]; readonly prefixes: readonly number[]; readonly shift: number; readonly width: number }
  /** Counts per block the magnitudes that equal `bits[query]`. */
  | { readonly kind: 'equal'; readonly series: readonly number[]; readonly bits: readonly number[] }
  /**
   * Counts per query the magnitudes of its series in [low, high) by `(bits - low) >>> shift`, `slots` of them, then those of `high` or more: as counts
   * of the tensor, or per block as values.
   */
  | { readonly kind: 'window'; readonly series: readonly number[]; readonly low: readonly number[]; readonly high: readonly number[]; readonly shift: number; readonly slots: number; readonly perBlock: boolean };

type PassOf = (rank: RankRequest) => Omit<StatisticsPass, 'kind' | 'values' | 'counts'>;

/** A value by its rank. Ranks count from 0 at the largest magnitude; among equal magnitudes the lower index comes first. */
export interface Ranked {
  /** Bits of the magnitude at the rank. */
  readonly bits: number;
  /** Elements with a larger magnitude. */
  readonly above: number;
  readonly equal: number;
}

const HIGH_BITS = 15, LOW_BITS = 16;

/** Blocks that are looked at to guess where a rank lies, and from how many blocks on guessing saves time. */
const SAMPLED_BLOCKS = 8, WORTH_SAMPLING = 24;
/** Bits that the window's slots leave for the last pass; slots of a window at most. */
const FINE_BITS = 8, MOST_SLOTS = 8192;
/** Standard errors that the guessed window is wide to each side. A rank outside is found by the slow way. */
const WINDOW_ERRORS = 6;

/**
 * Exact selection by rank without sorting: a histogram of the upper 15 bits of the magnitudes, then one of the lower 16 bits in the bin where
 * the rank lies. `queries` are pairs of series and rank; the result has their order.
 */
export function* ranked(pass: PassOf, queries: readonly (readonly [series: number, rank: number])[]): Generator<StatisticsPass, readonly Ranked[], Statistics> {
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

/** A rank found by way of a sample, with the numbers of equals per block. */
interface Located extends Ranked { readonly perBlock: Float64Array }

/**
 * The same as `ranked` in two cheap passes for large tensors: a sample tells a narrow window, one pass counts what lies in it, one more the single
 * magnitudes around the rank, block by block. Null where a window missed its rank or is too wide (then nothing is lost but the pass).
 */
function* located(pass: PassOf, queries: readonly (readonly [series: number, rank: number])[], elements: number, blocks: number): Generator<StatisticsPass, readonly Located[] | null, Statistics> {
  const series = queries.map(([s]) => s), unique = [...new Set(series)];
  const rough = yield { kind: 'statistics', ...pass({ kind: 'histogram', series: unique, prefixes: unique.map(() => 0), shift: LOW_BITS, width: HIGH_BITS }), values: 0, counts: unique.length << HIGH_BITS, sample: SAMPLED_BLOCKS };
  const windows = queries.map(([s, rank]) => {
    const counts = rough.counts.subarray(unique.indexOf(s) << HIGH_BITS, (unique.indexOf(s) + 1) << HIGH_BITS), seen = counts.reduce((a, b) => a + b, 0);
    const share = rank / elements, error = WINDOW_ERRORS * Math.sqrt((share * (1 - share)) / seen) + 2 / seen, at = (q: number): number => walk(counts, Math.min(seen - 1, Math.max(0, Math.floor(q * seen)))).bin;
    return { low: at(share + error) * 2 ** LOW_BITS, high: (at(share - error) + 1) * 2 ** LOW_BITS };
  });
  const slots = Math.max(...windows.map(({ low, high }) => (high - low) >>> FINE_BITS));
  if (slots > MOST_SLOTS) return null;
  const wide = yield { kind: 'statistics', ...pass({ kind: 'window', series, low: windows.map((w) => w.low), high: windows.map((w) => w.high), shift: FINE_BITS, slots, perBlock: false }), values: 0, counts: queries.length * (slots + 1) };
  const slotOf = queries.map(([, rank], q) => {
    const counts = wide.counts.subarray(q * (slots + 1), (q + 1) * (slots + 1)), above = counts[slots];
    return rank < above || rank >= above + counts.subarray(0, slots).reduce((a, b) => a + b, 0) ? null : walk(counts.subarray(0, slots), rank - above, above);
  });
  const found = slotOf.flatMap((slot) => (slot === null ? [] : [slot]));
  if (found.length < queries.length) return null;
  const size = 2 ** FINE_BITS, low = found.map(({ bin }, q) => windows[q].low + bin * size);
  const fine = yield { kind: 'statistics', ...pass({ kind: 'window', series, low, high: low.map((bits) => bits + size), shift: 0, slots: size, perBlock: true }), values: queries.length * (size + 1) };
  return queries.map(([, rank], q) => {
    const counts = new Uint32Array(size);
    for (const values of fine.blocks) for (let i = 0; i < size; i++) counts[i] += values[q * (size + 1) + i];
    const { bin, above, count } = walk(counts, rank - found[q].above, found[q].above);
    return { bits: low[q] + bin, above, equal: count, perBlock: Float64Array.from({ length: blocks }, (_, b) => fine.blocks[b][q * (size + 1) + bin]) };
  });
}

/** The bin, counted from the top, in which the rank lies; `before` is added to what lies above. */
function walk(counts: Uint32Array, rank: number, before = 0): { readonly bin: number; readonly above: number; readonly count: number } {
  let above = 0;
  for (let bin = counts.length - 1; bin >= 0; bin--) {
    if (above + counts[bin] > rank) return { bin, above: above + before, count: counts[bin] };
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

/** Elements of a tensor and the blocks that its passes have. */
export interface Extent {
  readonly elements: number;
  readonly blocks: number;
}

/** Finds the bands of several series; where a cut goes through equal magnitudes, they are counted per block. */
export function* bands(pass: PassOf, wanted: readonly { readonly series: number; readonly skip: number; readonly keep: number }[], { elements, blocks }: Extent): Generator<StatisticsPass, readonly Band[], Statistics> {
  const queries = wanted.flatMap(({ series, skip, keep }) => [[series, skip + keep - 1] as const, ...(skip > 0 ? [[series, skip] as const] : [])]);
  const quick = blocks >= WORTH_SAMPLING ? yield* located(pass, queries, elements, blocks) : null, found: readonly (Ranked & Partial<Located>)[] = quick ?? (yield* ranked(pass, queries));
  let q = 0;
  const parts = wanted.map(({ series, skip, keep }) => {
    const last = found[q++], first = skip > 0 ? found[q++] : null, end = skip + keep;
    const cuts: { series: number; at: Ranked & Partial<Located>; from: number; to: number }[] = [];
    const cut = (at: Ranked, from: number, to: number): void => { if (from > 0 || to < at.equal) cuts.push({ series, at, from, to }); };
    if (first && first.bits === last.bits) cut(last, skip - last.above, end - last.above);
    else {
      cut(last, 0, end - last.above);
      if (first) cut(first, skip - first.above, first.equal);
    }
    return { low: last.bits, high: first ? first.bits + 1 : 0x7fffffff, cuts };
  });
  const unknown = parts.flatMap((part) => part.cuts).filter(({ at }) => at.perBlock === undefined);
  const counted = unknown.length === 0 ? null : yield { kind: 'statistics', ...pass({ kind: 'equal', series: unknown.map((c) => c.series), bits: unknown.map((c) => c.at.bits) }), values: unknown.length };
  return parts.map(({ low, high, cuts }) => ({
    low, high, cuts: cuts.map((cut) => {
      const column = unknown.indexOf(cut), perBlock = cut.at.perBlock ?? Float64Array.from(counted?.blocks ?? [], (values) => values[column]), before = new Float64Array(perBlock.length + 1);
      perBlock.forEach((count, b) => { before[b + 1] = before[b] + count; });
      return { bits: cut.at.bits, from: cut.from, to: cut.to, before };
    }),
  }));
}
