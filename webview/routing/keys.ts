import type { PageContext } from './context';
import { cellWords } from './readerView';

/** Moves the token to the next one (or the one before) where the first expert of the chosen site changes. */
export function nextSwitch(context: PageContext, by: 1 | -1): void {
  const { model } = context;
  const numbers = model.numbers(model.site);
  const { head } = model;
  if (!numbers || !head) return;
  const from = model.token ?? (by > 0 ? 0 : head.tokens.length - 1);
  for (let t = from + by; t > 0 && t < head.tokens.length; t += by) {
    if (head.tokens[t]?.record !== head.tokens[t - 1]?.record || numbers.tops[t] === numbers.tops[t - 1]) continue;
    moveTo(context, t);
    return;
  }
  context.announce(`No ${by > 0 ? 'later' : 'earlier'} switch at ${model.rows[model.site]?.words ?? 'this site'}.`);
}

function moveTo(context: PageContext, token: number): void {
  context.model.select({ token, locked: true }, true);
  context.announce(cellWords(context, token, context.model.site).split('\n').join(', '));
}

/**
 * Keys of the whole page: up and down = site, left and right = token, with Control to the next switch; Enter shows the token in the
 * editor, P pins it, Esc steps back, T opens the table behind the focused picture. Pictures with cells of their own take arrows first.
 */
export function installKeys(context: PageContext, dialogOpen: () => boolean): void {
  const { model, bridge } = context;
  document.addEventListener('keydown', (event) => {
    if (dialogOpen() || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest('input, select, textarea, [role=menu], .table-scroll')) return;
    const { head } = model;
    if (!head) return;
    const horizontal = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
    const vertical = event.key === 'ArrowUp' ? -1 : event.key === 'ArrowDown' ? 1 : 0;
    if (horizontal !== 0 && event.ctrlKey) nextSwitch(context, horizontal > 0 ? 1 : -1);
    else if (event.ctrlKey) return;
    else if (horizontal !== 0) moveTo(context, model.token === null ? model.anchor ?? 0 : Math.max(0, Math.min(head.tokens.length - 1, model.token + horizontal)));
    else if (vertical !== 0) {
      const site = Math.max(0, Math.min(head.sites.length - 1, model.site + vertical));
      model.select({ site, locked: true });
      context.announce(model.token !== null ? cellWords(context, model.token, site).split('\n').join(', ') : model.rows[site]?.words ?? '');
    } else if (event.key === 'Escape') {
      model.stepBack();
      context.announce(model.token !== null ? '' : model.selection.site !== null ? 'Token unlocked' : 'Nothing is locked');
    } else if (event.key === 'Enter' && (target === document.body || target?.closest('.picture'))) {
      if (model.token === null) return;
      bridge.post({ type: 'routing/reveal', token: model.token });
    } else if (event.key === 'p' || event.key === 'P') model.togglePin();
    else if (event.key === 't' || event.key === 'T') context.showTable(target?.closest('[data-table]')?.getAttribute('data-table') ?? 'overview');
    else return;
    event.preventDefault();
  });
}
