import { comparedParts, lostRows, PART_WORDS } from '../render/mergeData';
import { deltaTip, drawDelta, drawDeltaScale, drawLost, gridLayout } from '../render/mergeMaps';
import { switchButtons } from '../ui/controls';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { arrow, picture, section, widthOf } from './section';

const NAMES = 74;
const WIDEST = 420;
/** Share of lost changes that is worth a warning colour. */
const MUCH = 0.5;

/** How far each model moved from the base, layer by layer. */
export function deltaView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('delta', 'How far each moved', '% of the base norm');
  const box = picture('delta-box by-layer', 'delta', 'Layers by models: how far each moved from the base. Arrow keys move the cell, T opens the table.');
  const scale = el('div.scale-box', { 'aria-hidden': 'true' });
  parts.body.append(box, scale);
  host.append(parts.node);
  let column = 0;

  const render = (): void => {
    const { document, rows } = model;
    parts.node.hidden = !document || rows.length === 0;
    if (!document || rows.length === 0) return;
    const choices = comparedParts(document);
    replace(parts.tools, choices.length > 1 && switchButtons('Part', [['all', 'all'] as const, ...choices.map((part) => [part, PART_WORDS[part]] as const)], model.part ?? 'all', (part) => model.setView({ part: part === 'all' ? null : part })));
    const limit = Math.max(1e-6, ...rows.flatMap(({ moved }) => moved.map((value) => value ?? 0)));
    const layout = gridLayout(rows.length, document.models.length, Math.min(WIDEST, widthOf(parts.body)), NAMES), colours = context.colours();
    replace(box, drawSvg(drawDelta(rows, document.models, layout, limit, colours)));
    replace(scale, drawSvg(drawDeltaScale(NAMES, Math.max(60, layout.width - NAMES - 1), limit, document.dtype, colours.sequential)));
  };
  box.addEventListener('keydown', (event) => {
    const by = arrow(event), { document, rows } = model;
    if (!by || !document) return;
    if (by[1] !== 0) model.moveLayer(by[1]);
    column = Math.max(0, Math.min(document.models.length - 1, column + by[0]));
    const row = rows.find(({ layer }) => layer === (model.layer ?? 0)) ?? rows[0];
    if (row) context.announce(deltaTip(row, document.models[column]?.name ?? '', row.moved[column] ?? null).split('\n').join(', '));
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (changes.has('state') || changes.has('view') || changes.has('size') || changes.has('theme')) render();
  });
}

/** What one rounding would undo. */
export function lostView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('lost', 'Lost to rounding');
  const box = picture('lost-box', 'lost', 'Share of the changes that rounding undoes, model by model. T opens the table.');
  const note = el('p.note-line');
  parts.body.append(box, note);
  host.append(parts.node);
  model.watch((changes) => {
    if (!changes.has('state') && !changes.has('size') && !changes.has('theme')) return;
    const { document } = model;
    const isShown = document !== null && document.what === 'checkpoints' && document.base !== null;
    parts.node.hidden = !isShown;
    if (!document || !isShown) return;
    parts.caption.textContent = `in ${document.dtype} at weight ${Number(document.weight.toPrecision(2))}`;
    replace(box, drawSvg(drawLost(lostRows(document), Math.min(WIDEST, widthOf(parts.body)), MUCH)));
    note.textContent = document.dtype === 'float32' ? 'Share of changed elements that one rounding puts back to the base\u2019s value; float32 keeps nearly all.' : 'Share of changed elements that one rounding puts back to the base\u2019s value.';
  });
}
