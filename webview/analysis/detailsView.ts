import { LAYER_SCORES } from '../../extension/protocol/documents';
import type { ExpertDetail } from '../../extension/protocol/documents';
import { formatInterval, formatNumber } from '../../extension/protocol/score';
import { dominantLabel } from '../render/labels';
import { drawButterfly, drawNeurons, drawRouterRow, oneLine, visibleToken } from '../render/expertPlots';
import { nullBand } from '../render/track';
import { scoreTip } from '../render/scoreText';
import { linkButton, pushButton } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import { contentWidth } from '../ui/size';
import { block } from './block';
import { byLabelBlock } from './byLabelBlock';
import type { PageContext } from './context';
import { errorNotice } from './errorNotice';

/** Hovering over many experts asks the engine only for the one the pointer rests on. */
const HOVER_REST_MS = 90;
const WINGS = 140;
const WING_ROW = 16;

/** Which: the details of the locked expert, else of the one under the pointer, else of the heaviest. */
export function detailsView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const title = el('h2');
  const said = el('p.note.said');
  const body = el('div.details-body');
  host.append(title, said, body);
  let rest: ReturnType<typeof setTimeout> | undefined;
  let drawn = '';

  const drawHead = (): void => {
    const expert = model.shownExpert;
    const picture = model.picture;
    if (!model.result || expert === null || picture?.state !== 'ready') {
      replace(title, model.result ? 'Expert' : 'No expert to show');
      const finished = [...model.layers.keys()].sort((a, b) => a - b);
      said.textContent = model.result || model.selection.layer === null ? '' : `Layer ${model.selection.layer} has no result yet.${finished.length > 0 ? ` Choose a finished layer: ${finished.length === 1 ? finished[0] : `${finished[0]} to ${finished[finished.length - 1]}`}.` : ''}`;
      return;
    }
    const label = dominantLabel(model.labels, picture.value.dominant, expert);
    const locked = model.selection.expert !== null;
    replace(title, `Expert ${expert}`, label && el('i.swatch', { css: { '--hue': label.colour } }), model.withProbe && (label ? `${label.letter} ${label.name}` : el('span.plain', {}, 'no label')),
      el('span.note.lock', {}, locked ? ['locked, ', el('kbd', {}, 'Esc'), ' unlocks'] : 'preview, click locks'));
  };

  const drawBody = (): void => {
    const expert = model.shownExpert;
    if (!model.result || expert === null) {
      drawn = '';
      replace(body);
      return;
    }
    const remote = model.detail(expert);
    const width = plotWidth(host);
    const ablation = model.ablation(expert);
    const name = [model.head?.key, model.result.index, expert, remote?.state, width, ablation?.state].join(' ');
    if (name === drawn) return;
    drawn = name;
    if (!remote || remote.state === 'pending') {
      said.textContent = '';
      body.classList.add('waiting');
      if (body.childElementCount === 0) replace(body, el('p.note', {}, 'Reading the expert\u2026'));
      return;
    }
    body.classList.remove('waiting');
    if (remote.state === 'failed') {
      said.textContent = '';
      replace(body, errorNotice(context, remote.error, [pushButton('Try again', 'primary', () => model.retry('detail'))]));
      return;
    }
    const detail = remote.value;
    replace(said, ...saidOf(context, detail));
    replace(body, el('div.blocks', {}, blocksOf(context, detail, width)));
  };

  model.watch((changes) => {
    if (['run', 'layers', 'selection', 'hover', 'picture'].some((c) => changes.has(c as 'run'))) drawHead();
    if (['run', 'layers', 'selection', 'picture', 'detail', 'ablation', 'size', 'theme'].some((c) => changes.has(c as 'run'))) {
      if (changes.has('theme')) drawn = '';
      drawBody();
    } else if (changes.has('hover') && model.selection.expert === null) {
      clearTimeout(rest);
      rest = setTimeout(drawBody, HOVER_REST_MS);
    }
  });
}

/** Width of a plot in a block: one or two columns of blocks. */
function plotWidth(host: HTMLElement): number {
  const width = contentWidth(host);
  const page = host.closest('.page')?.clientWidth ?? 1400;
  return page < 1280 && page >= 600 ? Math.floor((width - 24) / 2) : width;
}

function saidOf(context: PageContext, detail: ExpertDetail): readonly Child[] {
  if (!detail.mass) return ['Known from the weights: neurons, router row, effect on the vocabulary.'];
  const band = nullBand(detail.mass);
  const picture = context.model.picture;
  const label = picture?.state === 'ready' ? dominantLabel(context.model.labels, picture.value.dominant, detail.expert) : null;
  return [!label && context.model.labels.length > 0 && 'No label differs from chance. ', el('span', { tip: scoreTip('Share of the activation mass', detail.mass) }, 'Mass ', el('span.mono', {}, formatNumber(detail.mass.value)), ', null ', el('span.mono', {}, formatInterval(detail.mass.null, band ?? undefined))), `, n = ${formatNumber(detail.mass.n)} ${detail.mass.nOf}`];
}

function blocksOf(context: PageContext, detail: ExpertDetail, width: number): readonly HTMLElement[] {
  const { model, bridge } = context;
  const effect = detail.logitEffect;
  const texts = model.withProbe
    ? [byLabelBlock(context, detail), block('Top tokens', 'activation', 'tokens', kwic(detail))]
    : [block('By label and top tokens', null, '', el('p.note', {}, 'Need text. ', model.head?.model.runnable !== false && linkButton('Choose texts\u2026', () => bridge.post({ type: 'chooseProbe' }))))];
  return [
    ...texts,
    block('Writes towards', effect ? `null \u00b1${formatNumber(effect.nullBand)}, ${formatNumber(effect.nullDraws)} draws, n = ${formatNumber(effect.n)} tokens` : null, 'logits', effect ? butterfly(effect, width) : el('p.note', {}, detail.logitMissing ?? 'This checkpoint has no head to write towards.')),
    neuronsBlock(context, detail, width),
    routerBlock(detail, width),
  ];
}

function kwic(detail: ExpertDetail): HTMLElement {
  if (detail.topTokens.length === 0) return el('p.note', {}, 'No token of the probe activates this expert.');
  const most = Math.max(...detail.topTokens.map((token) => token.activation), 1e-9);
  const least = Math.min(...detail.topTokens.map((token) => token.activation));
  return el('ul.kwic', {}, detail.topTokens.map((token) => {
    const heat = 24 + 46 * (most > least ? (token.activation - least) / (most - least) : 1);
    return el('li', { tip: token.label ? `From a text labelled ${token.label}` : null },
      el('span.before', {}, el('span', {}, oneLine(token.before))),
      el('span.after', {}, el('mark', { css: { '--heat': heat.toFixed(0) } }, oneLine(token.token) || '\u2205'), oneLine(token.after)),
      el('span.amount', {}, formatNumber(token.activation)));
  }));
}

function butterfly(effect: NonNullable<ExpertDetail['logitEffect']>, width: number): HTMLElement {
  const wings = Math.min(WINGS, Math.max(80, Math.floor(width * 0.42)));
  const rows = Math.max(effect.up.length, effect.down.length);
  const grid = el('div.butterfly', { css: { '--wings': `${wings}px` } }, el('span.bars', { css: { 'grid-row': `1 / span ${Math.max(1, rows)}` } }, drawSvg(drawButterfly(effect, wings, WING_ROW))));
  for (let i = 0; i < rows; i++) {
    const down = effect.down[i];
    const up = effect.up[i];
    const said = (word: { readonly token: string; readonly value: number } | undefined): string => (word ? visibleToken(word.token) : '');
    grid.append(
      el('span.down', { title: down ? `${said(down)} ${formatNumber(down.value)}` : '', css: { 'grid-row': String(i + 1) } }, said(down)),
      el('span.up', { title: up ? `${said(up)} +${formatNumber(up.value)}` : '', css: { 'grid-row': String(i + 1) } }, said(up)));
  }
  return grid;
}

function neuronsBlock(context: PageContext, detail: ExpertDetail, width: number): HTMLElement {
  const { neurons } = detail;
  const of = neurons.normOf === 'output' ? 'output norm' : 'key norm';
  const notes: string[] = [];
  if (neurons.normOf === 'output') notes.push(`${neurons.notSeenActive || 'none'} not seen active`);
  if (neurons.resident > 0) notes.push(`${neurons.resident} resident`);
  const tip = `${of.charAt(0).toLocaleUpperCase('en')}${of.slice(1)} of each neuron, largest first\nband: random groups of ${formatNumber(neurons.ids.length)} neurons of this layer at the same rank, 95 %, ${formatNumber(neurons.nullDraws)} draws`;
  return block(`${formatNumber(neurons.ids.length)} neurons`, `by ${of}`, 'neurons',
    el('div', { tip }, drawSvg(drawNeurons(neurons, width, 36))),
    el('div.chips', {}, Array.from(neurons.ids.slice(0, 4), (id) => linkButton(String(id), () => context.bridge.post({ type: 'openTensors' }), true)), el('span.note', {}, `\u2026  ${notes.join(', ')}`)));
}

function routerBlock(detail: ExpertDetail, width: number): HTMLElement {
  const { cosine, nullLow, nullHigh, nullDraws } = detail.routerRow;
  const band = Math.abs(nullHigh + nullLow) < 0.1 * (nullHigh - nullLow) ? `\u00b1${formatNumber((nullHigh - nullLow) / 2, 2)}` : `[${formatNumber(nullLow, 2)}, ${formatNumber(nullHigh, 2)}]`;
  const every = Math.max(1, 2 ** Math.ceil(Math.log2(Math.max(1, 18 / (width / Math.max(1, cosine.length))))));
  const near = (i: number): boolean => i !== detail.expert && Math.abs(i - detail.expert) < every;
  const names = Array.from(cosine, (_, i) => el('span', { class: i === detail.expert ? 'strong' : null, css: { left: `${((i + 0.5) / cosine.length) * 100}%` } }, i === detail.expert || (i % every === 0 && !near(i)) ? String(i) : ''));
  const oracle = detail.oracleAgreement;
  return block('Router row', `null ${band}, ${formatNumber(nullDraws)} draws`, 'routerRow',
    drawSvg(drawRouterRow(detail, width, 48)), el('div.bar-names', { 'aria-hidden': 'true' }, names),
    oracle && el('p.note.oracle', { tip: scoreTip(LAYER_SCORES.oracleAgreement.title, oracle) }, 'Oracle agreement ', el('span.mono', {}, formatInterval(oracle.value, oracle.interval)), ', null ', el('span.mono', {}, formatInterval(oracle.null, nullBand(oracle) ?? undefined)), `, n = ${formatNumber(oracle.n)} ${oracle.nOf}`));
}
