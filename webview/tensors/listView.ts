import type { TensorEntry } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import { drawSketch } from '../render/histogram';
import { linkButton, meter, pushButton, switchButtons } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { highlighted, isEmpty } from './filter';
import type { Mode } from './model';
import { bytesText, shapeText } from './text';
import type { TreeNode } from './tree';

const ROW = 22;
const HEADER = 24;
/** Lines kept outside the window, so that quick scrolling shows no gap. */
const SPARE = 6;
const FILTER_WAIT_MS = 60;

/** Everything in the file: one line a tensor, only the visible lines exist; a ruler that is scroll bar and overview. */
export function listView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const input = el('input', { type: 'text', spellcheck: 'false', autocomplete: 'off', placeholder: 'Filter: part of a name, dtype:f32, shape:[*,2048], size:>1GB, nan', 'aria-label': 'Filter tensors', value: model.filterText });
  const modes = el('span');
  const spacer = el('div.spacer', { role: 'rowgroup' });
  const header = el('div.row.header', { role: 'row', 'aria-rowindex': 1 }, columnHeads());
  const viewport = el('div.viewport', { role: 'treegrid', tabindex: 0, 'aria-label': 'Tensors by module path', 'data-table': 'tensors' }, el('div.sticky', { role: 'rowgroup' }, header), spacer);
  const ruler = el('div.ruler', { 'aria-hidden': 'true' });
  const foot = el('div.status.foot');
  host.append(el('div.filter', { role: 'search' }, input, modes), el('div.table', {}, viewport, ruler), foot);
  let current = 0;
  let wait: ReturnType<typeof setTimeout> | undefined;

  const render = (): void => {
    const { count } = model;
    const first = Math.max(0, Math.floor((viewport.scrollTop - HEADER) / ROW) - SPARE);
    const last = Math.min(count - 1, Math.ceil((viewport.scrollTop + viewport.clientHeight) / ROW) + SPARE);
    spacer.style.height = `${count * ROW}px`;
    viewport.setAttribute('aria-rowcount', String(count + 1));
    const rows: HTMLElement[] = [];
    for (let i = first; i <= last; i++) {
      const row = rowOf(context, i, i === current);
      if (row) rows.push(row);
    }
    spacer.replaceChildren(...rows);
    if (spacer.querySelector('#line-current')) viewport.setAttribute('aria-activedescendant', 'line-current');
    else viewport.removeAttribute('aria-activedescendant');
    drawRuler();
    drawFoot();
  };
  const drawRuler = (): void => {
    const height = ruler.clientHeight;
    const whole = Math.max(1, model.count * ROW + HEADER);
    if (whole <= viewport.clientHeight) {
      replace(ruler);
      return;
    }
    const thumb = Math.max(20, (viewport.clientHeight / whole) * height);
    const top = (viewport.scrollTop / (whole - viewport.clientHeight)) * (height - thumb);
    const at = (line: number): string => `${((line + 0.5) / Math.max(1, model.count)) * 100}%`;
    const here = model.lineOf(model.selected);
    replace(ruler, el('b', { css: { top: `${top}px`, height: `${thumb}px` } }), badLines(context).map((line) => el('i', { css: { top: at(line) } })), here >= 0 && el('i.here', { css: { top: at(here) } }));
  };
  const drawFoot = (): void => {
    const from = Math.min(model.count, Math.floor(viewport.scrollTop / ROW) + 1);
    const to = Math.min(model.count, Math.floor((viewport.scrollTop + viewport.clientHeight - HEADER) / ROW));
    replace(foot, el('span', {}, 'lines ', el('span.mono.note', {}, `${formatNumber(from)}\u2013${formatNumber(to)}`), ' of ', el('span.mono.note', {}, formatNumber(model.count))), el('span.grow'), footTail(context));
  };
  const show = (line: number): void => {
    const top = line * ROW;
    const room = viewport.clientHeight - HEADER;
    if (top < viewport.scrollTop) viewport.scrollTop = top;
    else if (top + ROW > viewport.scrollTop + room) viewport.scrollTop = top + ROW - room;
  };
  const go = (line: number, choose: boolean): void => {
    current = Math.max(0, Math.min(model.count - 1, line));
    show(current);
    const tensor = model.tensorAt(current);
    if (choose && tensor) model.select(tensor.name);
    render();
  };

  viewport.addEventListener('scroll', render);
  new ResizeObserver(render).observe(viewport);
  viewport.addEventListener('click', (event) => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('.row[data-line]') : null;
    if (!row || (event.target instanceof Element && event.target.closest('button'))) return;
    const line = Number(row.dataset['line']);
    const item = model.lineAt(line);
    current = line;
    if (item && 'node' in item && item.node.tensor < 0) model.toggle(item.node.path);
    else go(line, true);
  });
  viewport.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((viewport.clientHeight - HEADER) / ROW) - 1);
    const item = model.lineAt(current);
    const group = item && 'node' in item && item.node.tensor < 0 ? item.node : null;
    const to = { ArrowDown: current + 1, ArrowUp: current - 1, PageDown: current + page, PageUp: current - page, Home: 0, End: model.count - 1 }[event.key];
    if (to !== undefined) go(to, true);
    else if (event.key === 'ArrowRight' && group) {
      if (model.isOpen(group.path)) go(current + 1, true);
      else model.toggle(group.path, true);
    } else if (event.key === 'ArrowLeft' && item && 'node' in item) {
      if (group && model.isOpen(group.path)) model.toggle(group.path, false);
      else go(parentLine(context, current), true);
    } else if (event.key === 'Enter' || event.key === ' ') {
      if (group) model.toggle(group.path);
      else go(current, true);
    } else if (event.key === 'r') {
      const tensor = model.tensorAt(current);
      if (tensor) void model.read([tensor.name]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  ruler.addEventListener('pointerdown', (event) => {
    ruler.setPointerCapture(event.pointerId);
    const move = (at: PointerEvent): void => {
      const box = ruler.getBoundingClientRect();
      const share = Math.max(0, Math.min(1, (at.clientY - box.top) / box.height));
      viewport.scrollTop = share * (model.count * ROW + HEADER) - viewport.clientHeight / 2;
    };
    move(event);
    ruler.addEventListener('pointermove', move);
    ruler.addEventListener('pointerup', () => ruler.removeEventListener('pointermove', move), { once: true });
  });
  input.addEventListener('input', () => {
    clearTimeout(wait);
    wait = setTimeout(() => {
      model.setFilter(input.value);
      current = Math.max(0, model.lineOf(model.selected));
      viewport.scrollTop = 0;
      if (isEmpty(model.filter)) show(current);
    }, FILTER_WAIT_MS);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'Enter') {
      viewport.focus();
      go(0, true);
      event.preventDefault();
    } else if (event.key === 'Escape' && input.value !== '') {
      input.value = '';
      model.setFilter('');
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
    input.focus();
    input.select();
    event.preventDefault();
  });

  const drawModes = (): void => {
    const choices = [['tree', 'tree'], ['flat', 'flat'], ['size', 'by size']] as const;
    replace(modes, switchButtons<Mode>('Order', choices, model.mode === 'tree' && model.isFlat ? 'flat' : model.mode, (mode) => model.setMode(mode)));
  };
  model.watch((changes) => {
    if (changes.has('document')) {
      current = Math.max(0, model.lineOf(model.selected));
      show(current);
    }
    if (changes.has('lines') || changes.has('document')) {
      drawModes();
      current = Math.min(current, Math.max(0, model.count - 1));
    }
    render();
  });
}

function columnHeads(): readonly Child[] {
  return [['Name', ''], ['Shape', 'r'], ['Dtype', 'medium'], ['Size', 'r'], ['Mean', 'r wide'], ['SD', 'r wide'], ['Values', 'wide']].map(([name, kind]) => el('span', { role: 'columnheader', class: kind || null }, name));
}

function parentLine(context: PageContext, line: number): number {
  const item = context.model.lineAt(line);
  if (!item || !('node' in item)) return line;
  for (let i = line - 1; i >= 0; i--) {
    const above = context.model.lineAt(i);
    if (above && 'node' in above && above.depth < item.depth) return i;
  }
  return line;
}

/** One line, made from its number. */
function rowOf(context: PageContext, line: number, current: boolean): HTMLElement | null {
  const { model } = context;
  const item = model.lineAt(line);
  if (!item) return null;
  const node: TreeNode | null = 'node' in item ? item.node : null;
  const tensor = model.tensorAt(line);
  const group = node !== null && node.tensor < 0;
  const depth = 'node' in item ? item.depth : 0;
  const open = group && model.isOpen(node.path);
  const name = node ? node.name : tensor?.name ?? '';
  const words = highlighted(name, model.filter.words).map((part) => (part.match ? el('b', {}, part.text) : part.text));
  const note = group ? el('span.note', {}, node.alike > 0 ? `${formatNumber(node.alike)} alike${node.tensors / node.alike > 1 && Number.isInteger(node.tensors / node.alike) ? `, ${formatNumber(node.tensors / node.alike)} tensors each` : ''}` : `${formatNumber(node.tensors)} ${node.tensors === 1 ? 'tensor' : 'tensors'}`) : null;
  const cell = (kind: string, ...children: Child[]): HTMLElement => el('span', { role: 'gridcell', class: kind || null }, children);
  return el('div.row', {
    role: 'row', class: group ? 'row group' : 'row', id: current ? 'line-current' : null, 'data-line': line, 'aria-rowindex': line + 2, 'aria-level': depth + 1,
    'aria-selected': String(tensor !== null && tensor.name === model.selected), 'aria-expanded': group ? String(open) : null, 'data-current': current, css: { top: `${line * ROW}px` },
  },
    cell(node ? 'name' : 'name flat', Array.from({ length: depth }, () => el('i.indent')), node && el('span.twist', { 'aria-hidden': 'true' }, group ? (open ? '\u25be' : '\u25b8') : ''), el('span.text', { title: node?.path ?? name }, words), note),
    cell('r mono', tensor && !group ? shapeText(tensor.shape) : ''),
    cell('medium mono dim', tensor && !group ? tensor.dtype : ''),
    cell('r mono', bytesText(group ? node.bytes : tensor?.bytes ?? 0)),
    tensor && !group ? statisticsCells(context, tensor, cell) : [cell('wide'), cell('wide'), cell('wide')]);
}

function statisticsCells(context: PageContext, tensor: TensorEntry, cell: (kind: string, ...children: Child[]) => HTMLElement): readonly HTMLElement[] {
  const { model } = context;
  const state = model.statistics.get(tensor.name);
  if (state === 'pending') return [cell('wide'), cell('wide'), cell('wide dim', 'reading\u2026')];
  if (!state) {
    const read = linkButton('read', () => void model.read([tensor.name]));
    read.tabIndex = -1;
    read.setAttribute('aria-label', `Read the statistics of ${tensor.name}`);
    return [cell('wide'), cell('wide'), cell('wide small', read)];
  }
  if (!('histogram' in state)) return [cell('wide'), cell('wide'), el('span.wide.bad', { role: 'gridcell', tip: state.message }, 'not readable')];
  const bad = [state.nan > 0 && `${formatNumber(state.nan)} NaN`, state.infinite > 0 && `${formatNumber(state.infinite)} Inf`].filter(Boolean).join(', ');
  const zero = state.elements > 0 && state.zeros === state.elements;
  return [
    cell('r wide mono', formatNumber(state.mean)), cell('r wide mono', formatNumber(state.sd)),
    cell('wide', bad !== '' ? el('span.bad', {}, bad) : zero ? el('span.dim.mono', {}, 'all zero') : drawSvg(drawSketch(state, 96, 16), { class: 'shape-of' })),
  ];
}

/** Lines whose tensors were read and hold NaN or Inf; at most as many as the ruler has pixels. */
function badLines(context: PageContext): readonly number[] {
  const { model } = context;
  const lines: number[] = [];
  for (const [name, state] of model.statistics) {
    if (state === 'pending' || !('histogram' in state) || state.nan + state.infinite === 0) continue;
    const line = model.lineOf(name);
    if (line >= 0) lines.push(line);
    if (lines.length >= 500) break;
  }
  return lines;
}

function footTail(context: PageContext): readonly Child[] {
  const { model } = context;
  if (model.reading) {
    return [meter(model.reading.done / model.reading.total, 1, 'Reading statistics'), el('span', {}, `${formatNumber(model.reading.done)} of ${formatNumber(model.reading.total)} tensors read`), pushButton('Cancel', 'secondary', () => {
      model.cancelReading();
      model.changed('statistics');
    }, true)];
  }
  const filtered = !isEmpty(model.filter);
  const all = model.document?.tensors.length ?? 0;
  const { names, bytes } = model.unread();
  const wrong = model.filter.wrong.length > 0 && el('span.bad-text', {}, `Not understood: ${model.filter.wrong.join(' ')}`);
  const said = filtered ? `${formatNumber(model.count)} of ${formatNumber(all)} tensors match` : `${formatNumber(all - names.length)} ${all - names.length === 1 ? 'tensor' : 'tensors'} read`;
  return [wrong, el('span.wide', {}, said), names.length > 0 && el('button.action', { type: 'button', onclick: () => void model.read(names) }, `Read statistics of ${filtered ? 'the matches' : 'all'}, ${bytesText(bytes)}\u2026`)];
}
