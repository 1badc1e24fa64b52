import type { Score } from '../../extension/protocol/score';
import { formatNumber, isEvidence } from '../../extension/protocol/score';
import { sequentialIndex, signedIndex } from './colours';
import type { Drawing, Mark } from './drawing';
import { HATCH, round } from './drawing';
import type { RoutingPalette } from './routingColours';
import { css, inkOn, insideGrey } from './routingColours';
import type { ExpertAxis } from './routingExperts';
import type { CellColours } from './routingScale';
import { cellColour } from './routingScale';
import type { SiteRow } from './routingTrace';
import { GROUP_FROM } from './routingTrace';
import { nullBand } from './track';
import { scoreTip } from './scoreText';

/** One cell: a mean weight or a share of slots. */
export interface OverviewCell {
  readonly value: number;
  /** Half width of its 95 % interval; null until the site's numbers are here. */
  readonly half: number | null;
  readonly chance: number;
}

/** A figure in the right margin. */
export type Margin = { readonly kind: 'plain'; readonly value: number; readonly even: number } | { readonly kind: 'score'; readonly score: Score } | { readonly kind: 'none' };

export interface OverviewInput {
  readonly rows: readonly SiteRow[];
  readonly axis: ExpertAxis;
  /** `cells[site][column]`; null where the site has no such expert or its value is not known yet. */
  readonly cells: readonly (readonly (OverviewCell | null)[])[];
  readonly first: { readonly title: string; readonly end: string; readonly limit: number; readonly values: readonly Margin[] };
  readonly second: { readonly title: string; readonly end: string; readonly limit: number; readonly values: readonly Margin[] };
  /** Load per column over all sites, with half widths. */
  readonly load: readonly OverviewCell[];
  readonly limit: number;
  readonly limitText: string;
  readonly signed: boolean;
  readonly measureWords: string;
  readonly chanceWords: string;
  /** What values are compared with is another number in each row. */
  readonly byRow?: boolean;
  readonly n: number;
}

/** Where things are; the same numbers place drawings, rings and the pointer. */
export interface OverviewLayout {
  readonly width: number;
  readonly height: number;
  readonly top: number;
  readonly left: number;
  readonly cell: number;
  readonly row: number;
  readonly columns: number;
  readonly grouped: boolean;
  readonly y: readonly number[];
  readonly bottom: number;
  readonly entropyX: number;
  readonly entropyWidth: number;
  readonly apartX: number;
  readonly apartWidth: number;
}

const GAP = 12;
const FIRST = 50;
const SECOND = 70;
/** Dots at the end of a scale reach over it. */
const EDGE = 5;
const LOAD = 30;
const TOP = 38;
/** Below this many pixels a column has no gap and rows are painted as one raster. */
const GAP_FROM = 4;
/** More cells than this are painted as rasters with lines over them: a rectangle for each would take a frame ten times over. */
const RECTS_MOST = 8192;
/** Sites from which rows are too many for a letter in each. */
export const FINE_FROM = 64;

/** Height of a row: 24 px, 14 px where there are more than 12 sites, 6 px where there are more than 64. */
export function rowHeight(sites: number): number {
  return sites > FINE_FROM ? 6 : sites > GROUP_FROM ? 14 : 24;
}

export function overviewLayout(rows: readonly SiteRow[], columns: number, width: number): OverviewLayout {
  const grouped = rows.length > GROUP_FROM;
  const row = rowHeight(rows.length);
  // The word "load" stands below the names.
  const longest = Math.max(4, ...rows.map((r) => (row < 14 ? String(r.layer).length + 1 : r.name.length)));
  const left = (grouped && row >= 14 ? 16 : 0) + Math.min(84, Math.ceil(longest * 7) + 12);
  const room = width - left - FIRST - SECOND - 2 * GAP - EDGE;
  const raw = Math.min(grouped ? 34 : 26, room / columns);
  const cell = raw >= 2 ? Math.floor(raw) : Math.max(0.25, raw);
  const y = rows.map((r, i) => TOP + i * row + (grouped ? r.group * 8 : 0));
  const bottom = (y[y.length - 1] ?? TOP) + row;
  const right = left + cell * columns;
  return { width: right + GAP + FIRST + GAP + SECOND + EDGE, height: bottom + 10 + LOAD + 14 + 26, top: TOP, left, cell, row, columns, grouped, y, bottom, entropyX: right + GAP, entropyWidth: FIRST, apartX: right + GAP + FIRST + GAP, apartWidth: SECOND };
}

/** Row and column under a point; null outside. Points in a row's margins give the row with column -1. */
export function overviewAt(layout: OverviewLayout, x: number, y: number): { readonly site: number; readonly column: number } | null {
  const site = layout.y.findIndex((top) => y >= top && y < top + layout.row);
  if (site < 0) return null;
  const column = Math.floor((x - layout.left) / layout.cell);
  return { site, column: column >= 0 && column < layout.columns ? column : -1 };
}

/** What stands under a point besides cells: a figure of a row, a bar of the load, a column's name; null elsewhere. */
export function overviewTip(input: OverviewInput, layout: OverviewLayout, x: number, y: number): string | null {
  const site = layout.y.findIndex((top) => y >= top && y < top + layout.row);
  const column = Math.floor((x - layout.left) / layout.cell);
  const style = column >= 0 && column < layout.columns ? input.axis.columns[column] : undefined;
  if (site >= 0) {
    const figure = x >= layout.apartX ? input.second : x >= layout.entropyX ? input.first : null;
    const value = figure?.values[site];
    if (!figure || !value || value.kind === 'none') return null;
    const name = `${input.rows[site]?.words ?? ''}, ${figure.title}`;
    return value.kind === 'score' ? scoreTip(name, value.score) : `${name}\n${formatNumber(value.value)} nats, even ${formatNumber(value.even)}\nn = ${formatNumber(input.n)} tokens`;
  }
  if (!style) return null;
  const bar = input.load[column];
  if (y < layout.top || !bar) return style.name;
  return `${style.name}: first expert of ${formatNumber(bar.value)} of the tokens, mean over sites\neven ${formatNumber(bar.chance)}${isInside(bar) ? ', cannot be told from it' : ''}\nn = ${formatNumber(input.n)} tokens`;
}

/** A value that cannot be told from no preference. */
export function isInside(cell: OverviewCell): boolean {
  return cell.half !== null && Math.abs(cell.value - cell.chance) <= cell.half;
}

/** Sites by experts, with figures per row at the right and load below. */
export function drawOverview(input: OverviewInput, layout: OverviewLayout, palette: RoutingPalette, colours: CellColours): Drawing {
  const marks: Mark[] = [];
  columnHeads(marks, input, layout, palette);
  const cellFill = (cell: OverviewCell): string => (isInside(cell) ? insideGrey(palette, Math.abs(cell.value) / input.limit) : cellColour(colours, input.signed, cell.value, input.limit));
  if (layout.cell >= GAP_FROM && input.rows.length * layout.columns <= RECTS_MOST) cellRects(marks, input, layout, cellFill);
  else {
    marks.push(...cellRasters(input, layout, palette, colours));
    if (layout.cell >= GAP_FROM) gaps(marks, layout);
  }
  rowNames(marks, input, layout);
  marginColumn(marks, input.first, layout, layout.entropyX, layout.entropyWidth);
  marginColumn(marks, input.second, layout, layout.apartX, layout.apartWidth);
  loadBars(marks, input, layout, palette);
  scaleBar(marks, input, layout, colours);
  return { width: layout.width, height: layout.height, marks };
}

function text(marks: Mark[], x: number, y: number, words: string, options: Partial<Extract<Mark, { kind: 'text' }>> = {}): void {
  marks.push({ kind: 'text', x: round(x), y, text: words, size: 11, fill: 'var(--ml-ink-dim)', ...options });
}

function columnHeads(marks: Mark[], input: OverviewInput, layout: OverviewLayout, palette: RoutingPalette): void {
  const { columns } = input.axis;
  const every = layout.cell >= 16 ? 1 : Math.max(1, 2 ** Math.ceil(Math.log2(28 / layout.cell)));
  columns.forEach((style, c) => {
    const x = layout.left + c * layout.cell + layout.cell / 2;
    const hue = palette.hues[style.hue - 1] ?? palette.ink;
    if (layout.cell >= 16 && style.mark.length <= 2) {
      marks.push({ kind: 'rect', x: round(x - 8), y: layout.top - 22, width: 16, height: 15, fill: style.colour });
      text(marks, x - 0.5, layout.top - 10.5, style.mark, { anchor: 'middle', mono: true, bold: true, fill: inkOn(hue) });
      return;
    }
    if (layout.cell >= 2) marks.push({ kind: 'rect', x: round(x - layout.cell / 2), y: layout.top - 7, width: Math.max(1, layout.cell - 1), height: 3, fill: style.colour });
    if (c % every === 0) text(marks, x, layout.top - 12, style.mark, { anchor: 'middle', mono: true });
  });
}

function rowNames(marks: Mark[], input: OverviewInput, layout: OverviewLayout): void {
  input.rows.forEach((row, i) => {
    const y = (layout.y[i] ?? 0) + layout.row / 2 + 4;
    if (layout.row < 14) {
      if (row.first) text(marks, layout.left - 8, (layout.y[i] ?? 0) + 10, String(row.layer), { anchor: 'end', mono: true });
      return;
    }
    if (layout.grouped && row.first && row.name !== row.full) text(marks, 0, y, String(row.layer), { mono: true });
    text(marks, layout.left - 8, y, row.name, { anchor: 'end', mono: true });
  });
}

function cellRects(marks: Mark[], input: OverviewInput, layout: OverviewLayout, fill: (cell: OverviewCell) => string): void {
  input.cells.forEach((cells, s) => cells.forEach((cell, c) => {
    const x = layout.left + c * layout.cell;
    const y = layout.y[s] ?? 0;
    const box = { kind: 'rect', x, y, width: layout.cell - 1, height: layout.row - 1 } as const;
    if (!cell) marks.push({ ...box, fill: 'var(--ml-pending)' });
    else if (cell.value === 0 && !input.signed) marks.push({ kind: 'circle', x: x + (layout.cell - 1) / 2, y: y + (layout.row - 1) / 2, r: 1, fill: 'var(--ml-inside)' });
    else marks.push({ ...box, fill: fill(cell), key: s * layout.columns + c });
  }));
}

/** Rows of a block as one raster, without gaps: for more experts than a rectangle each would be seen. */
function cellRasters(input: OverviewInput, layout: OverviewLayout, palette: RoutingPalette, colours: CellColours): readonly Mark[] {
  const { columns } = layout;
  const blocks = new Map<number, number[]>();
  input.rows.forEach((row, s) => {
    const group = layout.grouped ? row.group : 0;
    const list = blocks.get(group) ?? [];
    blocks.set(group, list);
    list.push(s);
  });
  const ramp = input.signed ? colours.diverging : colours.sequential;
  return [...blocks.values()].map((sites): Mark => {
    const rgba = new Uint8ClampedArray(columns * sites.length * 4);
    sites.forEach((s, r) => {
      const cells = input.cells[s] ?? [];
      for (let c = 0; c < columns; c++) {
        const cell = cells[c];
        if (!cell || (cell.value === 0 && !input.signed)) continue;
        const at = (r * columns + c) * 4;
        if (isInside(cell)) {
          const share = 0.07 + 0.3 * Math.min(1, Math.abs(cell.value) / input.limit);
          for (let i = 0; i < 3; i++) rgba[at + i] = (palette.page[i] ?? 0) + ((palette.ink[i] ?? 0) - (palette.page[i] ?? 0)) * share;
        } else {
          const step = (input.signed ? signedIndex(cell.value, input.limit, 1) : sequentialIndex(cell.value, input.limit)) * 3;
          for (let i = 0; i < 3; i++) rgba[at + i] = ramp[step + i] ?? 0;
        }
        rgba[at + 3] = 255;
      }
    });
    return { kind: 'raster', x: layout.left, y: layout.y[sites[0] ?? 0] ?? 0, width: layout.cell * columns, height: layout.row * sites.length, columns, rows: sites.length, rgba };
  });
}

/** What stands between the cells of rasters. */
function gaps(marks: Mark[], layout: OverviewLayout): void {
  const right = layout.left + layout.cell * layout.columns;
  for (let c = 1; c <= layout.columns; c++) marks.push({ kind: 'rect', x: layout.left + c * layout.cell - 1, y: layout.top, width: 1, height: layout.bottom - layout.top, fill: 'var(--ml-page)' });
  for (const y of layout.y) marks.push({ kind: 'rect', x: layout.left, y: y + layout.row - 1, width: right - layout.left, height: 1, fill: 'var(--ml-page)' });
}

function marginColumn(marks: Mark[], column: OverviewInput['first'], layout: OverviewLayout, x0: number, width: number): void {
  const at = (value: number): number => round(x0 + width * Math.max(0, Math.min(1, column.limit > 0 ? value / column.limit : 0)));
  text(marks, x0, layout.top - 24, column.title);
  text(marks, x0, layout.top - 10, '0', { mono: true });
  text(marks, x0 + width, layout.top - 10, column.end, { anchor: 'end', mono: true });
  const tall = layout.row - 1;
  const r = layout.row >= 14 ? 3 : 2;
  column.values.forEach((margin, i) => {
    const y = layout.y[i] ?? 0;
    const middle = y + tall / 2;
    if (margin.kind === 'none') return;
    if (margin.kind === 'plain') {
      marks.push({ kind: 'line', x1: at(margin.even), x2: at(margin.even), y1: y, y2: y + tall, stroke: 'var(--ml-null-mean)', strokeWidth: 1.5 });
      stem(marks, x0, at(margin.value), middle, r, 'var(--ml-value)');
      return;
    }
    const { score } = margin;
    if (score.value === null) {
      marks.push({ kind: 'rect', x: x0, y: y + 2, width, height: Math.max(1, tall - 4), fill: HATCH });
      return;
    }
    const band = nullBand(score);
    if (band) marks.push({ kind: 'rect', x: at(band[0]), y, width: Math.max(2, round(at(band[1]) - at(band[0]))), height: tall, fill: 'var(--ml-null)' });
    if (score.null !== null) marks.push({ kind: 'line', x1: at(score.null), x2: at(score.null), y1: y, y2: y + tall, stroke: 'var(--ml-null-mean)', strokeWidth: 1 });
    const told = isEvidence(score);
    if (score.interval) marks.push({ kind: 'line', x1: at(score.interval[0]), x2: at(score.interval[1]), y1: middle, y2: middle, stroke: told ? 'var(--ml-value)' : 'var(--ml-inside)', strokeWidth: layout.row >= 14 ? 3 : 2 });
    stem(marks, x0, at(score.value), middle, r, told ? 'var(--ml-value)' : 'var(--ml-inside)');
  });
  marks.push({ kind: 'line', x1: x0, x2: x0, y1: layout.top, y2: layout.bottom, stroke: 'var(--ml-inside)', strokeWidth: 1 });
}

function stem(marks: Mark[], x0: number, x: number, y: number, r: number, ink: string): void {
  marks.push({ kind: 'line', x1: x0, x2: x, y1: y, y2: y, stroke: ink, strokeWidth: 1 }, { kind: 'circle', x, y, r, fill: ink });
}

function loadBars(marks: Mark[], input: OverviewInput, layout: OverviewLayout, palette: RoutingPalette): void {
  const y0 = layout.bottom + 10;
  const chance = input.load[0]?.chance ?? 0;
  const limit = Math.max(2 * chance, ...input.load.map((bar) => bar.value));
  const tall = (value: number): number => round((LOAD * Math.max(0, value)) / (limit || 1));
  input.load.forEach((bar, c) => {
    const x = layout.left + c * layout.cell;
    const width = Math.max(0.5, Math.min(layout.cell - 1, layout.cell >= 12 ? 8 : layout.cell));
    const inside = isInside(bar);
    if (bar.half !== null && Number.isFinite(bar.half) && layout.cell >= GAP_FROM) marks.push({ kind: 'rect', x, y: round(y0 + LOAD - tall(Math.min(limit, chance + bar.half))), width: layout.cell - 1, height: round(tall(Math.min(limit, chance + bar.half)) - tall(chance - bar.half)), fill: 'var(--ml-null)' });
    marks.push({ kind: 'rect', x: round(x + (layout.cell - 1 - width) / 2), y: y0 + LOAD - tall(bar.value), width, height: tall(bar.value), fill: inside ? 'var(--ml-inside)' : css(palette.hues[(input.axis.columns[c]?.hue ?? 8) - 1] ?? palette.ink) });
  });
  const right = layout.left + layout.cell * layout.columns - 1;
  const even = y0 + LOAD - tall(chance);
  marks.push({ kind: 'line', x1: layout.left, x2: right, y1: even, y2: even, stroke: 'var(--ml-ink-dim)', strokeWidth: 1.5 });
  marks.push({ kind: 'line', x1: layout.left, x2: right, y1: y0 + LOAD + 0.5, y2: y0 + LOAD + 0.5, stroke: 'var(--ml-inside)', strokeWidth: 1 });
  text(marks, layout.left - 8, y0 + LOAD - 4, 'load', { anchor: 'end' });
  text(marks, layout.entropyX, y0 + 12, `even 1/${layout.columns}`);
  text(marks, layout.entropyX, y0 + 26, formatNumber(chance), { mono: true });
}

function scaleBar(marks: Mark[], input: OverviewInput, layout: OverviewLayout, colours: CellColours): void {
  const y = layout.bottom + 10 + LOAD + 14;
  const width = layout.cell * layout.columns;
  const steps = Math.min(256, Math.ceil(width));
  const rgba = new Uint8ClampedArray(steps * 4);
  for (let i = 0; i < steps; i++) {
    const value = input.signed ? ((i / (steps - 1)) * 2 - 1) * input.limit : (i / (steps - 1)) * input.limit;
    rgba.set([...(cellColour(colours, input.signed, value, input.limit).match(/\d+/g) ?? []).map(Number).slice(0, 3), 255], i * 4);
  }
  marks.push({ kind: 'raster', x: layout.left, y, width, height: 6, columns: steps, rows: 1, rgba });
  const chance = input.load[0] ? (input.cells.flat().find((cell) => cell !== null)?.chance ?? input.load[0].chance) : 0;
  const share = input.signed ? 0.5 : Math.min(1, chance / input.limit);
  const x = round(layout.left + width * share);
  if (!input.byRow) marks.push({ kind: 'line', x1: x, x2: x, y1: y - 3, y2: y + 9, stroke: 'var(--ml-ink)', strokeWidth: 1.5 });
  text(marks, layout.left, y + 19, input.signed ? `\u2212${input.limitText}` : '0', { mono: true });
  const room = 16 + input.chanceWords.length * 3;
  if (width > 110 && !input.byRow) text(marks, Math.max(layout.left + room, Math.min(layout.left + width - room - 14, x)), y + 19, input.chanceWords, { anchor: 'middle' });
  text(marks, layout.left + width, y + 19, input.limitText, { anchor: 'end', mono: true });
  text(marks, layout.entropyX, y + 7, input.measureWords);
  text(marks, layout.entropyX, y + 19, input.byRow ? 'grey: its row\u2019s mean' : 'grey: as if even');
}
