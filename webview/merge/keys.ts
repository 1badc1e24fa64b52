import type { PageContext } from './context';

/** Keys of the whole page: T opens the table behind the focused picture, Esc lets the locked layer go. Pictures take arrows themselves. */
export function installKeys(context: PageContext, dialogOpen: () => boolean): void {
  const { model } = context;
  document.addEventListener('keydown', (event) => {
    if (dialogOpen() || event.metaKey || event.altKey || event.ctrlKey) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest('input, select, textarea, [role=menu], .table-scroll') && event.key !== 'Escape') return;
    if (event.key === 't' || event.key === 'T') context.showTable(target?.closest('[data-table]')?.getAttribute('data-table') ?? (model.document ? 'pairs' : 'plan'));
    else if (event.key === 'Escape' && model.layer !== null) {
      model.unlock();
      context.announce('Nothing is locked');
    } else return;
    event.preventDefault();
  });
}
