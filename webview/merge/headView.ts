import { type Fact, inspectFacts, inspectSentence, planFacts, planSentence, stateSentence } from '../render/mergeFinding';
import { meter, pushButton } from '../ui/controls';
import { type Child, el, replace } from '../ui/dom';
import { errorBox } from '../ui/notice';
import type { PageContext } from './context';

/** The sentence, the facts, and the state of the reading where there is something to say about it. */
export function headView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const finding = el('h1.finding');
  const second = el('p.second');
  const facts = el('ul.fact-list');
  const status = el('div.run-state');
  const spoken = el('div.spoken', { role: 'status' });
  host.append(finding, second, facts, status, spoken);
  let said = '';

  model.watch((changes) => {
    if (changes.has('state') || changes.has('view')) {
      const { document, plan, step } = model;
      const text = document ? inspectSentence(document, model.matrices) : stateSentence(step, plan);
      if (finding.textContent !== text) finding.textContent = text;
      second.textContent = document && plan ? planSentence(plan) : model.state?.note ?? '';
      second.hidden = second.textContent === '';
      replace(facts, (document ? inspectFacts(document) : plan ? planFacts(plan) : []).map(factItem), remarks(context));
    }
    if (changes.has('state') || changes.has('progress')) {
      replace(status, runLine(context));
      document.querySelector('.page')?.classList.toggle('working', model.step === 'reading');
    }
    const now = model.step === 'done' ? finding.textContent ?? '' : model.step;
    if (now !== said) spoken.textContent = said = now;
  });
}

function factItem(fact: Fact): HTMLElement {
  return el('li', { tip: fact.tip ?? null, tabindex: fact.tip ? 0 : null, class: fact.tip ? 'tip-fact' : null }, `${fact.name} `, el('b', {}, fact.value));
}

function remarks({ model }: PageContext): Child {
  const list = [...(model.plan?.warnings ?? []), ...(model.document?.warnings ?? [])];
  return list.length > 0 && el('li.warned', { tip: list.map(({ message }) => message).join('\n'), tabindex: 0 }, `${list.length} ${list.length === 1 ? 'remark' : 'remarks'}`);
}

function runLine({ model, bridge }: PageContext): Child {
  const again = (text: string, small: boolean): HTMLElement => pushButton(text, small ? 'secondary' : 'primary', () => bridge.post({ type: 'run', options: null }), small);
  const { progress, state } = model;
  switch (model.step) {
    case 'reading':
      return el('div.running', {}, meter(progress && progress.total > 0 ? progress.done / progress.total : null, 1, 'Progress of the comparison'), el('span.stage', {}, progress ? capital(progress.stage) : 'Reading headers'),
        progress?.etaSeconds != null && el('span.dim', {}, 'about ', el('span.mono', {}, `${Math.max(1, Math.round(progress.etaSeconds))}\u202fs`), ' left'), pushButton('Cancel', 'secondary', () => bridge.post({ type: 'cancelRun' }), true));
    case 'cancelled':
      return el('div.running', {}, el('span.dim', {}, 'Cancelled. Nothing was written.'), again('Compare again', true));
    case 'failed':
      return state?.error && errorBox(state.error, state.plan ? 'The plan of the recipe stands; only the comparison failed.' : null, [again('Try again', false), pushButton('Show the log', 'secondary', () => bridge.post({ type: 'showLog' }))]);
    default:
      return null;
  }
}

function capital(text: string): string {
  return text.charAt(0).toLocaleUpperCase('en') + text.slice(1);
}
