import type { Margin, OverviewCell, OverviewInput } from '../render/routingOverview';
import { BLOCK_TOKENS, blockHalfWidth } from '../render/routingNull';
import type { Measure } from '../render/routingScale';
import type { Quantity } from '../render/routingValues';
import { axisNumber, chanceOf, chanceText, fixedLimit, niceLimit, SEMANTICS } from '../render/routingScale';
import { extentOf } from '../render/track';
import type { RoutingModel } from './model';

/**
 * What the overview draws now, from the summary and from the numbers that have come; null before there is a trace. `before`: what it drew
 * last, whose loads stay until those of a new trace can be told.
 */
export function overviewInput(model: RoutingModel, before: OverviewInput | null = null): OverviewInput | null {
  const { head, summary, axis, measure, rows, quantity } = model;
  if (!head || !summary) return null;
  const all = model.filter.kind === 'all';
  const cells = quantity === 'weight' ? weightCells(model, measure, all) : scoreCells(model, quantity);
  const largest = cells.reduce((most, row) => row.reduce((m, cell) => Math.max(m, Math.abs(cell?.value ?? 0)), most), 0);
  const first = head.sites[0];
  const signed = quantity === 'weight' ? first !== undefined && measure === 'mean' && SEMANTICS[first.semantics].signed : cells.some((row) => row.some((cell) => cell !== null && cell.value < 0));
  // Scores have no end that a trace as a whole would set: a fixed scale is that of all texts, a cosine's largest is one.
  const limit = quantity === 'weight' ? (model.range === 'unit' ? 1 : model.range === 'fixed' ? fixedLimit(head, summary, measure) : niceLimit(largest)) : model.range === 'unit' && quantity === 'cosine' ? 1 : niceLimit(largest);
  const second = apartColumn(model);
  return {
    rows, axis, cells, first: entropyColumn(model), second, load: before && model.updated && !model.slices.complete && before.load.length === axis.columns.length ? before.load : loads(model), limit, limitText: axisNumber(limit), signed,
    measureWords: quantity !== 'weight' ? `mean ${quantity}` : measure === 'mean' ? 'mean weight' : 'share of slots',
    chanceWords: quantity !== 'weight' ? 'mean of the row' : first ? (measure === 'mean' && SEMANTICS[first.semantics].chance(first.E) !== 1 / first.E ? SEMANTICS[first.semantics].chanceWords(first.E) : `even ${chanceText(first, measure)}`) : '',
    byRow: quantity !== 'weight',
    n: model.counted.tokens.length,
  };
}

/** Mean weights or shares of slots. */
function weightCells(model: RoutingModel, measure: Measure, all: boolean): OverviewInput['cells'] {
  const { summary, axis } = model;
  return (model.head?.sites ?? []).map((site, s) => {
    const stats = model.shownStats(s);
    const chance = chanceOf(site, measure);
    const values = stats ? (measure === 'mean' ? stats.mean : stats.share) : all && measure === 'mean' ? summary?.sites[s]?.mean : undefined;
    const halves = stats ? (measure === 'mean' ? stats.meanHalf : stats.shareHalf) : null;
    return axis.columns.map((_, column): OverviewCell | null => {
      const expert = axis.expertAt(s, column);
      const value = expert < 0 ? undefined : values?.[expert];
      return value === undefined ? null : { value, half: halves ? halves[expert] ?? null : null, chance };
    });
  });
}

/** Mean logits or cosines; what they are compared with is the mean of their row, because no preference is no fixed number for them. */
function scoreCells(model: RoutingModel, quantity: Exclude<Quantity, 'weight'>): OverviewInput['cells'] {
  const { axis } = model;
  return (model.head?.sites ?? []).map((_, s) => {
    const scores = model.scores(s, quantity);
    return axis.columns.map((__, column): OverviewCell | null => {
      const expert = axis.expertAt(s, column);
      const value = expert < 0 ? NaN : scores?.mean[expert] ?? NaN;
      return scores && Number.isFinite(value) ? { value, half: scores.half[expert] ?? null, chance: scores.level } : null;
    });
  });
}

/** Experts among which weight can be spread at a site. */
function spread(site: { readonly E: number; readonly k: number; readonly semantics: keyof typeof SEMANTICS }): number {
  return SEMANTICS[site.semantics].masks ? Math.min(site.k, site.E) : site.E;
}

function entropyColumn(model: RoutingModel): OverviewInput['first'] {
  const sites = model.head?.sites ?? [];
  const most = Math.max(2, ...sites.map(spread));
  const values = sites.map((site, s): Margin => {
    if (!SEMANTICS[site.semantics].entropy || spread(site) < 2) return { kind: 'none' };
    const value = model.shownStats(s)?.entropy ?? (model.filter.kind === 'all' ? model.summary?.sites[s]?.entropy : undefined);
    return value === undefined ? { kind: 'none' } : { kind: 'plain', value, even: Math.log(spread(site)) };
  });
  return { title: 'entropy', end: `ln ${most}`, limit: Math.log(most), values };
}

function apartColumn(model: RoutingModel): OverviewInput['second'] {
  const { divergence } = model;
  const scores = divergence ?? (model.head?.sites ?? []).map((_, s) => model.switches(s));
  const known = scores.flatMap((score) => (score ? [score] : []));
  const limit = divergence ? niceLimit(extentOf(known)?.[1] ?? 0.1) : 1;
  return { title: divergence ? 'kinds apart' : 'switches', end: axisNumber(limit), limit, values: scores.map((score): Margin => (score ? { kind: 'score', score } : { kind: 'none' })) };
}

/** Share of tokens that have each column's expert first, mean over sites. */
function loads(model: RoutingModel): readonly OverviewCell[] {
  const { head, summary, axis, counted } = model;
  const sites = head?.sites ?? [];
  const columns = axis.columns.length;
  const all = model.filter.kind === 'all';
  const sums = new Float64Array(columns);
  let known = 0;
  const blocks = counted.spans.flatMap(([from, to]) => Array.from({ length: Math.ceil((to - from) / BLOCK_TOKENS) }, (_, b) => [from + b * BLOCK_TOKENS, Math.min(to, from + (b + 1) * BLOCK_TOKENS)] as const));
  const complete = sites.every((_, s) => model.stats(s) !== null);
  const byBlock = complete ? new Float64Array(columns * blocks.length) : null;
  sites.forEach((site, s) => {
    const stats = model.shownStats(s);
    if (!stats && !all) return;
    known++;
    for (let e = 0; e < site.E; e++) {
      const column = axis.columnOf(s, e);
      sums[column] = (sums[column] ?? 0) + (stats ? (stats.firsts[e] ?? 0) / Math.max(1, stats.n) : summary?.sites[s]?.load[e] ?? 0);
    }
    if (!byBlock || !stats) return;
    blocks.forEach(([from, to], b) => {
      for (let i = from; i < to; i++) {
        const at = axis.columnOf(s, stats.tops[i] ?? 0) * blocks.length + b;
        byBlock[at] = (byBlock[at] ?? 0) + 1 / sites.length;
      }
    });
  });
  const sizes = blocks.map(([from, to]) => to - from);
  return axis.columns.map((_, c): OverviewCell => ({
    value: known > 0 ? (sums[c] ?? 0) / known : 0, chance: 1 / columns,
    half: byBlock ? blockHalfWidth(byBlock.subarray(c * blocks.length, (c + 1) * blocks.length), sizes) : null,
  }));
}
