import { NEAR_TIE } from '../../extension/protocol/routing';
import { formatNumber } from '../../extension/protocol/score';
import type { ExpertStyle } from '../render/routingExperts';
import { switchRate } from '../render/routingMetrics';
import { BEFORE, NONE } from '../render/routingCarry';
import type { SiteNumbers } from '../render/routingTrace';
import { GROUP_FROM, ranked } from '../render/routingTrace';
import { axisNumber, chanceText, SEMANTICS } from '../render/routingScale';
import type { Quantity } from '../render/routingValues';
import { QUANTITY_SAYS, slotValue } from '../render/routingValues';
import { drawBars, leadOf, missingMass, scoreLimit, sliceBars, sliceLimit } from '../render/routingSlice';
import { shownToken } from '../render/routingRaster';
import { inkOn } from '../render/routingColours';
import { linkButton } from '../ui/controls';
import type { Child } from '../ui/dom';
import { el, replace, setCss } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { nextSwitch } from './keys';
import { cellWords } from './readerView';
import { picture, section, widthOf } from './section';

const TOP = 3;
/** Pinned tokens beside the chosen one; more are in the table. */
const PINS_SHOWN = 4;
const PIN_WIDTH = 34;

/** The chosen token at all sites, or at those of the chosen block where there are many; pinned tokens beside it. */
export function sliceView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('slice', 'Token');
  const table = el('div.slice-rows');
  const box = picture('slice-box', 'slice', 'The chosen token at each site. Arrow keys move the token and the site, P pins, T opens the table.', table);
  const metrics = el('dl.metrics');
  const links = el('div.links');
  const why = el('div.why', { hidden: true });
  parts.body.append(box, metrics, links, why);
  host.append(parts.node);
  let explained = false;
  let chance: number | null = null;

  const render = (): void => {
    const { head, token, site, rows, axis } = model;
    if (!head) return;
    const shown = token !== null ? head.tokens[token] : undefined;
    parts.title.textContent = shown ? `Token \u201c${shownToken(shown)}\u201d` : 'No token chosen';
    parts.caption.textContent = shown ? (model.selection.locked ? 'locked' : 'preview; click to lock') : 'point at a token, or click one';
    const many = rows.length > GROUP_FROM;
    const layer = rows[site]?.layer;
    const sites = rows.map((_, s) => s).filter((s) => !many || rows[s]?.layer === layer);
    const pins = model.selection.pinned.filter((pin) => pin !== token && pin < head.tokens.length).slice(0, PINS_SHOWN);
    const names = many ? 56 : 44;
    const chips = 10 + 3 * (9 + 7 * Math.max(1, ...axis.columns.slice(-1).map((style) => style.mark.length)));
    setCss(table, { '--names': `${names}px`, '--chips': `${chips}px` });
    const width = Math.max(48, Math.min(widthOf(parts.body), 420) - names - chips - 52 - pins.length * (PIN_WIDTH + 6));
    const { quantity } = model;
    const values = token === null ? [] : sites.flatMap((s) => topValues(model.shown(s), token, quantity));
    const below = quantity !== 'weight' && values.some((value) => value < 0);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const limit = quantity !== 'weight' ? (quantity === 'cosine' && model.range === 'unit' ? 1 : scoreLimit(largest)) : sliceLimit(head.sites, many ? 1 : Math.max(0.8, largest));
    const first = head.sites[sites[0] ?? 0];
    const rule = first ? SEMANTICS[first.semantics] : SEMANTICS.simplex;
    const header = el('div.slice-row.slice-head', { class: 'slice-row slice-head', 'aria-hidden': 'true' },
      el('span', {}, many ? 'site' : 'layer'), el('span', {}, `top ${TOP}`),
      el('span.bar-axis', { tip: QUANTITY_SAYS[quantity], css: { width: `${width}px` } }, el('span', {}, (quantity === 'weight' ? rule.signed : below) ? `\u2212${axisNumber(limit)}` : '0'), quantity === 'weight' && first && el('span.tick', { css: { left: `${rule.signed ? 50 : Math.min(100, (rule.chance(first.E) / limit) * 100)}%` } }, chanceText(first, 'mean')), el('span', {}, axisNumber(limit))),
      pins.map((pin) => el('span.pin-name', { title: cellWords(context, pin, site), css: { width: `${PIN_WIDTH}px` } }, head.tokens[pin] ? shownToken(head.tokens[pin]).trim() || '\u00b7' : '')),
      el('span.r', {}, quantity === 'weight' ? 'margin' : 'lead'));
    replace(table, header, sites.map((s) => {
      const row = rows[s];
      const numbers = model.shown(s);
      const own = head.sites[s];
      const state = token !== null && numbers ? model.tokenState(numbers, token) : NONE;
      const ready = token !== null && numbers && own && state !== NONE;
      const bars = ready ? sliceBars(numbers, own, token, axis, TOP, quantity) : [];
      const margin = !ready ? null : quantity === 'weight' ? numbers.margins[token] ?? 0 : leadOf(bars);
      const missing = ready && quantity === 'weight' && own.semantics === 'sub-simplex' ? missingMass(numbers, token) : null;
      const near = ready && (numbers.margins[token] ?? 0) < NEAR_TIE;
      return el('div.slice-row', { class: `slice-row${s === site ? ' pick' : ''}${ready && state === BEFORE ? ' before' : ''}`, 'data-site': String(s), tip: token === null ? null : cellWords(context, token, s) },
        el('span.mono', {}, row?.full ?? ''),
        el('span.chips', {}, bars.map((bar) => chip(context, axis.columns[bar.column]))),
        own ? drawSvg(drawBars(bars, own, axis, limit, width, missing, quantity, below)) : el('span'),
        pins.map((pin) => el('span.pin-cell', { css: { width: `${PIN_WIDTH}px` } }, numbers ? chip(context, axis.columns[axis.columnOf(s, numbers.tops[pin] ?? 0)]) : null)),
        el('span', { class: `mono r${near ? ' warn' : ''}` }, margin === null ? '\u2013' : `${near ? '\u2248 ' : ''}${quantity === 'weight' ? margin.toFixed(2) : formatNumber(margin, 2)}`));
    }));
    renderMetrics();
    renderWhy();
  };

  const renderMetrics = (): void => {
    const { head, token, site, rows } = model;
    const numbers = model.shown(site);
    const own = head?.sites[site];
    if (!head || !own) return;
    const entropy = token !== null && numbers && model.tokenState(numbers, token) !== NONE ? numbers.entropies[token] ?? null : null;
    const even = SEMANTICS[own.semantics].masks ? Math.min(own.k, own.E) : own.E;
    const tops: number[] = [];
    rows.forEach((_, s) => {
      const there = model.shown(s);
      if (there && token !== null && model.tokenState(there, token) !== NONE) tops.push(model.axis.columnOf(s, there.tops[token] ?? 0));
    });
    const whole = tops.length === rows.length && rows.length > 1;
    const rate = whole ? switchRate(tops) : null;
    const matters = token !== null;
    const line = (term: string, value: string, note: string): Child => [el('dt', {}, term), el('dd.mono', {}, value), el('dd', {}, note)];
    replace(metrics,
      line(`entropy at ${rows[site]?.full ?? ''}`, matters && SEMANTICS[own.semantics].entropy ? formatNumber(entropy) : '\u2013', `nats; even: ${formatNumber(Math.log(even))}`),
      line('switches on the way up', matters && rate !== null ? String(Math.round(rate * (rows.length - 1))) : '\u2013', `of ${rows.length - 1}; chance ${formatNumber((chance ??= switchChance(context)))}`));
    replace(links,
      linkButton(token !== null && model.selection.pinned.includes(token) ? 'Unpin token' : 'Pin token', () => model.togglePin()),
      linkButton('Next switch', () => nextSwitch(context, 1)),
      linkButton(explained ? 'Hide why' : 'Why this expert', () => {
        explained = !explained;
        render();
      }),
      linkButton('Show in editor', () => {
        if (model.token !== null) context.bridge.post({ type: 'routing/reveal', token: model.token });
      }));
    for (const link of links.querySelectorAll('button')) link.disabled = token === null && link.textContent !== 'Next switch';
  };

  const renderWhy = (): void => {
    const { head, token, site, axis } = model;
    const numbers = model.shown(site);
    const own = head?.sites[site];
    why.hidden = !explained || token === null || !numbers || !own || model.tokenState(numbers, token) === NONE;
    if (why.hidden || token === null || !numbers || !own) return;
    const list = ranked(numbers, token).slice(0, 4);
    const name = (expert: number): string => axis.columns[axis.columnOf(site, expert)]?.name ?? '';
    const choice = numbers.choiceMargins[token] ?? Infinity;
    replace(why,
      el('p', {}, own.note),
      el('p', {}, list.map((entry, j) => `${j > 0 ? '; ' : ''}${name(entry.expert)} ${entry.logit === null ? `weight ${formatNumber(entry.weight)}` : `score ${formatNumber(entry.logit)}, weight ${formatNumber(entry.weight)}`}${entry.chosen ? '' : ' (not chosen)'}`).join(''), '.'),
      el('p', {}, Number.isFinite(choice) ? `The last chosen expert beat the first one left out by ${formatNumber(choice)}.` : 'All experts are used, so none was left out.'),
      own.bias && list[0] && el('p', {}, `A bias is added for the choice only: ${formatNumber(own.bias[list[0].expert] ?? 0)} for ${name(list[0].expert)}.`));
  };

  table.addEventListener('click', (event) => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-site]') : null;
    if (row) model.lock({ site: Number(row.dataset['site']) });
  });
  model.watch((changes) => {
    if (changes.has('trace') || changes.has('view') || changes.has('size') || changes.has('theme')) {
      chance = null;
      render();
    } else if (changes.has('data') || changes.has('stale')) model.later('slice', render);
    else if (changes.has('selection')) model.rested('slice', render);
  });
}

function topValues(numbers: SiteNumbers | null, token: number, quantity: Quantity): readonly number[] {
  return numbers ? Array.from({ length: Math.min(TOP, numbers.slots) }, (_, j) => slotValue(numbers, token, j, quantity)).filter(Number.isFinite) : [];
}

/** Switches that sites with the loads they have would give if they chose independently of each other. */
function switchChance(context: PageContext): number {
  const { model } = context;
  const sites = model.summary?.sites ?? [];
  let expected = 0;
  for (let s = 1; s < sites.length; s++) {
    let same = 0;
    model.axis.columns.forEach((_, column) => {
      const [a, b] = [model.axis.expertAt(s - 1, column), model.axis.expertAt(s, column)];
      if (a >= 0 && b >= 0) same += (sites[s - 1]?.load[a] ?? 0) * (sites[s]?.load[b] ?? 0);
    });
    expected += 1 - same;
  }
  return expected;
}

/** An expert as hue and letter. */
export function chip(context: PageContext, style: ExpertStyle | undefined): HTMLElement {
  const palette = context.palette();
  const hue = palette.hues[(style?.hue ?? 8) - 1] ?? palette.ink;
  return el('span.chip', { title: style?.name ?? '', css: { background: style?.colour ?? 'var(--ml-cat-8)', color: inkOn(hue) } }, style?.mark ?? '?');
}
