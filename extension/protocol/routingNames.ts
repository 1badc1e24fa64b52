import type { RoutingHead, RoutingSite, RoutingSummary } from './routing';

/** Hues that experts are told apart by; `OTHER_HUE` is for all that have none of their own. */
export const EXPERT_HUES = 8;
export const OTHER_HUE = EXPERT_HUES;
/** Letters with a hue of their own where there are more than eight: the most used. */
const OWN_HUES = 7;
/** More letters than this would be pairs that say little: numbers. */
const MOST_LETTERS = 52;

/** A, B, ... Z, AA, AB, ... */
export function letterOf(index: number): string {
  const first = Math.floor(index / 26);
  return (first > 0 ? letterOf(first - 1) : '') + String.fromCharCode(65 + (index % 26));
}

/** What a whole trace says about its experts' names: the editor and the pages show one expert alike. */
export interface Naming {
  /** Letter by site and expert, where letters follow the tokens over the layers. */
  readonly letters: readonly (readonly number[])[] | null;
  /** Place by load of each letter, over all sites. */
  readonly rank: readonly number[];
}

/** Experts of the site that has most. */
export function expertCount({ sites }: Pick<RoutingHead, 'sites'>): number {
  return Math.max(1, ...sites.map(({ E }) => E));
}

/** Letters and their places by load, from what the trace says as a whole; `order`: the letters, the most used first. */
export function namingOf(head: Pick<RoutingHead, 'sites'>, { letters, sites }: Pick<RoutingSummary, 'letters' | 'sites'>): Naming & { readonly order: readonly number[] } {
  const loads = new Array<number>(expertCount(head)).fill(0);
  sites.forEach(({ load }, site) => load.forEach((share, expert) => {
    const letter = letters?.[site]?.[expert] ?? expert;
    loads[letter] = (loads[letter] ?? 0) + share;
  }));
  const order = loads.map((_, letter) => letter).sort((a, b) => (loads[b] ?? 0) - (loads[a] ?? 0) || a - b), rank = new Array<number>(loads.length).fill(0);
  order.forEach((letter, place) => { rank[letter] = place; });
  return { letters, order, rank };
}

/** Letter or number of a column of experts: a trained router's are numbered. */
export function markOf(head: Pick<RoutingHead, 'sites'>, kind: RoutingSite['kind'], index: number): string {
  return kind === 'moe' || (kind !== 'library' && expertCount(head) > MOST_LETTERS) ? String(index) : letterOf(index);
}

/** Hue of a column, 0 to 7, or `OTHER_HUE`; `rank` null before the trace has been summed up. */
export function hueOf(head: Pick<RoutingHead, 'sites'>, index: number, rank: readonly number[] | null): number {
  if (expertCount(head) <= EXPERT_HUES) return index;
  const place = rank === null ? index : (rank[index] ?? OTHER_HUE);
  return place < OWN_HUES ? place : OTHER_HUE;
}
