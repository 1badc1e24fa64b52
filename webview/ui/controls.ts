import type { IconName } from './icons';
import { icon } from './icons';
import { el } from './dom';
import { toolkitButton } from './toolkit';

/** A quiet button of a tool bar: icon, words, key. Narrow pages show the icon only; its name stays. */
export function actionButton(text: string, name: IconName, onClick: () => void, key?: string): HTMLButtonElement {
  return el('button.action', { type: 'button', 'aria-label': key ? `${text} ${key}` : text, 'aria-keyshortcuts': key ?? null, title: text, onclick: onClick }, icon(name), el('span.words', {}, text), key && ' ', key && el('kbd', { 'aria-hidden': 'true' }, key));
}

/** A button that does something about what is said beside it. */
export function pushButton(text: string, kind: 'primary' | 'secondary', onClick: () => void, small = false): HTMLElement {
  const button = toolkitButton(text, kind, onClick);
  if (small) button.classList.add('small');
  return button;
}

/** Words that do something. */
export function linkButton(text: string, onClick: () => void, mono = false): HTMLButtonElement {
  return el('button.link', { type: 'button', class: mono ? 'link mono' : 'link', onclick: onClick }, text);
}

/** A choice among a few: one is pressed. */
export function switchButtons<T extends string>(label: string, choices: readonly (readonly [T, string])[], chosen: T, onChoose: (value: T) => void): HTMLElement {
  return el('span.switch', { role: 'group', 'aria-label': label }, choices.map(([value, text]) =>
    el('button', { type: 'button', 'aria-pressed': String(value === chosen), 'data-value': value, onclick: () => onChoose(value) }, text)));
}

/** How far something has come, in equal steps. `share` null: working, but it cannot be said how far. */
export function meter(share: number | null, steps: number, label: string): HTMLElement {
  const percent = share === null ? null : Math.round(Math.max(0, Math.min(1, share)) * 100);
  return el('span.meter', { role: 'progressbar', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': percent },
    el('i', { css: { width: `${percent ?? 0}%` } }),
    Array.from({ length: Math.max(0, Math.min(steps, 40) - 1) }, (_, i) => el('b', { css: { left: `${((i + 1) / steps) * 100}%` } })));
}

/** A list of things to do that opens below a button; arrows move, Esc closes. */
export function popupMenu(owner: HTMLElement, items: readonly { readonly text: string; readonly note?: string; readonly run: () => void }[]): void {
  document.querySelector('.menu')?.remove();
  const close = (): void => {
    menu.remove();
    document.removeEventListener('pointerdown', outside, true);
    owner.setAttribute('aria-expanded', 'false');
  };
  const outside = (event: Event): void => {
    if (!(event.target instanceof Node && (menu.contains(event.target) || owner.contains(event.target)))) close();
  };
  const menu = el('div.menu', { role: 'menu', 'aria-label': owner.getAttribute('aria-label'), onkeydown: (event: KeyboardEvent) => {
    const entries = [...menu.querySelectorAll<HTMLElement>('[role=menuitem]')];
    const at = entries.indexOf(document.activeElement as HTMLElement);
    if (event.key === 'ArrowDown') entries[(at + 1) % entries.length]?.focus();
    else if (event.key === 'ArrowUp') entries[(at - 1 + entries.length) % entries.length]?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') {
      close();
      owner.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  } }, items.map((item) => el('button', { type: 'button', role: 'menuitem', tabindex: -1, onclick: () => {
    close();
    owner.focus();
    item.run();
  } }, el('span', {}, item.text), item.note && el('span.note', {}, item.note))));
  document.body.append(menu);
  const box = owner.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - size.width - 8))}px`;
  menu.style.top = `${box.bottom + 2}px`;
  owner.setAttribute('aria-haspopup', 'menu');
  owner.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  menu.querySelector<HTMLElement>('[role=menuitem]')?.focus();
}
