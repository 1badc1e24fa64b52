import type { RoutingHead, RoutingSite } from '../../extension/protocol/routing';
import type { SiteNumbers } from './routingTrace';

/** What the numbers of a token are worth while those of its own trace are on their way. */
export const NOW = 0;
/** Of the trace before: the edit may have changed them. */
export const BEFORE = 1;
/** There are none: the token is new. */
export const NONE = 2;
/** An expert that is none, in the rows of tokens without numbers. */
export const NO_EXPERT = 0xffff;

/** Where the numbers of a trace's tokens stood in the trace that it replaces. */
export interface Carry {
  /** Token of the old trace for each token of the new one; -1 where there is none `[tokens]`. */
  readonly from: Int32Array;
  /** `NOW`, `BEFORE` or `NONE` `[tokens]`. */
  readonly state: Uint8Array;
  /** Tokens `[0, exact)` that the engine did not compute again: their old numbers are the new ones. */
  readonly exact: number;
}

/** Whether the numbers of one trace can stand in the places of another: the same experts at the same sites. */
export function sameSites(a: RoutingHead, b: RoutingHead): boolean {
  const alike = (x: RoutingSite, y: RoutingSite | undefined): boolean => y !== undefined && x.id === y.id && x.E === y.E && x.semantics === y.semantics && x.labels.every((label, i) => label === y.labels[i]);
  return a.slots === b.slots && a.router === b.router && a.sites.length === b.sites.length && a.sites.every((site, s) => alike(site, b.sites[s]));
}

/** Whether the same rule decided in both: an unchanged beginning then has unchanged numbers. */
function sameRule(a: RoutingHead, b: RoutingHead): boolean {
  return a.model.hash === b.model.hash && a.composition === b.composition && a.provenance === b.provenance && JSON.stringify(a.whatIf ?? null) === JSON.stringify(b.whatIf ?? null) && a.sites.every((site, s) => site.k === b.sites[s]?.k && site.temperature === b.sites[s]?.temperature && site.note === b.sites[s]?.note);
}

/**
 * Matches the tokens of a trace with those of the one before it, text by text: an unchanged beginning and an unchanged end keep their
 * tokens, what stands between goes in pairs as far as it reaches. Null where sites or experts are others.
 * @param reused tokens of the first text that the engine did not compute again
 */
export function carryOf(old: RoutingHead, next: RoutingHead, reused: number): Carry | null {
  if (!sameSites(old, next)) return null;
  const from = new Int32Array(next.tokens.length).fill(-1);
  const state = new Uint8Array(next.tokens.length).fill(NONE);
  const same = sameRule(old, next);
  let exact = 0;
  for (const [r, was] of pairedRecords(old, next).entries()) {
    const record = next.records[r];
    const before = old.records[was];
    if (!record || !before) continue;
    const [a, b] = [before.to - before.from, record.to - record.from];
    const shorter = Math.min(a, b);
    let prefix = 0;
    while (prefix < shorter && old.tokens[before.from + prefix]?.id === next.tokens[record.from + prefix]?.id) prefix++;
    let suffix = 0;
    while (suffix < shorter - prefix && old.tokens[before.to - 1 - suffix]?.id === next.tokens[record.to - 1 - suffix]?.id) suffix++;
    // In a model that looks ahead, one changed token changes all of its text.
    const holds = same && (next.causal || (prefix === a && a === b)) ? prefix : 0;
    for (let i = 0; i < b; i++) {
      const at = i < prefix ? i : i >= b - suffix ? i - b + a : i < a - suffix ? i : -1;
      if (at < 0) continue;
      from[record.from + i] = before.from + at;
      state[record.from + i] = i < holds ? NOW : BEFORE;
    }
    if (r === 0 && was === 0) exact = Math.min(holds, reused);
  }
  return { from, state, exact };
}

/** Old text of each new one; -1 where there is none. Texts that are alike from the beginning or from the end are paired first. */
function pairedRecords(old: RoutingHead, next: RoutingHead): readonly number[] {
  const text = (head: RoutingHead, r: number): string => head.tokens.slice(head.records[r]?.from, head.records[r]?.to).map((token) => token.id).join(' ');
  const [a, b] = [old.records.length, next.records.length];
  const pairs = new Array<number>(b).fill(-1);
  let first = 0;
  while (first < Math.min(a, b) && text(old, first) === text(next, first)) pairs[first] = first++;
  let last = 0;
  while (last < Math.min(a, b) - first && text(old, a - 1 - last) === text(next, b - 1 - last)) {
    pairs[b - 1 - last] = a - 1 - last;
    last++;
  }
  for (let r = first; r < b - last && r < a - last; r++) pairs[r] = r;
  return pairs;
}

/** A site's old numbers in the places of the new tokens. */
export function carriedNumbers(old: SiteNumbers, carry: Carry): SiteNumbers {
  const tokens = carry.from.length;
  const { slots } = old;
  const ids = new Uint16Array(tokens * slots).fill(NO_EXPERT);
  const tops = new Uint16Array(tokens).fill(NO_EXPERT);
  const weights = new Float32Array(tokens * slots);
  const logits = old.logits ? new Float32Array(tokens * slots) : null;
  const norms = old.norms ? new Float32Array(tokens) : null;
  const margins = new Float32Array(tokens);
  const choiceMargins = new Float32Array(tokens);
  const entropies = new Float32Array(tokens);
  const state = Uint8Array.from(carry.state);
  for (let t = 0; t < tokens; t++) {
    const was = carry.from[t] ?? -1;
    if (was < 0) continue;
    state[t] = Math.max(state[t] ?? NONE, old.state?.[was] ?? NOW);
    ids.set(old.ids.subarray(was * slots, (was + 1) * slots), t * slots);
    weights.set(old.weights.subarray(was * slots, (was + 1) * slots), t * slots);
    if (logits && old.logits) logits.set(old.logits.subarray(was * slots, (was + 1) * slots), t * slots);
    if (norms && old.norms) norms[t] = old.norms[was] ?? 0;
    tops[t] = old.tops[was] ?? NO_EXPERT;
    margins[t] = old.margins[was] ?? 0;
    choiceMargins[t] = old.choiceMargins[was] ?? 0;
    entropies[t] = old.entropies[was] ?? 0;
  }
  return { ...old, tokens, ids, tops, weights, logits, norms, margins, choiceMargins, entropies, state };
}
