import type { FlowPicture } from '../render/routingFlow';
import { drawFlow, flowPicture, flowText, neighbours } from '../render/routingFlow';
import type { SiteNumbers } from '../render/routingTrace';
import { CanvasPicture } from '../ui/canvasPicture';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';
import { picture, section, widthOf } from './section';

/** Widest that three columns are drawn. */
const WIDEST = 420;

/** Flow around the chosen site; null until the numbers of its neighbours are here. */
export function currentFlow(context: PageContext): FlowPicture | null {
  const { model } = context;
  const numbers = neighbours(model.site, model.rows.length).map((s) => model.numbers(s));
  return numbers.length > 1 && numbers.every((one): one is SiteNumbers => one !== null) ? flowPicture(numbers, model.counted, model.axis) : null;
}

/** Tokens between three neighbouring sites. */
export function flowView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('flow', 'Flow between layers');
  const box = picture('flow-box', 'flow', 'Flow of tokens between neighbouring sites. Arrow keys go through the flows, largest first; T opens the table.');
  const none = el('p.none', { hidden: true }, 'Flow needs at least two sites.');
  const canvas = new CanvasPicture();
  canvas.installTips(box);
  parts.body.append(box, none);
  host.append(parts.node);
  let flow: FlowPicture | null = null;
  let key = '';
  let at = -1;

  const render = (fresh: boolean): void => {
    const { rows, axis, site, token, counted } = model;
    if (rows.length === 0) return;
    parts.title.textContent = rows.some((row) => row.name !== row.full) ? 'Flow between sites' : 'Flow between layers';
    parts.caption.textContent = 'coloured: above chance; line: this token';
    none.hidden = rows.length > 1;
    box.hidden = rows.length < 2;
    const now = neighbours(site, rows.length).join();
    if (fresh || now !== key || !flow) {
      const made = currentFlow(context);
      // While the numbers of a new trace are on their way, the picture of the one before stays.
      if (!made && flow && model.updated && !model.slices.complete) return;
      flow = made;
      key = now;
      at = -1;
    }
    if (!flow) {
      replace(box, el('div.pending-box'));
      return;
    }
    const width = Math.min(WIDEST, widthOf(parts.body));
    canvas.draw(drawFlow(flow, rows, axis, width, site, token === null ? -1 : counted.tokens.indexOf(token), context.palette()), context.theme.resolve);
    if (canvas.node.parentElement !== box) replace(box, canvas.node);
  };

  box.addEventListener('keydown', (event) => {
    const by = event.key === 'ArrowDown' || event.key === 'ArrowRight' ? 1 : event.key === 'ArrowUp' || event.key === 'ArrowLeft' ? -1 : 0;
    if (by === 0 || event.ctrlKey || !flow) return;
    const shown = flow;
    const list = shown.steps.flatMap((step, j) => step.all.map((one) => ({ one, j, strong: step.strong.has(one) }))).sort((a, b) => Number(b.strong) - Number(a.strong) || b.one.count - a.one.count);
    at = Math.max(0, Math.min(list.length - 1, at + by));
    const entry = list[at];
    if (entry) context.announce(`${model.rows[shown.sites[entry.j] ?? 0]?.full ?? ''} to ${model.rows[shown.sites[entry.j + 1] ?? 0]?.full ?? ''}, ${flowText(entry.one, shown, model.axis, entry.strong).split('\n').join(', ')}`);
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    const arrived = changes.has('data') && neighbours(model.site, model.rows.length).some((s) => model.arrived.has(s));
    const fresh = changes.has('trace') || changes.has('view') || arrived;
    if (fresh || changes.has('size') || changes.has('theme')) render(fresh);
    else if (changes.has('selection')) model.rested('flow', () => render(false));
  });
}
