import { el } from './dom';

const OFFSET = 12;
const EDGE = 8;

/** One tooltip for the page: shows `data-tip` of what the pointer is over or what has the keyboard focus. */
export function installTooltips(): void {
  const tip = el('div.tip', { hidden: true, role: 'tooltip', id: 'tip' });
  document.body.append(tip);

  const show = (owner: Element | null, x: number, y: number): void => {
    const text = owner instanceof HTMLElement || owner instanceof SVGElement ? owner.dataset.tip : undefined;
    tip.hidden = !text;
    if (!text) return;
    if (tip.textContent !== text) tip.textContent = text;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(EDGE, Math.min(x + OFFSET, innerWidth - width - EDGE))}px`;
    tip.style.top = `${y + 20 + height > innerHeight ? Math.max(EDGE, y - height - EDGE) : y + 20}px`;
  };

  document.addEventListener('mousemove', (event) => {
    show(event.target instanceof Element ? event.target.closest('[data-tip]') : null, event.clientX, event.clientY);
  });
  document.addEventListener('mouseleave', () => (tip.hidden = true));
  document.addEventListener('scroll', () => (tip.hidden = true), true);
  document.addEventListener('focusin', (event) => {
    const owner = event.target instanceof Element && event.target.matches(':focus-visible') ? event.target.closest('[data-tip]') : null;
    const box = owner?.getBoundingClientRect();
    show(owner, box ? box.left : 0, box ? box.bottom - 16 : 0);
  });
  document.addEventListener('focusout', () => (tip.hidden = true));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') tip.hidden = true;
  });
}
