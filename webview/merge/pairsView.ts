import { comparedParts, PART_WORDS, type PairMatrix } from '../render/mergeData';
import { drawPairs, matrixCell, matrixLayout, type MatrixLayout, matrixTip, pairLimits } from '../render/mergeMaps';
import { formatNumber } from '../../extension/protocol/score';
import { colourScale } from '../ui/colourScale';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { arrow, section, widthOf } from './section';

/** Below this width matrices stand one below the other. */
const STACK_BELOW = 520;
const GROUP_NAMES = 62;
const GAP = 20;

/** Pairs of models, group by group and part by part; both triangles use one meaning of colour. */
export function pairsView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('pairs', 'Pairs');
  const grid = el('div.groups');
  const key = el('div.pairs-key', { 'aria-hidden': 'true' });
  parts.body.append(grid, key);
  host.append(parts.node);
  let layout: MatrixLayout | null = null;

  const render = (): void => {
    const { document, matrices } = model;
    parts.node.hidden = !document || !model.hasPairs || matrices.length === 0;
    if (!document || parts.node.hidden) return;
    const { models } = document, columns = comparedParts(document), width = widthOf(parts.body), isStacked = width < STACK_BELOW || columns.length > 3;
    parts.caption.textContent = document.base === null && document.what === 'checkpoints' ? 'of the weights as they are, because there is no base' : 'upper right: cosine; lower left: share of opposite signs; orange: together; blue: apart; grey: as unrelated';
    const room = isStacked ? width : Math.floor((width - GROUP_NAMES - GAP * columns.length) / columns.length);
    layout = matrixLayout(models.length, Math.min(room, 340));
    const limits = pairLimits(matrices), colours = context.colours(), made = layout;
    const box = (matrix: PairMatrix): HTMLElement => {
      const i = matrices.indexOf(matrix), where = `${PART_WORDS[matrix.part]}, ${matrix.group.name}`;
      return el('div.picture.matrix', { tabindex: 0, role: 'application', 'data-table': 'pairs', 'data-matrix': i, 'aria-label': `Pairs: ${where}. Arrow keys move the cell, Enter shows the pair layer by layer, T opens the table.` },
        el('div.matrix-frame', { 'aria-hidden': 'true' }), drawSvg(drawPairs(matrix, models, made, limits, colours)), el('div.cell-cursor', { hidden: true }));
    };
    grid.classList.toggle('stacked', isStacked);
    grid.style.setProperty('--parts', String(columns.length));
    replace(grid, isStacked
      ? matrices.map((matrix) => el('div.one', {}, el('div.note-caption', {}, `${PART_WORDS[matrix.part]}, ${matrix.group.name}`), box(matrix)))
      : [el('span'), columns.map((part) => el('span.column-name.note-caption', {}, PART_WORDS[part])), model.groups.map((group) => [el('span.group-name.mono', {}, group.name), matrices.filter((matrix) => matrix.group.name === group.name).map(box)])]);
    const signs = (text: string): HTMLElement => el('span.note', {}, text);
    replace(key, signs('cosine'), colourScale(context.theme, true, formatNumber(-limits.cosine, 2), formatNumber(limits.cosine, 2)), signs('opposite signs'), colourScale(context.theme, true, formatNumber(0.5 + limits.conflict, 2), formatNumber(0.5 - limits.conflict, 2)), signs('grey: no evidence'));
    frame();
  };

  /** The matrices of the group that the layer belongs to. */
  const frame = (): void => {
    for (const node of grid.querySelectorAll<HTMLElement>('.matrix')) {
      const matrix = model.matrices[Number(node.dataset['matrix'])];
      node.classList.toggle('on', model.layer !== null && matrix !== undefined && matrix.group.layers.includes(model.layer));
    }
  };
  const matrixAt = (target: EventTarget | null): { readonly node: HTMLElement; readonly matrix: PairMatrix } | null => {
    const node = target instanceof Element ? target.closest<HTMLElement>('.matrix') : null, matrix = node ? model.matrices[Number(node.dataset['matrix'])] : undefined;
    return node && matrix ? { node, matrix } : null;
  };
  const placeAt = (node: HTMLElement, event: MouseEvent): { readonly row: number; readonly column: number } | null => {
    const bounds = node.getBoundingClientRect();
    return layout && matrixCell(layout, event.clientX - bounds.left, event.clientY - bounds.top);
  };
  /** The map of parts shows the pair of a cell. */
  const choose = (matrix: PairMatrix, at: { readonly row: number; readonly column: number }): void => {
    const [a, b] = at.row < at.column ? [at.row, at.column] : [at.column, at.row], subject = matrix.pairs.findIndex((pair) => pair.a === a && pair.b === b);
    if (subject >= 0) model.setView({ measure: at.row < at.column ? 'cosine' : 'conflict', subject });
  };
  const cursors = new WeakMap<HTMLElement, { row: number; column: number }>();
  grid.addEventListener('mousemove', (event) => {
    const hit = matrixAt(event.target), at = hit && placeAt(hit.node, event);
    if (hit && at && model.document) hit.node.dataset['tip'] = matrixTip(hit.matrix, model.document.models, at.row, at.column);
    else if (hit) delete hit.node.dataset['tip'];
    if (hit) model.preview(hit.matrix.group.layers[0] ?? null);
  });
  grid.addEventListener('mouseleave', () => model.preview(null));
  grid.addEventListener('click', (event) => {
    const hit = matrixAt(event.target), at = hit && placeAt(hit.node, event);
    if (hit && at) choose(hit.matrix, at);
  });
  grid.addEventListener('keydown', (event) => {
    const hit = matrixAt(event.target), { document } = model;
    if (!hit || !layout || !document) return;
    const old = cursors.get(hit.node);
    if (event.key === 'Enter' && old) {
      choose(hit.matrix, old);
      context.announce('Shown layer by layer');
    } else {
      const by = arrow(event);
      if (!by) return;
      const last = layout.count - 1, at = old ? { row: Math.max(0, Math.min(last, old.row + by[1])), column: Math.max(0, Math.min(last, old.column + by[0])) } : { row: 0, column: Math.min(1, last) };
      cursors.set(hit.node, at);
      const mark = hit.node.querySelector<HTMLElement>('.cell-cursor');
      if (mark) {
        mark.hidden = false;
        for (const [name, value] of [['left', layout.left + at.column * layout.cell - 1], ['top', layout.top + at.row * layout.row - 1], ['width', layout.cell + 1], ['height', layout.row + 1]] as const) mark.style.setProperty(name, `${value}px`);
      }
      context.announce(matrixTip(hit.matrix, document.models, at.row, at.column).split('\n').join(', '));
    }
    event.preventDefault();
    event.stopPropagation();
  });
  grid.addEventListener('focusout', (event) => {
    const hit = matrixAt(event.target), mark = hit?.node.querySelector<HTMLElement>('.cell-cursor');
    if (hit && mark) {
      mark.hidden = true;
      cursors.delete(hit.node);
    }
  });
  model.watch((changes) => {
    if (changes.has('state') || changes.has('view') || changes.has('size') || changes.has('theme')) render();
    else if (changes.has('layer')) frame();
  });
}
