import { FULL_MARGIN, tintTable } from '../render/routingColours';
import type { DenseLayout } from '../render/routingRaster';
import { denseLayout, denseTokenAt, denseX, paintDenseRow, shownToken } from '../render/routingRaster';
import { el, replace, setCss, svg } from '../ui/dom';
import { rasterCanvas } from '../ui/drawSvg';
import { TiledCanvas } from '../ui/tiles';
import type { PageContext } from './context';

/** Sites painted into the strip per frame; the rest follow in the next ones. */
const ROWS_A_FRAME = 32;
const PAD = 4;

/** The whole trace in a strip, a column per token; a frame shows which tokens the window below holds. */
export function denseView(context: PageContext, window_: () => readonly [number, number] | null): { readonly node: HTMLElement; render(width: number): void; mark(): void; data(): void; tokenAt(event: MouseEvent): number } {
  const { model } = context;
  const labels = el('div.dense-labels');
  const marks = svg('svg', { class: 'dense-marks', 'aria-hidden': 'true', focusable: 'false' });
  let layout: DenseLayout | null = null;
  let rgba = new Uint8ClampedArray(0);
  let image: HTMLCanvasElement | null = null;
  let painted = new Set<number>();
  const tiles = new TiledCanvas((ink, x, y, width, height) => {
    const head = model.head;
    if (!layout || !head) return;
    ink.fillStyle = context.theme.resolve('var(--ml-pending)');
    ink.fillRect(x, y, width, height);
    const source = image ?? (image = rasterCanvas(rgba, layout.columns, head.sites.length));
    const shown = layout;
    head.records.forEach((_, r) => {
      const from = shown.recordStarts[r] ?? 0;
      const to = shown.recordStarts[r + 1] ?? shown.columns;
      const left = from * shown.cell + r * shown.gap;
      if (to > from && left < x + width && left + (to - from) * shown.cell > x) ink.drawImage(source, from, 0, to - from, head.sites.length, left, 0, (to - from) * shown.cell, shown.height);
      if (shown.gap > 0 && r > 0) {
        ink.fillStyle = context.theme.resolve('var(--ml-page)');
        ink.fillRect(left - shown.gap, 0, shown.gap, shown.height);
      }
    });
  });
  const node = el('div.dense', {}, labels, tiles.node, marks);

  const data = (): void => {
    const head = model.head;
    if (!layout || !head) return;
    const table = tintTable(context.palette());
    const full = fullMargin(context);
    let left = ROWS_A_FRAME;
    for (let s = 0; s < head.sites.length && left > 0; s++) {
      if (painted.has(s)) continue;
      const numbers = model.numbers(s);
      if (!numbers) continue;
      paintDenseRow(rgba, numbers, head, layout, model.axis, table, full);
      painted.add(s);
      left--;
    }
    if (left === ROWS_A_FRAME) return;
    image = null;
    tiles.invalidate();
    if (left === 0) requestAnimationFrame(data);
  };

  const mark = (): void => {
    const head = model.head;
    if (!layout || !head) return;
    const range = window_();
    const { token } = model;
    const children: SVGElement[] = [];
    if (range) {
      const a = denseX(layout, head, range[0]);
      const b = denseX(layout, head, range[1]) + layout.cell;
      children.push(svg('rect', { x: a - 1, y: 1.5, width: b - a + 2, height: layout.height + 5, fill: 'none', stroke: 'var(--ml-ink)', 'stroke-width': 1 }));
    }
    for (const pin of model.selection.pinned) children.push(svg('path', { d: `M${denseX(layout, head, pin) + layout.cell / 2} ${layout.height + 4}l-3 4h6Z`, fill: 'var(--ml-ink)' }));
    if (token !== null) {
      const x = denseX(layout, head, token);
      for (const [stroke, wide] of [['var(--ml-page)', 4], ['var(--ml-focus)', 2]] as const) children.push(svg('rect', { x: x - 1.5, y: 2, width: Math.max(4, layout.cell + 3), height: layout.height + 4, fill: 'none', stroke, 'stroke-width': wide }));
    }
    marks.replaceChildren(...children);
    const record = token !== null ? head.tokens[token]?.record : range ? head.tokens[range[0]]?.record : undefined;
    for (const label of labels.children) label.classList.toggle('on', label instanceof HTMLElement && label.dataset['record'] === String(record));
  };

  return {
    node, data, mark,
    render(width) {
      const head = model.head;
      if (!head) return;
      layout = denseLayout(head, head.sites.length, width);
      rgba = new Uint8ClampedArray(layout.columns * head.sites.length * 4);
      painted = new Set();
      image = null;
      const made = layout;
      const names = head.records.map((record, r) => ({ r, text: record.label ?? `text ${r + 1}`, x: denseX(made, head, record.from) })).filter(({ r, text }) => r === 0 || head.records[r - 1]?.label !== text);
      // A name is shown where the next one leaves room for it.
      replace(labels, names.map(({ r, text, x }, i) => {
        const room = (names[i + 1]?.x ?? width) - x;
        return room >= 24 && el('span', { 'data-record': String(r), title: text, css: { left: `${x}px`, 'max-width': `${room - 4}px` } }, text);
      }));
      tiles.resize(width, layout.height);
      setCss(marks, { top: `${19 - PAD}px` });
      marks.setAttribute('width', String(width));
      marks.setAttribute('height', String(layout.height + 2 * PAD + 4));
      setCss(node, { height: `${19 + layout.height + PAD}px` });
      data();
      mark();
    },
    tokenAt(event) {
      const head = model.head;
      if (!layout || !head) return -1;
      return denseTokenAt(layout, head, event.clientX - node.getBoundingClientRect().left);
    },
  };
}

/** The margin at which a hue is full: fixed, or the 95th percentile of what is shown. */
export function fullMargin(context: PageContext): number {
  const { model } = context;
  if (model.range !== 'fit') return model.range === 'unit' ? 1 : FULL_MARGIN;
  const numbers = model.numbers(model.site);
  if (!numbers) return FULL_MARGIN;
  const sorted = Float32Array.from(numbers.margins.filter(Number.isFinite)).sort();
  return Math.max(1e-6, sorted[Math.floor(sorted.length * 0.95)] ?? FULL_MARGIN);
}

/** A token in words: place, text, kind. */
export function tokenWords(context: PageContext, token: number): string {
  const { head } = context.model;
  const entry = head?.tokens[token];
  if (!head || !entry) return '';
  const label = head.records[entry.record]?.label;
  return `token ${token} \u201c${shownToken(entry)}\u201d${label ? `, ${label}` : `, text ${entry.record + 1}`}${entry.special ? ', special' : ''}`;
}
