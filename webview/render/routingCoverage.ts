import type { Drawing, Mark } from './drawing';
import { pathOf, round } from './drawing';
import { coverage } from './routingMetrics';
import type { Counted, SiteNumbers, SiteStats } from './routingTrace';
import type { ExpertAxis } from './routingExperts';

/** What keeping the most used experts covers, for 0, 1, ... experts kept. */
export interface CoverageCurve {
  /** Share of routing weight that goes to kept experts, mean over sites `[columns + 1]`. */
  readonly mean: readonly number[];
  /** The site that loses most, at each number kept. */
  readonly least: readonly { readonly value: number; readonly site: number }[];
  /** Share of tokens whose first expert is kept, mean over sites. */
  readonly firsts: readonly number[];
  /** Columns in the order in which they are kept. */
  readonly order: readonly number[];
}

/** Columns are kept in the order of their weight over all sites. */
export function coverageCurve(stats: readonly SiteStats[], sites: readonly number[], axis: ExpertAxis): CoverageCurve {
  const columns = axis.columns.length;
  const total = new Float64Array(columns);
  const perSite = stats.map((stat, i) => {
    const weight = new Float64Array(columns);
    const first = new Float64Array(columns);
    stat.mean.forEach((value, e) => {
      const column = axis.columnOf(sites[i] ?? 0, e);
      weight[column] = Math.abs(value);
      first[column] = stat.firsts[e] ?? 0;
      total[column] = (total[column] ?? 0) + Math.abs(value);
    });
    return { weight, first };
  });
  const order = Array.from({ length: columns }, (_, c) => c).sort((a, b) => (total[b] ?? 0) - (total[a] ?? 0) || a - b);
  const curves = perSite.map(({ weight }) => coverage(weight, order));
  const firstCurves = perSite.map(({ first }) => coverage(first, order));
  const average = (lists: readonly (readonly number[])[], m: number): number => (lists.length > 0 ? lists.reduce((sum, list) => sum + (list[m] ?? 0), 0) / lists.length : 0);
  const steps = Array.from({ length: columns + 1 }, (_, m) => m);
  return {
    order,
    mean: steps.map((m) => average(curves, m)),
    firsts: steps.map((m) => average(firstCurves, m)),
    least: steps.map((m) => curves.reduce((worst, curve, i) => ((curve[m] ?? 0) < worst.value ? { value: curve[m] ?? 0, site: sites[i] ?? 0 } : worst), { value: Infinity, site: 0 })),
  };
}

/** Tokens that lose no chosen expert at a site when only `kept` columns stay, as a share. */
export function untouched(numbers: SiteNumbers, counted: Counted, kept: ReadonlySet<number>, axis: ExpertAxis): number | null {
  if (counted.tokens.length === 0) return null;
  const k = Math.min(numbers.k, numbers.slots);
  let whole = 0;
  for (const t of counted.tokens) {
    let all = true;
    for (let j = 0; j < k && all; j++) all = kept.has(axis.columnOf(numbers.site, numbers.ids[t * numbers.slots + j] ?? 0));
    if (all) whole++;
  }
  return whole / counted.tokens.length;
}

/** Coverage over the number of experts kept: solid = mean over sites, thin = the site that loses most, dashed = as if even. */
export function drawCoverage(curve: CoverageCurve, kept: number, width: number, height: number): Drawing {
  const count = curve.order.length;
  const left = 26;
  const bottom = height - 18;
  const x = (m: number): number => round(left + ((width - left - 8) * m) / count);
  const y = (share: number): number => round(bottom - (bottom - 8) * share);
  const marks: Mark[] = [];
  for (const share of [0, 0.5, 1]) {
    marks.push({ kind: 'line', x1: left, x2: width - 8, y1: y(share), y2: y(share), stroke: 'var(--ml-grid)', strokeWidth: 1 });
    marks.push({ kind: 'text', x: left - 6, y: y(share) + 4, text: String(share), size: 11, mono: true, anchor: 'end', fill: 'var(--ml-ink-dim)' });
  }
  marks.push({ kind: 'line', x1: x(0), y1: y(0), x2: x(count), y2: y(1), stroke: 'var(--ml-null-mean)', strokeWidth: 1.5, dash: '4 3' });
  marks.push({ kind: 'path', d: pathOf(curve.least.map((entry, m) => [x(m), y(Number.isFinite(entry.value) ? entry.value : 0)] as const)), fill: 'none', stroke: 'var(--ml-inside)', strokeWidth: 1 });
  marks.push({ kind: 'path', d: pathOf(curve.mean.map((value, m) => [x(m), y(value)] as const)), fill: 'none', stroke: 'var(--ml-value)', strokeWidth: 2 });
  marks.push({ kind: 'line', x1: x(kept), x2: x(kept), y1: 4, y2: bottom, stroke: 'var(--ml-focus)', strokeWidth: 1 });
  marks.push({ kind: 'circle', x: x(kept), y: y(curve.mean[kept] ?? 0), r: 4, fill: 'var(--ml-focus)', stroke: 'var(--ml-page)', strokeWidth: 1.5 });
  marks.push({ kind: 'text', x: x(0), y: height - 4, text: '0', size: 11, mono: true, fill: 'var(--ml-ink-dim)' }, { kind: 'text', x: x(count), y: height - 4, text: String(count), size: 11, mono: true, anchor: 'end', fill: 'var(--ml-ink-dim)' });
  return { width, height, marks };
}
