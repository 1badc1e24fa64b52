import { formatNumber } from '../../extension/protocol/score';
import type { ChangedText, TransferredSite } from '../../extension/protocol/transfer';
import { curvePicture, curveTip, drawCurve } from '../render/transferCurve';
import { sitePlace, sitesByLayer, siteText } from '../render/transferData';
import { fixed } from '../render/transferLayers';
import { drawShare } from '../render/transferMatrix';
import { drawRuns, level, runTip, signed } from '../render/transferRuns';
import { mapWords } from '../render/transferTables';
import { linkButton, pushButton, switchButtons } from '../ui/controls';
import { type Child, el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { headMapView } from './headMapView';
import { layerMapView } from './layerMapView';
import { arrow, picture, section, widthOf } from './section';
import { tailView } from './tailView';

/** Pictures narrower than this write their numbers in the table only. */
const SLIM = 560;

/** After a run, in the order that a reader needs: did it help, at which strength, where did it go, what changed, remarks, what makes it repeatable. */
export function reportView(context: PageContext, host: HTMLElement): void {
  // First of all, because it decides how wide the parts are.
  context.model.watch((changes) => {
    if (changes.has('state')) host.classList.toggle('nodata', context.model.document?.proof == null);
  });
  runsPart(context, host);
  curvePart(context, host);
  layerMapView(context, host, 'report');
  headMapView(context, host, 'report');
  sitesPart(context, host);
  changedPart(context, host);
  tailView(context, host);
}

/** Bars of the runs; without data the sentence that says that nothing was measured. */
function runsPart(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const parts = section('runs', 'Change of loss against the target alone');
  const box = picture('runs-box', 'runs', 'Runs against the target alone. Up and down go through them, T opens the table.');
  const nothing = el('div.notice.nothing', {},
    el('p', {}, 'Nothing was measured, so there is no verdict. Everything below is geometry: where the module went and how much of it survived.'),
    el('p.dim', {}, 'A .jsonl file with a \u201ctext\u201d in each line, of the kind that the module was trained on, is enough; with a \u201clabel\u201d, accuracy is measured too. Below 50 texts hardly any change can be told from chance.'),
    el('div.buttons', {}, pushButton('Evaluate on a file\u2026', 'primary', () => bridge.post({ type: 'transfer/evaluate' }))));
  parts.body.append(box, nothing);
  host.append(parts.node);
  let at = -1;
  const render = (): void => {
    if (model.shows !== 'report') return;
    const { runs, units, unit } = model;
    box.hidden = runs === null;
    nothing.hidden = runs !== null;
    parts.title.textContent = runs === null ? 'Does it help?' : unit === 'accuracy' ? 'Change of accuracy against the target alone' : 'Change of loss against the target alone';
    parts.caption.textContent = runs === null ? '' : 'interval 95\u202f%; band: random modules';
    replace(parts.tools, units.length > 1 && switchButtons('Measure', units.map((one) => [one, one === 'accuracy' ? 'accuracy' : 'loss'] as const), unit, (one) => model.setView({ unit: one })));
    if (!runs) return;
    const width = widthOf(parts.body);
    replace(box, drawSvg(drawRuns(runs, width, width < SLIM)));
  };
  box.addEventListener('keydown', (event) => {
    const by = arrow(event);
    const { runs } = model;
    if (!by || by[1] === 0 || !runs) return;
    at = Math.max(0, Math.min(runs.rows.length - 1, at + by[1]));
    for (const mark of box.querySelectorAll('.hit')) mark.classList.toggle('on', mark.getAttribute('data-key') === String(at));
    const row = runs.rows[at];
    if (row) context.announce(runTip(row, runs).split('\n').join(', '));
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (changes.has('state') || changes.has('view') || changes.has('size') || changes.has('theme')) render();
  });
}

function curvePart(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('alpha', 'Strength', 'chosen on one half, reported on the other');
  const box = picture('curve-box', 'curve', 'Change of loss by strength. Left and right go through the strengths, T opens the table.');
  parts.body.append(box);
  host.append(parts.node);
  let at = -1;
  const now = (): ReturnType<typeof curvePicture> => (model.document && model.runs ? curvePicture(model.document, model.runs) : null);
  const render = (): void => {
    if (model.shows !== 'report') return;
    const curve = now();
    parts.node.hidden = curve === null;
    if (curve) replace(box, drawSvg(drawCurve(curve, widthOf(parts.body))), el('p.note-line', {}, el('span.ring'), ` the half that chose, n = ${formatNumber(curve.chooseOn)}; `, el('span.disc', { class: curve.told ? 'disc' : 'disc hollow' }), ` reported on the other half, n = ${formatNumber(curve.reportOn)}; band: random modules.`));
  };
  box.addEventListener('keydown', (event) => {
    const by = arrow(event);
    const curve = now();
    if (!by || by[0] === 0 || !curve) return;
    at = Math.max(0, Math.min(curve.points.length - 1, at + by[0]));
    for (const mark of box.querySelectorAll('.point')) mark.classList.toggle('on', mark.getAttribute('data-key') === String(at));
    context.announce(curveTip(curve, at).split('\n').join(', '));
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (changes.has('state') || changes.has('view') || changes.has('size') || changes.has('theme')) render();
  });
}

const cell = (value: number): readonly Child[] => [drawSvg(drawShare(value, 44, 10)), el('span.mono', {}, fixed(value))];
const span = ([low, high]: readonly [number, number]): string => (low === high ? String(low) : `${low} to ${high}`);

/** Sites that arrived, a line for each layer or for every site. */
function sitesPart(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('sites', 'Sites');
  const scroll = el('div.table-box', { 'data-table': 'sites' });
  parts.body.append(scroll);
  host.append(parts.node);
  const render = (): void => {
    const { document } = model;
    if (!document || model.shows !== 'report') return;
    const groups = sitesByLayer(document.sites);
    parts.caption.textContent = model.every ? 'every site; R\u00b2 is on held-out tokens, beside it that of shuffled pairs' : `by layer, mean of its sites`;
    const more = linkButton(model.every ? 'show layers only' : 'show every site', () => model.setView({ every: !model.every }));
    replace(scroll, model.every ? everySite(document.sites) : el('table.list', {},
      el('thead', {}, el('tr', {}, ['target', 'kept, input side', 'kept, output side'].map((name) => el('th', { scope: 'col' }, name)), el('th.n', { scope: 'col' }, 'rank'), el('th.n', { scope: 'col' }, 'scale'), el('th.n.opt', { scope: 'col', tip: 'norm of the update relative to the weight it changes, on the source' }, 'norm'), el('th.n.opt', { scope: 'col', tip: 'the same on the target' }, 'after'))),
      el('tbody', {}, groups.map((group) => el('tr', { 'data-layer': group.layer }, el('td.mono', {}, group.layer === null ? 'other' : `L${group.layer}`), el('td.bar', {}, cell(group.coverageIn)), el('td.bar', {}, cell(group.coverageOut)), el('td.n', {}, span(group.kept)), el('td.n', {}, fixed(group.scale)), el('td.n.opt', {}, formatNumber(group.normFrom)), el('td.n.opt', {}, formatNumber(group.normTo)))))));
    scroll.append(el('p.note-line', {}, `${document.sites.length} sites in ${groups.length} ${groups.length === 1 ? 'layer' : 'layers'}: `, more));
  };
  model.watch((changes) => {
    if (changes.has('state') || changes.has('view')) render();
  });
}

function everySite(sites: readonly TransferredSite[]): HTMLElement {
  const head = (name: string, kind = '', tip?: string): HTMLElement => el('th', { scope: 'col', class: kind || null, tip: tip ?? null }, name);
  return el('table.list.every', {},
    el('thead', {}, el('tr', {}, head('target'), head('from', 'opt'), head('kept', 'n', 'share of the factors\u2019 norm that the maps could carry'), head('R\u00b2', 'n'), head('shuffled', 'n'), head('maps', 'opt'), head('rank', 'n opt'))),
    el('tbody', {}, sites.map((site) => el('tr', { 'data-layer': sitePlace(site.name).layer, class: site.r2 !== null && site.r2 <= Math.max(0, site.r2Null ?? 0) ? 'faint' : null },
      el('td.mono', {}, siteText(site.name)), el('td.mono.opt', {}, siteText(site.from)), el('td.n', {}, fixed(site.coverage)), el('td.n', { tip: site.r2 === null ? 'nothing was fitted here' : `input ${fixed(site.r2In, 3)}, output ${fixed(site.r2Out, 3)}\nn = ${formatNumber(site.heldOut)} held-out tokens` }, fixed(site.r2)), el('td.n', {}, fixed(site.r2Null)),
      el('td.opt.dim', {}, `${mapWords(site.mapIn, site.rhoIn)}, ${mapWords(site.mapOut, site.rhoOut)}`), el('td.n.opt', {}, String(site.kept))))));
}

/** Texts that changed most, both directions; Enter opens the row in the data file. */
function changedPart(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const parts = section('changed', 'Changed texts');
  host.append(parts.node);
  const row = (one: ChangedText): HTMLElement => el('tr', {}, el('td.quote', {}, model.request?.data === undefined ? el('span.text', {}, one.text) : el('button.link.text', { type: 'button', title: `Row ${one.row + 1}: open in the data file`, onclick: () => bridge.post({ type: 'transfer/reveal', row: one.row }) }, one.text)), el('td.opt.dim', {}, one.label ?? ''), el('td.n', {}, level(one.before)), el('td.n', {}, level(one.after)), el('td', {}, one.direction), el('td.n', {}, signed(one.after - one.before)));
  model.watch((changes) => {
    if (!changes.has('state')) return;
    const { document } = model;
    if (!document || model.shows !== 'report') return;
    const changed = document.proof?.changed ?? [];
    parts.caption.textContent = changed.length > 0 ? 'most changed first, both directions; loss in nats per token' : '';
    const better = changed.filter(({ direction }) => direction === 'better').length;
    replace(parts.body, !document.proof ? el('p.note-line', {}, 'Needs data: no text was run through the target.') : changed.length === 0 ? el('p.note-line', {}, 'No text changed.') : [
      el('div.table-box', { 'data-table': 'changed' }, el('table.list', {}, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'text'), el('th.opt', { scope: 'col' }, 'label'), el('th.n', { scope: 'col' }, 'before'), el('th.n', { scope: 'col' }, 'after'), el('th', { scope: 'col' }, el('span.spoken', {}, 'direction')), el('th.n', { scope: 'col' }, 'change'))), el('tbody', {}, changed.map(row)))),
      el('p.note-line', {}, `${better} better and ${changed.length - better} worse are shown, picked because they changed most: they show what changes, not whether it helps.`)]);
  });
}
