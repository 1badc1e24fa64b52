import type { ErrorRecord } from '../../extension/protocol/errors';
import { sentences } from '../render/sentences';
import { pushButton } from '../ui/controls';
import { el } from '../ui/dom';
import type { PageContext } from './context';

/** An error where the result would be: what happened, why, what is kept, what to do, with buttons that do it. */
export function errorNotice(context: PageContext, error: ErrorRecord, buttons?: readonly HTMLElement[]): HTMLElement {
  const { model, bridge } = context;
  const [first, ...rest] = sentences(error.message);
  const kept = model.finished;
  const own = buttons ?? [
    pushButton('Try again', 'primary', () => bridge.post({ type: 'run', options: null })),
    ...(model.head?.device.used && model.head.device.used !== 'cpu' ? [pushButton('Go on, on the CPU', 'secondary', () => bridge.post({ type: 'run', options: { device: 'cpu' } }))] : []),
  ];
  return el('div.notice.error', { role: 'alert' },
    el('p.strong', {}, first ?? error.message),
    rest.length > 0 && el('p', {}, rest.join(' ')),
    !buttons && kept.length > 0 && el('p', {}, `${keptText(kept)} Going on starts after them.`),
    el('div.buttons', {}, own, pushButton('Show the log', 'secondary', () => bridge.post({ type: 'showLog' }))),
    el('p.note', {}, 'Code ', el('span.mono', {}, error.code)));
}

function keptText(kept: readonly number[]): string {
  const first = kept[0] ?? 0;
  const last = kept[kept.length - 1] ?? 0;
  if (kept.length === 1) return `Layer ${first} is kept.`;
  return last - first === kept.length - 1 ? `Layers ${first} to ${last} are kept.` : `${kept.length} finished layers are kept.`;
}
