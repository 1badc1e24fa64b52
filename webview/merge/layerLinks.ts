import type { PageContext } from './context';

/** One layer is looked at in all maps at once: the pointer previews, a click holds it. */
export function linkLayers(context: PageContext, page: HTMLElement): void {
  const { model } = context;
  const layerOf = (target: EventTarget | null): number | null | undefined => {
    if (!(target instanceof Element)) return undefined;
    if (target.closest('.matrix')) return undefined;
    const mark = target.closest('.by-layer [data-key]');
    const layer = mark ? Number(mark.getAttribute('data-key')) : null;
    return layer === null || layer < 0 ? null : layer;
  };
  page.addEventListener('pointermove', (event) => {
    const layer = layerOf(event.target);
    if (layer !== undefined) model.preview(layer);
  });
  page.addEventListener('pointerleave', () => model.preview(null));
  page.addEventListener('click', (event) => {
    const layer = layerOf(event.target);
    if (typeof layer === 'number') model.lock(layer);
  });
  // Watches last, so that what the other views have just drawn is marked too.
  model.watch(() => {
    const wanted = model.layer === null ? null : String(model.layer);
    for (const mark of page.querySelectorAll('.by-layer .row-mark')) mark.classList.toggle('on', mark.getAttribute('data-key') === wanted);
  });
}
