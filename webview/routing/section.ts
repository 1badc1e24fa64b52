import type { Child } from '../ui/dom';
import { el } from '../ui/dom';
import { contentWidth } from '../ui/size';

/** Widths of parts as measured since the page last changed its size: asking the browser again would make it lay out the page. */
let widths = new WeakMap<HTMLElement, number>();

export function forgetWidths(): void {
  widths = new WeakMap();
}

/** Width inside a part, in whole pixels. */
export function widthOf(part: HTMLElement): number {
  let width = widths.get(part);
  if (width === undefined) widths.set(part, (width = contentWidth(part)));
  return width;
}

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
