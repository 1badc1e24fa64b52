import type { SiteSummary } from '../../extension/protocol/routing';
import { formatNumber } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import type { RoutingPalette } from './routingColours';
import { inkOn } from './routingColours';
import type { ExpertAxis } from './routingExperts';
import { axisNumber, niceLimit } from './routingScale';

/** Share of routing weight of a kind of text for one expert, against labels shuffled in blocks. */
export interface LabelCell {
  readonly label: number;
  readonly expert: number;
  readonly column: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly nullLow: number;
  readonly nullHigh: number;
  /** The interval lies outside the null's band. */
  readonly told: boolean;
}

/** Cells by label, then column; columns that the site has no expert in are left out. */
export function labelCells(summary: SiteSummary, site: number, E: number, labels: number, axis: ExpertAxis): readonly LabelCell[] {
  const cells: LabelCell[] = [];
  for (let label = 0; label < labels; label++) {
    axis.columns.forEach((_, column) => {
      const expert = axis.expertAt(site, column);
      const cell = expert < 0 ? undefined : summary.byLabel[label * E + expert];
      if (cell) cells.push({ label, expert, column, value: cell.mean, low: cell.low, high: cell.high, nullLow: cell.nullLow, nullHigh: cell.nullHigh, told: cell.low > cell.nullHigh || cell.high < cell.nullLow });
    });
  }
  return cells;
}

/** What one cell says, for the tooltip and the ear. */
export function labelCellText(cell: LabelCell, label: string, expert: string, n: number): string {
  return `${label}, ${expert}: ${formatNumber(cell.value)} [${formatNumber(cell.low)}, ${formatNumber(cell.high)}] of the routing weight\nshuffled labels ${formatNumber((cell.nullLow + cell.nullHigh) / 2)} [${formatNumber(cell.nullLow)}, ${formatNumber(cell.nullHigh)}]\nn = ${formatNumber(n)} tokens${cell.told ? '' : '\nInside the null: no evidence'}`;
}

export interface LabelsLayout {
  readonly width: number;
  readonly height: number;
  readonly names: number;
  readonly cell: number;
  readonly row: number;
  readonly top: number;
  /** Columns that are drawn, left to right. */
  readonly columns: readonly number[];
}

const ROW = 26;
const TOP = 22;
/** Least width of an expert's plot. */
const LEAST = 56;

/** Plots above this many show only the experts that differ most; the table lists all. */
export const PLOTS_MOST = 24;

/** Columns to draw: all, or those whose kinds of text lie furthest outside the null. */
export function plottedColumns(cells: readonly LabelCell[], columns: number): readonly number[] {
  if (columns <= PLOTS_MOST) return Array.from({ length: columns }, (_, c) => c);
  const best = new Float64Array(columns);
  for (const cell of cells) best[cell.column] = Math.max(best[cell.column] ?? 0, cell.low - cell.nullHigh, (cell.nullLow - cell.high) / 4);
  return Array.from(best, (value, c) => ({ value, c })).sort((a, b) => b.value - a.value || a.c - b.c).slice(0, PLOTS_MOST).map(({ c }) => c).sort((a, b) => a - b);
}

/** One or more rows of plots, so that nothing scrolls sideways. */
export function labelsLayouts(labels: readonly string[], plotted: readonly number[], width: number): readonly LabelsLayout[] {
  const names = Math.min(width < 500 ? 104 : 140, 34 + Math.max(58, ...labels.map((label) => label.length * 6.4)));
  const most = Math.max(1, Math.floor((width - names) / LEAST));
  const lines = Math.max(1, Math.ceil(plotted.length / most));
  const each = Math.max(1, Math.ceil(plotted.length / lines));
  const cell = Math.min(146, Math.floor((width - names) / each));
  return Array.from({ length: lines }, (_, line) => {
    const columns = plotted.slice(line * each, (line + 1) * each);
    return { width: names + cell * columns.length, height: TOP + ROW * labels.length + 20, names, cell, row: ROW, top: TOP, columns };
  });
}

/** The scale that all experts share: from zero, or from as far below as above where weights are signed. */
export function labelsDomain(cells: readonly LabelCell[]): readonly [number, number] {
  let most = 0.05;
  let least = 0;
  for (const cell of cells) {
    for (const value of [cell.low, cell.high, cell.nullLow, cell.nullHigh]) {
      if (!Number.isFinite(value)) continue;
      most = Math.max(most, Math.abs(value));
    }
    // An interval may reach below zero where no weight can be.
    least = Math.min(least, cell.value);
  }
  const limit = niceLimit(most);
  return [least < -0.001 ? -limit : 0, limit];
}

export function labelAt(layout: LabelsLayout, x: number, y: number): { readonly label: number; readonly column: number } | null {
  const label = Math.floor((y - layout.top) / layout.row);
  const column = layout.columns[Math.floor((x - layout.names) / layout.cell)];
  return label >= 0 && x >= layout.names && column !== undefined ? { label, column } : null;
}

/** Kinds of text by experts as intervals on one scale: band and tick = shuffled labels; numbers only above chance. */
export function drawLabels(cells: readonly LabelCell[], labels: readonly string[], tokens: readonly number[], axis: ExpertAxis, layout: LabelsLayout, [least, limit]: readonly [number, number], palette: RoutingPalette): Drawing {
  const marks: Mark[] = [];
  const pad = Math.min(12, layout.cell * 0.14);
  const span = layout.cell - pad;
  const bottom = layout.top + layout.row * labels.length;
  const note = (x: number, y: number, words: string, options: Partial<Extract<Mark, { kind: 'text' }>> = {}): void => {
    marks.push({ kind: 'text', x: round(x), y, text: words, size: 11, fill: 'var(--ml-ink-dim)', ...options });
  };
  note(layout.names - 14, 11.5, 'tokens', { anchor: 'end' });
  labels.forEach((label, j) => {
    const y = layout.top + j * layout.row + layout.row / 2 + 4;
    const room = Math.floor((layout.names - 48) / 6);
    note(0, y, label.length > room ? `${label.slice(0, room - 1)}\u2026` : label, { fill: 'var(--ml-ink)', tip: label });
    note(layout.names - 14, y, formatNumber(tokens[j] ?? 0), { anchor: 'end', mono: true });
  });
  for (const [i, c] of layout.columns.entries()) {
    const style = axis.columns[c];
    if (!style) continue;
    const x0 = layout.names + i * layout.cell;
    const wide = style.mark.length <= 2 ? 16 : 8 + 7 * style.mark.length;
    marks.push({ kind: 'rect', x: x0, y: 0, width: wide, height: 15, fill: style.colour, tip: style.name });
    note(x0 + wide / 2, 11.5, style.mark, { anchor: 'middle', mono: true, bold: true, fill: inkOn(palette.hues[style.hue - 1] ?? palette.ink) });
    const room = Math.floor((layout.cell - wide - 10) / 6);
    if (!style.name.startsWith('expert ') && room > 3) note(x0 + wide + 6, 11.5, style.name.length > room ? `${style.name.slice(0, room - 1)}\u2026` : style.name, { tip: style.name });
    marks.push({ kind: 'line', x1: x0, x2: x0, y1: layout.top - 2, y2: bottom, stroke: 'var(--ml-inside)', strokeWidth: 1 });
  }
  for (const cell of cells) {
    const place = layout.columns.indexOf(cell.column);
    if (place < 0) continue;
    const x0 = layout.names + place * layout.cell;
    const at = (value: number): number => round(x0 + (span * (Math.max(least, Math.min(limit, value)) - least)) / (limit - least));
    const y = layout.top + cell.label * layout.row;
    const middle = y + layout.row / 2;
    const colour = cell.told ? axis.columns[cell.column]?.colour ?? 'var(--ml-cat-8)' : 'var(--ml-inside)';
    const tip = labelCellText(cell, labels[cell.label] ?? '', axis.columns[cell.column]?.name ?? '', tokens[cell.label] ?? 0);
    const tick = at((cell.nullLow + cell.nullHigh) / 2);
    marks.push({ kind: 'rect', x: at(cell.nullLow), y: y + 2, width: round(Math.max(1, at(cell.nullHigh) - at(cell.nullLow))), height: layout.row - 4, fill: 'var(--ml-null)' });
    marks.push({ kind: 'line', x1: tick, x2: tick, y1: y + 2, y2: y + layout.row - 2, stroke: 'var(--ml-null-mean)', strokeWidth: 1 });
    marks.push({ kind: 'line', x1: at(cell.low), x2: at(cell.high), y1: middle, y2: middle, stroke: colour, strokeWidth: 2 });
    marks.push({ kind: 'circle', x: at(cell.value), y: middle, r: 3.5, fill: colour, key: cell.column });
    if (cell.told && cell.low > cell.nullHigh && layout.cell > 84) {
      const right = at(cell.high) + 38 <= x0 + layout.cell;
      note(right ? at(cell.high) + 6 : at(cell.low) - 6, middle + 4, cell.value.toFixed(2), { mono: true, fill: 'var(--ml-ink)', anchor: right ? 'start' : 'end', name: 'edged' });
    }
    marks.push({ kind: 'rect', x: x0, y, width: layout.cell, height: layout.row, fill: 'none', name: 'hit', tip });
  }
  note(layout.names, bottom + 14, axisNumber(least), { mono: true });
  note(layout.names + span, bottom + 14, axisNumber(limit), { anchor: 'end', mono: true });
  return { width: layout.width, height: layout.height, marks };
}
