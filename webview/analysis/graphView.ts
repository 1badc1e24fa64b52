import type { LayerPicture } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import { graphOf } from '../render/graph';
import { el, svg } from '../ui/dom';
import type { PageContext } from './context';
import { follow } from './follow';

/** The module graph and its caption: circles are focusable options; edges of the chosen expert are lit. */
export function graphView(context: PageContext, picture: LayerPicture, width: number, height: number, samples: string): readonly HTMLElement[] {
  const { model } = context;
  const inner = width - 16;
  const graph = graphOf(picture, model.labels, inner, height, samples);
  const lines = graph.edges.map((edge) => {
    const a = graph.nodes[edge.a];
    const b = graph.nodes[edge.b];
    return svg('line.edge', { x1: a?.x ?? 0, y1: a?.y ?? 0, x2: b?.x ?? 0, y2: b?.y ?? 0, 'stroke-width': edge.width, tip: edge.tip });
  });
  const circles = graph.nodes.map((node) => svg('g.node', {
    class: `node ${node.kind}`, transform: `translate(${node.x} ${node.y})`, role: 'option', tabindex: -1, 'aria-selected': 'false', 'aria-label': node.spoken, tip: node.tip, css: { '--hue': node.colour },
    onclick: () => model.select({ expert: node.expert }),
    onpointerenter: () => model.select({ hover: node.expert }),
    onpointerleave: () => model.select({ hover: null }),
  }, svg('circle.ring', { r: node.r + 3.5 }), svg('circle.body', { r: node.r }), svg('text', { class: node.fontSize < 11 ? 'small' : null }, node.name)));
  const lineLayer = svg('g', {}, lines);
  const box = el('div.graph', { role: 'listbox', 'aria-label': 'Module graph, one circle per expert', 'data-table': 'pairs', css: { height: `${height}px` } },
    svg('svg', { width: inner, height, viewBox: `0 0 ${inner} ${height}`, role: 'presentation' }, lineLayer, circles));

  follow(context, box, () => {
    const chosen = model.shownExpert;
    const hover = model.selection.hover;
    circles.forEach((circle, expert) => {
      circle.setAttribute('aria-selected', String(expert === chosen));
      circle.setAttribute('tabindex', expert === (chosen ?? 0) ? '0' : '-1');
      circle.classList.toggle('hovered', expert === hover && expert !== chosen);
    });
    const lit: SVGElement[] = [];
    graph.edges.forEach((edge, i) => {
      const line = lines[i];
      if (!line) return;
      const on = edge.a === chosen || edge.b === chosen;
      line.classList.toggle('lit', on);
      if (on) lit.push(line);
    });
    lineLayer.append(...lit);
    if (box.contains(document.activeElement) && chosen !== null) circles[chosen]?.focus();
  });

  const drawn = graph.edges.length < graph.above ? `\nthe ${graph.edges.length} strongest are drawn` : '';
  const words = picture.kind === 'coactivation' ? ' pairs co-activate above the null' : ' pairs share key directions';
  const caption = el('div.caption.graph-caption', {}, el('span', { tip: `Excess above the null's 95 % band, \u00b1${picture.excessBand.toPrecision(2)}, ${picture.nullDraws} draws${drawn}` }, el('b', {}, `${formatNumber(graph.above)} of ${formatNumber(graph.pairs)}`), words));
  return [caption, box];
}
