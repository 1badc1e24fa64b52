import type { RoutingComparisonResult } from '../../extension/protocol/routing';
import { formatNumber } from '../../extension/protocol/score';
import type { CompareLayout, Variant } from '../render/routingCompare';
import { compareAt, comparedRows, compareFinding, compareLayout, compareTip, differByChance, differingTokens, drawComparison, variantsOf } from '../render/routingCompare';
import { shownToken } from '../render/routingRaster';
import type { SiteRow } from '../render/routingTrace';
import { scoreTip } from '../render/scoreText';
import { CallError, type PendingCall } from '../ui/bridge';
import { CanvasPicture } from '../ui/canvasPicture';
import { linkButton, pushButton } from '../ui/controls';
import { el, replace, setCss } from '../ui/dom';
import type { PageContext } from './context';
import { picture, section, widthOf } from './section';

/** A comparison and the rows that it is drawn with. */
export interface ShownComparison {
  readonly result: RoutingComparisonResult;
  readonly rows: readonly SiteRow[];
}
/** Tokens that are listed beside the picture; the table has all. */
const LISTED = 10;

/** Two routers on the same text, side by side: site by site against chance, and where their first experts differ. */
export function compareView(context: PageContext, host: HTMLElement): { shown(): ShownComparison | null } {
  const { model, bridge } = context;
  const parts = section('compare', 'Another router on this text');
  const choice = el('select.select', { 'aria-label': 'Compare with' });
  const status = el('span.note');
  const said = el('p.compare-said', { hidden: true });
  const canvas = new CanvasPicture();
  const mark = el('div.cell-cursor', { hidden: true });
  const box = picture('compare-box', 'compare', 'Two routers site by site, and their tokens. Up and down go through the sites, left and right through the tokens, Enter locks, T opens the table.', canvas.node, mark);
  const list = el('div.compare-tokens');
  const grid = el('div.compare-grid', { hidden: true }, box, list);
  parts.body.append(el('div.part-head', {}, el('span.field', {}, el('span', { 'aria-hidden': 'true' }, 'Compare with'), choice), pushButton('Compare', 'secondary', () => void ask(), true), status), said, grid);
  host.append(parts.node);
  let variants: readonly Variant[] = [];
  let key = '';
  let shown: ShownComparison | null = null;
  let pending: PendingCall<RoutingComparisonResult> | null = null;
  let failed: string | null = null;
  let layout: CompareLayout | null = null;
  let cursor: { site: number; token: number } | null = null;

  const ask = async (): Promise<void> => {
    const wanted = variants[Number(choice.value)];
    if (!wanted || !model.head) return;
    pending?.cancel();
    const asked = (key = model.result?.key ?? '');
    const call = (pending = bridge.call('routing/compare', { key: '', with: wanted.variant }));
    failed = null;
    render();
    try {
      const result = await call.result;
      if (asked === model.result?.key) shown = { result, rows: comparedRows(result, model.rows) };
    } catch (error) {
      if (error instanceof CallError) failed = error.record?.message ?? null;
    }
    if (pending === call) pending = null;
    render();
  };
  const offer = (): void => {
    const { head, summary, axis, rows, site, selection } = model;
    const found = head && summary ? variantsOf(head, summary, axis, rows, site, selection.expert) : [];
    if (found.map(({ text }) => text).join() === variants.map(({ text }) => text).join()) {
      variants = found;
      return;
    }
    const before = variants[Number(choice.value)]?.text;
    variants = found;
    replace(choice, found.map(({ text }, i) => el('option', { value: i, selected: text === before }, text)));
    parts.node.hidden = found.length === 0;
  };
  const render = (): void => {
    const { head } = model;
    const outdated = shown !== null && key !== model.result?.key;
    status.textContent = pending ? 'Routing the text once more\u2026' : failed ?? (outdated ? 'What is shown belongs to the trace before: compare again.' : '');
    status.classList.toggle('bad-text', failed !== null && !pending);
    parts.node.classList.toggle('before', outdated || pending !== null);
    grid.hidden = said.hidden = shown === null;
    if (!shown || !head) return;
    const { result, rows } = shown;
    const { text, score } = compareFinding(result, model.rows);
    said.textContent = text;
    said.dataset.tip = score ? scoreTip('same first expert', score) : '';
    if (outdated) return;
    layout = compareLayout(rows, Math.min(widthOf(parts.body), Math.max(280, box.clientWidth)));
    canvas.draw(drawComparison(result, rows, model.axis, layout, head.tokens.length, model.site, context.palette()), context.theme.resolve);
    const differing = differingTokens(result, head);
    replace(list, el('h3', {}, 'Sent elsewhere'),
      result.perToken === null ? el('p.note', {}, 'The text has too many tokens for a picture of each; the figures are of all of them.') : [
        el('p.note', {}, `Sites of ${result.sites.length} with another first expert; shuffled tokens: ${formatNumber(differByChance(result))}. n = ${formatNumber(result.tokens)} tokens.`),
        el('ol', {}, differing.slice(0, LISTED).map(({ token, sites, divergence }) => el('li', {}, linkButton(head.tokens[token] ? shownToken(head.tokens[token]) || '\u00b7' : '', () => model.lock({ token }), true), el('span.mono', { tip: `weights apart: ${formatNumber(divergence)} nats, mean over sites` }, `${sites}`)))),
        differing.length > LISTED && linkButton(`all ${differing.length}`, () => context.showTable('compare-tokens'))],
      result.left.length > 0 && el('p.note', { tip: result.left.join('\n') }, `${result.left.length} sites are not compared: one router has them alone, or they choose between other experts.`));
  };
  const words = (at: { readonly site: number; readonly token: number }): string => {
    const site = shown?.result.sites[at.site];
    if (!shown || !model.head || !site) return '';
    if (at.token >= 0 && shown.result.perToken) return compareTip(shown.result, model.head, model.axis, shown.rows, at);
    return `${shown.rows[at.site]?.words ?? ''}\n${scoreTip('same first expert', site.agreement)}\n${scoreTip('weights apart', site.divergence)}`;
  };
  const lockAt = (at: { readonly site: number; readonly token: number }): void => {
    const site = shown?.result.sites[at.site]?.sites[0];
    if (site !== undefined && key === model.result?.key) model.lock({ site, ...(at.token >= 0 ? { token: at.token } : {}) });
  };
  const under = (event: MouseEvent): { readonly site: number; readonly token: number } | null => {
    const bounds = canvas.node.getBoundingClientRect();
    return layout && model.head ? compareAt(layout, model.head.tokens.length, event.clientX - bounds.left, event.clientY - bounds.top) : null;
  };
  box.addEventListener('mousemove', (event) => {
    const at = under(event);
    if (at) box.dataset.tip = words(at);
    else delete box.dataset.tip;
  });
  box.addEventListener('click', (event) => {
    const at = under(event);
    if (at) lockAt(at);
  });
  box.addEventListener('keydown', (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.ctrlKey || !shown || !layout || !model.head || (!step && event.key !== 'Enter')) return;
    const tokens = model.head.tokens.length;
    if (step) {
      cursor = cursor ? { site: Math.max(0, Math.min(shown.rows.length - 1, cursor.site + (step[0] ?? 0))), token: Math.max(-1, Math.min(tokens - 1, cursor.token + (step[1] ?? 0))) } : { site: 0, token: -1 };
      mark.hidden = false;
      const cell = layout.raster / tokens;
      setCss(mark, cursor.token < 0 ? { left: `${layout.x[0] - 2}px`, width: `${2 * layout.track + 18}px` } : { left: `${layout.x[2] + cursor.token * cell - 1}px`, width: `${Math.max(4, cell + 2)}px` });
      setCss(mark, { top: `${(layout.y[cursor.site] ?? 0) - 1}px`, height: `${layout.row + 1}px` });
      context.announce(words(cursor).split('\n').join(', '));
    } else if (cursor) lockAt(cursor);
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener('blur', () => {
    cursor = null;
    mark.hidden = true;
  });
  model.watch((changes) => {
    if (changes.has('run') || changes.has('trace') || changes.has('view')) offer();
    if (changes.has('trace') && !model.updated) shown = null;
    if (changes.has('trace') || changes.has('view') || changes.has('size') || changes.has('theme')) render();
    else if (changes.has('selection')) {
      model.rested('compare', () => {
        offer();
        if (shown) render();
      });
    }
  });
  return { shown: () => (shown && key === model.result?.key ? shown : null) };
}
