import type { RoutingSite } from '../../extension/protocol/routing';
import type { Drawing, Mark } from './drawing';
import { HATCH, round } from './drawing';
import type { ExpertAxis } from './routingExperts';
import { SEMANTICS } from './routingScale';
import { niceLimit } from './routingScale';
import type { SiteNumbers } from './routingTrace';
import { ranked } from './routingTrace';
import type { Quantity } from './routingValues';
import { slotValue } from './routingValues';

/** One bar of a token at a site. */
export interface SliceBar {
  readonly expert: number;
  readonly column: number;
  readonly weight: number;
  readonly logit: number | null;
  /** What the bar is as long as: the weight, the logit or the cosine. */
  readonly value: number;
  /** Among the k that the token uses; else next in line. */
  readonly chosen: boolean;
}

/** The best experts of a token at a site. A weight that a truncated router set to zero is no bar; its score still is one. */
export function sliceBars(numbers: SiteNumbers, site: RoutingSite, token: number, axis: ExpertAxis, most: number, quantity: Quantity = 'weight'): readonly SliceBar[] {
  const masks = quantity === 'weight' && SEMANTICS[site.semantics].masks;
  return ranked(numbers, token).map((entry, j) => ({ ...entry, value: slotValue(numbers, token, j, quantity), column: axis.columnOf(numbers.site, entry.expert) }))
    .filter((entry) => !(masks && entry.weight === 0) && Number.isFinite(entry.value)).slice(0, most);
}

/** How far the first of a token is ahead of the second; null with fewer than two. */
export function leadOf(bars: readonly SliceBar[]): number | null {
  const [first, second] = bars;
  return first && second ? first.value - second.value : null;
}

/** What the weights of a token lack to one. */
export function missingMass(numbers: SiteNumbers, token: number): number {
  let sum = 0;
  for (let j = 0; j < numbers.slots; j++) sum += numbers.weights[token * numbers.slots + j] ?? 0;
  return Math.max(0, 1 - sum);
}

/** The end of a scale of scores: a round number, one for cosines near it. */
export function scoreLimit(largest: number): number {
  return niceLimit(largest);
}

/** The end of the bars' scale: one for weights that sum to one and come near it, else a round number; symmetric for signed weights. */
export function sliceLimit(sites: readonly RoutingSite[], largest: number): number {
  if (sites.some((site) => site.semantics === 'signed')) return niceLimit(largest);
  if (sites.some((site) => site.semantics === 'sigmoid' || site.semantics === 'binary')) return 1;
  return Math.max(0.1, niceLimit(largest));
}

/** Bars of one row: filled = chosen, hollow = next in line, a tick at no preference (weights alone have one), hatched = missing mass; `below`: scores reach below zero. */
export function drawBars(bars: readonly SliceBar[], site: RoutingSite, axis: ExpertAxis, limit: number, width: number, missing: number | null, quantity: Quantity = 'weight', below = false): Drawing {
  const rule = quantity === 'weight' ? SEMANTICS[site.semantics] : { signed: below, chance: () => NaN };
  const marks: Mark[] = [];
  const zero = rule.signed ? width / 2 : 0;
  const scale = rule.signed ? width / 2 / limit : width / limit;
  bars.forEach((bar, j) => {
    const colour = axis.columns[bar.column]?.colour ?? 'var(--ml-cat-8)';
    const end = zero + Math.max(-limit, Math.min(limit, bar.value)) * scale;
    const box = { kind: 'rect', x: round(Math.min(zero, end) + (bar.chosen ? 0 : 0.5)), y: 2 + j * 6 + (bar.chosen ? 0 : 0.5), width: round(Math.max(1, Math.abs(end - zero) - (bar.chosen ? 0 : 1))), height: bar.chosen ? (j === 0 ? 5 : 4) : 3, key: bar.expert } as const;
    marks.push(bar.chosen ? { ...box, fill: colour } : { ...box, fill: 'none', stroke: colour, strokeWidth: 1 });
  });
  if (missing !== null && missing > 0.005) marks.push({ kind: 'rect', x: round(width - Math.min(width, missing * scale)), y: 14, width: round(Math.min(width, missing * scale)), height: 5, fill: HATCH });
  const tick = round(zero + rule.chance(site.E) * scale);
  if (tick <= width) marks.push({ kind: 'line', x1: tick, x2: tick, y1: -1, y2: 21, stroke: 'var(--ml-ink-dim)', strokeWidth: 1 });
  return { width, height: 20, marks };
}
