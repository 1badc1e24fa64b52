import { LAYER_RULES, TRANSFER_METHODS, type LayerRule, type TransferMethodName } from '../../extension/protocol/transfer';
import { LAYER_RULE_WORDS, TRANSFER_METHOD_WORDS, type TransferChoice } from '../../extension/protocol/transferPage';
import { actionButton, linkButton, popupMenu } from '../ui/controls';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';
import { exportItems } from './exports';
import { nameOf } from './headView';

/** The row between hairlines: in the plan what can be chosen, in the report what can be done with it. */
export function toolsView(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const pick = (label: string, what: TransferChoice): HTMLButtonElement => el('button.select', { type: 'button', 'data-choice': what, 'aria-label': label, onclick: () => bridge.post({ type: 'transfer/choose', what }) });
  const buttons: Readonly<Record<TransferChoice, HTMLButtonElement>> = { module: pick('Module', 'module'), from: pick('Source base', 'from'), to: pick('Target base', 'to'), probe: pick('Probe texts', 'probe'), data: pick('Data', 'data'), out: pick('Output folder', 'out') };
  const method = el('select.select', { 'aria-label': 'Method', onchange: () => bridge.post({ type: 'transfer/set', method: method.value as TransferMethodName }) }, TRANSFER_METHODS.map((name) => el('option', { value: name }, TRANSFER_METHOD_WORDS[name].title)));
  const layers = el('select.select', { 'aria-label': 'Layers', onchange: () => bridge.post({ type: 'transfer/set', layers: layers.value as LayerRule }) }, LAYER_RULES.map((rule) => el('option', { value: rule }, LAYER_RULE_WORDS[rule].title)));
  const field = (name: string, control: HTMLElement): HTMLElement => el('span.field', {}, el('span', { 'aria-hidden': 'true' }, name), control);
  const exporter: HTMLButtonElement = actionButton('Export\u2026', 'export', () => popupMenu(exporter, exportItems(context)));
  const table = actionButton('Table', 'table', () => context.showTable(model.document ? 'runs' : 'source'), 'T');
  const choices = [field('Module', buttons.module), field('From', buttons.from), field('To', buttons.to), field('Method', method), field('Layers', layers), field('Probe', buttons.probe), field('Data', buttons.data), field('Out', buttons.out)];
  const tail = el('span.tail');

  const label = (button: HTMLButtonElement, what: string, text: string, full: string | undefined): void => {
    button.textContent = text;
    button.setAttribute('aria-label', `${what}: ${text}`);
    button.title = full ?? text;
  };
  model.watch((changes) => {
    if (!changes.has('state')) return;
    const { state, document: report } = model;
    host.classList.toggle('hidden-tools', state === null);
    if (!state) return;
    if (report) {
      replace(tail, linkButton('Open module', () => bridge.post({ type: 'transfer/openModule' })), linkButton('Change and run again', () => bridge.post({ type: 'transfer/replan' })),
        linkButton('Save report as HTML\u2026', () => bridge.post({ type: 'saveReport' })), linkButton('Copy as JSON', () => bridge.post({ type: 'copy', text: JSON.stringify(report, null, 1) + '\n' })), table, exporter);
      replace(host, el('span.field', {}, 'Written to ', el('span.mono.path', { title: report.out }, report.out)), tail);
      return;
    }
    const { request } = state;
    label(buttons.module, 'Module', nameOf(request.module), request.module);
    label(buttons.from, 'Source base', nameOf(request.from), request.from);
    label(buttons.to, 'Target base', nameOf(request.to), request.to);
    label(buttons.probe, 'Probe texts', request.probe === undefined ? 'default texts' : nameOf(request.probe), request.probe ?? 'the texts that come with Modulens');
    label(buttons.data, 'Data', request.data === undefined ? 'none' : nameOf(request.data), request.data ?? 'without texts of the task there is no verdict');
    label(buttons.out, 'Output folder', nameOf(state.out ?? state.suggestedOut), state.out ?? `${state.suggestedOut}, asked for when it runs`);
    method.value = request.method;
    layers.value = request.layers ?? model.plan?.layerRule ?? 'proportional';
    for (const control of [...Object.values(buttons), method, layers]) control.disabled = model.step === 'starting' || model.step === 'running';
    replace(tail, model.plan && table);
    replace(host, choices, tail);
  });
}
