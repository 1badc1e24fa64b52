import { pushButton } from '../ui/controls';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';
import { section } from './section';

/** What the numbers mean: plain words, the numbers behind them, at most two things to do. */
export function adviceView(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const parts = section('advice', 'What this means');
  const list = el('ul.hints');
  parts.body.append(list);
  host.append(parts.node);
  model.watch((changes) => {
    if (!changes.has('state') && !changes.has('view')) return;
    parts.node.hidden = !model.document;
    replace(list, model.advice.map(({ text, why, actions, calm }) => el('li', { class: calm ? 'calm' : null },
      el('p', {}, text.map((piece, i) => (i % 2 === 1 ? el('b', {}, piece) : piece))),
      why !== '' && el('p.why', {}, why),
      actions.length > 0 && el('div.do', {}, actions.slice(0, 2).map(({ label, wish }, i) => pushButton(label, i === 0 ? 'primary' : 'secondary', () => bridge.post({ type: 'merge/write', wish }), true))))));
  });
}
