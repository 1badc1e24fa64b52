import type { PageContext } from './context';

/** Marks of the target layer that the pointer or the keys are on, in all pictures and tables at once; a click holds it. */
export function linkLayers(context: PageContext, page: HTMLElement): void {
  const { model } = context;
  const layerOf = (target: EventTarget | null): number | null => {
    if (!(target instanceof Element)) return null;
    const mark = target.closest('.by-layer [data-key]:not(.source-hit), tr[data-layer]');
    const text = mark?.getAttribute('data-layer') ?? mark?.getAttribute('data-key');
    return text == null ? null : Number(text);
  };
  page.addEventListener('pointermove', (event) => model.preview(layerOf(event.target)));
  page.addEventListener('pointerleave', () => model.preview(null));
  page.addEventListener('click', (event) => {
    const layer = layerOf(event.target);
    if (layer !== null) model.lock(layer);
  });
  // Watches last, so that what the other views have just drawn is marked too.
  model.watch(() => {
    const wanted = model.layer === null ? null : String(model.layer);
    for (const mark of page.querySelectorAll('.by-layer [data-key]:not(.source-hit)')) mark.classList.toggle('on', mark.getAttribute('data-key') === wanted);
    for (const row of page.querySelectorAll('tr[data-layer]')) row.classList.toggle('pick', row.getAttribute('data-layer') === wanted);
    page.classList.toggle('locked', model.locked);
  });
}
