import type { Child } from '../ui/dom';
import { el } from '../ui/dom';

/** A block of the details with its caption; `table` names the table behind it. */
export function block(name: string, note: string | null, table: string, ...body: Child[]): HTMLElement {
  return el('div.block', { 'data-table': table || null, class: table ? `block ${table}` : 'block' }, el('div.caption', {}, el('h3.strong', {}, name), note && el('span.note', {}, note)), body);
}
