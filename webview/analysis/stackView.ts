import type { LayerPicture } from '../../extension/protocol/documents';
import type { ExpertAxis, Window2 } from '../render/columns';
import { blockEdges, blockSpan, numberEvery, WHOLE } from '../render/columns';
import { dominantLabel } from '../render/labels';
import { drawMass } from '../render/mass';
import { drawMatrix } from '../render/matrix';
import { drawRouter } from '../render/router';
import { linkButton } from '../ui/controls';
import { el, replace, svg } from '../ui/dom';
import { drawCanvas } from '../ui/drawCanvas';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { follow } from './follow';
import { heatView } from './heatView';

const MASS_HEIGHT = 44;
const LABEL_ROW = 20;
const LABEL_ROW_DENSE = 14;
/** More labels than this take denser rows. */
const LABELS_DENSE = 12;
const ROUTER_SIDE = 160;

/** Everything on the shared axis of experts: map, numbers with hues, mass, labels; and the router rows beside. */
export function stackView(context: PageContext, picture: LayerPicture, axis: ExpertAxis, stacked: boolean, samples: string, zoomSlot: HTMLElement): readonly HTMLElement[] {
  const { model } = context;
  const edges = blockEdges(picture.sizes);
  let window2: Window2 = WHOLE;
  const spanX = (expert: number): readonly [number, number] => blockSpan(edges, expert, window2.x, axis.side);
  const spanY = (expert: number): readonly [number, number] => blockSpan(edges, expert, window2.y, axis.side);
  const shown = ([from, to]: readonly [number, number]): boolean => to > 0.5 && from < axis.side - 0.5;

  const rows = el('div.rows-axis', { 'aria-hidden': 'true' });
  const identity = el('div.identity', { 'aria-hidden': 'true' });
  const mass = el('div.mass', { 'data-table': 'experts' });
  const matrix = el('div.matrix', { 'data-table': 'labels' });
  const labelRow = model.labels.length > LABELS_DENSE ? LABEL_ROW_DENSE : LABEL_ROW;
  const withText = picture.mass.length > 0;
  const withLabels = withText && model.labels.length > 0;

  const placeAxis = (): void => {
    const zoomCell = axis.cell / (window2.x.to - window2.x.from);
    const every = numberEvery(zoomCell, picture.experts);
    const chosen = model.shownExpert;
    const experts = Array.from({ length: picture.experts }, (_, expert) => expert);
    const button = (expert: number, css: Readonly<Record<string, string>>, written: boolean): HTMLElement => {
      const label = dominantLabel(model.labels, picture.dominant, expert);
      return el('button', { type: 'button', tabindex: -1, 'aria-current': String(expert === chosen), 'data-none': !label && withText, css: { ...css, ...(label ? { '--hue': label.colour } : {}) }, onclick: () => model.select({ expert }), onpointerenter: () => model.select({ hover: expert }), onpointerleave: () => model.select({ hover: null }) }, el('span', {}, written ? String(expert) : ''));
    };
    const near = (expert: number): boolean => chosen !== null && expert !== chosen && Math.abs(expert - chosen) < every;
    const written = (expert: number): boolean => expert === chosen || (expert % every === 0 && !near(expert));
    replace(rows, experts.filter((expert) => shown(spanY(expert))).map((expert) => {
      const [y0, y1] = spanY(expert);
      return button(expert, { top: `${Math.max(0, y0)}px`, height: `${Math.min(axis.side, y1) - Math.max(0, y0)}px` }, written(expert));
    }));
    replace(identity, experts.filter((expert) => shown(spanX(expert))).map((expert) => {
      const [x0, x1] = spanX(expert);
      return button(expert, { left: `${Math.max(0, x0)}px`, width: `${Math.min(axis.side, x1) - Math.max(0, x0)}px` }, written(expert));
    }));
  };
  const placePlots = (): void => {
    if (withText) replace(mass, drawSvg(drawMass(picture, model.labels, spanX, axis.side, MASS_HEIGHT, samples)));
    if (withLabels) {
      const drawing = drawSvg(drawMatrix(picture, model.labels, spanX, axis.side, labelRow));
      drawing.append(svg('rect.frame', { fill: 'none', stroke: 'var(--ml-focus)', 'shape-rendering': 'crispEdges', y: 0, height: model.labels.length * labelRow }));
      replace(matrix, drawing);
    }
  };
  const markPlots = (): void => {
    const frame = matrix.querySelector('.frame');
    const chosen = model.shownExpert;
    const [x0, x1] = chosen === null ? [0, 0] : spanX(chosen);
    const visible = chosen !== null && shown([x0, x1]);
    frame?.setAttribute('x', String(Math.max(0, x0)));
    frame?.setAttribute('width', String(visible ? Math.max(1, Math.min(axis.side, x1) - Math.max(0, x0)) : 0));
    frame?.setAttribute('visibility', visible ? 'visible' : 'hidden');
  };

  const heat = heatView(context, picture, axis, samples, zoomSlot, (next) => {
    window2 = next;
    placeAxis();
    placePlots();
    markPlots();
  });
  placePlots();
  follow(context, identity, () => {
    placeAxis();
    markPlots();
  });
  for (const plot of [mass, matrix]) {
    plot.addEventListener('click', (event) => {
      const key = event.target instanceof Element ? event.target.closest('[data-key]')?.getAttribute('data-key') : null;
      if (key) model.select({ expert: Number(key) });
    });
  }

  const parts: HTMLElement[] = [heat.caption, rows, heat.box, identity];
  if (withText) parts.push(el('div.mass-caption', {}, 'mass'), mass);
  if (withLabels) {
    parts.push(el('div.label-letters', { 'aria-hidden': 'true', css: { '--label-row': `${labelRow}px` } }, model.labels.map((label) => el('span', {}, label.letter))), matrix,
      el('div.matrix-note.note', {}, el('span', {}, 'area: |log\u2082 fold| of a label in an expert'), el('span', {}, '\u25a0 more, \u25a1 less than chance'), el('span', {}, '\u00b7 inside the null, q \u2265 0.05')));
  } else {
    parts.push(el('div.needs-text', { class: withText ? 'needs-text labels-only' : 'needs-text' }, svg('svg', { 'aria-hidden': 'true' }, svg('rect', { width: '100%', height: '100%', fill: 'url(#hatch)', opacity: 0.6 })),
      missingText(context, picture, withText)));
  }
  parts.push(lowerLeft(context, picture, labelRow, withLabels));
  if (stacked) for (const part of parts) part.classList.add('stacked');
  return parts;
}

/** Why the lower part of the stack is empty, and what to do about it. */
function missingText(context: PageContext, picture: LayerPicture, withText: boolean): HTMLElement {
  const { model } = context;
  if (!withText && model.withProbe) {
    const coming = model.state === 'running' || model.state === 'starting';
    return el('p', {}, coming ? `Mass and labels follow when the texts have run through layer ${picture.index}.` : `The run ended before the texts had run through layer ${picture.index}.`);
  }
  return el('p', {}, withText ? 'The matrix of labels needs labelled texts. ' : 'Mass and labels need text. ', model.head?.model.runnable !== false && linkButton('Choose texts\u2026', () => context.bridge.post({ type: 'chooseProbe' })));
}

/** Router rows (cosine minus null) and the names of the labels, at the foot of the graph's column. */
function lowerLeft(context: PageContext, picture: LayerPicture, labelRow: number, withLabels: boolean): HTMLElement {
  const { model, theme } = context;
  const cell = Math.max(1, Math.floor(ROUTER_SIDE / Math.max(10, picture.experts)));
  const side = cell * picture.experts;
  const canvas = drawCanvas(drawRouter(picture, theme.diverging, cell), window.devicePixelRatio || 1, theme.resolve);
  canvas.style.width = canvas.style.height = `${side}px`;
  const frame = { fill: 'none', stroke: 'var(--ml-focus)' } as const;
  const column = svg('rect', { ...frame, y: -0.5, width: cell, height: side });
  const row = svg('rect', { ...frame, x: -0.5, width: side, height: cell });
  const marks = svg('svg', { width: side, height: side, 'aria-hidden': 'true', 'shape-rendering': 'crispEdges' }, column, row);
  const box = el('div.router-map', { 'data-table': 'router', onpointermove: (event: PointerEvent) => {
    const place = box.getBoundingClientRect();
    const a = Math.floor((event.clientY - place.top) / cell);
    const b = Math.floor((event.clientX - place.left) / cell);
    const value = picture.router[a * picture.experts + b];
    box.dataset.tip = value === undefined || b >= picture.experts ? '' : a === b ? `Expert ${a}: itself` : `Router rows of experts ${a} and ${b}\ncosine minus null ${value.toFixed(2).replace('-', '\u2212')}\nnull \u00b1${picture.routerBand.toFixed(2)}, ${picture.nullDraws} draws${Math.abs(value) < picture.routerBand ? '\nInside the null: no evidence' : ''}`;
  }, onclick: (event: MouseEvent) => {
    const expert = Math.floor((event.clientY - box.getBoundingClientRect().top) / cell);
    if (expert >= 0 && expert < picture.experts) model.select({ expert });
  } }, canvas, marks);
  follow(context, box, () => {
    const chosen = model.shownExpert;
    marks.style.visibility = chosen === null ? 'hidden' : 'visible';
    column.setAttribute('x', String((chosen ?? 0) * cell - 0.5));
    row.setAttribute('y', String((chosen ?? 0) * cell - 0.5));
  });
  return el('div.lower-left', {},
    el('div.similarity', { css: { '--router': `${side}px` } }, el('div.caption', { tip: `The rows with which the router scores tokens, compared between experts\nnull \u00b1${picture.routerBand.toFixed(2)}: rows of random experts, ${picture.nullDraws} draws` }, 'Router rows, cosine minus null'), box),
    withLabels && el('div.label-names', { css: { '--label-row': `${labelRow}px` } }, model.labels.map((label) => el('span', {}, el('span.only-narrow', {}, label.letter), el('span.label-name', { title: label.name }, label.name), el('i.swatch', { css: { '--hue': label.colour } })))));
}
