import type { Child } from '../ui/dom';
import { el } from '../ui/dom';
import { contentWidth } from '../ui/size';

/** A part of the page: a head line with title and quiet caption, and what stands below it. */
export interface Section {
  readonly node: HTMLElement;
  readonly caption: HTMLElement;
  readonly tools: HTMLElement;
  readonly body: HTMLElement;
}

export function section(name: string, title: string, caption = ''): Section {
  const words = el('span.note-caption', {}, caption);
  const tools = el('span.tools');
  const body = el('div.body');
  return { node: el('section', { class: `block ${name}`, 'aria-label': title }, el('header', {}, el('h2', {}, title), words, tools), body), caption: words, tools, body };
}

/** A picture with one tab stop: `said` names it and its keys; `table` is behind it. */
export function picture(name: string, table: string, said: string, ...children: Child[]): HTMLElement {
  return el('div', { class: `picture ${name}`, tabindex: 0, role: 'application', 'aria-label': said, 'data-table': table }, children);
}

/** Width inside a part, in whole pixels. */
export const widthOf = (part: HTMLElement): number => contentWidth(part);

/** Arrow keys as a direction: `[across, down]`; null for other keys. */
export function arrow(event: KeyboardEvent): readonly [number, number] | null {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const steps: Readonly<Record<string, readonly [number, number]>> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  return Object.hasOwn(steps, event.key) ? steps[event.key] ?? null : null;
}
