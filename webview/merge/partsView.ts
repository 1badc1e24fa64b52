import { pairsOf } from '../../extension/protocol/mergeInspect';
import { isPairMeasure, type Measure, MEASURE_WORDS } from '../render/mergeData';
import { drawParts, gridLayout, partLimit, partTip } from '../render/mergeMaps';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { arrow, picture, section, widthOf } from './section';

const NAMES = 44;
const WIDEST = 560;

/** Layers by parts, for one model or one pair: what a matrix of pairs sums up. */
export function partsView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('parts', 'Layer by layer');
  const measure = el('select.select', { 'aria-label': 'What is shown', onchange: () => model.setView({ measure: measure.value as Measure }) });
  const subject = el('select.select', { 'aria-label': 'Of which models', onchange: () => model.setView({ subject: Number(subject.value) }) });
  const box = picture('parts-box by-layer', 'parts', 'Layers by parts. Arrow keys move the cell, T opens the table.');
  parts.tools.append(measure, ' ', subject);
  parts.body.append(box);
  host.append(parts.node);
  let column = 0;

  const render = (): void => {
    const { document, map } = model;
    parts.node.hidden = !document || !map;
    if (!document || !map) return;
    const { models } = document, subjects = isPairMeasure(model.measure) ? pairsOf(models.length).map(([a, b]) => `${models[a]?.name ?? ''} and ${models[b]?.name ?? ''}`) : models.map(({ name }) => name);
    replace(measure, model.measures.map((one) => el('option', { value: one, selected: one === model.measure }, MEASURE_WORDS[one])));
    replace(subject, subjects.map((name, i) => el('option', { value: i, selected: i === model.subject }, name)));
    const layout = gridLayout(map.rows.length, map.parts.length, Math.min(WIDEST, widthOf(parts.body)), NAMES);
    replace(box, drawSvg(drawParts(map, layout, partLimit(map), context.colours())));
  };
  box.addEventListener('keydown', (event) => {
    const by = arrow(event), { map } = model;
    if (!by || !map) return;
    if (by[1] !== 0) model.moveLayer(by[1]);
    column = Math.max(0, Math.min(map.parts.length - 1, column + by[0]));
    context.announce(partTip(map, Math.max(0, map.rows.findIndex(({ layer }) => layer === model.layer)), column).split('\n').join(', '));
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (changes.has('state') || changes.has('view') || changes.has('size') || changes.has('theme')) render();
  });
}
