import type { RoutingHead, RoutingSite, RoutingSummary, WeightSemantics } from '../../extension/protocol/routing';
import type { Ramp } from './colours';
import { cssOf, sequentialIndex, signedIndex } from './colours';

/** What a cell of the overview holds: the mean weight, or the share of slots that go to the expert. */
export type Measure = 'mean' | 'share';
/** Where the scale ends: the same for this trace whatever is shown, fitted to what is shown, or one. */
export type ScaleRange = 'fixed' | 'fit' | 'unit';

/** How weights of one semantics are drawn. */
export interface SemanticsRule {
  /** In the words of the legend. */
  readonly words: string;
  readonly signed: boolean;
  /** Weights of a token sum to one, or to less. */
  readonly sums: boolean;
  /** What "no preference" is for E experts, in words and as a number. */
  readonly chance: (E: number) => number;
  readonly chanceWords: (E: number) => string;
  /** Weights that are exactly zero mean "not used". */
  readonly masks: boolean;
  /** Entropy over experts means something. */
  readonly entropy: boolean;
}

const even = { chance: (E: number) => 1 / E, chanceWords: (E: number) => `1/${E}` };

export const SEMANTICS: Readonly<Record<WeightSemantics, SemanticsRule>> = {
  simplex: { ...even, words: 'weights sum to one', signed: false, sums: true, masks: false, entropy: true },
  truncated: { ...even, words: 'weights of the chosen sum to one, the rest is exactly zero', signed: false, sums: true, masks: true, entropy: true },
  'sub-simplex': { ...even, words: 'weights sum to less than one; hatched: what is missing', signed: false, sums: true, masks: true, entropy: true },
  sigmoid: { words: 'each weight on its own between 0 and 1', signed: false, sums: false, chance: () => 0.5, chanceWords: () => '0.5', masks: false, entropy: false },
  signed: { words: 'signed weights, the middle is zero', signed: true, sums: false, chance: () => 0, chanceWords: () => '0', masks: false, entropy: false },
  binary: { chance: (E) => 1 / E, chanceWords: (E) => `1/${E}`, words: 'used or not', signed: false, sums: false, masks: true, entropy: false },
};

/** Mean weight for soft routers, share of slots where a few experts are taken without weighing them all. */
export function usualMeasure(head: RoutingHead): Measure {
  return head.sites.some((site) => site.semantics === 'binary' || ((site.semantics === 'truncated' || site.semantics === 'sub-simplex') && site.k < site.E)) ? 'share' : 'mean';
}

/** The line of no preference for a measure at a site. */
export function chanceOf(site: RoutingSite, measure: Measure): number {
  return measure === 'share' ? 1 / site.E : SEMANTICS[site.semantics].chance(site.E);
}
export function chanceText(site: RoutingSite, measure: Measure): string {
  return measure === 'share' ? `1/${site.E}` : SEMANTICS[site.semantics].chanceWords(site.E);
}

/** A number at the end of an axis: no more digits than it needs. */
export function axisNumber(value: number): string {
  return String(Number(value.toPrecision(3))).replace('-', '\u2212');
}

const NICE = [0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1];

/** The next round number above a magnitude. */
export function niceLimit(value: number): number {
  if (!(value > 0)) return NICE[0] ?? 1;
  if (value > 1) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999) ?? value;
  }
  return NICE.find((step) => step >= value * 0.999) ?? 1;
}

/** The end of the overview's fixed scale: holds every value of the whole trace and twice the line of no preference. */
export function fixedLimit(head: RoutingHead, summary: RoutingSummary, measure: Measure): number {
  let largest = 0;
  summary.sites.forEach((site, s) => {
    const row = head.sites[s];
    if (!row) return;
    const values = measure === 'mean' ? site.mean.map(Math.abs) : site.load.map((load) => Math.min(load, 1 / row.k));
    largest = Math.max(largest, 2 * Math.abs(chanceOf(row, 'share')), ...values);
  });
  return niceLimit(largest);
}

/** Colours of cells. */
export interface CellColours {
  readonly sequential: Ramp;
  readonly diverging: Ramp;
}

/** The colour of a value on a scale that ends at `limit`. */
export function cellColour(colours: CellColours, signed: boolean, value: number, limit: number): string {
  return signed ? cssOf(colours.diverging, signedIndex(value, limit, 1)) : cssOf(colours.sequential, sequentialIndex(value, limit));
}
