import type { RoutingComparisonResult, RoutingHead, RoutingSummary, RoutingVariant } from '../../extension/protocol/routing';
import type { Score } from '../../extension/protocol/score';
import { formatInterval, formatNumber, isEvidence } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { moved, round } from './drawing';
import type { RoutingPalette } from './routingColours';
import { mix, tint } from './routingColours';
import type { ExpertAxis } from './routingExperts';
import { rowHeight } from './routingOverview';
import { shownToken } from './routingRaster';
import { axisNumber, niceLimit } from './routingScale';
import type { SiteRow } from './routingTrace';
import { GROUP_FROM } from './routingTrace';
import type { Cell, DataTable } from './table';
import { drawTrack, extentOf } from './track';

/** Another router, or the same one set otherwise, that a trace can be compared with. */
export interface Variant {
  readonly text: string;
  readonly variant: RoutingVariant;
}
const EMERGENT = ['avg-k', 'similarity', 'oracle', 'random'] as const;

/** What a trace can be compared with: routers over the same experts, other settings of its own, itself without an expert or without its what-if. */
export function variantsOf(head: RoutingHead, summary: RoutingSummary, axis: ExpertAxis, rows: readonly SiteRow[], site: number, expert: number | null): readonly Variant[] {
  const own = head.sites[site];
  if (!own || own.kind === 'imported') return [];
  const { router } = head;
  const list: Variant[] = [];
  if (head.whatIf) list.push({ text: 'the model as it is', variant: { router } });
  if (own.kind === 'emergent') for (const other of EMERGENT) if (other !== router) list.push({ text: other, variant: { router: other } });
  if (own.kind !== 'moe') for (const k of [1, 2 * own.k]) if (k !== own.k && k <= own.E) list.push({ text: `${router}, k = ${k}`, variant: { router, topK: k } });
  if (own.kind === 'library') {
    if (own.temperature !== null) for (const temperature of [own.temperature / 2, own.temperature * 2]) list.push({ text: `${router}, temperature ${formatNumber(temperature)}`, variant: { router, temperature } });
    if (head.provenance === 'exact') list.push({ text: `${router} on the base alone`, variant: { router, baseActivations: true } });
  }
  const load = summary.sites[site]?.load ?? [];
  const most = expert ?? load.indexOf(Math.max(...load));
  const label = own.labels[most];
  if (label !== undefined && own.E > 1) {
    const style = axis.columns[axis.columnOf(site, most)];
    const named = own.kind === 'library' ? { expert: label } : { expert: label, site: own.id };
    list.push({ text: `${router} without ${style?.name ?? label}${own.kind === 'library' ? '' : ` at ${rows[site]?.words ?? own.id}`}`, variant: { router, whatIf: { mute: [named] } } });
  }
  return list;
}

/** The comparison in one sentence, and the score that it rests on. */
export function compareFinding(result: RoutingComparisonResult, rows: readonly SiteRow[]): { readonly text: string; readonly score: Score | null } {
  const [a, b] = result.names;
  const scores = result.sites.map((site) => site.agreement);
  const told = scores.filter(isEvidence).length;
  let least = -1;
  scores.forEach((score, i) => {
    if (score.value !== null && (least < 0 || score.value < (scores[least]?.value ?? Infinity))) least = i;
  });
  const score = scores[least] ?? null;
  if (!score) return { text: `${a} and ${b} have no site where they choose between the same experts.`, score: null };
  const row = rows[result.sites[least]?.sites[0] ?? 0]?.words ?? '';
  const value = `${formatInterval(score.value, score.interval)} of the tokens, against ${formatNumber(score.null)} with the other\u2019s tokens shuffled`;
  return told === 0
    ? { text: `No evidence that ${a} and ${b} choose alike at any of ${scores.length} sites (at ${row}, the same first expert for ${value}).`, score }
    : { text: `${a} and ${b} choose the same first expert more than chance at ${told} of ${scores.length} sites; least alike at ${row}: ${value}.`, score };
}

export interface CompareLayout {
  readonly width: number;
  readonly height: number;
  readonly top: number;
  readonly left: number;
  readonly row: number;
  readonly y: readonly number[];
  /** Left ends of the two tracks and of the raster. */
  readonly x: readonly [number, number, number];
  readonly track: number;
  readonly raster: number;
}
const TOP = 30;
const GAP = 14;

export function compareLayout(rows: readonly SiteRow[], width: number): CompareLayout {
  const grouped = rows.length > GROUP_FROM;
  const row = Math.min(18, rowHeight(rows.length));
  const left = Math.min(84, Math.ceil(Math.max(2, ...rows.map((r) => (row < 14 ? String(r.layer).length : r.full.length))) * 7) + 8);
  const track = Math.max(56, Math.min(130, Math.floor((width - left) / 5)));
  const x = [left, left + track + GAP, left + 2 * (track + GAP)] as const;
  const y = rows.map((r, i) => TOP + i * row + (grouped ? r.group * 6 : 0));
  return { width, height: (y[y.length - 1] ?? TOP) + row + 2, top: TOP, left, row, y, x, track, raster: Math.max(40, width - x[2]) };
}

/** Site (place in the comparison) and token (-1 outside of the raster) under a point. */
export function compareAt(layout: CompareLayout, tokens: number, x: number, y: number): { readonly site: number; readonly token: number } | null {
  const site = layout.y.findIndex((top) => y >= top && y < top + layout.row);
  if (site < 0) return null;
  const token = Math.floor(((x - layout.x[2]) / layout.raster) * tokens);
  return { site, token: token >= 0 && token < tokens ? token : -1 };
}

/**
 * Two routers site by site: how often their first experts agree and how far their weights are apart, each on the band of its null; beside
 * them each token, grey where both choose alike, else in the hue of the second router's choice.
 */
export function drawComparison(result: RoutingComparisonResult, rows: readonly SiteRow[], axis: ExpertAxis, layout: CompareLayout, tokens: number, chosen: number, palette: RoutingPalette): Drawing {
  const marks: Mark[] = [];
  const note = (x: number, y: number, text: string, options: Partial<Extract<Mark, { kind: 'text' }>> = {}): void => {
    marks.push({ kind: 'text', x: round(x), y, text, size: 11, fill: 'var(--ml-ink-dim)', ...options });
  };
  const far = niceLimit(Math.max(0.05, extentOf(result.sites.map((site) => site.divergence))?.[1] ?? 0));
  const tracks = [['same first', 1, 'agreement'], ['apart, nats', far, 'divergence']] as const;
  tracks.forEach(([title, end], i) => {
    note(layout.x[i] ?? 0, 10, title);
    note(layout.x[i] ?? 0, 24, '0', { mono: true });
    note((layout.x[i] ?? 0) + layout.track, 24, axisNumber(end), { mono: true, anchor: 'end' });
  });
  note(layout.x[2], 10, 'tokens; colour: other choice');
  result.sites.forEach((site, i) => {
    const row = rows[i];
    const y = layout.y[i] ?? 0;
    const tall = layout.row - 1;
    if (row && (layout.row >= 14 || row.first)) note(layout.left - 8, y + Math.min(layout.row, 14) / 2 + 4, layout.row >= 14 ? row.full : String(row.layer), { mono: true, anchor: 'end', ...(site.sites[0] === chosen ? { bold: true, fill: 'var(--ml-ink-strong)' } : {}) });
    tracks.forEach(([, end, name], t) => marks.push(...moved(drawTrack({ domain: [0, end] }, site[name], layout.track, Math.max(3, tall)).marks, layout.x[t] ?? 0, y)));
    const rgba = rowPixels(result, i, axis, tokens, palette);
    if (rgba) marks.push({ kind: 'raster', x: layout.x[2], y, width: layout.raster, height: tall, columns: tokens, rows: 1, rgba });
  });
  return { width: layout.width, height: layout.height, marks };
}

/** Pixels of one site's tokens; null where there are no numbers by token. */
function rowPixels(result: RoutingComparisonResult, i: number, axis: ExpertAxis, tokens: number, palette: RoutingPalette): Uint8ClampedArray | null {
  const { perToken, sites } = result;
  const site = sites[i]?.sites[0] ?? 0;
  if (!perToken) return null;
  const rgba = new Uint8ClampedArray(tokens * 4);
  const same = mix(palette.page, palette.ink, 0.16);
  for (let t = 0; t < tokens; t++) {
    const at = t * sites.length + i;
    const divergence = perToken.divergences[at] ?? NaN;
    if (!Number.isFinite(divergence)) continue;
    const second = perToken.firsts[1][at] ?? 0;
    const colour = perToken.firsts[0][at] === second ? same : tint(palette, axis.columns[axis.columnOf(site, second)]?.hue ?? 8, divergence, Math.LN2);
    rgba.set([colour[0], colour[1], colour[2], 255], t * 4);
  }
  return rgba;
}

/** A token that the two routers send to different first experts. */
export interface DifferingToken {
  readonly token: number;
  /** Sites where the first experts differ, of those compared. */
  readonly sites: number;
  /** Mean divergence over sites, nats. */
  readonly divergence: number;
}

/** Tokens where the first experts differ at most sites, then where weights are furthest apart. */
export function differingTokens(result: RoutingComparisonResult, head: RoutingHead): readonly DifferingToken[] {
  const { perToken, sites } = result;
  if (!perToken) return [];
  const out: DifferingToken[] = [];
  head.tokens.forEach((token, t) => {
    if (token.start === null) return;
    let differ = 0;
    let sum = 0;
    let known = 0;
    for (let i = 0; i < sites.length; i++) {
      const at = t * sites.length + i;
      const divergence = perToken.divergences[at] ?? NaN;
      if (!Number.isFinite(divergence)) continue;
      known++;
      sum += divergence;
      if (perToken.firsts[0][at] !== perToken.firsts[1][at]) differ++;
    }
    if (differ > 0) out.push({ token: t, sites: differ, divergence: known > 0 ? sum / known : 0 });
  });
  return out.sort((a, b) => b.sites - a.sites || b.divergence - a.divergence || a.token - b.token);
}

/** Sites where the first experts of a token would differ by chance: those of the shuffled tokens. */
export function differByChance(result: RoutingComparisonResult): number {
  return result.sites.reduce((sum, site) => sum + (1 - (site.agreement.null ?? 0)), 0);
}

/** What a token's cell says. */
export function compareTip(result: RoutingComparisonResult, head: RoutingHead, axis: ExpertAxis, rows: readonly SiteRow[], at: { readonly site: number; readonly token: number }): string {
  const { perToken, sites, names } = result;
  const site = sites[at.site]?.sites[0] ?? 0;
  const token = head.tokens[at.token];
  const cell = at.token * sites.length + at.site;
  const name = (side: 0 | 1): string => axis.columns[axis.columnOf(site, perToken?.firsts[side][cell] ?? 0)]?.name ?? '';
  return `token ${at.token} \u201c${token ? shownToken(token) : ''}\u201d, ${rows[at.site]?.words ?? ''}\n${names[0]}: ${name(0)}\n${names[1]}: ${name(1)}\nweights apart: ${formatNumber(perToken?.divergences[cell] ?? null)} nats, at most ${formatNumber(Math.LN2)}`;
}

export function compareTables(result: RoutingComparisonResult, head: RoutingHead): readonly DataTable[] {
  const [a, b] = result.names;
  const tables: DataTable[] = [{
    id: 'compare', title: `${a} beside ${b}`, note: `Same first expert: share of tokens. Apart: mean Jensen\u2013Shannon divergence of a token\u2019s two weight rows, at most ln 2. Null: the second router\u2019s tokens shuffled in blocks of 16.${result.left.length > 0 ? ` Not compared: ${result.left.join(', ')}.` : ''}`,
    columns: ['Site', 'Same first expert', 'Apart'], rows: result.sites.map((site): Cell[] => [site.id, site.agreement, site.divergence]),
  }];
  const differing = differingTokens(result, head);
  if (differing.length > 0) {
    tables.push({
      id: 'compare-tokens', title: `Tokens that ${a} and ${b} send elsewhere`, note: `Of ${result.sites.length} sites; shuffled tokens would differ at ${formatNumber(differByChance(result))}. n = ${formatNumber(result.tokens)} tokens.`, columns: ['Token', 'Text', 'Sites that differ', 'By chance', 'Apart, mean'],
      rows: differing.map(({ token, sites, divergence }): Cell[] => [String(token), head.tokens[token] ? shownToken(head.tokens[token]) : '', sites, differByChance(result), divergence]),
    });
  }
  return tables;
}

/** Rows of the compared sites, as the page's rows but set apart by block among themselves. */
export function comparedRows(result: RoutingComparisonResult, rows: readonly SiteRow[]): readonly SiteRow[] {
  let group = -1;
  let layer = NaN;
  return result.sites.flatMap(({ sites }) => {
    const row = rows[sites[0]];
    if (!row) return [];
    const first = row.layer !== layer;
    if (first) group++;
    layer = row.layer;
    return [{ ...row, first, group }];
  });
}
