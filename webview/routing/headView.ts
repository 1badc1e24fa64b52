import { formatNumber } from '../../extension/protocol/score';
import { routingFacts, routingFinding } from '../render/routingFinding';
import { whatIfWords } from '../render/routingWhatIf';
import { scoreTip } from '../render/scoreText';
import { meter, pushButton } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import { errorBox } from '../ui/notice';
import type { PageContext } from './context';

/** A run that ends sooner than this, and an edit that is routed sooner, are not announced in the line of facts: typing would make it blink. */
const PATIENCE = 500;

/** The sentence, the facts, and the state of the run where there is something to say about it. */
export function headView(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const finding = el('h1.finding');
  // What the run is doing stands in the line of facts, so that pictures stay where they are when it ends.
  const facts = el('ul.fact-list');
  const status = el('div.run-state');
  const spoken = el('div.spoken', { role: 'status' });
  host.append(finding, el('div.fact-line', {}, facts, status), spoken);
  let said = '';
  let begun = 0;
  let patience = 0;

  const sentence = (): void => {
    const found = routingFinding({ state: model.state, source: model.source, stale: model.stale, whatIf: model.head && whatIfWords(model.head, model.axis, model.rows), head: model.head, rows: model.rows, filter: model.filter, divergence: model.divergence, switches: model.rows.map((_, s) => model.switches(s)) });
    if (finding.textContent !== found.text) finding.textContent = found.text;
    finding.dataset.tip = found.score ? `${scoreTip('', found.score).trim()}\n${found.note}` : found.note;
  };
  const fillFacts = (): void => {
    const { result } = model;
    if (!result || !model.head) {
      replace(facts, el('li', {}, el('b', {}, model.modelName || '\u2013')), model.source && el('li', {}, model.source));
      return;
    }
    replace(facts, routingFacts(result, model.summary, model.modelName, model.rows).map((fact) => el('li', { tip: fact.tip ?? null, tabindex: fact.tip ? 0 : null, class: fact.tip ? 'tip-fact' : null }, fact.pieces.map((piece, i) => (i % 2 === 0 ? piece : el('b', {}, piece))))),
      result.warnings.length > 0 && el('li.warned', { tip: result.warnings.map((warning) => warning.message).join('\n'), tabindex: 0 }, `${result.warnings.length} ${result.warnings.length === 1 ? 'remark' : 'remarks'}`));
  };
  const waits = (): boolean => model.head !== null && !model.error && (model.state === 'running' || (model.state === 'done' && model.stale));
  const hasty = (): boolean => waits() && performance.now() - begun < PATIENCE;
  const runLine = (): Child => {
    const again = (): HTMLElement => pushButton('Route again', 'primary', () => bridge.post({ type: 'run', options: null }), true);
    const choose = (): HTMLElement => pushButton('Choose another router\u2026', 'secondary', () => bridge.post({ type: 'routing/choose' }), true);
    if (hasty()) return null;
    if (model.state === 'starting' || model.state === 'running') {
      const { progress } = model;
      return el('div.running', {}, meter(progress && progress.total > 0 ? progress.done / progress.total : null, 1, 'Progress of the routing'),
        el('span', {}, progress?.stage ?? (model.state === 'starting' ? 'Starting the engine' : 'Routing the text')),
        progress?.etaSeconds != null && el('span.dim', {}, 'about ', el('span.mono', {}, `${formatNumber(Math.max(1, Math.round(progress.etaSeconds)))} s`), ' left'),
        model.head && el('span.dim', {}, 'what is shown is the last run'),
        pushButton('Cancel', 'secondary', () => bridge.post({ type: 'cancelRun' }), true));
    }
    if (model.error) {
      return errorBox(model.error, model.head ? 'The pictures below are those of the last run that worked.' : null, [
        pushButton('Try again', 'primary', () => bridge.post({ type: 'run', options: null })), pushButton('Choose another router\u2026', 'secondary', () => bridge.post({ type: 'routing/choose' })), pushButton('Show the log', 'secondary', () => bridge.post({ type: 'showLog' }))]);
    }
    if (model.state === 'cancelled') return el('div.running', {}, el('span.dim', {}, 'Cancelled.'), again(), choose());
    if (model.stale) return el('div.running', {}, el('span.strong', { tip: 'The pictures and the sentence belong to the text before the edit.' }, 'The text has changed'), again());
    const failed = model.rows.filter((_, s) => model.slices.failed(s)).length;
    if (failed > 0) return el('div.running', {}, el('span.strong', {}, `The numbers of ${failed} ${failed === 1 ? 'site' : 'sites'} could not be fetched: the engine no longer keeps this trace.`), again());
    return null;
  };

  const showRun = (): void => {
    const working = model.state === 'running' || model.state === 'starting';
    if (!waits()) begun = 0;
    else if (begun === 0) {
      begun = performance.now();
      window.clearTimeout(patience);
      patience = window.setTimeout(showRun, PATIENCE + 10);
    }
    replace(status, runLine());
    const page = document.querySelector('.page');
    page?.classList.toggle('working', working && !hasty());
    // Where the editor says which tokens are behind, only those are faded.
    page?.classList.toggle('outdated', model.head !== null && (model.state === 'starting' || model.state === 'failed' || model.state === 'cancelled' || (model.stale && !model.knowsStale)));
  };
  model.watch((changes) => {
    const fetched = changes.has('data') && (model.slices.complete || model.filter.kind !== 'all' || model.rows.some((_, s) => model.slices.failed(s)));
    if (changes.has('run') || changes.has('trace') || changes.has('view') || fetched) {
      sentence();
      fillFacts();
    }
    if (changes.has('run') || changes.has('progress') || changes.has('trace') || fetched) showRun();
    const now = model.state === 'done' && model.head ? finding.textContent ?? '' : model.state;
    if (now !== said) spoken.textContent = said = now;
  });
}
