import type { NamedExpert, WhatIf } from '../../extension/protocol/routing';
import { namedExpert, shownExpert, whatIfWords, withExpert, withTemperature } from '../render/routingWhatIf';
import { actionButton, linkButton, pushButton } from '../ui/controls';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';

/** Experts of one site that are offered; more would be a list nobody reads. */
const OFFERED = 256;

/** What would happen without an expert, with one alone, or at another temperature. What is changed stands there as long as it is. */
export function whatIfView(context: PageContext, host: HTMLElement, tools: HTMLElement): void {
  const { model, bridge } = context;
  const row = el('section.what-if', { hidden: true, 'aria-label': 'What if' });
  host.append(row);
  let open = false;
  let chosen: number | null = null;
  let wanted: WhatIf | null | undefined;
  let temperature = '';
  const toggle: HTMLButtonElement = actionButton('What if\u2026', 'fork', () => {
    open = !open;
    render();
    if (open) row.querySelector<HTMLElement>('select')?.focus();
  });
  toggle.title = 'Mute an expert, use one alone, or change the temperature, and route the text again';
  (tools.querySelector('.tail') ?? tools).prepend(toggle);

  /** The what-if that is shown, or the one that was asked for and is on its way. */
  const current = (): WhatIf | null => {
    if (wanted !== undefined) return wanted;
    const { mute, force, temperature: degrees } = model.head?.whatIf ?? {};
    return mute || force || degrees !== undefined ? { ...(mute ? { mute } : {}), ...(force ? { force } : {}), ...(degrees === undefined ? {} : { temperature: degrees }) } : null;
  };
  const set = (next: WhatIf | null): void => {
    wanted = next;
    bridge.post({ type: 'routing/whatIf', whatIf: next });
    context.announce(next === null ? 'Routing as the model is' : 'Routing the text again with the what-if');
    render();
  };

  const render = (): void => {
    const { head, axis, rows, site } = model;
    const own = head?.sites[site];
    const possible = head !== null && own !== undefined && own.kind !== 'imported';
    const now = current();
    const words = head && whatIfWords(head, axis, rows);
    toggle.hidden = !possible;
    toggle.setAttribute('aria-expanded', String(open || words !== null));
    row.hidden = !possible || (!open && words === null && now === null);
    row.classList.toggle('is-set', words !== null);
    document.querySelector('.page')?.classList.toggle('what-if-set', words !== null);
    if (row.hidden || !head || !own) return;
    const focused = document.activeElement instanceof HTMLElement && row.contains(document.activeElement) ? document.activeElement.dataset['part'] : undefined;
    const experts = own.labels.map((_, e) => e).filter((e) => e < OFFERED);
    const at = chosen !== null && chosen < own.E ? chosen : model.selection.expert !== null && model.selection.expert < own.E ? model.selection.expert : axis.expertAt(site, 0);
    const select = el('select.select', { 'aria-label': 'Expert', 'data-part': 'expert', onchange: () => {
      chosen = Number(select.value);
    } }, experts.map((e) => el('option', { value: e, selected: e === at }, axis.columns[axis.columnOf(site, e)]?.name ?? String(e))));
    const act = (as: 'mute' | 'force'): void => {
      const named = namedExpert(head, site, Number(select.value));
      if (named) set(withExpert(current(), named, as));
    };
    const input = el('input.degrees', { type: 'number', min: 0.01, step: 0.1, value: temperature || String(now?.temperature ?? own.temperature ?? 1), 'aria-label': 'Temperature', 'data-part': 'degrees', oninput: () => (temperature = input.value), onkeydown: (event: KeyboardEvent) => {
      if (event.key === 'Enter') heat();
    } });
    const heat = (): void => {
      const degrees = Number(input.value);
      if (Number.isFinite(degrees) && degrees > 0) set(withTemperature(current(), degrees));
      else context.announce('A temperature is a number above 0');
    };
    const part = (button: HTMLElement, name: string): HTMLElement => {
      button.dataset['part'] = name;
      return button;
    };
    const drop = (expert: NamedExpert, verb: string): HTMLElement => {
      const { expert: name, site: place } = shownExpert(head, axis, rows, expert);
      const text = `${verb} ${name}${place === undefined ? '' : ` at ${place}`}`;
      return el('span.changed', {}, text, ' ', el('button.link', { type: 'button', 'aria-label': `No longer ${text}`, title: `No longer ${text}`, onclick: () => set(withExpert(current(), expert, 'own')) }, '\u00d7'));
    };
    replace(row,
      el('div.what-if-line', {},
        el('b.what-if-title', {}, words === null ? 'What if' : 'What if: '), words !== null && el('b', {}, words),
        wanted !== undefined && el('span.dim', {}, wanted === null ? 'ending\u2026' : 'routing the text again\u2026'),
        (words !== null || now !== null) && part(pushButton('Reset', 'primary', () => set(null), true), 'reset'),
        words !== null && head.whatIf && el('span.dim', {}, head.whatIf.says)),
      el('div.what-if-line', {},
        el('span.field', {}, el('span', { 'aria-hidden': 'true' }, 'Expert'), select), el('span.dim', {}, own.kind === 'library' ? 'wherever it is' : `at ${rows[site]?.words ?? ''}`),
        part(linkButton('Mute', () => act('mute')), 'mute'), part(linkButton('Only this', () => act('force')), 'force'),
        el('span.field', {}, el('span', { 'aria-hidden': 'true' }, 'Temperature'), input), part(linkButton('Set', heat), 'heat'),
        now?.temperature !== undefined && part(linkButton('The router\u2019s own', () => {
          temperature = '';
          set(withTemperature(current(), null));
        }), 'cool'),
        now?.mute?.map((expert) => drop(expert, 'without')), now?.force?.map((expert) => drop(expert, 'only')),
        words === null && now === null && part(linkButton('Close', () => {
          open = false;
          render();
          toggle.focus();
        }), 'close')));
    if (focused) row.querySelector<HTMLElement>(`[data-part=${focused}]`)?.focus();
  };
  model.watch((changes) => {
    if (changes.has('trace')) chosen = null;
    // What was asked for has come, or was refused.
    if (changes.has('run') && (model.state === 'done' || model.state === 'failed' || model.state === 'cancelled')) wanted = undefined;
    if (changes.has('run') || changes.has('trace') || changes.has('view')) render();
    else if (changes.has('selection') && !row.hidden && !row.contains(document.activeElement)) model.rested('what if', render);
  });
}
