import { type AnalysisHead, METHOD_WORDS } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import { findingOf, holdsExpertsNote } from '../render/finding';
import { shortCount } from '../render/shortCount';
import { actionButton, meter, popupMenu, pushButton } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';
import { exportItems } from './exports';

/** The sentence, the facts, the status line: it exists in every state, so that nothing jumps. */
export function headView(context: PageContext, host: HTMLElement): void {
  const finding = el('h1.finding');
  const facts = el('dl.facts');
  const status = el('div.status');
  const spoken = el('div.spoken', { role: 'status' });
  host.append(finding, facts, status, spoken);
  const { model } = context;
  let said = '';

  model.watch((changes) => {
    if (changes.has('run') || changes.has('layers')) {
      const input = { state: model.state, head: model.head, layers: model.results, document: model.document };
      finding.textContent = findingOf(input);
      finding.dataset.tip = holdsExpertsNote(model.withProbe);
      replace(facts, factsOf(model.head, model.name));
    }
    if (changes.has('run') || changes.has('layers')) replace(status, statusOf(context));
    else if (changes.has('progress')) {
      const line = status.querySelector('.running');
      if (line) replace(line, runningLine(context));
      else replace(status, statusOf(context));
    }
    const now = model.state === 'running' ? `${model.finished.length} of ${model.indices.length} layers done` : model.state;
    if (now !== said) {
      said = now;
      spoken.textContent = now;
    }
  });
}

function factsOf(head: AnalysisHead | null, name: string): readonly Child[] {
  if (!head) return [el('div', {}, el('dt.spoken', {}, 'Checkpoint'), el('dd.fact-name', {}, name))];
  const { model, probe } = head;
  const device = head.device.used ? `${deviceName(head.device.used)}${head.device.requested === 'auto' ? ' (auto)' : ''}` : 'none (nothing to run)';
  const list: (readonly [string, string, string?])[] = [
    ['Family', model.architecture ?? model.family ?? 'unknown'],
    ['Size', `${shortCount(model.parameters)}, ${model.dtype}`, `${formatNumber(model.parameters)} parameters`],
    ['FFN', model.dFf === null ? `${head.layerIndices.length} layers` : `${model.layers ?? head.layerIndices.length} layers \u00d7 ${formatNumber(model.dFf)}`],
    ['Experts', `${head.experts} a layer, ${METHOD_WORDS[head.method]}, top ${head.topK}`],
    ['Device', device, head.device.reason],
    ['Probe', probe ? `${probe.name}, ${probe.labels.length === 0 ? 'no labels' : `${probe.labels.length} ${probe.labels.length === 1 ? 'label' : 'labels'}`}` : 'none', probe ? `${formatNumber(probe.texts)} texts, ${formatNumber(probe.tokens)} tokens, ${formatNumber(probe.droppedTokens)} left out` : head.probeMissing],
    ...(probe ? [['Tokens', `${formatNumber(probe.splitTokens)} to split + ${formatNumber(probe.scoreTokens)} to score`, 'Partitions are made on one half and scored on the other'] as const] : []),
    ['Seed', String(head.seed)],
  ];
  return [
    el('div', { tip: model.path }, el('dt.spoken', {}, 'Checkpoint'), el('dd.fact-name', {}, model.name)),
    list.map(([term, value, tip]) => el('div', { tip: tip ?? null }, el('dt', {}, `${term} `), el('dd', {}, value))),
  ];
}

function statusOf(context: PageContext): readonly Child[] {
  const { model, bridge } = context;
  const tail: Child[] = [el('span.grow')];
  const ready = model.layers.size > 0;
  const exporter: HTMLButtonElement = actionButton('Export\u2026', 'export', () => popupMenu(exporter, exportItems(context)));
  if (ready) tail.push(actionButton('Table', 'table', () => context.showTable('layers'), 'T'), exporter);
  if (model.state !== 'running' && model.state !== 'starting') tail.push(actionButton('Run again\u2026', 'again', () => bridge.post({ type: 'chooseOptions' })));
  return [startOf(context), tail];
}

function startOf(context: PageContext): Child {
  const { model, bridge } = context;
  switch (model.state) {
    case 'starting':
    case 'running':
      return el('span.running', {}, runningLine(context));
    case 'failed':
      return el('span.bad-text', {}, stoppedWhere(context));
    case 'cancelled':
      return [el('span.dim', {}, `Cancelled; ${model.finished.length} of ${model.indices.length} layers are kept`), model.finished.length < model.indices.length && pushButton('Go on', 'secondary', () => bridge.post({ type: 'run', options: null }), true)];
    case 'done': {
      const seconds = totalSeconds(model.document?.timings ?? {});
      const time = seconds === null ? null : el('span.mono.note', {}, `${formatNumber(seconds)} s`);
      const warnings = model.document?.warnings ?? [];
      const said: Child[] = [el('span.dim', {}, model.withProbe ? 'Analysed' : 'Read from the weights', time ? [' in ', time] : null, warnings.length > 0 && [', ', el('span.warned', { tip: warnings.map((w) => w.message).join('\n'), tabindex: 0 }, `${warnings.length} ${warnings.length === 1 ? 'remark' : 'remarks'}`)])];
      if (!model.withProbe) said.push(el('span.note', {}, model.head?.probeMissing ?? ''), remedies(context, true));
      return said;
    }
  }
}

/** What can be done about a missing probe. */
export function remedies(context: PageContext, small: boolean): Child {
  const { model, bridge } = context;
  const facts = model.head?.model;
  if (facts && !facts.runnable) return el('span.note', {}, facts.cannotRun ?? model.head?.probeMissing ?? 'This checkpoint cannot be run here.');
  const choose = pushButton('Choose texts\u2026', facts?.tokenizer ? 'secondary' : 'primary', () => bridge.post({ type: 'chooseProbe' }), small);
  const standard = facts?.tokenizer && pushButton('Probe with the default texts', 'primary', () => bridge.post({ type: 'run', options: { weightsOnly: false } }), small);
  return [standard, choose];
}

function runningLine(context: PageContext): readonly Child[] {
  const { model, bridge } = context;
  const of = model.indices.length;
  const { progress } = model;
  const share = progress && progress.total > 0 ? progress.done / progress.total : of > 0 ? model.finished.length / of : null;
  const stage = progress?.stage ?? (model.state === 'starting' ? 'Starting the engine' : 'Opening the checkpoint');
  const done = of > 0 ? `, ${model.finished.length} of ${of} layers done` : '';
  return [
    meter(share, of, 'Progress of the analysis'),
    el('span.stage', {}, capital(stage) + done),
    progress?.etaSeconds != null && el('span.dim', {}, 'about ', el('span.mono.note', {}, duration(progress.etaSeconds)), ' left'),
    pushButton('Cancel', 'secondary', () => bridge.post({ type: 'cancelRun' }), true),
  ];
}

function stoppedWhere(context: PageContext): string {
  const { model } = context;
  const { finished } = model;
  const next = model.indices.find((index) => !finished.includes(index));
  return next === undefined || finished.length === 0 ? 'Stopped before the first layer was done' : `Stopped at layer ${next}; ${finished.length} of ${model.indices.length} layers are kept`;
}

function totalSeconds(timings: Readonly<Record<string, number>>): number | null {
  if (timings['total'] !== undefined) return timings['total'];
  const parts = Object.values(timings);
  return parts.length === 0 ? null : parts.reduce((sum, value) => sum + value, 0);
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}

function capital(text: string): string {
  return text.charAt(0).toLocaleUpperCase('en') + text.slice(1);
}

function deviceName(device: string): string {
  return { cpu: 'CPU', webgpu: 'WebGPU', cuda: 'CUDA', dml: 'DirectML', coreml: 'CoreML' }[device] ?? device;
}
