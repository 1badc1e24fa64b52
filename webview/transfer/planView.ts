import { formatNumber } from '../../extension/protocol/score';
import type { PlannedSite, TransferPlan } from '../../extension/protocol/transfer';
import { shortBytes } from '../render/shortBytes';
import { transferCommand } from '../render/transferCommand';
import { droppedGroups, droppedShare, siteMatrix, sitePlace, siteText } from '../render/transferData';
import { planChecks, planControls, planSteps } from '../render/transferFinding';
import { percent } from '../render/transferLayers';
import { cellTip, drawMatrix, matrixLayout } from '../render/transferMatrix';
import { linkButton, pushButton } from '../ui/controls';
import { type Child, el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { headMapView } from './headMapView';
import { duration } from './headView';
import { layerMapView } from './layerMapView';
import { arrow, picture, section, widthOf } from './section';

/** Before any compute: what goes where, what stays behind, what will run and what it costs. */
export function planView(context: PageContext, host: HTMLElement): void {
  layerMapView(context, host, 'plan');
  headMapView(context, host, 'plan');
  sitesPart(context, host);
  runPart(context, host);
}

function sitesPart(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('sites', 'Sites', 'colour: norm of the update; crossed: dropped');
  const box = picture('matrix-box', 'sites', 'Sites of the module by source layer. Arrow keys move the cell, T opens the table.');
  const table = el('div.site-table');
  parts.body.append(box, table);
  host.append(parts.node);
  let at: readonly [number, number] = [0, -1];

  const render = (): void => {
    const { plan, map } = model;
    if (!plan || !map || model.shows !== 'plan') return;
    const matrix = siteMatrix(plan, map);
    box.hidden = matrix.rows.length === 0;
    replace(box, drawSvg(drawMatrix(matrix, matrixLayout(matrix, widthOf(parts.body)), context.theme.sequential)));
    replace(table, siteTable(context, plan));
  };
  box.addEventListener('keydown', (event) => {
    const by = arrow(event);
    const { plan, map } = model;
    if (!by || !plan || !map) return;
    const matrix = siteMatrix(plan, map);
    at = [Math.max(0, Math.min(matrix.rows.length - 1, at[0] + by[1])), Math.max(0, Math.min(matrix.parts.length - 1, at[1] + by[0]))];
    context.announce(cellTip(matrix, at[0], at[1]).split('\n').join(', '));
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (changes.has('state') || changes.has('size') || changes.has('theme') || changes.has('view')) render();
  });
}

const widths = ([a, b]: readonly [number, number]): string => `${a}\u2192${b}`;

/** What stays behind first, then what is carried: the first target layer, or every site. */
function siteTable({ model }: PageContext, plan: TransferPlan): HTMLElement {
  const groups = droppedGroups(plan.dropped, plan.sites);
  const first = sitePlace(plan.sites[0]?.name ?? '').layer;
  const shown = model.every ? plan.sites : plan.sites.filter(({ name }) => sitePlace(name).layer === first);
  const ranks = [...new Set(plan.sites.map(({ rank }) => rank))];
  const row = (site: PlannedSite): HTMLElement => el('tr', { 'data-layer': sitePlace(site.name).layer }, el('td.mono', {}, `${siteText(site.from)} \u2192 ${siteText(site.name)}`), el('td.mono.opt', {}, widths(site.source)), el('td.mono.opt', {}, widths(site.target)), el('td.wrap', {}, site.rule), el('td.n', {}, percent(site.share, 2)));
  const rest = plan.sites.length - shown.length;
  return el('table.list', {},
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'site'), el('th.opt', { scope: 'col' }, 'source'), el('th.opt', { scope: 'col' }, 'target'), el('th', { scope: 'col' }, 'how'), el('th.n', { scope: 'col' }, 'of norm'))),
    el('tbody', {},
      groups.length > 0 && el('tr.group', {}, el('td', { colspan: 5 }, `Dropped, ${plan.dropped.length} ${plan.dropped.length === 1 ? 'part' : 'parts'}, ${percent(droppedShare(plan.dropped))} of the module\u2019s norm`)),
      groups.map((group) => el('tr', {}, el('td.mono', {}, group.name), el('td.opt'), el('td.opt'), el('td.wrap', {}, group.reason), el('td.n', {}, percent(group.share, 2)))),
      el('tr.group', {}, el('td', { colspan: 5 }, `Carried, ${plan.sites.length} sites${ranks.length === 1 ? `, rank ${ranks[0]}` : ''}`)),
      shown.map(row),
      (rest > 0 || model.every) && plan.sites.length > 0 && el('tr.faint', {}, el('td', { colspan: 5 }, model.every ? linkButton('Show the first layer only', () => model.setView({ every: false })) : [`${rest} more: `, linkButton('show all sites', () => model.setView({ every: true }))]))));
}

function runPart(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const parts = section('run', 'What will run');
  host.append(parts.node);
  model.watch((changes) => {
    if (!changes.has('state')) return;
    const { plan, state } = model;
    if (!plan || !state || model.shows !== 'plan') return;
    const controls = planControls(plan);
    const list = (title: string, entries: readonly Child[]): Child => entries.length > 0 && [el('h3.sub', {}, title), el('ul.checks', {}, entries)];
    const entry = (name: string, value: string, warn = false): HTMLElement => el('li', {}, el('span', {}, name), el('span', { class: warn ? 'warn' : null }, value));
    const running = model.step === 'starting' || model.step === 'running';
    replace(parts.body,
      el('ol.steps', {}, planSteps(plan).map((step) => el('li', {}, step))),
      el('p.cost', {}, 'All of it: about ', el('b', {}, duration(plan.estimate.seconds)), ', at most ', el('b', {}, shortBytes(plan.estimate.bytes)), ' of memory.'),
      list('Compared with', controls.map(({ name, value }) => entry(name, value))),
      list('Checks', [...planChecks(plan).map(({ name, value, warn }) => entry(name, value, warn)), entry('output', state.out ?? `${state.suggestedOut} (asked when it runs)`), ...plan.warnings.map(({ message }) => entry('remark', message, true))]),
      el('div.buttons', {}, !running && pushButton(model.step === 'plan' ? 'Run transfer\u2026' : 'Run again\u2026', 'primary', () => bridge.post({ type: 'run', options: null })),
        pushButton('Copy as command', 'secondary', () => {
          bridge.post({ type: 'copy', text: transferCommand(state.request, state.out ?? state.suggestedOut) });
          context.announce('Copied');
        })),
      plan.sites.length === 0 && el('p.note', {}, formatNumber(0), ' sites would arrive.'));
  });
}
