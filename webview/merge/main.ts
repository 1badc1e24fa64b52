import './page.css';
import type { MapColours } from '../render/mergeMaps';
import { Bridge } from '../ui/bridge';
import { el } from '../ui/dom';
import { installPatterns } from '../ui/patterns';
import { onWidth } from '../ui/size';
import { TableDialog } from '../ui/tableDialog';
import { Theme } from '../ui/theme';
import { installToolkit } from '../ui/toolkit';
import { installTooltips } from '../ui/tooltip';
import { adviceView } from './adviceView';
import type { PageContext } from './context';
import { deltaView, lostView } from './deltaView';
import { headView } from './headView';
import { installKeys } from './keys';
import { linkLayers } from './layerLinks';
import { MergeModel } from './model';
import { pairsView } from './pairsView';
import { partsView } from './partsView';
import { planView } from './planView';
import { currentTables } from './tables';
import { toolsView } from './toolsView';

/** Builds the page into the host's empty body, then asks for its state. */
function start(): void {
  installToolkit();
  const bridge = new Bridge();
  const theme = new Theme();
  const model = new MergeModel(bridge);
  const dialog = new TableDialog({ copy: (text) => bridge.post({ type: 'copy', text }), save: (suggestedName, content) => bridge.post({ type: 'save', suggestedName, content, encoding: 'utf8' }) });
  const live = el('div.spoken', { 'aria-live': 'polite' });
  let colours: MapColours | null = null;
  const context: PageContext = {
    model, bridge, theme,
    colours: () => (colours ??= {
      sequential: theme.sequential, diverging: theme.diverging,
      palette: { page: theme.channels('var(--ml-page)'), ink: theme.channels('var(--ml-ink)'), hues: [], highContrast: document.body.classList.contains('vscode-high-contrast') },
    }),
    showTable: (id) => dialog.show(currentTables(context), id),
    announce: (text) => (live.textContent = text),
  };

  const head = el('header.page-head');
  const tools = el('div.tools-row');
  const where = el('div.where');
  const what = el('div.what');
  const which = el('div.which');
  const view = el('div.view', {}, where, what, which);
  const page = el('main.page', {}, head, tools, view, live);
  (document.getElementById('root') ?? document.body).replaceChildren(page);
  installPatterns();
  installTooltips();
  // First of all: what is there decides how wide pictures are.
  model.watch((changes) => {
    if (!changes.has('state')) return;
    const { document: report, plan } = model;
    view.classList.toggle('nothing', !report && !plan);
    view.classList.toggle('plan-only', !report && plan !== null);
    view.classList.toggle('single', report !== null && !model.hasPairs);
    view.classList.toggle('no-base', report !== null && model.rows.length === 0);
    view.classList.toggle('stale', report !== null && model.step === 'reading');
  });
  headView(context, head);
  toolsView(context, tools);
  deltaView(context, where);
  lostView(context, where);
  pairsView(context, what);
  partsView(context, what);
  adviceView(context, which);
  planView(context, which);
  linkLayers(context, page);
  installKeys(context, () => dialog.open);

  theme.watch(() => {
    colours = null;
    model.changed('theme');
  });
  onWidth(page, () => model.changed('size'));
  model.changed('state');
  bridge.listen((message) => model.receive(message));
}

start();
