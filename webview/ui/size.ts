/** Width inside the paddings of an element, in whole pixels. */
export function contentWidth(host: HTMLElement): number {
  const style = getComputedStyle(host);
  return Math.max(240, Math.floor(host.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)));
}
