import type { Child } from '../ui/dom';
import { el } from '../ui/dom';

/** A part of the page: a head line with title and quiet caption, and what stands below it. */
export interface Section {
  readonly node: HTMLElement;
  readonly title: HTMLElement;
  readonly caption: HTMLElement;
  readonly tools: HTMLElement;
  readonly body: HTMLElement;
}

export function section(name: string, title: string): Section {
  const heading = el('h2', {}, title);
  const caption = el('span.note-caption');
  const tools = el('span.tools');
  const body = el('div.body');
  return { node: el('section.block', { class: `block ${name}`, 'aria-label': title }, el('header', {}, heading, caption, tools), body), title: heading, caption, tools, body };
}

/** A picture with one tab stop: `said` names it and its keys; `table` is behind it. */
export function picture(name: string, table: string, said: string, ...children: Child[]): HTMLElement {
  return el('div', { class: `picture ${name}`, tabindex: 0, role: 'application', 'aria-label': said, 'data-table': table }, children);
}
