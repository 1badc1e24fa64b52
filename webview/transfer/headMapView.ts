import { HEAD_WORDS, type HeadPicture, drawHeads, headLayout, headParts, headsFound, headsPlanned, headText } from '../render/transferHeads';
import { switchButtons } from '../ui/controls';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { arrow, picture, section, widthOf } from './section';

/** Heads as the page shows them now; null where the module has no attention part, or heads were not paired. */
export function currentHeads({ model }: PageContext): HeadPicture | null {
  const { document, plan } = model;
  if (!document) return plan && headsPlanned(plan);
  const known = headsFound(document.heads, model.part, null);
  return known.rows.length > 0 ? known : null;
}

/** Which source head each target head takes. */
export function headMapView(context: PageContext, host: HTMLElement, mode: 'plan' | 'report'): void {
  const { model } = context;
  const parts = section('heads', 'Head map');
  const box = picture('heads-box by-layer', mode === 'plan' ? 'source' : 'heads', 'Target layers by target heads; the number is the source head. Arrow keys move the cell, T opens the table.');
  const note = el('p.note-line');
  parts.body.append(box, note);
  host.append(parts.node);
  let head = 0;

  const render = (): void => {
    if (model.shows !== mode) return;
    const heads = currentHeads(context);
    const { plan, document } = model;
    box.hidden = heads === null;
    parts.caption.textContent = heads === null ? '' : mode === 'plan' ? 'known after probing' : 'number: source head; colour: fit; grey: inside shuffled tokens';
    const choices = headParts(document?.heads ?? []);
    replace(parts.tools, mode === 'report' && choices.length > 1 && switchButtons('Heads', choices.map((part) => [part, HEAD_WORDS[part]] as const), model.part, (part) => model.setView({ part })));
    if (heads) replace(box, drawSvg(drawHeads(heads, headLayout(heads, widthOf(parts.body)), context.theme.sequential, context.palette())));
    const lost = plan?.heads && plan.heads.from.q > plan.heads.to.q ? plan.heads : null;
    note.textContent = heads === null ? (mode === 'plan' ? 'The module has no part in the attention heads.' : 'Heads were not paired: nothing had to be mapped by head.') : mode === 'plan' && lost ? `${lost.from.q - lost.to.q} of ${lost.from.q} source heads per layer will find no place; which ones is decided by the texts.` : '';
    note.hidden = note.textContent === '';
  };
  box.addEventListener('keydown', (event) => {
    const by = arrow(event);
    const heads = currentHeads(context);
    if (!by || !heads) return;
    if (by[1] !== 0) model.moveLayer(by[1]);
    head = Math.max(0, Math.min(heads.heads - 1, head + by[0]));
    const row = Math.max(0, heads.rows.findIndex(({ layer }) => layer === (model.layer ?? heads.rows[0]?.layer)));
    context.announce(headText(heads, row, head).split('\n').join(', '));
    event.preventDefault();
    event.stopPropagation();
  });
  model.watch((changes) => {
    if (changes.has('state') || changes.has('size') || changes.has('theme') || changes.has('view')) render();
  });
}
