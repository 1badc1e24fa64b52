import type { DirectionTrust, LibraryFacts } from '../../extension/protocol/routingLibrary';
import { directionTrust, HARDLY_DETERMINED } from '../../extension/protocol/routingLibrary';
import { letterOf } from '../../extension/protocol/routingNames';
import { formatNumber } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import type { RoutingPalette } from './routingColours';
import { inkOn } from './routingColours';
import type { ExpertAxis, ExpertStyle } from './routingExperts';
import type { CellColours } from './routingScale';
import { cellColour, niceLimit } from './routingScale';
import type { SiteRow } from './routingTrace';
import { GROUP_FROM } from './routingTrace';
import { rowHeight } from './routingOverview';

/** Facts of an adapter at a linear map that can be drawn, with what they are. */
export const LIBRARY_MEASURES = {
  ratio: 'second over first singular value of the update',
  sigma1: 'first singular value of the update, scaling included',
  frobenius: 'size of the update (Frobenius norm), scaling included',
  energy: 'share of the update that its main direction holds',
  stableRank: 'stable rank of the update',
  rank: 'rank of the factors',
} as const;
export type LibraryMeasure = keyof typeof LIBRARY_MEASURES;
export const MEASURE_NAMES: Readonly<Record<LibraryMeasure, string>> = { ratio: '\u03c32/\u03c31', sigma1: '\u03c31', frobenius: 'size', energy: 'energy', stableRank: 'stable rank', rank: 'rank' };

/** One adapter at one linear map. */
export interface LibraryCell {
  readonly value: number;
  readonly trust: DirectionTrust;
}

/** Letters and hues of adapters as the rest of the page draws them; adapters that the trace does not route to get the next letters. */
export function adapterStyles(facts: Pick<LibraryFacts, 'adapters'>, axis: ExpertAxis): readonly ExpertStyle[] {
  const known = new Map(axis.columns.map((style) => [style.name, style] as const));
  return facts.adapters.map(({ name }, i) => known.get(name) ?? { mark: letterOf(i), name, hue: Math.min(8, i + 1), colour: `var(--ml-cat-${Math.min(8, i + 1)})` });
}

export function libraryCell(facts: LibraryFacts, site: number, adapter: number, measure: LibraryMeasure): LibraryCell {
  const at = site * facts.adapters.length + adapter;
  return { value: facts.facts[measure][at] ?? NaN, trust: directionTrust(facts.facts.ratio[at] ?? NaN, facts.facts.frobenius[at] ?? NaN) };
}

/** The trust badge in words. */
export const TRUST_WORDS: Readonly<Record<DirectionTrust, string>> = {
  determined: 'main direction determined',
  'hardly determined': `main direction hardly determined: the second singular value is more than ${HARDLY_DETERMINED} of the first, so where Arrow sends tokens here says little`,
  'no update': 'no update: untrained, it has no direction',
  'not here': 'no factors at this linear map',
};

/** All facts of one cell, for the tooltip. */
export function libraryTip(facts: LibraryFacts, site: number, adapter: number, row: SiteRow, name: string): string {
  const at = site * facts.adapters.length + adapter;
  const { trust } = libraryCell(facts, site, adapter, 'ratio');
  const fact = (key: keyof LibraryFacts['facts']): string => formatNumber(facts.facts[key][at] ?? null);
  if (trust === 'not here') return `${row.words}, ${name}\n${TRUST_WORDS[trust]}`;
  return `${row.words}, ${name}\n\u03c32/\u03c31 ${fact('ratio')}: ${TRUST_WORDS[trust]}\n\u03c31 ${fact('sigma1')}, size ${fact('frobenius')}, energy ${fact('energy')}, stable rank ${fact('stableRank')}\nrank ${fact('rank')}, scaling ${fact('scaling')}; weights alone`;
}

export interface LibraryLayout {
  readonly left: number;
  readonly top: number;
  readonly cell: number;
  readonly row: number;
  readonly y: readonly number[];
  readonly columns: number;
  readonly width: number;
  readonly height: number;
}

const TOP = 24;

export function libraryLayout(rows: readonly SiteRow[], adapters: number, width: number): LibraryLayout {
  const grouped = rows.length > GROUP_FROM;
  const row = Math.min(18, rowHeight(rows.length));
  const left = (grouped && row >= 14 ? 16 : 0) + Math.min(84, Math.ceil(Math.max(2, ...rows.map((r) => (row < 14 ? String(r.layer).length : r.name.length))) * 7) + 10);
  const raw = Math.min(40, (width - left) / Math.max(1, adapters));
  const cell = raw >= 2 ? Math.floor(raw) : Math.max(0.5, raw);
  const y = rows.map((r, i) => TOP + i * row + (grouped ? r.group * 6 : 0));
  return { left, top: TOP, cell, row, y, columns: adapters, width: left + cell * adapters, height: (y[y.length - 1] ?? TOP) + row + 1 };
}

export function libraryAt(layout: LibraryLayout, x: number, y: number): { readonly site: number; readonly adapter: number } | null {
  const site = layout.y.findIndex((top) => y >= top && y < top + layout.row);
  const adapter = Math.floor((x - layout.left) / layout.cell);
  return site >= 0 && adapter >= 0 && adapter < layout.columns ? { site, adapter } : null;
}

/** The end of a measure's scale: one for shares, else a round number above the largest. */
export function libraryLimit(facts: LibraryFacts, measure: LibraryMeasure): number {
  if (measure === 'ratio' || measure === 'energy') return 1;
  return niceLimit(facts.facts[measure].reduce((most, value) => (Number.isFinite(value) ? Math.max(most, value) : most), 0));
}

/** Linear maps by adapters: colour = the measure; hollow with "?" = a direction that is hardly determined, dot = no update, empty = no factors. */
export function drawLibrary(facts: LibraryFacts, rows: readonly SiteRow[], styles: readonly ExpertStyle[], measure: LibraryMeasure, layout: LibraryLayout, chosen: number, palette: RoutingPalette, colours: CellColours): Drawing {
  const marks: Mark[] = [];
  const limit = libraryLimit(facts, measure);
  heads(marks, styles, layout.left, layout.top - 6, layout.cell, palette);
  rows.forEach((row, s) => {
    const y = layout.y[s] ?? 0;
    const name = layout.row < 14 ? (row.first ? String(row.layer) : '') : row.name;
    if (layout.row >= 14 && rows.length > GROUP_FROM && row.first && row.name !== row.full) label(marks, 0, y + layout.row / 2 + 4, String(row.layer), { mono: true });
    if (name) label(marks, layout.left - 6, y + Math.min(layout.row, 18) / 2 + 4, name, { mono: true, anchor: 'end', ...(s === chosen ? { bold: true, fill: 'var(--ml-ink-strong)' } : {}) });
    styles.forEach((_, a) => {
      const { value, trust } = libraryCell(facts, s, a, measure);
      const x = layout.left + a * layout.cell;
      const gap = layout.cell >= 4 ? 1 : 0;
      const box = { kind: 'rect', x, y, width: layout.cell - gap, height: layout.row - (layout.row >= 6 ? 1 : 0), key: s * styles.length + a } as const;
      if (trust === 'not here') return;
      if (trust === 'no update') marks.push({ kind: 'circle', x: x + layout.cell / 2, y: y + layout.row / 2, r: 1.5, fill: 'var(--ml-inside)' });
      else if (trust === 'determined') marks.push({ ...box, fill: cellColour(colours, false, value, limit) });
      else {
        marks.push({ ...box, x: x + 0.5, y: y + 0.5, width: box.width - 1, height: box.height - 1, fill: 'none', stroke: 'var(--ml-inside)', strokeWidth: 1 });
        if (layout.row >= 14 && layout.cell >= 12) label(marks, x + layout.cell / 2, y + layout.row / 2 + 4, '?', { anchor: 'middle', mono: true, bold: true });
      }
    });
  });
  return { width: layout.width, height: layout.height, marks };
}

function label(marks: Mark[], x: number, y: number, text: string, options: Partial<Extract<Mark, { kind: 'text' }>> = {}): void {
  marks.push({ kind: 'text', x: round(x), y: round(y), text, size: 11, fill: 'var(--ml-ink-dim)', ...options });
}

/** Letters above columns, as far as they fit. */
function heads(marks: Mark[], styles: readonly ExpertStyle[], left: number, bottom: number, cell: number, palette: RoutingPalette): void {
  styles.forEach((style, a) => {
    const x = left + a * cell + cell / 2;
    if (cell >= 16 && style.mark.length <= 2) {
      marks.push({ kind: 'rect', x: round(x - 8), y: bottom - 15, width: 16, height: 15, fill: style.colour, tip: style.name });
      label(marks, x - 0.5, bottom - 3.5, style.mark, { anchor: 'middle', mono: true, bold: true, fill: inkOn(palette.hues[style.hue - 1] ?? palette.ink) });
    } else marks.push({ kind: 'rect', x: round(x - cell / 2), y: bottom - 3, width: Math.max(0.5, cell - (cell >= 3 ? 1 : 0)), height: 3, fill: style.colour });
  });
}

/** Pairs of adapters as a matrix, in an order of its own. */
export interface PairMatrix {
  /** Adapters in the order in which they stand, as indices of the library. */
  readonly order: readonly number[];
  /** Value of two places in that order. */
  readonly at: (row: number, column: number) => number;
  /** Cosines may be negative, overlaps and directions may not. */
  readonly signed: boolean;
  readonly limit: number;
  /** Joinings of the tree over the library's adapters; empty = no tree. */
  readonly joinings: LibraryFacts['joinings'];
  /** Group of each adapter of the library; empty = no groups. */
  readonly groups: readonly number[];
}

export interface MatrixLayout {
  readonly left: number;
  readonly top: number;
  readonly cell: number;
  readonly count: number;
  readonly tree: number;
  readonly width: number;
  readonly height: number;
}

const TREE = 48;
const GROUP = 20;

export function matrixLayout(matrix: PairMatrix, width: number): MatrixLayout {
  const count = matrix.order.length;
  const tree = matrix.joinings.length > 0 ? TREE : 0;
  const left = tree + 22;
  const right = matrix.groups.length > 0 ? GROUP : 0;
  const raw = Math.min(34, (Math.min(width, 360) - left - right) / Math.max(1, count));
  const cell = raw >= 3 ? Math.floor(raw) : raw;
  return { left, top: TOP, cell, count, tree, width: left + cell * count + right, height: TOP + cell * count + 2 };
}

export function matrixAt(layout: MatrixLayout, x: number, y: number): { readonly row: number; readonly column: number } | null {
  const row = Math.floor((y - layout.top) / layout.cell);
  const column = Math.floor((x - layout.left) / layout.cell);
  return row >= 0 && column >= 0 && row < layout.count && column < layout.count ? { row, column } : null;
}

/** Cells with the tree at the left, frames around neighbours of one group and its number at the right. Numbers are written where they fit. */
export function drawMatrix(matrix: PairMatrix, styles: readonly ExpertStyle[], layout: MatrixLayout, palette: RoutingPalette, colours: CellColours): Drawing {
  const marks: Mark[] = [];
  const { left, top, cell, count } = layout;
  const shown = matrix.order.map((adapter) => styles[adapter]).filter((style): style is ExpertStyle => style !== undefined);
  heads(marks, shown, left, top - 6, cell, palette);
  shown.forEach((style, i) => {
    if (cell < 12) return;
    const y = top + i * cell + cell / 2;
    marks.push({ kind: 'rect', x: left - 20, y: round(y - 7.5), width: 16, height: 15, fill: style.colour, tip: style.name });
    label(marks, left - 12.5, y + 4, style.mark, { anchor: 'middle', mono: true, bold: true, fill: inkOn(palette.hues[style.hue - 1] ?? palette.ink) });
  });
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      const value = matrix.at(i, j);
      if (i === j || !Number.isFinite(value)) continue;
      const colour = cellColour(colours, matrix.signed, value, matrix.limit);
      marks.push({ kind: 'rect', x: left + j * cell, y: top + i * cell, width: cell - (cell >= 4 ? 1 : 0), height: cell - (cell >= 4 ? 1 : 0), fill: colour, key: i * count + j });
      const [r = 0, g = 0, b = 0] = (colour.match(/\d+/g) ?? []).map(Number);
      if (cell >= 30) label(marks, left + j * cell + cell / 2 - 0.5, top + i * cell + cell / 2 + 4, value.toFixed(2).replace('-', '\u2212').replace(/^(\u2212?)0/, '$1'), { anchor: 'middle', mono: true, fill: inkOn([r, g, b]) });
    }
  }
  if (matrix.groups.length > 0) groupFrames(marks, matrix, layout);
  if (layout.tree > 0) tree(marks, matrix, layout);
  return { width: layout.width, height: layout.height, marks };
}

function groupFrames(marks: Mark[], matrix: PairMatrix, { left, top, cell, count }: MatrixLayout): void {
  for (let from = 0; from < count; ) {
    const group = matrix.groups[matrix.order[from] ?? 0] ?? 0;
    let to = from + 1;
    while (to < count && matrix.groups[matrix.order[to] ?? 0] === group) to++;
    marks.push({ kind: 'rect', x: left + from * cell - 1, y: top + from * cell - 1, width: (to - from) * cell + 1, height: (to - from) * cell + 1, fill: 'none', stroke: 'var(--ml-ink)', strokeWidth: 1.5 });
    if (cell * (to - from) >= 12) label(marks, left + count * cell + 6, top + ((from + to) / 2) * cell + 4, String(group + 1), { mono: true });
    from = to;
  }
}

/** Average linkage: a joining stands as far left as its groups are apart. */
function tree(marks: Mark[], { order, joinings }: PairMatrix, { top, cell, tree: width }: MatrixLayout): void {
  const place = new Map(order.map((adapter, i) => [adapter, { x: width - 4, y: top + i * cell + cell / 2 }] as const));
  const most = Math.max(1e-9, ...joinings.map((joining) => joining.height));
  joinings.forEach(({ left, right, height }, i) => {
    const [a, b] = [place.get(left), place.get(right)];
    if (!a || !b) return;
    const x = round(width - 4 - (Math.max(0, height) / most) * (width - 8));
    marks.push({ kind: 'path', d: `M${round(a.x)} ${round(a.y)}L${x} ${round(a.y)}L${x} ${round(b.y)}L${round(b.x)} ${round(b.y)}`, fill: 'none', stroke: 'var(--ml-inside)', strokeWidth: 1 });
    place.set(order.length + i, { x, y: (a.y + b.y) / 2 });
  });
}
