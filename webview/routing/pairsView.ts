import { formatNumber } from '../../extension/protocol/score';
import { pairNullSteps } from '../render/routingNull';
import type { PairCell, PairsLayout } from '../render/routingPairs';
import { drawPairs, pairAt, pairCells, pairsLayout, pairsLimit, pairsOf, pairText } from '../render/routingPairs';
import { colourScale } from '../ui/colourScale';
import { el, replace, setCss } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { picture, section, widthOf } from './section';

/** The null takes tens of milliseconds, so it waits until the selection has rested this long. */
const REST = 160;
/** Work on the null in one frame, in milliseconds. */
const STEP_BUDGET = 4;

export interface ShownPairs {
  readonly cells: readonly PairCell[];
  readonly draws: number;
  readonly site: number;
}

/** Which experts are used together at the chosen site. */
export function pairsView(context: PageContext, host: HTMLElement): { shown(): ShownPairs | null } {
  const { model } = context;
  const parts = section('pairs', 'Experts used together');
  const box = picture('pairs-box', 'pairs', 'Pairs of experts that a token uses together. Arrow keys move the cell, T opens the table.');
  const key = el('div.pairs-key');
  const none = el('p.none', { hidden: true });
  parts.body.append(box, key, none);
  host.append(parts.node);
  let shown: ShownPairs | null = null;
  let layout: PairsLayout | null = null;
  let cursor: { row: number; column: number } | null = null;
  let timer = 0;
  let site = -1;
  let wanted = '';
  /** What is shown belongs to the trace before. */
  let stale = false;
  const known = new Map<string, ShownPairs>();

  const draw = (): void => {
    const { axis } = model;
    const own = model.head?.sites[model.site];
    if (!own) return;
    const single = own.k < 2;
    box.hidden = key.hidden = single;
    none.hidden = !single;
    none.textContent = `Each token uses one expert at ${model.rows[model.site]?.words ?? 'this site'}, so no two are used together.`;
    parts.caption.textContent = single ? '' : `${model.rows[model.site]?.words ?? ''}: share of a row\u2019s tokens that also use the column`;
    layout = pairsLayout(axis.columns.length, widthOf(parts.body));
    const side = layout.left + layout.cell * layout.count;
    setCss(box, { width: `${side}px`, height: `${layout.top + layout.cell * layout.count}px` });
    if (single) return;
    box.classList.toggle('waiting', !shown || shown.site !== model.site || stale);
    if (!shown || shown.site !== model.site) {
      if (!shown) replace(box, el('div.pending-box'));
      return;
    }
    replace(box, drawSvg(drawPairs(shown.cells, axis, layout, context.palette(), { sequential: context.theme.sequential, diverging: context.theme.diverging })), el('div.cell-cursor', { hidden: true }));
    replace(key, colourScale(context.theme, false, '0', formatNumber(pairsLimit(shown.cells), 2)), el('span.note', {}, 'grey: as loads alone would give'));
  };

  const compute = (): void => {
    site = model.site;
    const own = model.head?.sites[model.site];
    const numbers = model.numbers(model.site);
    draw();
    if (!own || own.k < 2 || !numbers) return;
    const name = `${model.result?.key ?? ''} ${model.site} ${JSON.stringify(model.filter)} ${model.order}`;
    wanted = name;
    const ready = known.get(name);
    if (ready) {
      shown = ready;
      stale = false;
      draw();
      return;
    }
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      if (wanted !== name) return;
      const pairs = pairsOf(numbers, model.counted);
      const steps = pairNullSteps(pairs, own.k, numbers.site);
      const work = (): void => {
        if (wanted !== name) return;
        const start = performance.now();
        while (performance.now() - start < STEP_BUDGET) {
          const step = steps.next();
          if (!step.done) continue;
          shown = { cells: pairCells(pairs, step.value, numbers.site, model.axis), draws: step.value.draws, site: numbers.site };
          stale = false;
          known.set(name, shown);
          if (known.size > 16) known.delete(known.keys().next().value ?? '');
          model.later('pairs', draw);
          return;
        }
        model.later('pairs null', work);
      };
      work();
    }, REST);
  };

  const placeCursor = (): void => {
    const mark = box.querySelector<HTMLElement>('.cell-cursor');
    if (!mark || !layout) return;
    mark.hidden = cursor === null;
    if (cursor) setCss(mark, { left: `${layout.left + cursor.column * layout.cell - 1}px`, top: `${layout.top + cursor.row * layout.cell - 1}px`, width: `${layout.cell + 1}px`, height: `${layout.cell + 1}px` });
  };
  const words = (at: { readonly row: number; readonly column: number }): string => {
    const cell = shown?.cells.find((one) => one.row === at.row && one.column === at.column);
    return cell && shown ? pairText(cell, model.axis, shown.draws) : `${model.axis.columns[at.row]?.name ?? ''} with itself`;
  };
  box.addEventListener('mousemove', (event) => {
    const bounds = box.getBoundingClientRect();
    const at = layout && pairAt(layout, event.clientX - bounds.left, event.clientY - bounds.top);
    if (at) box.dataset.tip = words(at);
    else delete box.dataset.tip;
  });
  box.addEventListener('keydown', (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || event.ctrlKey || !layout) return;
    const last = layout.count - 1;
    cursor = cursor ? { row: Math.max(0, Math.min(last, cursor.row + (step[0] ?? 0))), column: Math.max(0, Math.min(last, cursor.column + (step[1] ?? 0))) } : { row: 0, column: Math.min(1, last) };
    placeCursor();
    context.announce(words(cursor).split('\n').join(', '));
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener('blur', () => {
    cursor = null;
    placeCursor();
  });
  model.watch((changes) => {
    if (changes.has('trace')) {
      if (!model.updated) shown = null;
      known.clear();
      stale = shown !== null;
    }
    if (changes.has('trace') || changes.has('view') || changes.has('size') || changes.has('theme') || (changes.has('selection') && (shown?.site !== model.site) && site !== model.site) || (changes.has('data') && (shown?.site !== model.site || stale) && model.arrived.has(model.site))) compute();
  });
  return { shown: () => (shown?.site === model.site && !stale ? shown : null) };
}
