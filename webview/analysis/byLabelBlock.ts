import type { ExpertDetail } from '../../extension/protocol/documents';
import type { Score } from '../../extension/protocol/score';
import { formatNumber, isEvidence } from '../../extension/protocol/score';
import type { TrackScale, TrackValue } from '../render/track';
import { drawTrack, foldTrack, linearTrack } from '../render/track';
import { scoreTip } from '../render/scoreText';
import { linkButton, meter, pushButton } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { block } from './block';

const ROW = 18;
const TRACK_WIDTH = 72;

/** Labels as rows: enrichment against permuted labels, and what silencing the expert does to the loss, against random groups. */
export function byLabelBlock(context: PageContext, detail: ExpertDetail): HTMLElement {
  const { model } = context;
  const ablation = model.ablation(detail.expert);
  const effects = new Map(ablation?.state === 'ready' ? ablation.value.byLabel.map((entry) => [entry.label, entry.effect] as const) : []);
  const folds = detail.byLabel.map((entry) => entry.enrichment);
  const logged = folds.some((score) => /log/i.test(score.unit));
  const foldScale: TrackScale = logged ? linearTrack(folds, [-1, 2]) : foldTrack(folds);
  const overall = ablation?.state === 'ready' ? ablation.value.overall : null;
  const lossScale = linearTrack([...effects.values(), ...(overall ? [overall] : [])], [-0.005, 0.01]);

  const cells: Child[] = [
    el('span.top.first'), el('span.top', { tip: 'Share of the label among the tokens routed here, over its share in the probe\nnull: permuted labels' }, el('span', {}, 'enrichment'), el('span.mono', {}, logged ? 'log\u2082' : 'fold')),
    el('span.top', { tip: 'Change of loss when the expert is silenced, in nats per token\nnull: random groups of neurons of the same layer and norm' }, el('span', {}, 'ablation'), el('span.mono', {}, '\u0394NLL')),
  ];
  const row = (name: Child, fold: Score | null, loss: Score | null | undefined): void => {
    cells.push(name, track(foldScale, fold ?? 'missing', fold ? scoreTip('Enrichment', fold) : ''), amount(fold), track(lossScale, loss ?? 'pending', loss ? scoreTip('Ablation', loss) : 'Not measured yet'), amount(loss ?? null));
  };
  for (const entry of detail.byLabel) {
    const style = model.labels.find((label) => label.name === entry.label);
    row(el('span.label', { title: entry.label }, el('i.swatch', { css: { '--hue': style?.colour ?? 'var(--ml-inside)' } }), el('span.label-name', {}, `${style?.letter ?? ''} ${entry.label}`)), entry.enrichment, effects.get(entry.label));
  }
  if (overall) cells.push(el('span.label', {}, el('span.label-name', {}, 'all tokens')), el('span'), el('span'), track(lossScale, overall, scoreTip('Ablation, all tokens', overall)), amount(overall));
  const none = detail.byLabel.length === 0;
  return block('By label', noteOf(detail), 'label', none && el('p.note', {}, 'The texts of the probe have no labels.'), (!none || overall) && el('div.by-label', {}, cells), ablationLine(context, detail));
}

function noteOf(detail: ExpertDetail): string | null {
  const first = detail.byLabel[0]?.enrichment;
  return first ? `null: ${formatNumber(first.nullDraws)} permutations` : null;
}

function track(scale: TrackScale, value: TrackValue, tip: string): HTMLElement {
  return el('span.by-track', { tip }, drawSvg(drawTrack(scale, value, TRACK_WIDTH, ROW), { class: 'track stretch', preserveAspectRatio: 'none' }));
}

function amount(score: Score | null): HTMLElement {
  return el('span.mono', { class: score && isEvidence(score) ? 'mono' : 'mono inside-text' }, score ? formatNumber(score.value, 2) : '\u2013');
}

/** Ablation runs the model many times, so it is measured when asked for. */
function ablationLine(context: PageContext, detail: ExpertDetail): Child {
  const { model, bridge } = context;
  const ablation = model.ablation(detail.expert);
  if (ablation?.state === 'ready') {
    const { overall } = ablation.value;
    return el('p.note.ablation', { tip: scoreTip('Ablation, all tokens', overall) }, isEvidence(overall) ? 'Silencing it changes the loss beyond its null' : 'Silencing it changes the loss no more than random groups do: no evidence', `, n = ${formatNumber(overall.n)} ${overall.nOf}, ${formatNumber(overall.nullDraws)} groups`);
  }
  if (ablation?.state === 'pending') return el('div.ablation.line', {}, meter(null, 1, 'Measuring the ablation'), el('span.note', {}, 'Silencing the expert and random groups\u2026'), pushButton('Cancel', 'secondary', () => model.cancelAblation(detail.expert), true));
  if (ablation?.state === 'failed') return el('div.ablation.line', { role: 'alert' }, el('span.bad-text.note', {}, ablation.error.message), linkButton('Try again', () => model.measureAblation(detail.expert)), linkButton('Show the log', () => bridge.post({ type: 'showLog' })));
  if (model.state === 'running') return el('p.note.ablation', {}, 'Ablation can be measured when the run is done.');
  return el('div.ablation.line', {}, pushButton('Measure ablation', 'secondary', () => model.measureAblation(detail.expert), true), el('span.note', {}, 'against random groups'));
}
