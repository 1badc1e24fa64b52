import './page.css';
import type { RoutingPalette } from '../render/routingColours';
import { Bridge } from '../ui/bridge';
import { el } from '../ui/dom';
import { installPatterns } from '../ui/patterns';
import { onWidth } from '../ui/size';
import { TableDialog } from '../ui/tableDialog';
import { Theme } from '../ui/theme';
import { installToolkit } from '../ui/toolkit';
import { installTooltips } from '../ui/tooltip';
import type { PageContext } from './context';
import { headView } from './headView';
import { installKeys } from './keys';
import { linkLayers } from './layerLinks';
import { TransferModel } from './model';
import { planView } from './planView';
import { reportView } from './reportView';
import { currentTables } from './tables';
import { toolsView } from './toolsView';

/** Builds the page into the host's empty body, then asks for its state. */
function start(): void {
  installToolkit();
  const bridge = new Bridge();
  const theme = new Theme();
  const model = new TransferModel(bridge);
  const dialog = new TableDialog({ copy: (text) => bridge.post({ type: 'copy', text }), save: (suggestedName, content) => bridge.post({ type: 'save', suggestedName, content, encoding: 'utf8' }) });
  const live = el('div.spoken', { 'aria-live': 'polite' });
  let palette: RoutingPalette | null = null;
  const context: PageContext = {
    model, bridge, theme,
    palette: () => (palette ??= {
      page: theme.channels('var(--ml-page)'), ink: theme.channels('var(--ml-ink)'), hues: Array.from({ length: 8 }, (_, i) => theme.channels(`var(--ml-cat-${i + 1})`)),
      highContrast: document.body.classList.contains('vscode-high-contrast'),
    }),
    showTable: (id) => dialog.show(currentTables(context), id),
    announce: (text) => (live.textContent = text),
  };

  const head = el('header.page-head');
  const tools = el('div.tools-row');
  const plan = el('div.plan');
  const report = el('div.report');
  const page = el('main.page', {}, head, tools, plan, report, live);
  (document.getElementById('root') ?? document.body).replaceChildren(page);
  installPatterns();
  installTooltips();
  // First of all: parts that are hidden have no width to draw in.
  model.watch((changes) => {
    if (!changes.has('state')) return;
    plan.hidden = model.shows !== 'plan';
    report.hidden = model.shows !== 'report';
  });
  headView(context, head);
  toolsView(context, tools);
  planView(context, plan);
  reportView(context, report);
  linkLayers(context, page);
  installKeys(context, () => dialog.open);

  theme.watch(() => {
    palette = null;
    model.changed('theme');
  });
  onWidth(page, () => model.changed('size'));
  model.changed('state');
  bridge.listen((message) => model.receive(message));
}

start();
