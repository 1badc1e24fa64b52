/** Width inside the paddings of an element, in whole pixels. */
export function contentWidth(host: HTMLElement): number {
  const style = getComputedStyle(host);
  return Math.max(240, Math.floor(host.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)));
}

/** Calls back when the page's width or the screen's pixel ratio changes, not when its height does. */
export function onWidth(page: HTMLElement, changed: () => void): void {
  let width = 0, ratio = window.devicePixelRatio;
  new ResizeObserver(() => {
    if (page.clientWidth === width && ratio === window.devicePixelRatio) return;
    width = page.clientWidth;
    ratio = window.devicePixelRatio;
    changed();
  }).observe(page);
}
