import { formatNumber } from '../../extension/protocol/score';
import { shortBytes } from '../render/shortBytes';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';
import { section } from './section';

const ROLES = { base: 'base', model: 'model', lora: 'LoRA' } as const;

/** What the recipe would read and write. Hidden on pages without a recipe. */
export function planView(context: PageContext, host: HTMLElement): void {
  const { model } = context;
  const parts = section('plan', 'What would be written');
  host.append(parts.node);
  model.watch((changes) => {
    if (!changes.has('state')) return;
    const { plan } = model;
    parts.node.hidden = plan === null;
    if (!plan) return;
    parts.caption.textContent = 'nothing yet';
    const bytes = (files: readonly { readonly bytes: number }[]): string => shortBytes(files.reduce((sum, file) => sum + file.bytes, 0));
    replace(parts.body,
      el('p.formula.mono', {}, plan.formula),
      el('div.table-box', { 'data-table': 'plan' }, el('table.list', {},
        el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'input'), el('th', { scope: 'col' }, 'as'), el('th.n', { scope: 'col' }, 'size'))),
        el('tbody', {}, plan.inputs.map((input) => el('tr', {}, el('td.mono.cut', { title: input.path }, input.reference), el('td', {}, ROLES[input.role]), el('td.n', {}, bytes(input.files))))),
        el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'output'), el('th', { scope: 'col' }, 'tensors'), el('th.n', { scope: 'col' }, 'size'))),
        el('tbody', {}, plan.outputs.slice(0, SHOWN).map((output) => el('tr', {}, el('td.mono', {}, output.file), el('td', {}, formatNumber(output.tensors)), el('td.n', {}, shortBytes(output.bytes))))))),
      plan.outputs.length > SHOWN && el('p.note-line', {}, `and ${plan.outputs.length - SHOWN} more files; the table has all.`),
      plan.warnings.length > 0 && el('ul.warnings', {}, plan.warnings.map(({ message }) => el('li', {}, message))));
  });
}
/** Output files that the page lists. */
const SHOWN = 6;
