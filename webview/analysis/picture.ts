import type { LayerPicture } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import type { ExpertAxis } from '../render/columns';
import { AXIS_WIDTH, expertAxis, STACK_BELOW } from '../render/columns';
import { pushButton, switchButtons } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import { contentWidth } from '../ui/size';
import type { PageContext } from './context';
import { errorNotice } from './errorNotice';
import { graphView } from './graphView';
import { stackView } from './stackView';
import { remedies } from './head';
import { samplesNote } from './samples';

/** What: the picture of the chosen layer. */
export function pictureView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const crumb = el('div.breadcrumb');
  const body = el('div.picture-body');
  host.append(crumb, body);
  const zoomSlot = el('span.zoom-slot');
  let drawn = '';
  let shown: LayerPicture | null = null;

  const draw = (): void => {
    replace(crumb, crumbOf(context, zoomSlot));
    const layer = model.result;
    const remote = model.picture;
    const same = layer !== null && drawn.startsWith(`${model.head?.key} ${layer.index} `);
    // A layer that is told more of keeps its picture until the new one is here.
    if (same && remote?.state === 'pending') return;
    if (!layer || !remote || remote.state !== 'ready') {
      drawn = '';
      zoomSlot.replaceChildren();
      replace(body, instead(context));
      return;
    }
    const width = contentWidth(host);
    const stacked = width < STACK_BELOW;
    // A failed run says so even where the chosen layer has something to show.
    const error = model.state === 'failed' ? model.error : null;
    const name = [model.head?.key, layer.index, width, error?.message].join(' ');
    if (name === drawn && shown === remote.value) return;
    drawn = name;
    shown = remote.value;
    const axis = expertAxis(remote.value.experts, width, stacked);
    replace(body, error && errorNotice(context, error), whole(context, remote.value, axis, width, stacked, zoomSlot));
  };

  model.watch((changes) => {
    if (changes.has('theme')) drawn = '';
    if (['run', 'layers', 'selection', 'picture', 'size', 'theme'].some((change) => changes.has(change as 'run'))) draw();
  });
}

/** The grid of the picture; each view in it follows the selection by itself. */
function whole(context: PageContext, picture: LayerPicture, axis: ExpertAxis, width: number, stacked: boolean, zoomSlot: HTMLElement): HTMLElement {
  const grid = el('div.picture', { css: { '--cell': `${axis.cell}px`, '--side': `${axis.side}px` } });
  const graphWidth = stacked ? width : width - axis.side - AXIS_WIDTH;
  const samples = samplesNote(context, picture);
  grid.append(...graphView(context, picture, Math.max(160, graphWidth), stacked ? 280 : axis.side + 24, samples));
  grid.append(...stackView(context, picture, axis, stacked, samples, zoomSlot));
  return grid;
}

function crumbOf(context: PageContext, zoomSlot: HTMLElement): readonly Child[] {
  const { model } = context;
  const { layer } = model.selection;
  if (layer === null) return [el('h2.strong', {}, 'Layer')];
  const at = model.indices.indexOf(layer);
  const step = (text: string, name: string, by: number): HTMLElement =>
    el('button.step', { type: 'button', 'aria-label': name, disabled: model.indices[at + by] === undefined, onclick: () => model.select({ layer: model.indices[at + by] ?? layer, hover: null }) }, text);
  const result = model.result;
  const specialised = result?.specialised != null ? `, ${result.specialised} specialised` : '';
  const sizes = result?.partition.sizes ?? [];
  const smallest = Math.min(...sizes);
  const largest = Math.max(...sizes);
  const neurons = smallest === largest ? formatNumber(smallest) : `${formatNumber(smallest)}\u2013${formatNumber(largest)}`;
  return [
    el('h2.crumb-layer', {}, 'Layer ', step('\u2039', 'Previous layer', -1), el('span.mono', {}, String(layer)), step('\u203a', 'Next layer', 1)),
    result && el('span.note', {}, `${result.partition.experts} experts \u00d7 ${neurons} neurons${specialised}`),
    el('span.grow'),
    zoomSlot,
    result && model.withProbe && switchButtons('Colour of the map', [['excess', 'minus null'], ['raw', 'co-activation']] as const, model.selection.map, (map) => model.select({ map })),
  ];
}

/** What stands where the picture would. */
function instead(context: PageContext): Child {
  const { model } = context;
  const remote = model.picture;
  if (remote?.state === 'failed') return errorNotice(context, remote.error, [pushButton('Try again', 'primary', () => model.retry('picture'))]);
  if (remote?.state === 'pending') return el('div.picture-wait', { role: 'status' }, el('p.note', {}, 'Drawing the layer\u2026'));
  if (model.state === 'failed' && model.error) return errorNotice(context, model.error);
  if (model.state === 'cancelled') return el('div.notice', {}, el('p', {}, model.selection.layer === null ? 'Cancelled before the first layer was done.' : 'Cancelled before this layer was done.'), el('div.buttons', {}, pushButton('Go on', 'primary', () => context.bridge.post({ type: 'run', options: null }))));
  if (model.state === 'done' && model.layers.size === 0) return el('div.notice', {}, el('p', {}, 'There is no layer to show.'), el('div.buttons', {}, remedies(context, false)));
  return el('div.picture-wait', {}, el('p.note', {}, 'Not computed yet. The picture appears when the layer is done.'));
}
