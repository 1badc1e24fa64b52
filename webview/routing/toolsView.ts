import { expertOrders } from '../render/routingExperts';
import type { ExpertOrder } from '../render/routingExperts';
import type { Measure, ScaleRange } from '../render/routingScale';
import type { TokenFilter } from '../render/routingTrace';
import type { Quantity } from '../render/routingValues';
import { QUANTITY_SAYS, QUANTITY_WORDS } from '../render/routingValues';
import { actionButton, popupMenu, switchButtons } from '../ui/controls';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';
import { exportItems } from './exports';
import type { PageTables } from './tables';

/** Texts that are listed one by one in the filter; more would be a list nobody reads. */
const TEXTS_LISTED = 60;

/** The row of choices between hairlines. */
export function toolsView(context: PageContext, host: HTMLElement, tables: PageTables): void {
  const { model, bridge } = context;
  const choose = el('button.select', { type: 'button', onclick: () => bridge.post({ type: 'routing/choose' }) });
  const texts = el('select.select', { 'aria-label': 'Text', onchange: () => model.setFilter(filterOf(texts.value)) });
  const order = el('select.select', { 'aria-label': 'Experts by', onchange: () => model.setView({ order: order.value as ExpertOrder }) });
  const measure = el('select.select', { 'aria-label': 'Show', onchange: () => model.setView({ measure: measure.value as Measure }) });
  const range = el('select.select', { 'aria-label': 'Scale', onchange: () => model.setView({ range: range.value as ScaleRange }) });
  const field = (name: string, control: HTMLElement): HTMLElement => el('span.field', {}, el('span', { 'aria-hidden': 'true' }, name), control);
  const exporter: HTMLButtonElement = actionButton('Export\u2026', 'export', () => popupMenu(exporter, exportItems(context, tables)));
  const tail = el('span.tail', {}, actionButton('Table', 'table', () => context.showTable('overview'), 'T'), el('span.key-hint', {}, el('kbd', {}, 'Esc'), ' unlock'), exporter);
  const values = el('span.values');
  host.append(field('Router', choose), field('Text', texts), field('Experts by', order), values, field('Show', measure), field('Scale', range), tail);

  const render = (): void => {
    const { head, summary } = model;
    const router = head?.router ?? '';
    choose.textContent = router === '' ? 'choose\u2026' : router;
    choose.setAttribute('aria-label', `${choose.textContent ?? ''} Choose the router or the model`);
    choose.title = `${model.modelName}: choose another router, model or set of layers`;
    for (const control of [texts, order, range]) control.disabled = !head;
    exporter.disabled = !head;
    if (!head || !summary) {
      for (const control of [texts, order, measure, range]) if (control.options.length === 0) control.append(el('option', {}, '\u2013'));
      return;
    }
    const labels = [...new Set(head.records.flatMap((record) => (record.label === null ? [] : [record.label])))];
    const now = model.filter.kind === 'all' ? 'all' : model.filter.kind === 'label' ? `label:${model.filter.label}` : `record:${model.filter.record}`;
    const option = (value: string, text: string, chosen: string): HTMLOptionElement => el('option', { value, selected: value === chosen }, text);
    replace(texts, option('all', head.records.length === 1 ? 'the whole text' : `all ${head.records.length} texts`, now),
      labels.length > 1 && el('optgroup', { label: 'Kinds' }, labels.map((label) => option(`label:${label}`, label, now))),
      head.records.length > 1 && el('optgroup', { label: 'Texts' }, head.records.slice(0, TEXTS_LISTED).map((record, r) => option(`record:${r}`, `${r + 1}: ${(model.texts[r] ?? record.label ?? '').replace(/\s+/g, ' ').trim().slice(0, 28) || 'empty'}`, now))));
    replace(order, expertOrders(head, summary).map(([value, text]) => option(value, text, model.order)));
    replace(measure, option('mean', 'mean weight', model.measure), option('share', 'share of slots', model.measure));
    replace(range, option('fixed', 'fixed', model.range), option('fit', 'fit to view', model.range), option('unit', '0 to 1', model.range));
  };
  let offered = '';
  const offer = (): void => {
    const { quantities, quantity } = model;
    const key = `${quantities.join()} ${quantity}`;
    measure.disabled = !model.head || quantity !== 'weight';
    measure.title = quantity === 'weight' ? '' : 'Shares of slots are shares of weight: choose weights first';
    if (key === offered) return;
    offered = key;
    replace(values, quantities.length > 1 && field('Values', switchButtons('Values', quantities.map((one) => [one, QUANTITY_WORDS[one]] as const), quantity, (next: Quantity) => {
      model.setView({ quantity: next });
      requestAnimationFrame(() => values.querySelector<HTMLElement>('[aria-pressed=true]')?.focus());
    })));
    for (const button of values.querySelectorAll<HTMLElement>('button')) button.title = QUANTITY_SAYS[button.dataset['value'] as Quantity];
  };
  model.watch((changes) => {
    if (changes.has('run') || changes.has('trace') || changes.has('view') || changes.has('data')) offer();
    if (changes.has('run') || changes.has('trace') || changes.has('view')) render();
  });
}

function filterOf(value: string): TokenFilter {
  if (value.startsWith('label:')) return { kind: 'label', label: value.slice(6) };
  if (value.startsWith('record:')) return { kind: 'record', record: Number(value.slice(7)) };
  return { kind: 'all' };
}
