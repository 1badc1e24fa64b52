import type { RoutingHead, RoutingSite, RoutingSlice, RoutingTrace } from '../protocol/routing';
import type { SiteRouting } from './types';

/** Truncated sites with more experts than this keep the first ones; the weights of all others are zero. */
const ALL_EXPERTS = 32;
const KEPT_EXPERTS = 8;

/** Experts kept per token and site: every one whose weight is not zero. */
export function slotsOf(sites: readonly RoutingSite[]): number {
  return Math.max(1, ...sites.map(({ E, k, semantics }) => (E <= ALL_EXPERTS || (semantics !== 'truncated' && semantics !== 'sub-simplex') ? E : Math.min(E, Math.max(KEPT_EXPERTS, k)))));
}

/** Arrays of a trace, filled run by run, rows of tokens at a time. */
export class TraceArrays {
  readonly ids: Uint16Array;
  readonly weights: Float32Array;
  private readonly scores: Float32Array;
  readonly margins: Float32Array;
  readonly choiceMargins: Float32Array;
  readonly entropies: Float32Array;

  private readonly lengths: Float32Array;
  private measured = false;
  /** Whether any router gave scores. */
  private scored = false;

  constructor(readonly tokens: number, private readonly sites: readonly RoutingSite[], readonly slots = slotsOf(sites)) {
    const cells = tokens * sites.length;
    this.ids = new Uint16Array(cells * slots);
    this.weights = new Float32Array(cells * slots);
    this.scores = new Float32Array(cells * slots).fill(NaN);
    this.margins = new Float32Array(cells);
    this.choiceMargins = new Float32Array(cells);
    this.entropies = new Float32Array(cells);
    this.lengths = new Float32Array(cells);
  }

  /** Takes the routing of `tokens` tokens, the first of which is token `offset` of the trace. */
  put(offset: number, tokens: number, { site, weights, logits, ranking, norms }: SiteRouting): void {
    const { E, k } = this.sites[site], kept = Math.min(this.slots, E), rank = ranking ?? logits ?? weights;
    if (weights.length !== tokens * E) throw new RangeError(`${weights.length} weights for ${tokens} tokens and ${E} experts`);
    this.scored ||= logits !== null;
    this.measured ||= norms !== undefined;
    const order = new Int32Array(Math.max(kept, Math.min(E, k + 1)));
    for (let t = 0; t < tokens; t++) {
      const row = t * E, cell = (offset + t) * this.sites.length + site, slot = cell * this.slots;
      firstOf(order, E, (a, b) => weights[row + b] - weights[row + a] || rank[row + b] - rank[row + a] || a - b);
      let total = 0, entropy = 0;
      for (let e = 0; e < E; e++) { const w = weights[row + e]; if (w > 0) { total += w; entropy -= w * Math.log(w); } }
      for (let i = 0; i < kept; i++) {
        this.ids[slot + i] = order[i];
        this.weights[slot + i] = weights[row + order[i]];
        if (logits) this.scores[slot + i] = logits[row + order[i]];
      }
      if (norms) this.lengths[cell] = norms[t];
      this.margins[cell] = E > 1 ? weights[row + order[0]] - weights[row + order[1]] : Infinity;
      // Of weights that do not sum to one, the entropy of their shares.
      this.entropies[cell] = total > 0 ? entropy / total + Math.log(total) : NaN;
      firstOf(order, E, (a, b) => rank[row + b] - rank[row + a] || a - b);
      this.choiceMargins[cell] = k < E ? rank[row + order[k - 1]] - rank[row + order[k]] : Infinity;
    }
  }

  /** Copies the rows `[0, tokens)` of another trace of the same sites. */
  reuse(other: TraceArrays, tokens: number): void {
    const cells = tokens * this.sites.length;
    this.ids.set(other.ids.subarray(0, cells * this.slots));
    this.weights.set(other.weights.subarray(0, cells * this.slots));
    this.scores.set(other.scores.subarray(0, cells * this.slots));
    this.lengths.set(other.lengths.subarray(0, cells));
    this.scored ||= other.scored;
    this.measured ||= other.measured;
    for (const name of ['margins', 'choiceMargins', 'entropies'] as const) this[name].set(other[name].subarray(0, cells));
  }

  get logits(): Float32Array | null {
    return this.scored ? this.scores : null;
  }

  get norms(): Float32Array | null {
    return this.measured ? this.lengths : null;
  }

  get bytes(): number {
    return this.ids.byteLength + this.weights.byteLength + this.scores.byteLength + 4 * this.margins.byteLength;
  }

  /** The trace under its head. */
  finish(head: RoutingHead): RoutingTrace {
    const { ids, weights, logits, margins, choiceMargins, entropies, norms } = this;
    return { ...head, ids, weights, logits, margins, choiceMargins, entropies, norms, meanWeights: meanWeights(head, ids, weights) };
  }
}

/** Mean weight of each expert over the tokens that stand in the text, all sites one after the other. */
export function meanWeights({ sites, tokens, slots }: RoutingHead, ids: Uint16Array, weights: Float32Array): Float32Array {
  const out: number[] = [], places = tokens.flatMap((token, t) => (token.start === null ? [] : [t]));
  for (const [s, { E }] of sites.entries()) {
    const sums = new Float64Array(E);
    for (const t of places) for (let i = 0, at = (t * sites.length + s) * slots; i < Math.min(slots, E); i++, at++) sums[ids[at]] += weights[at];
    for (const sum of sums) out.push(sum / Math.max(1, places.length));
  }
  return Float32Array.from(out);
}

/** Fills `out` with the first items of 0 .. count - 1 by `compare`. */
function firstOf(out: Int32Array, count: number, compare: (a: number, b: number) => number): void {
  let filled = 0;
  for (let item = 0; item < count; item++) {
    if (filled === out.length && compare(item, out[filled - 1]) >= 0) continue;
    let place = filled < out.length ? filled++ : filled - 1;
    while (place > 0 && compare(item, out[place - 1]) < 0) { out[place] = out[place - 1]; place--; }
    out[place] = item;
  }
}

/** Numbers of the sites `[from, to)`, of the tokens from `firstToken` on. */
export function sliceOf(trace: RoutingTrace, from: number, to: number, firstToken = 0): RoutingSlice {
  const sites = trace.sites.length, tokens = trace.tokens.length, n = to - from;
  if (!(from >= 0 && to <= sites && from < to)) throw new RangeError(`sites ${from} to ${to} of ${sites}`);
  if (!Number.isInteger(firstToken) || firstToken < 0 || firstToken > tokens) throw new RangeError(`token ${firstToken} of ${tokens}`);
  const cut = <T extends Uint16Array | Float32Array>(array: T, width: number): T => {
    const out = new (array.constructor as new (length: number) => T)((tokens - firstToken) * n * width);
    for (let t = firstToken; t < tokens; t++) out.set(array.subarray((t * sites + from) * width, (t * sites + to) * width), (t - firstToken) * n * width);
    return out;
  };
  return { from, to, ...(firstToken > 0 ? { firstToken } : {}), ids: cut(trace.ids, trace.slots), weights: cut(trace.weights, trace.slots), logits: trace.logits && cut(trace.logits, trace.slots), margins: cut(trace.margins, 1), choiceMargins: cut(trace.choiceMargins, 1), entropies: cut(trace.entropies, 1), norms: trace.norms && cut(trace.norms, 1) };
}
