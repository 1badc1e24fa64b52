import { formatNumber } from '../../extension/protocol/score';
import { sequentialIndex } from './colours';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import type { RoutingPalette } from './routingColours';
import { css, inkOn, insideGrey } from './routingColours';
import type { ExpertAxis } from './routingExperts';
import type { Coactivation } from './routingMetrics';
import { coactivation, togetherWith } from './routingMetrics';
import type { PairNull } from './routingNull';
import type { CellColours } from './routingScale';
import { cellColour } from './routingScale';
import type { Counted, SiteNumbers } from './routingTrace';

/** A pair of experts at a site: how often tokens of `a` also use `b`, and what their loads alone give. */
export interface PairCell {
  readonly a: number;
  readonly b: number;
  readonly row: number;
  readonly column: number;
  readonly value: number | null;
  readonly low: number;
  readonly high: number;
  readonly mean: number;
  readonly inside: boolean;
  readonly n: number;
}

/** The experts that each counted token uses, counted in pairs. */
export function pairsOf(numbers: SiteNumbers, counted: Counted): Coactivation {
  const k = Math.min(numbers.k, numbers.slots);
  const chosen = new Uint16Array(counted.tokens.length * k);
  counted.tokens.forEach((t, i) => {
    for (let j = 0; j < k; j++) chosen[i * k + j] = numbers.ids[t * numbers.slots + j] ?? 0xffff;
  });
  return coactivation(chosen, k, numbers.E);
}

/** All ordered pairs, rows and columns in the order of the axis. */
export function pairCells(pairs: Coactivation, band: PairNull, site: number, axis: ExpertAxis): readonly PairCell[] {
  const cells: PairCell[] = [];
  axis.columns.forEach((_, row) => axis.columns.forEach((__, column) => {
    const a = axis.expertAt(site, row);
    const b = axis.expertAt(site, column);
    if (a < 0 || b < 0 || a === b) return;
    const at = a * pairs.E + b;
    const value = togetherWith(pairs, a, b);
    const low = band.low[at] ?? 0;
    const high = band.high[at] ?? 1;
    cells.push({ a, b, row, column, value, low, high, mean: band.mean[at] ?? 0, inside: value === null || (value >= low && value <= high), n: pairs.counts[a * pairs.E + a] ?? 0 });
  }));
  return cells;
}

export function pairText(cell: PairCell, axis: ExpertAxis, draws: number): string {
  const name = (column: number): string => axis.columns[column]?.name ?? '';
  return `${formatNumber(cell.value)} of the tokens of ${name(cell.row)} also use ${name(cell.column)}\ndrawn by load alone: ${formatNumber(cell.mean)} [${formatNumber(cell.low)}, ${formatNumber(cell.high)}], ${formatNumber(draws)} draws\nn = ${formatNumber(cell.n)} tokens${cell.inside ? '\nInside the null: no evidence' : ''}`;
}

export interface PairsLayout {
  readonly left: number;
  readonly top: number;
  readonly cell: number;
  readonly count: number;
}

export function pairsLayout(count: number, width: number): PairsLayout {
  const left = 24;
  const top = 22;
  const raw = Math.min(24, (Math.min(width, 320) - left) / count);
  return { left, top, cell: raw >= 3 ? Math.floor(raw) : raw, count };
}
export function pairAt(layout: PairsLayout, x: number, y: number): { readonly row: number; readonly column: number } | null {
  const row = Math.floor((y - layout.top) / layout.cell);
  const column = Math.floor((x - layout.left) / layout.cell);
  return row >= 0 && column >= 0 && row < layout.count && column < layout.count ? { row, column } : null;
}

/** The end of the scale: the most frequent pair. */
export function pairsLimit(cells: readonly PairCell[]): number {
  return cells.reduce((most, cell) => Math.max(most, cell.value ?? 0), 0.01);
}

/** Co-activation as cells: colour = share of the row expert's tokens, grey = as loads alone give. */
export function drawPairs(cells: readonly PairCell[], axis: ExpertAxis, layout: PairsLayout, palette: RoutingPalette, colours: CellColours): Drawing {
  const marks: Mark[] = [];
  const limit = pairsLimit(cells);
  const { cell, left, top, count } = layout;
  const side = cell * count;
  axis.columns.forEach((style, c) => {
    const hue = palette.hues[style.hue - 1] ?? palette.ink;
    for (const [x, y] of [[left + c * cell + cell / 2, top - 11], [12, top + c * cell + cell / 2]] as const) {
      if (cell >= 16 && style.mark.length <= 2) {
        marks.push({ kind: 'rect', x: round(x - 8), y: round(y - 7.5), width: 16, height: 15, fill: style.colour, tip: style.name });
        marks.push({ kind: 'text', x: x - 0.5, y: round(y + 4), text: style.mark, size: 11, mono: true, bold: true, anchor: 'middle', fill: inkOn(hue) });
      } else marks.push({ kind: 'rect', x: round(x - (y < top ? cell / 2 : 0)), y: round(y < top ? y + 5 : y - cell / 2), width: y < top ? Math.max(0.5, cell - 0.5) : 4, height: y < top ? 4 : Math.max(0.5, cell - 0.5), fill: css(hue) });
    }
  });
  const fill = (pair: PairCell): string => (pair.inside ? insideGrey(palette, (pair.value ?? 0) / limit) : cellColour(colours, false, pair.value ?? 0, limit));
  if (cell >= 6) {
    for (const pair of cells) marks.push({ kind: 'rect', x: left + pair.column * cell, y: top + pair.row * cell, width: cell - 1, height: cell - 1, fill: fill(pair), key: pair.row * count + pair.column });
  } else {
    const rgba = new Uint8ClampedArray(count * count * 4);
    for (const pair of cells) {
      const at = (pair.row * count + pair.column) * 4;
      const share = (pair.value ?? 0) / limit;
      const step = sequentialIndex(share, 1) * 3;
      for (let c = 0; c < 3; c++) rgba[at + c] = pair.inside ? (palette.page[c] ?? 0) + ((palette.ink[c] ?? 0) - (palette.page[c] ?? 0)) * (0.07 + 0.3 * share) : colours.sequential[step + c] ?? 0;
      rgba[at + 3] = 255;
    }
    marks.push({ kind: 'raster', x: left, y: top, width: side, height: side, columns: count, rows: count, rgba });
  }
  return { width: left + side, height: top + side, marks };
}
