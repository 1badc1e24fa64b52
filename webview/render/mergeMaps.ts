import type { InspectModel } from '../../extension/protocol/mergeInspect';
import { formatNumber, formatScore, isEvidence, type Score } from '../../extension/protocol/score';
import { cssOf, type Ramp, sequentialIndex, signedIndex } from './colours';
import { type Drawing, HATCH, type Mark, round } from './drawing';
import type { DeltaRow, PairMatrix, PartMap } from './mergeData';
import { isPairMeasure, MEASURE_WORDS, PART_WORDS, shortNames } from './mergeData';
import { inkOn, insideGrey, type RoutingPalette } from './routingColours';
import { fitted } from './transferRuns';

export interface MapColours {
  readonly sequential: Ramp;
  readonly diverging: Ramp;
  readonly palette: RoutingPalette;
}

const channels = (ramp: Ramp, index: number): readonly [number, number, number] => [ramp[index * 3] ?? 0, ramp[index * 3 + 1] ?? 0, ramp[index * 3 + 2] ?? 0];
/** Cells that hold a number of four characters at 11 px. */
const TEXT_WIDTH = 34;
const TEXT_HEIGHT = 15;

/** Two significant digits, as short as a cell needs. */
export function cellNumber(value: number): string {
  return Math.abs(value) < 0.001 ? '0' : formatNumber(value, Math.abs(value) < 0.01 ? 1 : 2);
}
export const percentText = (share: number): string => formatNumber(Number((share * 100).toPrecision(2)), 2);

/** Where a map of rows and columns draws its cells. */
export interface GridLayout {
  readonly left: number;
  readonly top: number;
  readonly cell: number;
  readonly row: number;
  readonly rows: number;
  readonly columns: number;
  readonly width: number;
  readonly height: number;
}

export function gridLayout(rows: number, columns: number, width: number, names: number): GridLayout {
  const row = rows <= 16 ? 20 : rows <= 40 ? TEXT_HEIGHT : 10, top = 20;
  const cell = Math.max(6, Math.min(72, Math.floor((width - names) / Math.max(1, columns))));
  return { left: names, top, cell, row, rows, columns, width: names + cell * columns, height: top + rows * row };
}

function grid(layout: GridLayout, rows: readonly { readonly name: string; readonly key: number }[], columns: readonly string[]): Mark[] {
  const { left, top, cell, row } = layout, every = row >= 13 ? 1 : 2, marks: Mark[] = [];
  columns.forEach((name, c) => marks.push({ kind: 'text', x: left + c * cell + cell / 2, y: 12, text: fitted(name, cell, 6.2), size: 11, anchor: 'middle', fill: 'var(--ml-ink-dim)', tip: name }));
  rows.forEach(({ name }, r) => {
    if (r % every === 0) marks.push({ kind: 'text', x: left - 8, y: round(top + r * row + row / 2 + 4), text: name, size: 11, mono: true, anchor: 'end', fill: 'var(--ml-ink)' });
  });
  return marks;
}

const rowHits = (layout: GridLayout, rows: readonly { readonly key: number }[]): Mark[] => rows.map(({ key }, r) => ({ kind: 'rect', x: layout.left - 1, y: layout.top + r * layout.row - 1, width: layout.cell * layout.columns + 1, height: layout.row + 1, fill: 'none', stroke: 'none', name: 'row-mark', key }));

/** Names of models over cells of a width: in full where they fit. */
function labelsFor(models: readonly InspectModel[], cell: number): readonly string[] {
  const names = models.map(({ name }) => name);
  return names.every((name) => name.length * 6.6 <= cell) ? names : shortNames(names);
}

/** How far models moved: rows are layers, columns models, the number a percentage of the base's norm. */
export function drawDelta(rows: readonly DeltaRow[], models: readonly InspectModel[], layout: GridLayout, limit: number, colours: MapColours): Drawing {
  const { left, top, cell, row } = layout, keyed = rows.map(({ name, layer }) => ({ name, key: layer ?? -1 }));
  const marks = grid(layout, keyed, labelsFor(models, cell));
  rows.forEach((one, r) => one.moved.forEach((value, m) => {
    const box = { kind: 'rect', x: left + m * cell, y: top + r * row, width: cell - 1, height: row - 1, key: keyed[r]?.key } as const;
    const tip = deltaTip(one, models[m]?.name ?? '', value);
    if (value === null) return void marks.push({ ...box, fill: HATCH, tip });
    const index = sequentialIndex(value, limit);
    marks.push({ ...box, fill: value === 0 ? 'url(#dots)' : cssOf(colours.sequential, index), tip });
    if (cell >= TEXT_WIDTH && row >= TEXT_HEIGHT && value > 0) marks.push({ kind: 'text', x: left + m * cell + (cell - 1) / 2, y: round(top + r * row + row / 2 + 3.5), text: percentText(value), size: 11, mono: true, anchor: 'middle', fill: inkOn(channels(colours.sequential, index)) });
  }));
  return { width: layout.width, height: layout.height, marks: [...marks, ...rowHits(layout, keyed)] };
}

export function deltaTip(row: DeltaRow, model: string, value: number | null): string {
  return `${model}, ${row.layer === null ? row.name : `layer ${row.layer}`}\n${value === null ? 'nothing to relate to' : value === 0 ? 'equal to the base' : `moved by ${percentText(value)}\u202f% of the base\u2019s norm`}`;
}

/** Words of a pair's figure, all parts of the score included. */
export function pairTip(a: string, b: string, where: string, score: Score, what: string): string {
  const text = formatScore(score);
  return `${a} and ${b}, ${where}\n${what} ${text.value}\n${text.null}\n${text.n}\n${text.verdict}`;
}

export interface MatrixLayout {
  readonly left: number;
  readonly top: number;
  readonly cell: number;
  readonly row: number;
  readonly count: number;
  readonly width: number;
  readonly height: number;
}

export function matrixLayout(models: number, width: number): MatrixLayout {
  const left = Math.min(78, Math.max(40, Math.floor(width * 0.24))), top = 18;
  const cell = Math.max(10, Math.min(56, Math.floor((width - left) / Math.max(1, models)))), row = models <= 6 ? 26 : models <= 12 ? 18 : Math.max(6, Math.min(cell, 12));
  return { left, top, cell, row, count: models, width: left + cell * models, height: top + row * models };
}

/** Which pair a place of a matrix stands for: above the diagonal the cosine, below it opposite signs. */
export function matrixCell(layout: MatrixLayout, x: number, y: number): { readonly row: number; readonly column: number } | null {
  const row = Math.floor((y - layout.top) / layout.row), column = Math.floor((x - layout.left) / layout.cell);
  return row >= 0 && column >= 0 && row < layout.count && column < layout.count ? { row, column } : null;
}

export function matrixTip(matrix: PairMatrix, models: readonly InspectModel[], row: number, column: number): string {
  const [a, b] = row < column ? [row, column] : [column, row], pair = matrix.pairs.find((one) => one.a === a && one.b === b);
  if (!pair) return `${models[row]?.name ?? ''} with itself`;
  const where = `${PART_WORDS[matrix.part]} of ${matrix.group.name}`;
  return row < column ? pairTip(models[a]?.name ?? '', models[b]?.name ?? '', where, pair.cosine, 'cosine') : pairTip(models[a]?.name ?? '', models[b]?.name ?? '', where, pair.conflict, 'share of opposite signs');
}

/** One matrix of pairs: orange pulls together, blue pulls apart, grey is as unrelated changes give. Both triangles use one meaning of colour. */
export function drawPairs(matrix: PairMatrix, models: readonly InspectModel[], layout: MatrixLayout, limits: PairLimits, { diverging, palette }: MapColours): Drawing {
  const { left, top, cell, row, count } = layout, marks: Mark[] = [], fits = cell >= TEXT_WIDTH && row >= TEXT_HEIGHT;
  const labels = labelsFor(models, cell);
  models.forEach(({ name }, i) => {
    const label = labels[i] ?? name;
    marks.push({ kind: 'text', x: left - 6, y: round(top + i * row + row / 2 + 4), text: fitted(label, left - 6, 6.2), size: 11, anchor: 'end', fill: 'var(--ml-ink)', tip: name });
    if (cell >= 20) marks.push({ kind: 'text', x: left + i * cell + cell / 2, y: 12, text: fitted(label, cell, 6.4), size: 11, anchor: 'middle', fill: 'var(--ml-ink-dim)', tip: name });
    marks.push({ kind: 'line', x1: left + i * cell + 3, x2: left + i * cell + cell - 4, y1: top + i * row + row - 4, y2: top + i * row + 3, stroke: 'var(--ml-grid)' });
  });
  for (const pair of matrix.pairs) {
    for (const isCosine of [true, false]) {
      const score = isCosine ? pair.cosine : pair.conflict, [r, c] = isCosine ? [pair.a, pair.b] : [pair.b, pair.a];
      const box = { kind: 'rect', x: left + c * cell, y: top + r * row, width: cell - 1, height: row - 1, key: r * count + c } as const;
      if (score.value === null) {
        marks.push({ ...box, fill: HATCH });
        continue;
      }
      const together = isCosine ? score.value : 0.5 - score.value, limit = isCosine ? limits.cosine : limits.conflict;
      const inside = !isEvidence(score), index = signedIndex(together, limit, 1);
      marks.push({ ...box, fill: inside ? insideGrey(palette, 0.1) : cssOf(diverging, index), name: inside ? 'inside' : 'out' });
      if (fits) marks.push({ kind: 'text', x: left + c * cell + (cell - 1) / 2, y: round(top + r * row + row / 2 + 3.5), text: cellNumber(score.value), size: 11, mono: true, anchor: 'middle', fill: inside ? 'var(--ml-ink-dim)' : inkOn(channels(diverging, index)) });
    }
  }
  return { width: layout.width, height: layout.height, marks };
}

/** Ends of the two scales: the same for all matrices. */
export interface PairLimits {
  readonly cosine: number;
  readonly conflict: number;
}

/** Ends that hold every figure, not below what can be told apart by eye. */
export function pairLimits(matrices: readonly PairMatrix[]): PairLimits {
  const of = (value: (pair: PairMatrix['pairs'][number]) => number | null, least: number): number => Math.max(least, ...matrices.flatMap(({ pairs }) => pairs.map((pair) => Math.abs(value(pair) ?? 0))));
  return { cosine: of(({ cosine }) => cosine.value, 0.05), conflict: of(({ conflict }) => (conflict.value === null ? null : conflict.value - 0.5), 0.02) };
}

/** Layers by parts, for one model or one pair. */
export function drawParts(map: PartMap, layout: GridLayout, limit: number, colours: MapColours): Drawing {
  const { left, top, cell, row } = layout, keyed = map.rows.map(({ name, layer }) => ({ name, key: layer })), marks = grid(layout, keyed, map.parts.map((part) => PART_WORDS[part]));
  map.rows.forEach((one, r) => one.cells.forEach(({ value, score }, c) => {
    const box = { kind: 'rect', x: left + c * cell, y: top + r * row, width: cell - 1, height: row - 1, key: one.layer } as const, tip = partTip(map, r, c);
    if (value === null) return void marks.push({ ...box, fill: HATCH, tip });
    const inside = score !== null && !isEvidence(score), signed = isPairMeasure(map.measure), ramp = signed ? colours.diverging : colours.sequential;
    const index = signed ? signedIndex(map.measure === 'cosine' ? value : 0.5 - value, limit, 1) : sequentialIndex(value, limit);
    marks.push({ ...box, fill: inside ? insideGrey(colours.palette, 0.1) : cssOf(ramp, index), tip });
    if (cell >= TEXT_WIDTH && row >= TEXT_HEIGHT) marks.push({ kind: 'text', x: left + c * cell + (cell - 1) / 2, y: round(top + r * row + row / 2 + 3.5), text: signed ? cellNumber(value) : percentText(value), size: 11, mono: true, anchor: 'middle', fill: inside ? 'var(--ml-ink-dim)' : inkOn(channels(ramp, index)) });
  }));
  return { width: layout.width, height: layout.height, marks: [...marks, ...rowHits(layout, keyed)] };
}

export function partTip(map: PartMap, row: number, column: number): string {
  const one = map.rows[row], cell = one?.cells[column], part = map.parts[column];
  if (!one || !cell || !part) return '';
  const where = `${map.about}, ${PART_WORDS[part]} of layer ${one.layer}`;
  if (cell.score) {
    const text = formatScore(cell.score);
    return `${where}\n${MEASURE_WORDS[map.measure]} ${text.value}\n${text.null}\n${text.n}\n${text.verdict}`;
  }
  return `${where}\n${cell.value === null ? 'nothing here' : map.measure === 'moved' ? `moved by ${percentText(cell.value)}\u202f% of the base\u2019s norm` : `${percentText(cell.value)}\u202f% of the changed elements are lost to rounding`}`;
}

/** The largest value of a map, as the end of its scale. */
export function partLimit(map: PartMap): number {
  const values = map.rows.flatMap(({ cells }) => cells.map(({ value }) => Math.abs(map.measure === 'conflict' ? (value ?? 0.5) - 0.5 : value ?? 0)));
  return map.measure === 'lost' ? 1 : Math.max(isPairMeasure(map.measure) ? (map.measure === 'cosine' ? 0.05 : 0.02) : 1e-6, ...values);
}

/** Share of changes that rounding undoes, one bar for each model. */
export function drawLost(rows: readonly { readonly name: string; readonly share: number | null; readonly changed: number }[], width: number, much: number): Drawing {
  const names = Math.min(110, Math.max(48, ...rows.map(({ name }) => name.length * 6.4 + 8))), right = 48, w = Math.max(40, width - names - right), row = 24, marks: Mark[] = [];
  rows.forEach(({ name, share, changed }, i) => {
    const y = i * row, bad = share !== null && share > much;
    const tip = share === null ? `${name} is equal to the base` : `${name}: ${percentText(share)}\u202f% of ${formatNumber(changed)} changed elements come back to the base\u2019s value`;
    marks.push({ kind: 'text', x: 0, y: y + 16, text: fitted(name, names - 4, 6.3), size: 12, fill: 'var(--ml-ink)', tip }, { kind: 'rect', x: names, y: y + 5, width: w, height: 12, fill: 'var(--ml-pending)', tip });
    if (share !== null) marks.push({ kind: 'rect', x: names, y: y + 5, width: round(w * share), height: 12, fill: bad ? 'var(--ml-warning)' : 'var(--ml-excess)', tip });
    marks.push({ kind: 'text', x: names + w + 8, y: y + 15, text: share === null ? '\u2013' : `${percentText(share)}\u202f%`, size: 11, mono: true, bold: bad, fill: bad ? 'var(--ml-ink-strong)' : 'var(--ml-ink)' });
  });
  const y = rows.length * row;
  marks.push({ kind: 'line', x1: names, x2: names, y1: 0, y2: y, stroke: 'var(--ml-null-mean)' }, { kind: 'text', x: names, y: y + 13, text: '0', size: 11, mono: true, fill: 'var(--ml-ink-dim)' }, { kind: 'text', x: names + w, y: y + 13, text: '100\u202f%', size: 11, mono: true, anchor: 'end', fill: 'var(--ml-ink-dim)' });
  return { width, height: y + 18, marks };
}

/** The scale under the map of differences, with the step of the result's dtype as its tick. */
export function drawDeltaScale(left: number, width: number, limit: number, dtype: string, ramp: Ramp): Drawing {
  const marks: Mark[] = [], steps = Math.max(1, Math.floor(width / 2)), tick = DTYPE_STEPS[dtype];
  for (let i = 0; i < steps; i++) marks.push({ kind: 'rect', x: round(left + (i * width) / steps), y: 4, width: round(width / steps + 0.5), height: 6, fill: cssOf(ramp, Math.round((i / Math.max(1, steps - 1)) * 255)) });
  marks.push({ kind: 'text', x: left, y: 23, text: '0', size: 11, mono: true, fill: 'var(--ml-ink-dim)' }, { kind: 'text', x: left + width, y: 23, text: `${percentText(limit)}\u202f%`, size: 11, mono: true, anchor: 'end', fill: 'var(--ml-ink-dim)' });
  if (tick !== undefined && tick < limit) {
    const x = round(left + (width * tick) / limit);
    marks.push({ kind: 'line', x1: x, x2: x, y1: 0, y2: 13, stroke: 'var(--ml-ink)', strokeWidth: 1.5, tip: `one step of ${dtype}: ${percentText(tick)}\u202f% of a weight` });
    const room = width - (x - left) - 52;
    if (room > 70) marks.push({ kind: 'text', x: x + 5, y: 23, text: fitted(`step of ${dtype}`, room, 6.2), size: 11, fill: 'var(--ml-ink-dim)' });
  }
  return { width: left + width, height: 27, marks };
}
/** Distance of neighbouring numbers, as a share of them. */
const DTYPE_STEPS: Readonly<Record<string, number>> = { bfloat16: 2 ** -8, float16: 2 ** -11 };

