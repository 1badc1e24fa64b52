import './page.css';
import type { TensorEntry } from '../../extension/protocol/documents';
import type { DataTable } from '../render/table';
import { Bridge } from '../ui/bridge';
import { el } from '../ui/dom';
import { installPatterns } from '../ui/patterns';
import { TableDialog } from '../ui/tableDialog';
import { Theme } from '../ui/theme';
import { installToolkit } from '../ui/toolkit';
import { installTooltips } from '../ui/tooltip';
import type { PageContext } from './context';
import { headView } from './headView';
import { inspectorView } from './inspectorView';
import { listView } from './listView';
import { TensorsModel } from './model';
import { shapeText } from './text';

/** Builds the page into the host's empty body, then asks for its state. */
function start(): void {
  installToolkit();
  const bridge = new Bridge();
  const theme = new Theme();
  const model = new TensorsModel(bridge);
  const dialog = new TableDialog({ copy: (text) => bridge.post({ type: 'copy', text }), save: (suggestedName, content) => bridge.post({ type: 'save', suggestedName, content, encoding: 'utf8' }) });
  const context: PageContext = { model, bridge, theme, showTable: (id) => dialog.show(tablesOf(model), id) };

  const head = el('header.page-head');
  const list = el('section.list', { 'aria-label': 'Tensors' });
  const inspector = el('section.inspector', { 'aria-label': 'The chosen tensor', tabindex: 0 });
  const page = el('main.page', {}, head, el('div.panes', {}, list, inspector));
  (document.getElementById('root') ?? document.getElementById('app') ?? document.body).replaceChildren(page);
  installPatterns();
  installTooltips();
  headView(context, head);
  listView(context, list);
  inspectorView(context, inspector);
  theme.watch(() => model.changed('theme'));
  new ResizeObserver(() => model.changed('size')).observe(page);
  document.addEventListener('keydown', (event) => {
    if (dialog.open || event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
    if (event.key !== 't' && event.key !== 'T') return;
    context.showTable(event.target instanceof Element ? event.target.closest('[data-table]')?.getAttribute('data-table') ?? 'tensors' : 'tensors');
    event.preventDefault();
  });
  model.changed('document', 'lines', 'selection');
  bridge.listen((message) => {
    if (message.type === 'tensors/state') model.receive(message.document, message.error);
  });
}

/** The list with what has been read, and the histogram of the chosen tensor. */
function tablesOf(model: TensorsModel): readonly DataTable[] {
  const listed: TensorEntry[] = [];
  if (model.isFlat) for (let i = 0; i < model.count; i++) listed.push(...[model.tensorAt(i)].filter((tensor) => tensor !== null));
  else listed.push(...(model.document?.tensors ?? []));
  const tables: DataTable[] = [{
    id: 'tensors', title: 'Tensors', note: 'Numbers stand where statistics have been read.', columns: ['Name', 'Shape', 'Dtype', 'Bytes', 'Mean', 'SD', 'Min', 'Max', 'Zeros', 'NaN', 'Inf'],
    rows: listed.map((tensor) => {
      const s = model.statisticsOf(tensor.name);
      return [tensor.name, shapeText(tensor.shape), tensor.dtype, tensor.bytes, ...(s ? [s.mean, s.sd, s.min, s.max, s.zeros, s.nan, s.infinite] : [null, null, null, null, null, null, null])];
    }),
  }];
  const chosen = model.selected === null ? null : model.statisticsOf(model.selected);
  if (chosen) {
    const { from, to, counts } = chosen.histogram;
    const wide = (to - from) / Math.max(1, counts.length);
    tables.push({ id: 'values', title: 'Values of the chosen tensor', note: `${chosen.name}: finite non-zero values in equal bins; zero, NaN and Inf counted apart.`, columns: ['From', 'To', 'Count'], rows: [...Array.from(counts, (count, k) => [from + k * wide, from + (k + 1) * wide, count]), ['exactly 0', '', chosen.zeros], ['NaN', '', chosen.nan], ['Inf', '', chosen.infinite]] });
  }
  return tables;
}

start();
