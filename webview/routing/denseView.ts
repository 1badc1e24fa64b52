import { FULL_MARGIN, tintTable } from '../render/routingColours';
import type { DenseLayout } from '../render/routingRaster';
import { denseLayout, denseTokenAt, denseX, paintDenseRow, shownToken } from '../render/routingRaster';
import { el, replace, setCss, svg } from '../ui/dom';
import { rasterCanvas } from '../ui/drawSvg';
import { TiledCanvas } from '../ui/tiles';
import type { PageContext } from './context';

/** Painting of one frame, in milliseconds; what is left follows in the next ones. */
const PAINT_BUDGET = 3;
const PAD = 4;

/** The whole trace in a strip, a column per token; a frame shows which tokens the window below holds. */
export function denseView(context: PageContext, window_: () => readonly [number, number] | null): { readonly node: HTMLElement; render(width: number): void; mark(): void; data(sites: ReadonlySet<number> | null): void; tokenAt(event: MouseEvent): number } {
  const { model } = context;
  const labels = el('div.dense-labels');
  const still = svg('g');
  const marks = svg('svg', { class: 'dense-marks', 'aria-hidden': 'true', focusable: 'false' }, still);
  const at = el('div.dense-at', { hidden: true, css: { top: `${19 - PAD + 2}px` } });
  let layout: DenseLayout | null = null;
  let rgba = new Uint8ClampedArray(0);
  let image: HTMLCanvasElement | null = null;
  let painted = new Set<number>();
  let more = 0;
  let rangeKey = '';
  let labelOn = '';
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
  const node = el('div.dense', {}, labels, tiles.node, marks, at);

  /** Paints sites that have numbers now; `sites`: those with new ones, null = all. */
  const data = (sites: ReadonlySet<number> | null): void => {
    const head = model.head;
    if (!layout || !head) return;
    if (sites === null) painted.clear();
    else for (const site of sites) painted.delete(site);
    const table = tintTable(context.palette());
    const full = fullMargin(context);
    const begun = performance.now();
    let fresh = 0;
    let late = false;
    for (let s = 0; s < head.sites.length && !late; s++) {
      if (painted.has(s)) continue;
      const numbers = model.shown(s);
      if (!numbers) continue;
      paintDenseRow(rgba, numbers, head, layout, model.axis, table, full, (site, token) => model.tokenState(site, token));
      painted.add(s);
      fresh++;
      late = performance.now() - begun > PAINT_BUDGET;
    }
    window.cancelAnimationFrame(more);
    if (late) more = window.requestAnimationFrame(() => data(new Set()));
    if (fresh === 0) return;
    image = null;
    // A trace that takes the place of another is shown when all of it is painted.
    if (!late || !model.updated) tiles.invalidate();
  };

  const mark = (): void => {
    const head = model.head;
    if (!layout || !head) return;
    const range = window_();
    const { token } = model;
    const pins = model.selection.pinned;
    const key = `${range?.join() ?? ''} ${pins.join()}`;
    if (key !== rangeKey) {
      rangeKey = key;
      const shown = layout;
      const a = range ? denseX(shown, head, range[0]) : 0;
      const b = range ? denseX(shown, head, range[1]) + shown.cell : 0;
      still.replaceChildren(...(range ? [svg('rect', { x: a - 1, y: 1.5, width: b - a + 2, height: shown.height + 5, fill: 'none', stroke: 'var(--ml-ink)', 'stroke-width': 1 })] : []),
        ...pins.map((pin) => svg('path', { d: `M${denseX(shown, head, pin) + shown.cell / 2} ${shown.height + 4}l-3 4h6Z`, fill: 'var(--ml-ink)' })));
    }
    at.hidden = token === null;
    if (token !== null) setCss(at, { transform: `translateX(${denseX(layout, head, token) - 1.5}px)`, width: `${Math.max(4, layout.cell + 3)}px`, height: `${layout.height + 4}px` });
    const record = String(token !== null ? head.tokens[token]?.record : range ? head.tokens[range[0]]?.record : '');
    if (record === labelOn) return;
    labelOn = record;
    for (const label of labels.children) label.classList.toggle('on', label instanceof HTMLElement && label.dataset['record'] === record);
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
      rangeKey = labelOn = '';
      data(null);
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
