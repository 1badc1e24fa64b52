import { formatNumber } from '../../extension/protocol/score';
import { scoreSentence } from '../render/scoreText';
import type { Mark } from '../render/drawing';
import type { OverviewInput, OverviewLayout } from '../render/routingOverview';
import { drawOverview, isInside, overviewAt, overviewLayout, overviewTip } from '../render/routingOverview';
import { NONE } from '../render/routingCarry';
import { shownToken } from '../render/routingRaster';
import { el, replace, setCss, svg } from '../ui/dom';
import { drawMarks } from '../ui/drawCanvas';
import { TiledCanvas } from '../ui/tiles';
import type { PageContext } from './context';
import { overviewInput } from './overviewInput';
import { picture, section, widthOf } from './section';

/** While numbers come in, the picture is made again at most this often, in milliseconds. */
const REDRAW_EVERY = 150;

/** Sites by experts with its margins; rings mark where the shown token goes, a frame the chosen row. */
export function overviewView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('over', 'Layers and experts');
  const box = picture('overview', 'overview', 'Sites by experts. Arrow keys move the cell, Enter locks its row, T opens the table.');
  parts.body.append(box);
  host.append(parts.node);
  let drawing: readonly Mark[] = [];
  const tiles = new TiledCanvas((ink) => {
    drawMarks(ink, drawing, context.theme.resolve);
  });
  const rings = svg('path', { fill: 'var(--ml-page)', stroke: 'var(--ml-ink)', 'stroke-width': 2, 'pointer-events': 'none' });
  const marks = svg('svg', { class: 'over-marks', 'aria-hidden': 'true', focusable: 'false' }, rings);
  // Boxes that are moved by transforms, so that nothing is laid out or drawn again under the pointer.
  const column = el('div.over-column', { hidden: true });
  const frame = el('div.over-frame');
  const cursor = el('div.over-cursor', { hidden: true });
  box.append(tiles.node, column, marks, frame, cursor);
  let ringed = '';
  let input: OverviewInput | null = null;
  let layout: OverviewLayout | null = null;
  let cell: { site: number; column: number } | null = null;
  let drawn = 0;
  let timer = 0;

  const render = (): void => {
    window.clearTimeout(timer);
    timer = 0;
    drawn = performance.now();
    input = overviewInput(model, input);
    if (!input) return;
    parts.title.textContent = input.rows.some((row) => row.name !== row.full) ? (model.head?.sites[0]?.kind === 'library' ? 'Sites and adapters' : 'Sites and experts') : 'Layers and experts';
    layout = overviewLayout(input.rows, input.axis.columns.length, widthOf(parts.body));
    drawing = drawOverview(input, layout, context.palette(), { sequential: context.theme.sequential, diverging: context.theme.diverging }).marks;
    tiles.resize(layout.width, layout.height);
    marks.setAttribute('width', String(layout.width));
    marks.setAttribute('height', String(layout.height));
    setCss(box, { width: `${layout.width}px`, height: `${layout.height}px` });
    mark(true);
  };

  const mark = (fresh: boolean): void => {
    if (!layout || !input) return;
    const { site, token, head } = model;
    const of = model.filter.kind === 'all' ? 'all tokens' : model.filter.kind === 'label' ? model.filter.label : `text ${model.filter.record + 1}`;
    const shown = token !== null ? head?.tokens[token] : undefined;
    const caption = shown ? `${of}; rings: \u201c${shownToken(shown).trim()}\u201d` : of;
    if (parts.caption.textContent !== caption) parts.caption.textContent = caption;
    place(frame, layout.left - 1.5, (layout.y[site] ?? 0) - 1.5, layout.cell * layout.columns + 2, layout.row + 2);
    const { expert } = model.selection;
    column.hidden = expert === null;
    if (expert !== null) place(column, layout.left + model.axis.columnOf(site, expert) * layout.cell - 1, layout.top - 1, Math.max(2, layout.cell + 1), layout.bottom - layout.top + 1);
    if (fresh || ringed !== String(token)) drawRings(token);
    placeCursor();
  };

  const drawRings = (token: number | null): void => {
    if (!layout) return;
    ringed = String(token);
    let d = '';
    if (token !== null) {
      const r = layout.row >= 24 ? 3.5 : layout.row >= 14 ? 3 : 1.5;
      for (let s = 0; s < layout.y.length; s++) {
        const numbers = model.shown(s);
        if (!numbers || model.tokenState(numbers, token) === NONE) continue;
        const cx = layout.left + model.axis.columnOf(s, numbers.tops[token] ?? 0) * layout.cell + Math.max(0.5, (layout.cell - 1) / 2);
        const cy = (layout.y[s] ?? 0) + (layout.row - 1) / 2;
        d += `M${cx - r} ${cy}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
      }
    }
    rings.setAttribute('d', d);
    rings.setAttribute('stroke-width', layout.row >= 14 ? '2' : '1');
  };

  const placeCursor = (): void => {
    if (!layout || !cell || document.activeElement !== box) {
      cursor.hidden = true;
      return;
    }
    cursor.hidden = false;
    place(cursor, layout.left + cell.column * layout.cell - 1, (layout.y[cell.site] ?? 0) - 1, Math.max(4, layout.cell + 1), layout.row + 1);
  };

  const words = (site: number, column: number): string => {
    if (!input) return '';
    const row = input.rows[site];
    const style = input.axis.columns[column];
    const entry = input.cells[site]?.[column];
    if (!row || !style) return '';
    if (!entry) return `${row.words}, ${style.name}: ${input.axis.expertAt(site, column) < 0 ? 'no such expert here' : 'not here yet'}`;
    const half = entry.half !== null && Number.isFinite(entry.half) ? ` \u00b1 ${formatNumber(entry.half)}` : '';
    return `${row.words}, ${style.name}\n${input.measureWords} ${formatNumber(entry.value)}${half}\n${input.chanceWords}: ${formatNumber(entry.chance)}\nn = ${formatNumber(model.shownStats(site)?.n ?? input.n)} tokens${isInside(entry) ? '\nCannot be told from no preference' : ''}${model.stats(site) === null && model.updated && model.shownStats(site) ? '\nfrom before the last edit' : ''}`;
  };
  const rowWords = (site: number): string => {
    const figure = input?.second.values[site];
    return figure?.kind === 'score' ? `; ${scoreSentence(input?.second.title ?? '', figure.score)}` : '';
  };

  box.addEventListener('mousemove', (event) => {
    if (!layout) return;
    const bounds = box.getBoundingClientRect();
    const at = overviewAt(layout, event.clientX - bounds.left, event.clientY - bounds.top);
    const other = input && (!at || at.column < 0) ? overviewTip(input, layout, event.clientX - bounds.left, event.clientY - bounds.top) : null;
    if (at && at.column >= 0) box.dataset.tip = words(at.site, at.column);
    else if (other) box.dataset.tip = other;
    else delete box.dataset.tip;
    if (at) model.preview({ site: at.site, expert: at.column >= 0 ? model.axis.expertAt(at.site, at.column) : null });
  });
  box.addEventListener('mouseleave', () => model.preview({ site: null, expert: null }));
  box.addEventListener('click', (event) => {
    if (!layout) return;
    const bounds = box.getBoundingClientRect();
    const at = overviewAt(layout, event.clientX - bounds.left, event.clientY - bounds.top);
    if (!at) return;
    cell = { site: at.site, column: Math.max(0, at.column) };
    model.lock({ site: at.site, expert: at.column >= 0 ? model.axis.expertAt(at.site, at.column) : null });
  });
  box.addEventListener('keydown', (event) => {
    if (!layout || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) {
      if (event.key !== 'Enter' || !cell) return;
      model.lock({ site: cell.site, expert: model.axis.expertAt(cell.site, cell.column) });
    } else {
      const from = cell ?? { site: model.site, column: 0 };
      cell = cell ? { site: clamp(from.site + (step[0] ?? 0), layout.y.length), column: clamp(from.column + (step[1] ?? 0), layout.columns) } : from;
      model.preview({ site: cell.site });
      if (model.selection.locked) model.select({ site: cell.site });
      context.announce(words(cell.site, cell.column).split('\n').join(', ') + rowWords(cell.site));
      placeCursor();
    }
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener('focus', () => {
    cell ??= { site: model.site, column: 0 };
    placeCursor();
  });
  box.addEventListener('blur', placeCursor);

  model.watch((changes) => {
    if (changes.has('run') || changes.has('trace') || changes.has('view') || changes.has('size') || changes.has('theme')) render();
    else if (changes.has('data')) {
      if (model.slices.complete || performance.now() - drawn > REDRAW_EVERY) render();
      else if (timer === 0) timer = window.setTimeout(render, REDRAW_EVERY);
    } else if (changes.has('selection')) mark(false);
  });
  replace(parts.tools);
}

function place(node: HTMLElement, x: number, y: number, width: number, height: number): void {
  setCss(node, { transform: `translate(${x}px, ${y}px)`, width: `${width}px`, height: `${height}px` });
}

export function clamp(value: number, count: number): number {
  return Math.max(0, Math.min(count - 1, value));
}
