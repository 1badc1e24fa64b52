import type { TensorEntry, TensorStatistics, TensorTile } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import { paintCells } from '../render/colours';
import { drawHistogram } from '../render/histogram';
import { drawMarks, drawProfile, notFinitePlaces, planeOf, tileLimit } from '../render/tensorMap';
import { linkButton, pushButton } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace, svg } from '../ui/dom';
import { drawSvg, rasterCanvas } from '../ui/drawSvg';
import { colourScale } from '../ui/colourScale';
import { contentWidth } from '../ui/size';
import type { PageContext } from './context';
import { bytesText, shapeText, splitName } from './text';

const PROFILE = 40;
const GAP = 6;
const SIDE_MAX = 368;
/** Device-independent pixels of a cell. */
const CELL = 2;
/** Height of the strip that stands for a vector. */
const STRIP = 24;

/** The chosen tensor: its map with norms, its values, its numbers. */
export function inspectorView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  let place: number | null = null;
  let drawn = '';

  const draw = (): void => {
    const tensor = model.selected === null ? null : model.byName.get(model.selected) ?? null;
    if (!tensor) {
      drawn = '';
      replace(host, el('p.note.none', {}, model.document ? 'Choose a tensor to see its values.' : ''));
      return;
    }
    const side = Math.max(160, Math.min(SIDE_MAX, contentWidth(host) - PROFILE - GAP));
    const tile = model.tile(tensor.name, Math.floor(side / CELL));
    if (!model.statistics.has(tensor.name) && tile.state === 'ready') void model.read([tensor.name]);
    const statistics = model.statisticsOf(tensor.name);
    const name = [tensor.name, model.leading.join(), side, tile.state, statistics !== null, place].join(' ');
    if (name === drawn) return;
    drawn = name;
    const [dim, strong] = splitName(tensor.name);
    replace(host,
      el('h2', {}, dim, el('b', {}, strong)),
      el('dl.facts', {}, [['Shape', shapeText(tensor.shape)], ['Dtype', tensor.dtype], ['Size', bytesText(tensor.bytes)], ['File', tensor.file]].map(([term, value]) => el('div', {}, el('dt', {}, `${term} `), el('dd', {}, value)))),
      leadingSteppers(context, tensor),
      tile.state === 'failed' ? el('div.notice.error', { role: 'alert' }, el('p', {}, tile.error.message), el('div.buttons', {}, pushButton('Try again', 'primary', () => model.forgetTile())))
        : tile.state === 'pending' ? el('div.map-wait', { css: { height: `${tensor.shape.length > 1 ? side + PROFILE + 16 : STRIP + PROFILE + 16}px` } }, el('p.note', {}, 'Reading the values\u2026'))
        : mapOf(context, tensor, tile.value, side, statistics, place, (next) => {
          place = next;
          draw();
        }),
      statistics ? valuesOf(statistics, contentWidth(host)) : el('div.section.values-wait', {}, el('p.note', {}, statusOf(context, tensor))));
  };
  model.watch((changes) => {
    if (changes.has('selection') || changes.has('document')) place = null;
    if (changes.has('theme')) drawn = '';
    draw();
  });
}

function statusOf(context: PageContext, tensor: TensorEntry): string {
  const state = context.model.statistics.get(tensor.name);
  return state && state !== 'pending' && 'message' in state ? state.message : 'Reading the statistics\u2026';
}

/** More than two dimensions: the leading ones are chosen one by one. */
function leadingSteppers(context: PageContext, tensor: TensorEntry): Child {
  const { model } = context;
  if (tensor.shape.length <= 2) return null;
  return el('div.leading', {}, tensor.shape.slice(0, -2).map((size, dimension) => {
    const at = model.leading[dimension] ?? 0;
    const step = (text: string, by: number, title: string): HTMLElement => el('button.step', { type: 'button', 'aria-label': title, disabled: at + by < 0 || at + by >= size, onclick: () => model.setLeading(model.leading.map((value, i) => (i === dimension ? at + by : value))) }, text);
    return el('span.nowrap', {}, `dimension ${dimension} `, step('\u2039', -1, `Previous index of dimension ${dimension}`), el('span.mono', {}, `${at} of ${size}`), step('\u203a', 1, `Next index of dimension ${dimension}`));
  }));
}

function mapOf(context: PageContext, tensor: TensorEntry, tile: TensorTile, side: number, statistics: TensorStatistics | null, place: number | null, onPlace: (place: number) => void): readonly Child[] {
  const { theme } = context;
  const [rows, columns] = planeOf(tile.shape);
  const vector = rows === 1;
  const height = vector ? STRIP : side;
  const limit = tileLimit(tile.data);
  const ratio = window.devicePixelRatio || 1;
  const image = rasterCanvas(paintCells(tile.data, { kind: 'signed', limit, exponent: 0.85 }, theme.diverging), tile.width, tile.height);
  const canvas = el('canvas', { width: Math.round(side * ratio), height: Math.round(height * ratio), 'aria-hidden': 'true', css: { width: `${side}px`, height: `${height}px` } });
  const ink = canvas.getContext('2d');
  if (ink) {
    ink.imageSmoothingEnabled = false;
    ink.drawImage(image, 0, 0, canvas.width, canvas.height);
  }
  const shuffled = `band: the same weights shuffled, 95 %, ${formatNumber(tile.nullDraws)} draws`;
  const box = el('div.cells', { role: 'img', 'aria-label': `Map of ${tensor.name}, largest value of each cell; the numbers stand below`, css: { height: `${height}px` }, onpointermove: (event: PointerEvent) => {
    const at = box.getBoundingClientRect();
    const x = Math.min(tile.width - 1, Math.max(0, Math.floor(((event.clientX - at.left) / side) * tile.width)));
    const y = Math.min(tile.height - 1, Math.max(0, Math.floor(((event.clientY - at.top) / height) * tile.height)));
    const range = (index: number, cells: number, size: number): string => {
      const from = Math.floor((index / cells) * size);
      const to = Math.max(from, Math.ceil(((index + 1) / cells) * size) - 1);
      return from === to ? String(from) : `${from}\u2013${to}`;
    };
    box.dataset.tip = `${vector ? '' : `row ${range(y, tile.height, rows)}, `}column ${range(x, tile.width, columns)}\n${tile.width < columns || tile.height < rows ? 'largest: ' : ''}${valueText(tile.data[y * tile.width + x])}`;
  } }, canvas, drawSvg(drawMarks(tile, side, height, place), { class: 'over' }));
  const cellRows = Math.max(1, Math.round(rows / tile.height));
  const cellColumns = Math.max(1, Math.round(columns / tile.width));
  const cellText = cellRows * cellColumns === 1 ? '1 cell = 1 weight' : `1 cell = ${cellRows} \u00d7 ${cellColumns} weights, the largest`;
  return [
    el('div.map', { css: { '--side': `${side}px` } },
      el('div', { tip: vector ? 'Size of each value' : `Norm of each column\n${shuffled}` }, drawSvg(drawProfile(tile.columnNorms, tile.columnBand, side, PROFILE, 'columns'))), el('div.note.norm', {}, vector ? 'size' : 'norm'),
      box, vector ? el('span') : el('div', { tip: `Norm of each row\n${shuffled}` }, drawSvg(drawProfile(tile.rowNorms, tile.rowBand, height, PROFILE, 'rows'))),
      el('div.ends', {}, el('span', {}, '0'), el('span', {}, cellText), el('span', {}, String(columns - 1))), el('span')),
    el('div.marks.note', {}, colourScale(theme, true, `\u2212${formatNumber(limit)}`, `+${formatNumber(limit)}`), marksOf(tile, statistics, place, onPlace)),
  ];
}

function valueText(value: number | undefined): string {
  if (value === undefined) return '';
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? formatNumber(value) : value > 0 ? '+Inf' : '\u2212Inf';
}

/** Counts of what is not finite and of exact zeros; each count jumps to its next place. */
function marksOf(tile: TensorTile, statistics: TensorStatistics | null, place: number | null, onPlace: (place: number) => void): readonly Child[] {
  const places = notFinitePlaces(tile);
  const next = (kind: 'nan' | 'inf') => (): void => {
    const of = places.flatMap((entry, i) => (entry.kind === kind ? [i] : []));
    const after = of.find((i) => i > (place ?? -1)) ?? of[0];
    if (after !== undefined) onPlace(after);
  };
  const nan = statistics?.nan ?? places.filter((entry) => entry.kind === 'nan').length;
  const inf = statistics?.infinite ?? places.filter((entry) => entry.kind === 'inf').length;
  const glyph = (...children: SVGElement[]): SVGElement => svg('svg', { width: 11, height: 11, viewBox: '0 0 11 11', 'aria-hidden': 'true' }, children);
  const count = (amount: number, word: string, kind: 'nan' | 'inf'): Child => (places.some((entry) => entry.kind === kind) ? linkButton(`${formatNumber(amount)} ${word}`, next(kind)) : `${formatNumber(amount)} ${word}`);
  const chosen = place === null ? undefined : places[place];
  const zeros = statistics?.zeros ?? 0;
  return [
    nan > 0 && el('span', {}, glyph(svg('path', { d: 'M1 1L10 10M10 1L1 10', stroke: 'var(--ml-error)', 'stroke-width': 2 })), count(nan, 'NaN', 'nan')),
    inf > 0 && el('span', {}, glyph(svg('path', { d: 'M2.5 2.5L8.5 8.5M8.5 2.5L2.5 8.5M.5.5h10v10h-10z', fill: 'none', stroke: 'var(--ml-error)', 'stroke-width': 1.2 })), count(inf, 'Inf', 'inf')),
    zeros > 0 && el('span', {}, glyph(...[2, 5, 8].flatMap((y) => [2, 5, 8].map((x) => svg('rect', { x, y, width: 1.2, height: 1.2, fill: 'var(--ml-ink-dim)' })))), `${formatNumber(zeros)} exactly zero`),
    statistics && nan + inf + zeros === 0 && el('span', {}, 'no zero, NaN or Inf'),
    chosen && el('span.mono', {}, `at [${chosen.row}, ${chosen.column}]`),
  ];
}

function valuesOf(statistics: TensorStatistics, width: number): readonly Child[] {
  const share = statistics.elements > 0 ? (statistics.zeros / statistics.elements) * 100 : 0;
  const numbers: readonly (readonly [string, string])[] = [
    ['Mean', formatNumber(statistics.mean)], ['Min', formatNumber(statistics.min)], ['Zeros', statistics.zeros === 0 ? '0' : `${formatNumber(share)} %`],
    ['SD', formatNumber(statistics.sd)], ['Max', formatNumber(statistics.max)], ['Kurtosis', formatNumber(statistics.kurtosis)],
    ['Norm', formatNumber(statistics.l2)], ['NaN, Inf', `${formatNumber(statistics.nan)}, ${formatNumber(statistics.infinite)}`], ['n', formatNumber(statistics.elements)],
  ];
  return [
    el('div.section', { 'data-table': 'values' }, el('div.caption', {}, el('h3.strong', {}, 'Values'), el('span.note', {}, 'log count; dashed: normal with the same SD')), drawSvg(drawHistogram(statistics, width), { class: 'histogram' })),
    el('div.section', {}, el('dl.numbers', {}, numbers.map(([term, value]) => el('div', {}, el('dt', {}, term), el('dd', {}, value))))),
  ];
}
