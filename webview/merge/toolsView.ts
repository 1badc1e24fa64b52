import { actionButton, linkButton, popupMenu, pushButton } from '../ui/controls';
import { el, replace } from '../ui/dom';
import type { PageContext } from './context';
import { exportItems } from './exports';

/** The last part of a path, whatever its platform. */
export function nameOf(path: string): string {
  return path.replace(/[\\/]+$/, '').split(/[\\/]/).at(-1) ?? path;
}

/** The row between hairlines: what is compared, how layers are grouped, and what can be done with it. */
export function toolsView(context: PageContext, host: HTMLElement): void {
  const { model, bridge } = context;
  const base = el('button.select', { type: 'button', onclick: () => bridge.post({ type: 'merge/choose', what: 'base' }) });
  const models = el('button.select', { type: 'button', onclick: () => bridge.post({ type: 'merge/choose', what: 'models' }) });
  const layers = el('select.select', { 'aria-label': 'Layers', onchange: () => model.setView({ size: Number(layers.value) }) });
  const field = (name: string, control: HTMLElement): HTMLElement => el('span.field', {}, el('span', { 'aria-hidden': 'true' }, name), control);
  const exporter: HTMLButtonElement = actionButton('Export\u2026', 'export', () => popupMenu(exporter, exportItems(context)));
  const table = actionButton('Table', 'table', () => context.showTable(model.document ? 'pairs' : 'plan'), 'T');
  const tail = el('span.tail');
  const label = (button: HTMLButtonElement, what: string, text: string, full: string): void => {
    button.textContent = text;
    button.setAttribute('aria-label', `${what}: ${text}`);
    button.title = full;
  };

  model.watch((changes) => {
    if (!changes.has('state') && !changes.has('view')) return;
    const { state, document: report, plan } = model;
    host.classList.toggle('hidden-tools', state === null);
    if (!state) return;
    label(base, 'Base', state.base === null ? 'none' : nameOf(state.base), state.base ?? 'models are compared as they are');
    label(models, 'Models', state.models.length === 0 ? 'choose\u2026' : state.models.length === 1 ? nameOf(state.models[0] ?? '') : `${state.models.length} models`, state.models.join('\n'));
    replace(layers, model.sizes.map((size) => el('option', { value: size, selected: size === model.size }, size === 0 ? 'all in one' : size === 1 ? 'each' : `groups of ${size}`)));
    layers.value = String(model.size);
    const isModules = report?.what === 'modules';
    replace(tail,
      state.recipe === null && report !== null && linkButton('Write recipe', () => bridge.post({ type: 'merge/write', wish: {} })),
      (report !== null || plan !== null) && table, report !== null && exporter,
      state.recipe !== null && plan !== null && pushButton('Merge\u2026', 'primary', () => bridge.post({ type: 'merge/merge' }), true));
    replace(host, state.recipe === null ? field('Models', models) : el('span.field', {}, 'Recipe ', el('span.mono.path', {}, state.recipe)), !isModules && state.recipe === null && field('Base', base), report !== null && model.hasPairs && report.layers > 1 && field('Layers', layers), tail);
  });
}
