import type { RoutingHead, RoutingSite, RoutingSlice } from '../../extension/protocol/routing';
import type { BlockMoments } from './routingNull';
import { BLOCK_TOKENS, momentsHalfWidth } from './routingNull';

/** Numbers of one site, tokens slowest: `ids`, `weights`, `logits` are `[tokens, slots]`, the others `[tokens]`. */
export interface SiteNumbers {
  readonly site: number;
  readonly E: number;
  /** Experts that a token uses. */
  readonly k: number;
  readonly slots: number;
  readonly tokens: number;
  readonly ids: Uint16Array;
  readonly weights: Float32Array;
  readonly logits: Float32Array | null;
  readonly margins: Float32Array;
  readonly choiceMargins: Float32Array;
  readonly entropies: Float32Array;
  /** First expert of each token `[tokens]`. */
  readonly tops: Uint16Array;
  /** Length of what the router read `[tokens]`, where scores grow with it. */
  readonly norms: Float32Array | null;
  /** What the numbers of each token are worth while newer ones are on their way (`routingCarry`); null: they are the trace's own. */
  readonly state: Uint8Array | null;
}

/**
 * A slice taken apart into its sites. Where the slice begins with a later token, the numbers of those before it are taken from `before`:
 * the same tokens of the same trace, as they were known already.
 */
export function sitesOf(slice: RoutingSlice, head: RoutingHead, before: (site: number) => SiteNumbers | null = () => null): readonly SiteNumbers[] {
  const tokens = head.tokens.length;
  const first = slice.firstToken ?? 0;
  const width = slice.to - slice.from;
  return Array.from({ length: width }, (_, at): SiteNumbers => {
    const site = head.sites[slice.from + at];
    // Sites with fewer experts than the trace has slots leave the last ones empty.
    const slots = Math.min(head.slots, site?.E ?? head.slots);
    const ids = new Uint16Array(tokens * slots);
    const weights = new Float32Array(tokens * slots);
    const logits = slice.logits ? new Float32Array(tokens * slots) : null;
    const norms = slice.norms ? new Float32Array(tokens) : null;
    const margins = new Float32Array(tokens);
    const choiceMargins = new Float32Array(tokens);
    const entropies = new Float32Array(tokens);
    const tops = new Uint16Array(tokens);
    const known = first > 0 ? before(slice.from + at) : null;
    if (known) {
      for (const [into, values] of [[ids, known.ids], [weights, known.weights], [logits, known.logits]] as const) if (into && values) into.set(values.subarray(0, first * slots));
      for (const [into, values] of [[margins, known.margins], [choiceMargins, known.choiceMargins], [entropies, known.entropies], [tops, known.tops], [norms, known.norms]] as const) if (into && values) into.set(values.subarray(0, first));
    }
    for (let t = first; t < tokens; t++) {
      const row = (t - first) * width + at;
      const from = row * head.slots;
      for (let j = 0; j < slots; j++) {
        ids[t * slots + j] = slice.ids[from + j] ?? 0;
        weights[t * slots + j] = slice.weights[from + j] ?? 0;
        if (logits && slice.logits) logits[t * slots + j] = slice.logits[from + j] ?? 0;
      }
      tops[t] = slice.ids[from] ?? 0;
      margins[t] = slice.margins[row] ?? 0;
      choiceMargins[t] = slice.choiceMargins[row] ?? 0;
      entropies[t] = slice.entropies[row] ?? 0;
      if (norms && slice.norms) norms[t] = slice.norms[row] ?? 0;
    }
    return { site: slice.from + at, E: site?.E ?? 1, k: site?.k ?? 1, slots, tokens, ids, weights, logits, margins, choiceMargins, entropies, tops, norms, state: null };
  });
}

/** Bytes of one site in a message that begins with `firstToken`. */
export function siteBytes(head: RoutingHead, firstToken = 0): number {
  return (head.tokens.length - firstToken) * (head.slots * (2 + 4 + 4) + 4 * 4);
}

/** Weight of an expert for a token; 0 when it is not kept. */
export function weightOf(numbers: SiteNumbers, token: number, expert: number): number {
  for (let j = 0; j < numbers.slots; j++) if (numbers.ids[token * numbers.slots + j] === expert) return numbers.weights[token * numbers.slots + j] ?? 0;
  return 0;
}

/** The kept experts of a token, best first. */
export function ranked(numbers: SiteNumbers, token: number): readonly { readonly expert: number; readonly weight: number; readonly logit: number | null; readonly chosen: boolean }[] {
  const from = token * numbers.slots;
  return Array.from({ length: numbers.slots }, (_, j) => ({ expert: numbers.ids[from + j] ?? 0, weight: numbers.weights[from + j] ?? 0, logit: numbers.logits ? numbers.logits[from + j] ?? null : null, chosen: j < numbers.k }));
}

/** How a site is called where only its row is seen. */
export interface SiteRow {
  /** `L7`, or `gate` where a block has several sites. */
  readonly name: string;
  /** `L7`, `2.gate` */
  readonly full: string;
  /** `L7`, `block 2 gate` */
  readonly words: string;
  readonly layer: number;
  /** First row of its block, where blocks are set apart. */
  readonly first: boolean;
  /** Block index among the blocks that have sites. */
  readonly group: number;
}

/** Rows above this are grouped by block. */
export const GROUP_FROM = 12;

/** One row per site, input first. */
export function siteRows(sites: readonly Pick<RoutingSite, 'layer' | 'module'>[]): readonly SiteRow[] {
  const several = new Set(sites.map((site) => site.layer)).size < sites.length;
  let group = -1;
  let before = NaN;
  return sites.map((site) => {
    const first = site.layer !== before;
    if (first) group++;
    before = site.layer;
    const part = site.module.split('.').pop() ?? site.module;
    return several
      ? { name: part, full: `${site.layer}.${part}`, words: `block ${site.layer} ${part}`, layer: site.layer, first, group }
      : { name: `L${site.layer}`, full: `L${site.layer}`, words: `L${site.layer}`, layer: site.layer, first, group };
  });
}

/** Which tokens are counted: tokens with a place in the text, of all texts, of one label or of one text. */
export type TokenFilter = { readonly kind: 'all' } | { readonly kind: 'label'; readonly label: string } | { readonly kind: 'record'; readonly record: number };

/** Indices of the tokens that a filter lets through, and the spans `[from, to)` of one text each among them. */
export interface Counted {
  readonly tokens: Int32Array;
  readonly spans: readonly (readonly [number, number])[];
}

export function countedTokens(head: RoutingHead, filter: TokenFilter): Counted {
  const tokens: number[] = [];
  const spans: [number, number][] = [];
  head.records.forEach((record, r) => {
    if (filter.kind === 'label' ? record.label !== filter.label : filter.kind === 'record' && filter.record !== r) return;
    const from = tokens.length;
    for (let t = record.from; t < record.to; t++) if (head.tokens[t]?.start != null) tokens.push(t);
    if (tokens.length > from) spans.push([from, tokens.length]);
  });
  return { tokens: Int32Array.from(tokens), spans };
}

/** What a site's tokens say together. */
export interface SiteStats {
  readonly n: number;
  /** Mean weight per expert, and half the width of its 95 % interval from blocks of neighbouring tokens. */
  readonly mean: Float64Array;
  readonly meanHalf: Float64Array;
  /** Share of slots (n * k of them) per expert, with the same half width. */
  readonly share: Float64Array;
  readonly shareHalf: Float64Array;
  /** Tokens that use each expert, and those that have it first. */
  readonly uses: Float64Array;
  readonly firsts: Float64Array;
  /** Mean entropy in nats. */
  readonly entropy: number;
  /** First experts in order `[n]`. */
  readonly tops: Uint16Array;
}

export function siteStats(numbers: SiteNumbers, counted: Counted): SiteStats {
  const { E, slots } = numbers;
  const k = Math.min(numbers.k, slots);
  const n = counted.tokens.length;
  const weight = moments(E);
  const use = moments(E);
  const uses = new Float64Array(E);
  const firsts = new Float64Array(E);
  const tops = new Uint16Array(n);
  const blockWeight = new Float64Array(E);
  const blockUse = new Float64Array(E);
  const touched = new Uint8Array(E);
  let entropySum = 0;
  let entropies = 0;
  let blocks = 0;
  let sizeSquares = 0;
  for (const [first, last] of counted.spans) {
    for (let from = first; from < last; from += BLOCK_TOKENS) {
      const to = Math.min(last, from + BLOCK_TOKENS);
      const used: number[] = [];
      for (let i = from; i < to; i++) {
        const t = counted.tokens[i] ?? 0;
        const top = numbers.tops[t] ?? 0;
        tops[i] = top;
        if (top < E) firsts[top] = (firsts[top] ?? 0) + 1;
        const entropy = numbers.entropies[t] ?? NaN;
        if (Number.isFinite(entropy)) {
          entropySum += entropy;
          entropies++;
        }
        for (let j = 0; j < slots; j++) {
          const e = numbers.ids[t * slots + j] ?? E;
          if (e >= E) continue;
          if (touched[e] === 0) {
            touched[e] = 1;
            used.push(e);
          }
          blockWeight[e] = (blockWeight[e] ?? 0) + (numbers.weights[t * slots + j] ?? 0);
          if (j < k) blockUse[e] = (blockUse[e] ?? 0) + 1;
        }
      }
      blocks++;
      sizeSquares += (to - from) ** 2;
      for (const e of used) {
        weight.add(e, blockWeight[e] ?? 0, to - from);
        use.add(e, blockUse[e] ?? 0, to - from);
        uses[e] = (uses[e] ?? 0) + (blockUse[e] ?? 0);
        blockWeight[e] = blockUse[e] = touched[e] = 0;
      }
    }
  }
  const over = (value: number): number => (n > 0 ? value / n : 0);
  return {
    n, uses, firsts, tops, entropy: entropies > 0 ? entropySum / entropies : 0,
    mean: weight.sum.map(over), meanHalf: weight.sum.map((_, e) => momentsHalfWidth(weight.of(e), blocks, n, sizeSquares)),
    share: uses.map((value) => over(value) / k), shareHalf: uses.map((_, e) => momentsHalfWidth(use.of(e), blocks, n, sizeSquares) / k),
  };
}

/** Sums over blocks for each expert. */
function moments(E: number): { readonly sum: Float64Array; add(e: number, value: number, size: number): void; of(e: number): BlockMoments } {
  const sum = new Float64Array(E);
  const squares = new Float64Array(E);
  const sized = new Float64Array(E);
  return {
    sum,
    add(e, value, size) {
      sum[e] = (sum[e] ?? 0) + value;
      squares[e] = (squares[e] ?? 0) + value * value;
      sized[e] = (sized[e] ?? 0) + value * size;
    },
    of: (e) => ({ sum: sum[e] ?? 0, squares: squares[e] ?? 0, sized: sized[e] ?? 0 }),
  };
}
