import type { HeatmapTile, LayerPicture } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import { paintCells } from '../render/colours';
import type { ExpertAxis, Window1, Window2 } from '../render/columns';
import { blockEdges, blockSpan, expertAt, isWhole, panned, WHOLE, zoomed } from '../render/columns';
import { bandNote } from '../render/graph';
import { el, replace, svg } from '../ui/dom';
import { rasterCanvas } from '../ui/drawSvg';
import type { PageContext } from './context';
import { follow } from './follow';
import { colourScale } from '../ui/colourScale';
import { icon } from '../ui/icons';

/** Device-independent pixels of one bin of the map. */
const BIN = 2;
/** A window never shows fewer neurons than this. */
const FEWEST_NEURONS = 12;
const ZOOM_STEP = 1.5;
/** Share of the scale inside which a signed cell is drawn as nothing. */
const BLANK = 0.04;

export interface HeatView {
  readonly caption: HTMLElement;
  readonly box: HTMLElement;
}

interface Shown {
  readonly tile: HeatmapTile;
  readonly image: HTMLCanvasElement;
  readonly window: Window2;
}

/** The co-activation map: canvas, block borders, the chosen row and column, a cell cursor, zoom and pan with tiles. */
export function heatView(context: PageContext, picture: LayerPicture, axis: ExpertAxis, samples: string, zoomSlot: HTMLElement, onWindow: (window: Window2) => void): HeatView {
  const { model, theme } = context;
  const { side } = axis;
  const edges = blockEdges(picture.sizes);
  const total = edges[edges.length - 1] ?? 1;
  const ratio = window.devicePixelRatio || 1;
  const smallest = Math.min(1, FEWEST_NEURONS / total);
  let view: Window2 = WHOLE;
  let base: Shown | null = null;
  let shown: Shown | null = null;
  let cursor: { row: number; column: number } | null = null;
  let dragged: { x: number; y: number; moved: boolean } | null = null;

  const canvas = el('canvas', { width: Math.round(side * ratio), height: Math.round(side * ratio), 'aria-hidden': 'true', css: { width: `${side}px`, height: `${side}px` } });
  const marks = svg('svg', { width: side, height: side, 'aria-hidden': 'true', 'shape-rendering': 'crispEdges' });
  const zoomNote = el('span.note.zoom-note');
  const caption = el('div.caption.heat-caption');
  const said = `${picture.experts} by ${picture.experts} experts. Arrow keys move the cell, plus and minus zoom, 0 shows all, Enter chooses the row's expert, T opens the table.`;
  const box = el('div.heat', { tabindex: 0, role: 'application', 'aria-label': `${measure(picture)} map, ${said}`, 'data-table': 'pairs' }, canvas, marks);

  const kind = (): 'excess' | 'raw' => (model.withProbe ? model.selection.map : 'excess');
  const neurons = (part: Window1): readonly [number, number] => [Math.floor(part.from * total + 1e-6), Math.max(Math.floor(part.from * total + 1e-6) + 1, Math.ceil(part.to * total - 1e-6))];
  const bins = (range: readonly [number, number]): number => Math.min(range[1] - range[0], Math.max(1, Math.floor(side / BIN)));

  const request = (window2: Window2): Shown | null => {
    const rows = neurons(window2.y);
    const columns = neurons(window2.x);
    const remote = model.tile(kind(), rows, columns, bins(columns), bins(rows));
    if (remote?.state !== 'ready') return null;
    const tile = remote.value;
    const signed = tile.kind === 'excess';
    const rgba = paintCells(tile.data, { kind: signed ? 'signed' : 'magnitude', limit: tile.limit, blank: signed ? tile.limit * BLANK : 0, exponent: 0.7 }, signed ? theme.diverging : theme.sequential);
    return { tile, image: rasterCanvas(rgba, tile.width, tile.height), window: { x: { from: tile.columns[0] / total, to: tile.columns[1] / total }, y: { from: tile.rows[0] / total, to: tile.rows[1] / total } } };
  };

  const paint = (): void => {
    const ink = canvas.getContext('2d');
    if (!ink) return;
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.clearRect(0, 0, canvas.width, canvas.height);
    ink.imageSmoothingEnabled = false;
    const place = (part: Shown): void => {
      const at = (range: Window1, within: Window1): readonly [number, number] => {
        const scale = canvas.width / (within.to - within.from);
        return [(range.from - within.from) * scale, (range.to - range.from) * scale];
      };
      const [x, width] = at(part.window.x, view.x);
      const [y, height] = at(part.window.y, view.y);
      ink.drawImage(part.image, x, y, width, height);
    };
    if (base) place(base);
    else place(blocks());
    if (shown) place(shown);
  };
  /** Before the first tile: the means of the blocks, which came with the picture. */
  const blocks = (): Shown => {
    const raw = kind() === 'raw';
    const values = raw ? picture.raw : picture.excess;
    const limit = Math.max(1e-9, ...Array.from(values, Math.abs));
    const rgba = paintCells(values, { kind: raw ? 'magnitude' : 'signed', limit }, raw ? theme.sequential : theme.diverging);
    return { tile: { layer: picture.index, kind: kind(), rows: [0, total], columns: [0, total], width: picture.experts, height: picture.experts, data: values, limit }, image: rasterCanvas(rgba, picture.experts, picture.experts), window: WHOLE };
  };

  const refresh = (): void => {
    base = request(WHOLE) ?? (base?.tile.kind === kind() ? base : null);
    shown = isWhole(view) ? null : request(view) ?? (shown?.tile.kind === kind() ? shown : null);
    paint();
    renderCaption();
  };
  const renderCaption = (): void => {
    const limit = base?.tile.limit;
    const signed = kind() === 'excess';
    const name = measure(picture) + (signed ? ' minus null' : '');
    const legend = limit === undefined ? null : colourScale(theme, signed, signed ? `\u2212${formatNumber(limit, 2)}` : '0', `${signed ? '+' : ''}${formatNumber(limit, 2)}`);
    const factor = 1 / (view.x.to - view.x.from);
    zoomNote.textContent = isWhole(view) ? '' : `\u00d7${formatNumber(factor, 2)}`;
    const step = (title: string, glyph: 'plus' | 'minus' | 'fit', run: () => void): HTMLElement => el('button.step.glyph', { type: 'button', 'aria-label': title, title, onclick: run }, icon(glyph));
    replace(caption,
      el('span.heat-name', {}, name, axis.cell > 20 && isWhole(view) && el('span.note.extent', {}, `${formatNumber(total)}\u00b2 neurons`)),
      legend);
    replace(zoomSlot, zoomNote,
      el('span.zoom', {}, !isWhole(view) && step('Show all (0)', 'fit', () => look(WHOLE)), !isWhole(view) && step('Zoom out (\u2212)', 'minus', () => look(zoomed(view, 1 / ZOOM_STEP, { x: 0.5, y: 0.5 }, smallest))), step('Zoom in (+)', 'plus', () => look(zoomed(view, ZOOM_STEP, centre(), smallest)))));
  };
  const centre = (): { x: number; y: number } => {
    const chosen = model.shownExpert;
    if (!isWhole(view) || chosen === null) return { x: 0.5, y: 0.5 };
    const at = ((edges[chosen] ?? 0) + (edges[chosen + 1] ?? 0)) / 2 / total;
    return { x: at, y: at };
  };
  const look = (next: Window2): void => {
    view = next;
    refresh();
    mark();
    onWindow(view);
  };

  const mark = (): void => {
    const lines: SVGElement[] = [];
    const grid = { stroke: 'var(--ml-grid)', fill: 'none' } as const;
    if (axis.cell / (view.x.to - view.x.from) >= 4) {
      for (let e = 0; e <= picture.experts; e++) {
        const x = e === picture.experts ? blockSpan(edges, e - 1, view.x, side)[1] : blockSpan(edges, e, view.x, side)[0];
        const y = e === picture.experts ? blockSpan(edges, e - 1, view.y, side)[1] : blockSpan(edges, e, view.y, side)[0];
        if (x >= -0.5 && x <= side + 0.5) lines.push(svg('path', { ...grid, d: `M${Math.round(x)} 0V${side}` }));
        if (y >= -0.5 && y <= side + 0.5) lines.push(svg('path', { ...grid, d: `M0 ${Math.round(y)}H${side}` }));
      }
    } else lines.push(svg('rect', { ...grid, x: 0, y: 0, width: side, height: side }));
    const frame = (expert: number, name: string): void => {
      const clip = (span: readonly [number, number]): readonly [number, number] => [Math.round(Math.max(0, span[0])), Math.round(Math.min(side, span[1]))];
      const [x0, x1] = clip(blockSpan(edges, expert, view.x, side));
      const [y0, y1] = clip(blockSpan(edges, expert, view.y, side));
      if (x1 > x0) lines.push(svg('rect', { class: name, x: x0, y: 0, width: x1 - x0, height: side }));
      if (y1 > y0) lines.push(svg('rect', { class: name, x: 0, y: y0, width: side, height: y1 - y0 }));
    };
    const chosen = model.shownExpert;
    const hover = model.selection.hover;
    if (hover !== null && hover !== chosen) frame(hover, 'frame-hover');
    if (chosen !== null) frame(chosen, 'frame');
    if (cursor && document.activeElement === box) {
      const [x0, x1] = blockSpan(edges, cursor.column, view.x, side);
      const [y0, y1] = blockSpan(edges, cursor.row, view.y, side);
      lines.push(svg('rect', { class: 'cursor', x: x0, y: y0, width: x1 - x0, height: y1 - y0 }));
    }
    replace(marks, lines);
  };

  const cellTip = (row: number, column: number): string => {
    const value = picture.excess[row * picture.experts + column] ?? NaN;
    const raw = picture.raw[row * picture.experts + column] ?? NaN;
    const inside = row !== column && Math.abs(value) <= picture.excessBand;
    const name = row === column ? `Inside expert ${row}` : `Experts ${row} and ${column}`;
    return `${name}\n${measure(picture).toLocaleLowerCase('en')} ${formatNumber(raw)}, minus null ${value > 0 ? '+' : ''}${formatNumber(value)}\n${bandNote(picture)}\n${samples}${inside ? '\nInside the null: no evidence' : ''}`;
  };
  const under = (event: MouseEvent): { row: number; column: number; x: number; y: number } => {
    const place = box.getBoundingClientRect();
    const x = event.clientX - place.left;
    const y = event.clientY - place.top;
    return { x, y, row: expertAt(edges, y, view.y, side), column: expertAt(edges, x, view.x, side) };
  };
  const neuronTip = (x: number, y: number): string => {
    const part = shown ?? base;
    const tile = part?.tile;
    if (!part || !tile?.rowNeurons || !tile.columnNeurons) return '';
    const within = (at: number, range: Window1, of: Window1, count: number): number => Math.floor(((range.from + (at / side) * (range.to - range.from) - of.from) / (of.to - of.from)) * count);
    const column = within(x, view.x, part.window.x, tile.width);
    const row = within(y, view.y, part.window.y, tile.height);
    const value = tile.data[row * tile.width + column];
    const a = tile.rowNeurons[row];
    const b = tile.columnNeurons[column];
    return a === undefined || b === undefined || value === undefined ? '' : `\nNeurons ${a} and ${b}: ${formatNumber(value)}`;
  };

  box.addEventListener('pointermove', (event) => {
    const at = under(event);
    if (dragged && event.buttons === 1) {
      const dx = (dragged.x - at.x) / side;
      const dy = (dragged.y - at.y) / side;
      if (dragged.moved || Math.abs(dx) + Math.abs(dy) > 0.01) {
        dragged = { x: at.x, y: at.y, moved: true };
        if (!isWhole(view)) look(panned(view, dx, dy));
      }
      return;
    }
    box.dataset.tip = cellTip(at.row, at.column) + neuronTip(at.x, at.y);
    model.select({ hover: at.row });
  });
  box.addEventListener('pointerleave', () => model.select({ hover: null }));
  box.addEventListener('pointerdown', (event) => {
    const at = under(event);
    dragged = { x: at.x, y: at.y, moved: false };
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener('pointerup', (event) => {
    const wasDrag = dragged?.moved ?? false;
    dragged = null;
    if (!wasDrag) model.select({ expert: under(event).row });
  });
  box.addEventListener('dblclick', (event) => {
    const at = under(event);
    look(zoomed(view, 2.5, { x: at.x / side, y: at.y / side }, smallest));
  });
  box.addEventListener('wheel', (event) => {
    const mayZoom = event.ctrlKey || event.metaKey || document.activeElement === box;
    const out = event.deltaY > 0;
    if (!mayZoom || (out && isWhole(view))) return;
    event.preventDefault();
    const at = under(event);
    look(zoomed(view, Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) / 120), { x: at.x / side, y: at.y / side }, smallest));
  }, { passive: false });
  box.addEventListener('keydown', (event) => {
    const chosen = model.shownExpert ?? 0;
    const now = cursor ?? { row: chosen, column: chosen };
    const last = picture.experts - 1;
    const to = { ArrowUp: { row: -1, column: 0 }, ArrowDown: { row: 1, column: 0 }, ArrowLeft: { row: 0, column: -1 }, ArrowRight: { row: 0, column: 1 } }[event.key];
    if (to) {
      cursor = { row: Math.max(0, Math.min(last, now.row + to.row)), column: Math.max(0, Math.min(last, now.column + to.column)) };
      context.announce(cellTip(cursor.row, cursor.column).split('\n').join(', '));
      mark();
    } else if (event.key === '+' || event.key === '=') look(zoomed(view, ZOOM_STEP, cursorCentre(now), smallest));
    else if (event.key === '-') look(zoomed(view, 1 / ZOOM_STEP, { x: 0.5, y: 0.5 }, smallest));
    else if (event.key === '0') look(WHOLE);
    else if (event.key === 'Enter' || event.key === ' ') model.select({ expert: now.row });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const cursorCentre = (at: { row: number; column: number }): { x: number; y: number } => {
    const x = blockSpan(edges, at.column, view.x, side);
    const y = blockSpan(edges, at.row, view.y, side);
    const mid = (span: readonly [number, number]): number => Math.max(0, Math.min(1, (span[0] + span[1]) / 2 / side));
    return { x: mid(x), y: mid(y) };
  };
  box.addEventListener('focus', () => mark());
  box.addEventListener('blur', () => {
    cursor = null;
    mark();
  });

  refresh();
  follow(context, box, mark);
  follow(context, box, refresh, ['tile', 'selection']);
  return { caption, box };
}

function measure(picture: LayerPicture): string {
  return picture.kind === 'coactivation' ? 'Co-activation' : 'Key similarity';
}
