import type { RoutingHead, RoutingToken } from '../../extension/protocol/routing';
import { NEAR_TIE } from '../../extension/protocol/routing';
import type { Drawing, Mark } from './drawing';
import type { RoutingPalette } from './routingColours';
import type { Channels } from './colours';
import { BEFORE, NONE, NOW } from './routingCarry';
import { css, inkOn, mix, tint, TINT_STEPS } from './routingColours';
import type { ExpertAxis } from './routingExperts';
import type { SiteNumbers, SiteRow } from './routingTrace';
import { rowHeight } from './routingOverview';
import { GROUP_FROM } from './routingTrace';

/** A cell narrower or lower than this holds no letter. */
const LETTER_WIDTH = 15;
const LETTER_HEIGHT = 14;

/** A token's text as it is shown in one line: line ends and runs of blanks are marked. */
export function shownToken(token: RoutingToken): string {
  if (token.special && token.text === '') return '\u2205';
  return token.text.replace(/\r?\n/g, '\u23ce').replace(/\t/g, '\u2192').replace(/^ {2,}/, (blanks) => '\u00b7'.repeat(blanks.length));
}

/** Tokens of one line of the window with where each begins; `x` has one more entry, the line's width. */
export interface TokenLine {
  readonly tokens: readonly number[];
  readonly x: readonly number[];
}

/** Breaks the tokens of a text into lines as text wraps: each token has its own width, at least 15 px. */
export function wrapTokens(head: RoutingHead, record: number, width: number, measure: (text: string) => number): readonly TokenLine[] {
  const range = head.records[record];
  if (!range) return [];
  const lines: { tokens: number[]; x: number[] }[] = [];
  let line: { tokens: number[]; x: number[] } | null = null;
  for (let t = range.from; t < range.to; t++) {
    const token = head.tokens[t];
    if (!token) continue;
    const cell = Math.min(Math.max(LETTER_WIDTH, Math.round(measure(shownToken(token))) + 3), Math.max(LETTER_WIDTH, width));
    if (!line || (line.x[line.x.length - 1] ?? 0) + cell > width) lines.push((line = { tokens: [], x: [0] }));
    line.tokens.push(t);
    line.x.push((line.x[line.x.length - 1] ?? 0) + cell);
  }
  return lines;
}

/** Where the layers lie under a line. */
export interface StripLayout {
  readonly row: number;
  readonly y: readonly number[];
  readonly height: number;
}

export function stripLayout(rows: readonly SiteRow[]): StripLayout {
  const row = Math.min(14, rowHeight(rows.length));
  const gap = rows.length > GROUP_FROM ? 4 : 0;
  const y = rows.map((r, i) => i * row + r.group * gap);
  return { row, y, height: (y[y.length - 1] ?? 0) + row };
}

/** Row of a strip at a height; -1 in a gap. */
export function stripRowAt(layout: StripLayout, y: number): number {
  return layout.y.findIndex((top) => y >= top && y < top + layout.row);
}
/** Position in a line under a point; -1 outside. */
export function lineTokenAt(line: TokenLine, x: number): number {
  return x < 0 ? -1 : line.x.findIndex((start, i) => i < line.tokens.length && x >= start && x < (line.x[i + 1] ?? 0));
}

/** Says what a token's numbers at a site are worth: `NOW`, `BEFORE`, `NONE` of `routingCarry`. */
export type StateOf = (numbers: SiteNumbers, token: number) => number;
const ownState: StateOf = (numbers, token) => numbers.state?.[token] ?? NOW;
/** Share of its colour that a number from before the last edit keeps. */
const OLD_SHARE = 0.38;

/** The colour of a first expert from before the last edit. */
export function fadedTint(palette: RoutingPalette, colour: Channels): Channels {
  return mix(palette.page, colour, OLD_SHARE);
}

/**
 * The layers under a line, rows that touch `[y0, y1)`: hue = first expert, lightness = margin, a letter where the expert changes, a dashed
 * frame at near ties. Numbers from before an edit are faded, rows and tokens whose numbers have not come are flat.
 */
export function drawStrip(line: TokenLine, layout: StripLayout, numbers: readonly (SiteNumbers | null)[], axis: ExpertAxis, palette: RoutingPalette, full: number, y0 = 0, y1 = layout.height, stateOf: StateOf = ownState): Drawing {
  const marks: Mark[] = [];
  const width = line.x[line.x.length - 1] ?? 0;
  const tall = layout.row - (palette.highContrast && layout.row >= LETTER_HEIGHT ? 1 : 0);
  const ink = css(palette.ink);
  const page = css(palette.page);
  const flat = css([0, 1, 2].map((c) => (palette.page[c] ?? 0) * 0.91 + (palette.ink[c] ?? 0) * 0.09) as [number, number, number]);
  layout.y.forEach((y, s) => {
    if (y + layout.row <= y0 || y >= y1) return;
    const site = numbers[s];
    if (!site) {
      marks.push({ kind: 'rect', x: 0, y: y + 1, width, height: Math.max(1, tall - 2), fill: flat });
      return;
    }
    let before = -1;
    line.tokens.forEach((t, i) => {
      const x = line.x[i] ?? 0;
      const cell = (line.x[i + 1] ?? 0) - x;
      const top = site.tops[t] ?? 0;
      const margin = site.margins[t] ?? 0;
      const state = stateOf(site, t);
      if (state === NONE) {
        marks.push({ kind: 'rect', x, y: y + 1, width: cell, height: Math.max(1, tall - 2), fill: flat });
        before = -1;
        return;
      }
      const style = axis.columns[axis.columnOf(s, top)];
      const own = tint(palette, style?.hue ?? 8, margin, full);
      const colour = state === BEFORE ? fadedTint(palette, own) : own;
      marks.push({ kind: 'rect', x, y, width: cell, height: tall, fill: css(colour) });
      if (top !== before && layout.row >= LETTER_HEIGHT) {
        marks.push({ kind: 'rect', x, y, width: 1, height: tall, fill: page });
        const mark = style?.mark ?? '';
        if (cell >= LETTER_WIDTH + 7 * (mark.length - 1)) marks.push({ kind: 'text', x: x + 7.5 + 3.5 * (mark.length - 1), y: y + layout.row / 2 + 4, text: mark, size: 11, bold: true, mono: true, anchor: 'middle', fill: inkOn(colour) });
      }
      if (state === NOW && margin < NEAR_TIE && layout.row >= LETTER_HEIGHT) marks.push({ kind: 'rect', x: x + 1.5, y: y + 1.5, width: cell - 3, height: tall - 3, fill: 'none', stroke: ink, strokeWidth: 1, dash: '2 2' });
      before = top;
    });
  });
  return { width, height: layout.height, marks };
}

/** The dense strip: pixel columns, each of one token or, where there are more tokens than pixels, of a few neighbours. */
export interface DenseLayout {
  readonly width: number;
  readonly row: number;
  readonly height: number;
  /** Tokens in a column. */
  readonly step: number;
  readonly columns: number;
  /** Pixels of a column. */
  readonly cell: number;
  /** Pixels between texts; 0 where there are too many of them. */
  readonly gap: number;
  /** First column of each text. */
  readonly recordStarts: readonly number[];
}

/** Widest source picture: a canvas tile is never larger. */
const MAX_COLUMNS = 2048;

export function denseLayout(head: RoutingHead, sites: number, width: number): DenseLayout {
  const gap = head.records.length * 3 < width / 5 ? 3 : 0;
  const room = Math.max(1, width - gap * Math.max(0, head.records.length - 1));
  const most = Math.min(MAX_COLUMNS, Math.max(1, Math.floor(room * 2)));
  // A column never holds tokens of two texts, so rounding up by text may cost a few columns.
  let step = 1;
  const columnsAt = (size: number): number => head.records.reduce((sum, record) => sum + Math.ceil((record.to - record.from) / size), 0);
  while (columnsAt(step) > most && step < 4096) step++;
  const recordStarts: number[] = [];
  let columns = 0;
  for (const record of head.records) {
    recordStarts.push(columns);
    columns += Math.ceil((record.to - record.from) / step);
  }
  const row = sites > 96 ? 0.5 : sites > 48 ? 1 : sites > GROUP_FROM ? 2 : 4;
  return { width, row, height: Math.ceil(row * sites), step, columns, cell: room / Math.max(1, columns), gap, recordStarts };
}

/** Position of a token in the dense strip. */
export function denseX(layout: DenseLayout, head: RoutingHead, token: number): number {
  const record = head.tokens[token]?.record ?? 0;
  const from = head.records[record]?.from ?? 0;
  return ((layout.recordStarts[record] ?? 0) + Math.floor((token - from) / layout.step)) * layout.cell + record * layout.gap;
}

/** The token at a position of the dense strip. */
export function denseTokenAt(layout: DenseLayout, head: RoutingHead, x: number): number {
  for (let r = head.records.length - 1; r >= 0; r--) {
    const record = head.records[r];
    if (!record || record.to === record.from) continue;
    const start = (layout.recordStarts[r] ?? 0) * layout.cell + r * layout.gap;
    if (x >= start || r === 0) return Math.max(record.from, Math.min(record.to - 1, record.from + Math.floor((x - start) / layout.cell) * layout.step));
  }
  return 0;
}

/**
 * Paints one site's row of the dense picture `[sites, columns, 4]`: the most frequent first expert of a column, its mean margin. Columns
 * with numbers from before an edit are translucent, those without numbers are empty.
 */
export function paintDenseRow(rgba: Uint8ClampedArray, site: SiteNumbers, head: RoutingHead, layout: DenseLayout, axis: ExpertAxis, table: Uint8ClampedArray, full: number, stateOf: StateOf = ownState): void {
  const votes = new Map<number, number>();
  head.records.forEach((record, r) => {
    for (let from = record.from, c = layout.recordStarts[r] ?? 0; from < record.to; from += layout.step, c++) {
      let winner = site.tops[from] ?? 0;
      let margin = site.margins[from] ?? 0;
      let state = stateOf(site, from);
      if (layout.step > 1) {
        votes.clear();
        const to = Math.min(record.to, from + layout.step);
        margin = 0;
        let most = 0;
        for (let t = from; t < to; t++) {
          const top = site.tops[t] ?? 0;
          const count = (votes.get(top) ?? 0) + 1;
          votes.set(top, count);
          if (count > most) [most, winner] = [count, top];
          margin += (site.margins[t] ?? 0) / (to - from);
          state = Math.max(state, stateOf(site, t));
        }
      }
      const hue = axis.columns[axis.columnOf(site.site, winner)]?.hue ?? 8;
      const step = Math.round(Math.max(0, Math.min(1, full > 0 ? margin / full : 1)) * (TINT_STEPS - 1));
      const at = ((hue - 1) * TINT_STEPS + step) * 3;
      const out = (site.site * layout.columns + c) * 4;
      rgba[out] = table[at] ?? 0;
      rgba[out + 1] = table[at + 1] ?? 0;
      rgba[out + 2] = table[at + 2] ?? 0;
      rgba[out + 3] = state === NOW ? 255 : state === BEFORE ? Math.round(255 * OLD_SHARE) : 0;
    }
  });
}
