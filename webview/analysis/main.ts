import './page.css';
import { Bridge } from '../ui/bridge';
import { el } from '../ui/dom';
import { installPatterns } from '../ui/patterns';
import { onWidth } from '../ui/size';
import { TableDialog } from '../ui/tableDialog';
import { Theme } from '../ui/theme';
import { installToolkit } from '../ui/toolkit';
import { installTooltips } from '../ui/tooltip';
import type { PageContext } from './context';
import { currentTables } from './currentTables';
import { detailsView } from './detailsView';
import { headView } from './head';
import { installKeys } from './keys';
import { layersView } from './layers';
import { AnalysisModel } from './model';
import { pictureView } from './picture';

/** Builds the page into the host's empty body, then asks for its state. */
function start(): void {
  installToolkit();
  const bridge = new Bridge();
  const theme = new Theme();
  const model = new AnalysisModel(bridge);
  const tables = new TableDialog({ copy: (text) => bridge.post({ type: 'copy', text }), save: (suggestedName, content) => bridge.post({ type: 'save', suggestedName, content, encoding: 'utf8' }) });
  const live = el('div.spoken', { 'aria-live': 'polite' });
  const context: PageContext = {
    model, bridge, theme,
    showTable: (id) => tables.show(currentTables(context), id),
    announce: (text) => (live.textContent = text),
  };

  const head = el('header.page-head');
  const layers = el('section.column.layers', { 'aria-label': 'Layers and their scores' });
  const picture = el('section.column.picture-column', { 'aria-label': 'The chosen layer' });
  const details = el('section.column.details', { 'aria-label': 'The chosen expert' });
  const page = el('main.page', {}, head, el('div.columns', {}, layers, picture, details), live);
  (document.getElementById('root') ?? document.getElementById('app') ?? document.body).replaceChildren(page);
  installPatterns();
  installTooltips();
  headView(context, head);
  layersView(context, layers);
  pictureView(context, picture);
  detailsView(context, details);
  installKeys(context, () => tables.open);
  theme.watch(() => model.changed('theme', 'run'));
  onWidth(page, () => model.changed('size'));
  model.changed('run', 'layers', 'selection');
  bridge.listen((message) => model.receive(message));
}

start();
