import { formatNumber } from '../../extension/protocol/score';
import type { CoverageCurve } from '../render/routingCoverage';
import { coverageCurve, drawCoverage, untouched } from '../render/routingCoverage';
import { el, replace } from '../ui/dom';
import { drawSvg } from '../ui/drawSvg';
import type { PageContext } from './context';
import { picture, section, widthOf } from './section';
import { chip } from './sliceView';

const HEIGHT = 132;
const WIDEST = 420;
/** Chips of kept experts that are written out. */
const CHIPS = 24;

/** How much of the routing stays when only some experts are kept. */
export function keepView(context: PageContext, host: HTMLElement): { curve(): CoverageCurve | null } {
  const { model } = context;
  const parts = section('keep', 'Keep a subset of experts');
  const slider = el('input', { type: 'range', min: 1, max: 8, step: 1, value: 4, 'aria-label': 'Experts kept', class: 'keep-slider' });
  const number = el('output.mono');
  const box = picture('keep-box', 'keep', 'Coverage over the number of experts kept. Use the slider above; T opens the table.');
  const said = el('p.keep-text');
  const chips = el('p.keep-chips');
  parts.body.append(el('div.keep-line', {}, el('span', {}, 'keep'), slider, number), box, said, chips);
  host.append(parts.node);
  let curve: CoverageCurve | null = null;
  let saidSite = -1;

  const kept = (): number => {
    const count = model.axis.columns.length;
    return Math.max(1, Math.min(count, model.kept || Math.ceil(count / 2)));
  };
  const compute = (): void => {
    const sites = model.rows.map((_, s) => s).filter((s) => model.shownStats(s) !== null);
    const stats = sites.flatMap((s) => model.shownStats(s) ?? []);
    curve = stats.length > 0 ? coverageCurve(stats, sites, model.axis) : null;
  };
  const render = (): void => {
    const { axis } = model;
    const count = axis.columns.length;
    if (count === 0) return;
    const m = kept();
    slider.max = String(count);
    slider.value = String(m);
    number.textContent = `${m} of ${count}`;
    slider.setAttribute('aria-valuetext', `${m} of ${count} experts`);
    if (!curve) {
      replace(box, el('div.pending-box'));
      return;
    }
    parts.caption.textContent = 'solid: mean over sites; thin: least; dashed: as if even';
    replace(box, drawSvg(drawCoverage(curve, m, Math.min(WIDEST, widthOf(parts.body)), HEIGHT)));
    replace(chips, curve.order.slice(0, Math.min(m, CHIPS)).map((column) => [chip(context, axis.columns[column]), ' ']), m > CHIPS && `and ${m - CHIPS} more`);
    say();
  };
  const say = (): void => {
    const { axis, rows } = model;
    // Until the numbers of a new trace are here, what was said of the one before stays.
    if (!curve || (model.updated && saidSite === model.site && !model.numbers(model.site))) return;
    saidSite = model.site;
    const m = kept();
    const count = axis.columns.length;
    const set = new Set(curve.order.slice(0, m));
    const numbers = model.numbers(model.site);
    const whole = numbers ? untouched(numbers, model.counted, set, axis) : null;
    const least = curve.least[m];
    replace(said, 'Holds ', el('b.mono', {}, formatNumber(curve.mean[m] ?? null)), ' of the routing weight (even use: ', el('span.mono', {}, formatNumber(m / count)), `), least at ${rows[least?.site ?? 0]?.full ?? ''} with `, el('span.mono', {}, formatNumber(least && Number.isFinite(least.value) ? least.value : null)), '. At ', rows[model.site]?.full ?? '', ', ', el('span.mono', {}, formatNumber(whole)), ' of ', el('span.mono', {}, formatNumber(model.counted.tokens.length)), ' tokens lose no expert they use.');
  };
  slider.addEventListener('input', () => model.setView({ kept: Number(slider.value) }));
  model.watch((changes) => {
    const recompute = changes.has('trace') || changes.has('view') || (changes.has('data') && (curve === null || model.slices.complete));
    if (recompute) compute();
    if (changes.has('data') && model.updated && model.arrived.has(model.site)) saidSite = -1;
    if (recompute || changes.has('keep') || changes.has('size') || changes.has('theme')) render();
    else if (changes.has('selection') && model.site !== saidSite) model.rested('keep', say);
  });
  return { curve: () => curve };
}
