import type { ErrorRecord } from '../../extension/protocol/errors';
import type { InspectDocument } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import { actionButton, pushButton } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace } from '../ui/dom';
import { sentences } from '../render/sentences';
import { shortCount } from '../render/shortCount';
import type { PageContext } from './context';
import type { TensorsModel } from './model';
import { bytesText } from './text';

/** How many tensors, how much, how many of those read are not finite; then the facts of the file; then what went wrong. */
export function headView(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const finding = el('h1.finding');
  const facts = el('dl.facts');
  const actions = el('div.head-actions');
  const trouble = el('div');
  host.append(el('div.head-line', {}, finding, actions), facts, trouble);
  model.watch((changes) => {
    if (changes.has('document') || changes.has('statistics')) finding.textContent = findingOf(model);
    if (!changes.has('document')) return;
    replace(facts, model.document ? factsOf(model.document) : null);
    replace(actions, model.document && (model.document.layers !== null || model.document.architecture !== null) && actionButton('Analyze modularity', 'again', () => bridge.post({ type: 'analyze' })));
    replace(trouble, model.error && troubleOf(context, model.error));
  });
}

function findingOf(model: TensorsModel): string {
  const { document } = model;
  if (!document) return model.error ? 'The file cannot be shown.' : 'Reading the header\u2026';
  let read = 0;
  let bad = 0;
  for (const state of model.statistics.values()) {
    if (state === 'pending' || !('histogram' in state)) continue;
    read++;
    if (state.nan + state.infinite > 0) bad++;
  }
  const start = `${formatNumber(document.tensors.length)} ${document.tensors.length === 1 ? 'tensor' : 'tensors'}, ${bytesText(document.bytes)}`;
  if (read === 0) return `${start}.`;
  const all = read === document.tensors.length ? `all ${formatNumber(read)}` : `the ${formatNumber(read)} read so far`;
  return bad === 0 ? `${start}; ${all} ${read === 1 && read !== document.tensors.length ? 'holds' : 'hold'} finite values only.` : `${start}; ${formatNumber(bad)} of ${all} ${bad === 1 ? 'holds' : 'hold'} values that are not finite.`;
}

function factsOf(document: InspectDocument): readonly Child[] {
  const dtypes = new Map<string, number>();
  const files = new Set<string>();
  for (const tensor of document.tensors) {
    dtypes.set(tensor.dtype, (dtypes.get(tensor.dtype) ?? 0) + 1);
    files.add(tensor.file);
  }
  const kinds = [...dtypes].sort((a, b) => b[1] - a[1]).map(([dtype, count]) => (dtypes.size === 1 ? dtype : `${dtype} ${formatNumber(count)}`)).join(', ');
  const seconds = document.timings['total'];
  const list: (readonly [string, string, string?])[] = [
    ['Parameters', shortCount(document.parameters), formatNumber(document.parameters)],
    ['Dtypes', kinds],
    ...(files.size > 1 ? [['Files', formatNumber(files.size)] as const] : []),
    ['Family', document.architecture ?? document.family ?? 'not recognised'],
    ...(document.layers !== null ? [['Layers', formatNumber(document.layers)] as const] : []),
    ...(document.leftOver.length > 0 ? [['Left over', formatNumber(document.leftOver.length), `Tensors that no role of the family claims:\n${document.leftOver.slice(0, 12).join('\n')}${document.leftOver.length > 12 ? '\n\u2026' : ''}`] as const] : []),
    ...(document.warnings.length > 0 ? [['Remarks', formatNumber(document.warnings.length), document.warnings.map((w) => w.message).join('\n')] as const] : []),
    ...(seconds === undefined ? [] : [['Read in', `${formatNumber(seconds)} s`] as const]),
  ];
  return [el('div', { tip: document.path }, el('dt.spoken', {}, 'File'), el('dd.fact-name', {}, document.name)), list.map(([term, value, tip]) => el('div', { tip: tip ?? null }, el('dt', {}, `${term} `), el('dd', { class: tip && term !== 'Parameters' ? 'warned' : null }, value)))];
}

function troubleOf(context: PageContext, error: ErrorRecord): HTMLElement {
  const { bridge } = context;
  const [first, ...rest] = sentences(error.message);
  return el('div.notice.error', { role: 'alert' }, el('p.strong', {}, first ?? error.message), rest.length > 0 && el('p', {}, rest.join(' ')),
    el('div.buttons', {}, pushButton('Look at the file again', 'primary', () => bridge.post({ type: 'ready' })), pushButton('Copy the report', 'secondary', () => bridge.post({ type: 'copy', text: `${error.code}\n${error.message}` })), pushButton('Show the log', 'secondary', () => bridge.post({ type: 'showLog' }))));
}
