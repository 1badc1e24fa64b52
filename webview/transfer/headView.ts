import { formatNumber } from '../../extension/protocol/score';
import type { Fact } from '../render/transferFinding';
import { planFacts, reportFacts, stateSentence } from '../render/transferFinding';
import { meter, pushButton } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import { errorBox } from '../ui/notice';
import type { PageContext } from './context';

/** The last part of a path, whatever its platform. */
export function nameOf(path: string): string {
  return path.replace(/[\\/]+$/, '').split(/[\\/]/).at(-1) ?? path;
}

/** The sentence, the facts, and the state of the run where there is something to say about it. */
export function headView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const finding = el('h1.finding');
  const facts = el('ul.fact-list');
  const status = el('div.run-state');
  const spoken = el('div.spoken', { role: 'status' });
  host.append(finding, facts, status, spoken);
  let said = '';

  model.watch((changes) => {
    if (changes.has('state')) {
      const { document, plan, state, step } = model;
      const text = document?.sentence ?? stateSentence(step, plan, state ? nameOf(state.request.module) : 'a module');
      if (finding.textContent !== text) finding.textContent = text;
      const list = document ? reportFacts(document) : plan ? planFacts(plan) : [];
      replace(facts, list.map(factItem), remarks(context));
    }
    if (changes.has('state') || changes.has('progress')) {
      // A button that is made anew between press and release is never clicked: while a run goes on only what stands before it changes.
      const line = isRunning(model.step) ? status.querySelector<HTMLElement>('.running-now') : null;
      if (line) replace(line, ...runningNow(context));
      else replace(status, runLine(context));
      document.querySelector('.page')?.classList.toggle('working', model.busy);
    }
    const now = model.step === 'done' ? finding.textContent ?? '' : `${model.step}`;
    if (now !== said) spoken.textContent = said = now;
  });
}

function factItem(fact: Fact): HTMLElement {
  return el('li', { tip: fact.tip ?? null, tabindex: fact.tip ? 0 : null, class: fact.tip ? 'tip-fact' : null }, `${fact.name} `, el('b', {}, fact.value));
}

function remarks({ model }: PageContext): Child {
  const { document, plan } = model;
  const list = document ? [] : plan?.warnings ?? [];
  return list.length > 0 && el('li.warned', { tip: list.map(({ message }) => message).join('\n'), tabindex: 0 }, `${list.length} ${list.length === 1 ? 'remark' : 'remarks'}`);
}

function isRunning(step: PageContext['model']['step']): boolean {
  return step === 'starting' || step === 'running';
}

/** How far a run is; stands before its Cancel button. */
function runningNow({ model: { progress, step } }: PageContext): Child[] {
  return [
    meter(progress && progress.total > 0 ? progress.done / progress.total : null, 1, 'Progress of the transfer'),
    el('span.stage', {}, capital(progress?.stage ?? (step === 'starting' ? 'starting the engine' : 'opening both bases'))),
    progress?.etaSeconds != null && el('span.dim', {}, 'about ', el('span.mono', {}, duration(progress.etaSeconds)), ' left'),
  ];
}

function runLine(context: PageContext): Child {
  const { model, bridge } = context;
  const cancel = (): HTMLElement => pushButton('Cancel', 'secondary', () => bridge.post({ type: 'cancelRun' }), true);
  const again = (kind: 'primary' | 'secondary', small = true): HTMLElement => pushButton('Run again\u2026', kind, () => bridge.post({ type: 'run', options: null }), small);
  const { state } = model;
  switch (model.step) {
    case 'planning':
      return el('div.running', {}, meter(null, 1, 'Making the plan'), el('span', {}, 'Reading both bases and the module'), cancel());
    case 'starting':
    case 'running':
      return el('div.running', {}, el('span.running-now', {}, ...runningNow(context)), cancel());
    case 'cancelled':
      return el('div.running', {}, el('span.dim', {}, model.plan ? 'Cancelled. Nothing was written.' : 'Cancelled before the plan was made.'), model.plan ? again('secondary') : pushButton('Plan again', 'secondary', () => bridge.post({ type: 'transfer/replan' }), true));
    case 'failed':
      return state?.error && errorBox(state.error, model.plan ? 'Nothing was written. The plan below still holds; it can be changed and run again.' : 'Choose another module, base or method above the line, or plan again.', [
        model.plan ? again('primary', false) : pushButton('Plan again', 'primary', () => bridge.post({ type: 'transfer/replan' })), pushButton('Show the log', 'secondary', () => bridge.post({ type: 'showLog' }))]);
    case 'done': {
      const seconds = model.document?.timings['total'];
      return el('div.running', {}, el('span.dim', {}, 'Done', seconds === undefined ? '' : [' in ', el('span.mono', {}, duration(seconds))], model.document?.device.used ? `, on ${model.document.device.used}` : ''));
    }
    default:
      return null;
  }
}

/** `35 s`, `4 min`. */
export function duration(seconds: number): string {
  return seconds < 90 ? `${formatNumber(Math.max(1, Math.round(seconds)))}\u202fs` : `${formatNumber(Math.round(seconds / 60))}\u202fmin`;
}

function capital(text: string): string {
  return text.charAt(0).toLocaleUpperCase('en') + text.slice(1);
}
