import type { PageContext } from './context';

const ARROWS: Readonly<Record<string, readonly ['layer' | 'expert', number]>> = { ArrowUp: ['layer', -1], ArrowDown: ['layer', 1], ArrowLeft: ['expert', -1], ArrowRight: ['expert', 1] };

/** Keys of the whole page: arrows move the selection, Esc unlocks, Enter opens the tensors, T shows the table behind the focused picture. */
export function installKeys(context: PageContext, dialogOpen: () => boolean): void {
  const { model, bridge } = context;
  document.addEventListener('keydown', (event) => {
    if (dialogOpen() || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest('input, select, textarea, [role=menu]')) return;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const [what, by] = arrow;
      if (target?.closest('.table-scroll')) return;
      if (what === 'layer') moveLayer(context, by);
      else moveExpert(context, by);
    } else if (event.key === 'Escape') model.select({ expert: null, hover: null });
    else if (event.key === 't' || event.key === 'T') context.showTable(target?.closest('[data-table]')?.getAttribute('data-table') ?? 'layers');
    else if ((event.key === 'Enter' || event.key === ' ') && target?.matches('.node')) {
      const shown = model.shownExpert;
      if (model.selection.expert === null && shown !== null) model.select({ expert: shown });
      else if (event.key === 'Enter') bridge.post({ type: 'openTensors' });
    } else return;
    event.preventDefault();
  });
}

function moveLayer(context: PageContext, by: number): void {
  const { model } = context;
  const { indices } = model;
  if (indices.length === 0) return;
  const at = indices.indexOf(model.selection.layer ?? indices[0] ?? 0);
  model.select({ layer: indices[Math.max(0, Math.min(indices.length - 1, at + by))] ?? null, hover: null });
}

function moveExpert(context: PageContext, by: number): void {
  const { model } = context;
  const experts = model.result?.partition.experts ?? 0;
  if (experts === 0) return;
  const next = Math.max(0, Math.min(experts - 1, (model.shownExpert ?? 0) + by));
  model.select({ expert: next, hover: null });
  const picture = model.picture;
  const label = picture?.state === 'ready' ? model.labels[picture.value.dominant[next] ?? -1]?.name : undefined;
  context.announce(`Expert ${next}${label ? `, ${label}` : ''}`);
}
