import { formatNumber } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import type { RoutingPalette } from './routingColours';
import { inkOn } from './routingColours';
import type { ExpertAxis } from './routingExperts';
import type { Flow } from './routingMetrics';
import { flows } from './routingMetrics';
import type { Counted, SiteNumbers, SiteRow } from './routingTrace';

/** At most this many flows between two sites are coloured. */
const STRONG_MOST = 8;
/** From this many standard deviations above independence on. */
const STRONG_Z = 2.6;
/** More experts than this are drawn as the most used ones and "other". */
const LANES = 8;
const TOP = 24;
const TALL = 176;
const GAP = 5;
const BAR = 12;
const SIDE = 22;

/** Tokens that go from lane to lane between three neighbouring sites. */
export interface FlowPicture {
  /** Up to three sites, input first. */
  readonly sites: readonly number[];
  /** Columns of experts that have a lane of their own; one more lane, if `other`, holds the rest. */
  readonly lanes: readonly number[];
  readonly other: boolean;
  /** `[sites][tokens]`: lane of each counted token. */
  readonly path: readonly Uint16Array[];
  readonly loads: readonly (readonly number[])[];
  /** Flows between neighbouring sites, with those that are coloured. */
  readonly steps: readonly { readonly all: readonly Flow[]; readonly strong: ReadonlySet<Flow> }[];
  readonly n: number;
}

/** The three sites around one; fewer where there are fewer. */
export function neighbours(site: number, sites: number): readonly number[] {
  const middle = Math.min(Math.max(1, site), sites - 2);
  return sites < 3 ? Array.from({ length: sites }, (_, i) => i) : [middle - 1, middle, middle + 1];
}

export function flowPicture(numbers: readonly SiteNumbers[], counted: Counted, axis: ExpertAxis): FlowPicture {
  const n = counted.tokens.length;
  const columns = numbers.map((site) => Uint16Array.from(counted.tokens, (t) => axis.columnOf(site.site, site.tops[t] ?? 0)));
  const used = new Float64Array(axis.columns.length);
  for (const path of columns) for (const column of path) used[column] = (used[column] ?? 0) + 1;
  const all = axis.columns.map((_, c) => c);
  const lanes = all.length <= LANES ? all : all.slice().sort((a, b) => (used[b] ?? 0) - (used[a] ?? 0) || a - b).slice(0, LANES - 1).sort((a, b) => a - b);
  const other = lanes.length < all.length;
  const laneOf = new Map(lanes.map((column, lane) => [column, lane] as const));
  const path = columns.map((list) => list.map((column) => laneOf.get(column) ?? lanes.length));
  const count = lanes.length + (other ? 1 : 0);
  const loads = path.map((list) => {
    const load = new Array<number>(count).fill(0);
    for (const lane of list) load[lane] = (load[lane] ?? 0) + 1;
    return load;
  });
  const steps = path.slice(1).map((after, j) => {
    const found = flows(path[j] ?? [], after, count);
    return { all: found, strong: new Set(found.filter((flow) => flow.z > STRONG_Z && flow.from < lanes.length && flow.to < lanes.length).sort((a, b) => b.count - a.count).slice(0, STRONG_MOST)) };
  });
  return { sites: numbers.map((site) => site.site), lanes, other, path, loads, steps, n };
}

export const FLOW_HEIGHT = TOP + TALL + 6;

/** What a flow says. */
export function flowText(flow: Flow, picture: FlowPicture, axis: ExpertAxis, strong: boolean): string {
  const name = (lane: number): string => axis.columns[picture.lanes[lane] ?? -1]?.mark ?? 'other';
  return `${name(flow.from)} to ${name(flow.to)}: ${formatNumber(flow.count)} of ${formatNumber(picture.n)} tokens\nindependent choices: ${formatNumber(flow.expected)}, z ${formatNumber(flow.z)}${strong ? '' : flow.z > STRONG_Z ? '' : '\nInside the null: no evidence'}`;
}

/** Lanes of three sites and what goes between them; coloured = above independence, line = one token (its place among the counted). */
export function drawFlow(picture: FlowPicture, rows: readonly SiteRow[], axis: ExpertAxis, width: number, site: number, token: number, palette: RoutingPalette): Drawing {
  const marks: Mark[] = [];
  const count = picture.lanes.length + (picture.other ? 1 : 0);
  const unit = picture.n > 0 ? (TALL - GAP * (count - 1)) / picture.n : 0;
  const X = picture.sites.map((_, j) => SIDE + (picture.sites.length > 1 ? (j * (width - 2 * SIDE - BAR)) / (picture.sites.length - 1) : 0));
  const Y = picture.loads.map((load) => {
    let y = TOP;
    return load.map((tokens) => {
      const at = y;
      y += tokens * unit + GAP;
      return at;
    });
  });
  picture.steps.forEach((step, j) => {
    const out = (Y[j] ?? []).slice();
    const into = (Y[j + 1] ?? []).slice();
    const placed = step.all.map((flow) => {
      const y0 = out[flow.from] ?? 0;
      const y1 = into[flow.to] ?? 0;
      out[flow.from] = y0 + flow.count * unit;
      into[flow.to] = y1 + flow.count * unit;
      return { flow, y0, y1, strong: step.strong.has(flow) };
    }).sort((a, b) => Number(a.strong) - Number(b.strong));
    for (const { flow, y0, y1, strong } of placed) {
      const x0 = round((X[j] ?? 0) + BAR);
      const x1 = round(X[j + 1] ?? 0);
      const m = round((x0 + x1) / 2);
      const t = flow.count * unit;
      const [a, b, c, d] = [round(y0), round(y1), round(y1 + t), round(y0 + t)];
      const hue = axis.columns[picture.lanes[flow.from] ?? -1]?.colour;
      marks.push({ kind: 'path', d: `M${x0} ${a}C${m} ${a} ${m} ${b} ${x1} ${b}V${c}C${m} ${c} ${m} ${d} ${x0} ${d}Z`, fill: strong && hue ? `color-mix(in srgb, ${hue} 62%, var(--ml-page))` : 'color-mix(in srgb, var(--ml-null) 70%, var(--ml-page))', tip: flowText(flow, picture, axis, strong) });
    }
  });
  picture.sites.forEach((s, j) => {
    const x = X[j] ?? 0;
    marks.push({ kind: 'text', x: x + BAR / 2, y: 12, text: rows[s]?.full ?? '', size: 11, mono: true, bold: s === site, anchor: j === 0 ? 'start' : j === picture.sites.length - 1 ? 'end' : 'middle', fill: 'var(--ml-ink)' });
    for (let lane = 0; lane < count; lane++) {
      const load = picture.loads[j]?.[lane] ?? 0;
      if (load === 0) continue;
      const style = axis.columns[picture.lanes[lane] ?? -1];
      const y = round(Y[j]?.[lane] ?? 0);
      const tall = Math.max(1, load * unit);
      marks.push({ kind: 'rect', x, y, width: BAR, height: round(tall), fill: style?.colour ?? 'var(--ml-null-mean)', tip: `${style?.name ?? 'other experts'} at ${rows[s]?.full ?? ''}: first for ${formatNumber(load)} of ${formatNumber(picture.n)} tokens` });
      if (tall < 8) continue;
      const middle = j > 0 && j < picture.sites.length - 1;
      const mark = style?.mark ?? '\u2026';
      if (middle && (tall < 12 || mark.length > 1)) continue;
      marks.push({ kind: 'text', x: round(j === 0 ? x - 6 : middle ? x + BAR / 2 : x + BAR + 6), y: round(y + tall / 2 + 4), text: mark, size: 11, mono: true, bold: true, anchor: j === 0 ? 'end' : middle ? 'middle' : 'start', fill: middle ? inkOn(palette.hues[(style?.hue ?? 8) - 1] ?? palette.ink) : 'var(--ml-ink)' });
    }
  });
  if (token >= 0) marks.push(...tokenLine(picture, X, Y, unit, token));
  return { width, height: FLOW_HEIGHT, marks };
}

function tokenLine(picture: FlowPicture, X: readonly number[], Y: readonly (readonly number[])[], unit: number, token: number): readonly Mark[] {
  const points = picture.path.map((lanes, j) => {
    const lane = lanes[token] ?? 0;
    return [X[j] ?? 0, (Y[j]?.[lane] ?? 0) + ((picture.loads[j]?.[lane] ?? 0) * unit) / 2] as const;
  });
  return points.slice(1).flatMap(([x1, y1], j): Mark[] => {
    const [from = 0, y0 = 0] = points[j] ?? [];
    const x0 = from + BAR;
    const m = round((x0 + x1) / 2);
    const d = `M${round(x0)} ${round(y0)}C${m} ${round(y0)} ${m} ${round(y1)} ${round(x1)} ${round(y1)}`;
    return [{ kind: 'path', d, fill: 'none', stroke: 'var(--ml-page)', strokeWidth: 4 }, { kind: 'path', d, fill: 'none', stroke: 'var(--ml-ink)', strokeWidth: 1.5 }];
  });
}
