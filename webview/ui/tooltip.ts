import { el } from './dom';

const OFFSET = 12;
const EDGE = 8;

/** One tooltip for the page: shows `data-tip` of what the pointer is over or what has the keyboard focus. */
export function installTooltips(): void {
  const tip = el('div.tip', { hidden: true, role: 'tooltip', id: 'tip', css: { left: '0', top: '0' } });
  document.body.append(tip);

  const show = (owner: Element | null, x: number, y: number): void => {
    const text = owner instanceof HTMLElement || owner instanceof SVGElement ? owner.dataset.tip : undefined;
    tip.hidden = !text;
    if (!text) return;
    if (tip.textContent !== text) tip.textContent = text;
    const { offsetWidth: width, offsetHeight: height } = tip;
    const left = Math.max(EDGE, Math.min(x + OFFSET, innerWidth - width - EDGE));
    const top = y + 20 + height > innerHeight ? Math.max(EDGE, y - height - EDGE) : y + 20;
    tip.style.transform = `translate(${left}px, ${top}px)`;
  };

  // Once per frame, after whatever the pointer changed: measuring makes the browser lay out what is not laid out yet.
  let pending: MouseEvent | null = null;
  document.addEventListener('mousemove', (event) => {
    if (!pending) {
      requestAnimationFrame(() => {
        const last = pending;
        pending = null;
        if (last) show(last.target instanceof Element ? last.target.closest('[data-tip]') : null, last.clientX, last.clientY);
      });
    }
    pending = event;
  });
  const hide = (): void => {
    pending = null;
    tip.hidden = true;
  };
  document.addEventListener('mouseleave', hide);
  document.addEventListener('scroll', hide, true);
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
