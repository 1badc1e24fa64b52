import type { ErrorRecord } from '../../extension/protocol/errors';
import { sentences } from '../render/sentences';
import type { Child } from './dom';
import { el } from './dom';

/** An error where the result would be: what happened, why, what to do, with buttons that do it. */
export function errorBox(error: ErrorRecord, kept: Child, buttons: readonly HTMLElement[]): HTMLElement {
  const [first, ...rest] = sentences(error.message);
  return el('div.notice.error', { role: 'alert' },
    el('p.strong', {}, first ?? error.message),
    rest.length > 0 && el('p', {}, rest.join(' ')),
    kept && el('p', {}, kept),
    el('div.buttons', {}, buttons),
    el('p.note', {}, 'Code ', el('span.mono', {}, error.code)));
}
