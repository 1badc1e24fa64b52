import { isExplained, isLost } from '../render/transferData';
import { heaviestLost } from '../render/transferFinding';
import { drawLayerMap, layerMapLayout, percent, sourceTip, targetTip } from '../render/transferLayers';
import { linkButton } from '../ui/controls';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { arrow, picture, section, widthOf } from './section';

/** Which layer goes where. The same picture before and after a run, so that nothing moves. */
export function layerMapView(context: PageContext, host: HTMLElement, mode: 'plan' | 'report'): void {
  const { model, bridge } = context;
  const parts = section('map', 'Layer map');
  const box = picture('map-box by-layer', mode === 'plan' ? 'source' : 'layers', 'Layers of source and target. Up and down choose a target layer, left and right read the source layers, T opens the table.');
  const note = el('p.note-line');
  parts.body.append(box, note);
  host.append(parts.node);
  let source = -1;

  const render = (): void => {
    const { map, plan } = model;
    if (!map || model.shows !== mode) return;
    parts.caption.textContent = mode === 'report' ? 'left bar: share of norm; band: shuffled pairs' : map.provisional ? 'bar: share of norm; dashed: known after probing' : 'bar: share of norm';
    replace(box, drawSvg(drawLayerMap(map, layerMapLayout(map, widthOf(parts.body)), context.theme.sequential)));
    if (mode === 'plan') {
      const lost = heaviestLost(map);
      replace(note, lost && el('span.warn', {}, `${map.provisional ? 'As it stands, drops' : 'Drops'} L${lost.layer}, the layer with the most norm, ${percent(lost.share)}${map.provisional ? '; the texts decide' : ''}. `),
        lost && plan && plan.layerRule !== 'cka' && [linkButton('Choose by CKA instead', () => bridge.post({ type: 'transfer/set', layers: 'cka' })), ': decided by the texts.']);
    } else {
      const told = map.target.filter((layer) => layer.r2 !== null && !isExplained(layer)).length;
      replace(note, !map.measured ? 'Nothing was fitted: the factors were copied.' : told > 0 ? `Grey: the maps of ${told} ${told === 1 ? 'layer' : 'layers'} explain no more than maps of shuffled pairs.` : '');
    }
    note.hidden = note.textContent === '';
  };
  box.addEventListener('keydown', (event) => {
    const by = arrow(event);
    const { map } = model;
    if (!by || !map) return;
    if (by[1] !== 0) {
      const layer = map.target.find(({ index }) => index === model.moveLayer(by[1]));
      if (layer) context.announce(targetTip(layer, map.measured).split('\n').join(', '));
    } else {
      source = Math.max(0, Math.min(map.source.length - 1, source + by[0]));
      const layer = map.source[source];
      if (layer) context.announce(`${sourceTip(layer).split('\n').join(', ')}${isLost(layer) && layer.sites > 0 ? ', will not arrive' : ''}`);
    }
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (changes.has('state') || changes.has('size') || changes.has('theme')) render();
  });
}
