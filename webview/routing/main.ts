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
import { compareView } from './compareView';
import type { PageContext } from './context';
import { flowView } from './flowView';
import { headView } from './headView';
import { keepView } from './keepView';
import { installKeys } from './keys';
import { labelsView } from './labelsView';
import { libraryView } from './libraryView';
import { metricsView } from './metricsView';
import { RoutingModel } from './model';
import { overviewView } from './overviewView';
import { pairsView } from './pairsView';
import { rasterView } from './rasterView';
import { sliceView } from './sliceView';
import { forgetWidths } from './section';
import type { PageTables } from './tables';
import { currentTables } from './tables';
import { toolsView } from './toolsView';
import { trainedView } from './trainedView';
import { whatIfView } from './whatIfView';

/** More experts than this take the width of the page. */
const WIDE_FROM = 24;

/** Builds the page into the host's empty body, then asks for its state. */
function start(): void {
  installToolkit();
  const bridge = new Bridge();
  const theme = new Theme();
  const model = new RoutingModel(bridge);
  const dialog = new TableDialog({ copy: (text) => bridge.post({ type: 'copy', text }), save: (suggestedName, content) => bridge.post({ type: 'save', suggestedName, content, encoding: 'utf8' }) });
  const live = el('div.spoken', { 'aria-live': 'polite' });
  let palette: RoutingPalette | null = null;
  let tables: PageTables | null = null;
  const context: PageContext = {
    model, bridge, theme,
    palette: () => (palette ??= {
      page: theme.channels('var(--ml-page)'), ink: theme.channels('var(--ml-ink)'), hues: Array.from({ length: 8 }, (_, i) => theme.channels(`var(--ml-cat-${i + 1})`)),
      highContrast: document.body.classList.contains('vscode-high-contrast'),
    }),
    showTable: (id) => {
      if (tables) dialog.show(currentTables(context, tables), id);
    },
    announce: (text) => (live.textContent = text),
  };

  const head = el('header.page-head');
  const tools = el('div.tools-row');
  const side = el('div.side');
  const below = el('div.below');
  const view = el('div.view');
  const whatIf = el('div');
  const page = el('main.page', {}, head, tools, whatIf, view, live);
  (document.getElementById('root') ?? document.getElementById('app') ?? document.body).replaceChildren(page);
  installPatterns();
  installTooltips();
  // First of all, because it decides how wide pictures are.
  model.watch((changes) => {
    if (changes.has('size') || changes.has('trace') || changes.has('run')) forgetWidths();
    if (!changes.has('trace') && !changes.has('run')) return;
    page.classList.toggle('empty', model.head === null);
    view.classList.toggle('many', model.axis.columns.length > WIDE_FROM);
  });
  headView(context, head);
  overviewView(context, view);
  const raster = rasterView(context, view);
  view.append(side, below);
  sliceView(context, side);
  flowView(context, side);
  labelsView(context, below);
  const lower = el('div.lower');
  below.append(lower);
  const pairs = pairsView(context, lower);
  const keep = keepView(context, lower);
  metricsView(context, lower);
  const trained = trainedView(context, lower);
  const compare = compareView(context, lower);
  const library = libraryView(context, lower);
  tables = { tokens: () => raster.tokens(), pairs: () => pairs.shown(), curve: () => keep.curve(), trained: () => trained.sites(), compare: () => compare.shown(), library: () => library.shown() };
  toolsView(context, tools, tables);
  whatIfView(context, whatIf, tools);
  installKeys(context, () => dialog.open);

  theme.watch(() => {
    palette = null;
    model.changed('theme');
  });
  onWidth(page, () => model.changed('size'));
  model.changed('run');
  bridge.listen((message) => model.receive(message));
}

start();
