import type { LayerResult, LayerScoreName } from '../../extension/protocol/documents';
import { LAYER_SCORES } from '../../extension/protocol/documents';
import { formatNumber, formatScore, isEvidence } from '../../extension/protocol/score';
import { drawTrack } from '../render/track';
import type { TrackHead } from '../render/tracks';
import { trackHeads, trackValue, whyMissing } from '../render/tracks';
import { scoreSentence, scoreTip } from '../render/scoreText';
import { meter } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';

const ROW_NARROW = 22;

/** Where: one row per layer, input at the top, four tracks on shared scales; the chosen layer's scores below. */
export function layersView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const heads = el('div.strip-head', { 'aria-hidden': 'true' });
  const list = el('div', { role: 'listbox', 'aria-label': 'Layers, input first', 'data-table': 'layers' });
  const key = el('div.key.note', { 'aria-hidden': 'true' });
  const readout = el('div.readout');
  const rows = new Map<number, HTMLElement>();
  host.append(el('h2.head', {}, 'Layers', el('span.note', {}, 'input at the top')), el('div.strip', {}, heads, list), key, readout);

  const drawRows = (): void => {
    const tracks = trackHeads(model.results, model.head);
    replace(heads, el('span'), tracks.map(trackTitle));
    const width = cellWidth(heads);
    const height = rowHeight(model.indices.length, host);
    list.style.setProperty('--row', `${height}px`);
    const focused = document.activeElement instanceof HTMLElement && list.contains(document.activeElement);
    rows.clear();
    replace(list, model.indices.map((index) => {
      const row = layerRow(context, index, tracks, width, height);
      rows.set(index, row);
      return row;
    }));
    if (model.indices.length === 0) replace(list, skeletonRows(height));
    replace(key, keyItems());
    mark();
    if (focused) rows.get(model.selection.layer ?? -1)?.focus();
  };
  const mark = (): void => {
    const chosen = model.selection.layer ?? model.indices[0];
    for (const [index, row] of rows) {
      row.setAttribute('aria-selected', String(index === model.selection.layer));
      row.tabIndex = index === chosen ? 0 : -1;
    }
    replace(readout, readoutOf(context));
  };

  model.watch((changes) => {
    if (changes.has('run') || changes.has('layers') || changes.has('size')) drawRows();
    else if (changes.has('selection')) {
      mark();
      const row = rows.get(model.selection.layer ?? -1);
      if (row && list.contains(document.activeElement)) row.focus();
    }
    if (changes.has('progress')) {
      const working = list.querySelector('.working-now');
      const index = workingLayer(context);
      if (working?.parentElement?.dataset['index'] === String(index)) replace(working, workingText(context));
      else if (index !== null && model.layers.size < model.indices.length) drawRows();
    }
  });
}

function trackTitle(track: TrackHead): HTMLElement {
  const [from, to] = track.scale.domain;
  const at = (value: number): string => `${((value - from) / (to - from)) * 100}%`;
  return el('div', { tip: track.title }, el('div', {}, track.short), el('div.dim', {}, track.unit),
    el('div.ends', {}, track.ticks.map((tick) => el('span', { css: { left: at(tick) } }, tickText(tick)))));
}

function cellWidth(heads: HTMLElement): number {
  const cell = heads.children[1];
  return Math.max(24, Math.floor(cell?.getBoundingClientRect().width ?? 0) || 56);
}

/** A tick without trailing zeros. */
function tickText(value: number): string {
  return String(Number(value.toPrecision(3))).replace('-', '\u2212');
}

/** 28 px while few layers; less for deep models, so that the strip stays a picture. */
function rowHeight(layers: number, host: HTMLElement): number {
  const usual = (host.closest('.page')?.clientWidth ?? 1400) < 880 ? ROW_NARROW : 28;
  if (layers <= 16) return usual;
  if (layers <= 26) return 20;
  return layers <= 40 ? 16 : 12;
}

function layerRow(context: PageContext, index: number, tracks: readonly TrackHead[], width: number, height: number): HTMLElement {
  const { model } = context;
  const layer = model.layers.get(index);
  const failed = !layer && model.state === 'failed' && index === model.indices.find((i) => !model.layers.has(i));
  const working = !layer && workingLayer(context) === index;
  const cells: Child = working ? el('span.working.working-now', {}, workingText(context))
    : failed ? el('span.working.bad-text', {}, 'stopped here')
    : tracks.map((track) => {
      const value = trackValue(layer, track.name);
      const tip = !layer ? 'Not computed yet' : value === 'missing' ? `${track.title}\n${whyMissing(layer, track.name, model.withProbe)}` : value === 'pending' ? '' : scoreTip(track.title, value);
      return el('span.cell', { tip }, drawSvg(drawTrack(track.scale, value, width, height), { class: 'track' }));
    });
  return el('button.layer', { type: 'button', role: 'option', class: failed ? 'layer failed' : 'layer', 'data-index': index, 'aria-label': layer || !(failed || working) ? spokenLayer(context, index, layer) : null, tabindex: -1, onclick: () => model.select({ layer: index, hover: null }) },
    el('span.mono', {}, el('span.spoken', {}, 'Layer '), String(index)), cells);
}

function spokenLayer(context: PageContext, index: number, layer: LayerResult | undefined): string {
  if (!layer) return `Layer ${index}, not computed yet`;
  const parts = trackHeads([], context.model.head).map((track) => {
    const value = trackValue(layer, track.name);
    return typeof value === 'string' ? `${track.title}: ${whyMissing(layer, track.name, context.model.withProbe)}` : scoreSentence(track.title, value);
  });
  return `Layer ${index}. ${parts.join('. ')}`;
}

/** The layer that the run's current step names, else the first that is missing. */
function workingLayer(context: PageContext): number | null {
  const { model } = context;
  if (model.state !== 'running') return null;
  const named = /\blayer (\d+)/i.exec(model.progress?.stage ?? '')?.[1];
  const index = named === undefined ? model.indices.find((i) => !model.layers.has(i)) : Number(named);
  return index === undefined || model.layers.has(index) ? null : index;
}

function workingText(context: PageContext): Child {
  const stage = context.model.progress?.stage ?? 'opening';
  const words = stage.replace(/^layer \d+\s*[:,]\s*/i, '');
  const part = /(\d+) of (\d+)/.exec(words);
  const share = part ? Number(part[1]) / Math.max(1, Number(part[2])) : null;
  return [share !== null && meter(share, 1, 'Progress of the layer'), el('span', {}, words.replace(/,?\s*\d+ of \d+$/, ''))];
}

function skeletonRows(height: number): readonly Child[] {
  return Array.from({ length: 6 }, () => el('div.layer.skeleton', { 'aria-hidden': 'true' }, el('span.mono'), Array.from({ length: 4 }, () => el('span.cell', {}, drawSvg(drawTrack({ domain: [0, 1] }, 'pending', 56, height), { class: 'track stretch', preserveAspectRatio: 'none' })))));
}

const SAMPLE = { n: 1, nOf: '', unit: '', direction: 'greater', nullKind: '', nullDraws: 1, nullSd: 0, z: null } as const;

/** The key, drawn by the same function as the strip. */
function keyItems(): readonly Child[] {
  const scale = { domain: [0, 1] } as const;
  const told = drawTrack(scale, { ...SAMPLE, value: 0.86, interval: [0.7, 1], null: 0.19, nullInterval: [0, 0.38], p: 0 }, 32, 14);
  const inside = drawTrack(scale, { ...SAMPLE, value: 0.5, null: 0.5, nullInterval: [0, 1], p: 1 }, 12, 14);
  const band = { width: 12, height: 14, marks: inside.marks.slice(0, 2) };
  return [[told, 'value, 95 %'], [band, 'null, 95 %'], [inside, 'no evidence']].map(([drawing, text]) => el('span', {}, drawSvg(drawing as typeof told), text as string));
}

function readoutOf(context: PageContext): readonly Child[] {
  const { model } = context;
  const { layer: index } = model.selection;
  if (index === null) return [];
  const layer = model.layers.get(index);
  if (!layer) return [el('h3.head', {}, `Layer ${index}`), el('p.note', {}, model.state === 'failed' ? 'No scores: the run stopped before this layer was done.' : model.state === 'cancelled' ? 'No scores: cancelled before this layer was done.' : 'Not computed yet.')];
  const names = Object.keys(LAYER_SCORES) as LayerScoreName[];
  const notes: string[] = [];
  if (layer.notSeenActive !== null && model.head?.probe) notes.push(`${formatNumber(layer.notSeenActive)} ${layer.notSeenActive === 1 ? 'neuron' : 'neurons'} not seen active in ${formatNumber(model.head.probe.tokens)} tokens`);
  if (layer.resident) notes.push(`${formatNumber(layer.resident)} resident, left out of rankings`);
  return [
    el('h3.head', {}, `Layer ${index}`, el('span.note', {}, 'scores and their nulls')),
    el('ul', {}, names.map((name) => scoreLine(context, layer, name))),
    notes.length > 0 && el('p.note', {}, notes.join('; ')),
  ];
}

function scoreLine(context: PageContext, layer: LayerResult, name: LayerScoreName): HTMLElement {
  const score = layer.scores[name];
  const { title } = LAYER_SCORES[name];
  if (!score || score.value === null) return el('li.inside-text', {}, el('span', {}, title), el('span.mono', {}, whyMissing(layer, name, context.model.withProbe)));
  const text = formatScore(score);
  const told = isEvidence(score);
  const unit = score.unit && score.unit !== 'share' ? ` ${score.unit === 'experts' ? `of ${layer.partition.experts}` : ''}`.trimEnd() : '';
  return el('li', { class: told ? null : 'inside-text', tip: scoreTip(title, score) },
    el('span', {}, title), el('span.mono', {}, text.value + unit),
    el('span.null.note', {}, el('span.mono', {}, text.null), told ? ', ' : ': no evidence, ', el('span.count', {}, `n = ${formatNumber(score.n)} ${score.nOf}`)));
}
