import { formatNumber } from '../../extension/protocol/score';
import type { Ramp } from './colours';
import { cssOf, sequentialIndex } from './colours';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import { scoreTip } from './scoreText';
import type { LayerMap, SourceLayer, TargetLayer } from './transferData';
import { isExplained, isLost } from './transferData';

/** Two significant digits after the point, as R² and shares of norm are read. */
export function fixed(value: number | null, decimals = 2): string {
  if (value === null || !Number.isFinite(value)) return '\u2013';
  const text = Math.abs(value).toFixed(decimals);
  return (value < 0 && Number(text) !== 0 ? '\u2212' : '') + text;
}

/** `16.9 %`. */
export function percent(share: number, decimals = 1): string {
  return `${fixed(share * 100, decimals)}\u202f%`;
}

/** The lowest colour of the scale is hard to see on the page: what is told from its null starts above it. */
const LEAST = 0.25;

/** Colour of an R² that its null does not explain. */
export function fitColour(value: number, ramp: Ramp): string {
  return cssOf(ramp, sequentialIndex(LEAST + (1 - LEAST) * Math.max(0, Math.min(1, value)), 1));
}

export function sourceTip(layer: SourceLayer): string {
  const where = layer.to.length > 0 ? `goes to target ${layer.to.length === 1 ? 'layer' : 'layers'} ${layer.to.join(', ')}` : isLost(layer) ? 'dropped' : 'no target layer takes it';
  return [`Source layer ${layer.index}: ${percent(layer.share)} of the module\u2019s norm`, layer.sites === 0 ? 'the module has no part here' : `${layer.sites} ${layer.sites === 1 ? 'site' : 'sites'}${layer.dropped > 0 && !isLost(layer) ? `, ${layer.dropped} of them dropped` : ''}; ${where}`, ...(layer.reason ? [layer.reason] : [])].join('\n');
}

export function targetTip(layer: TargetLayer, measured: boolean): string {
  const lines = [`Target layer ${layer.index}: ${layer.from === null ? 'takes nothing' : `takes source layer ${layer.from}`}`];
  if (layer.from === null) return lines[0];
  lines.push(`${layer.sites} ${layer.sites === 1 ? 'site' : 'sites'}`);
  if (layer.r2 !== null) lines.push(`held-out R\u00b2 ${fixed(layer.r2, 3)} (mean of its sites)`, `shuffled pairs: R\u00b2 ${fixed(layer.r2Null, 3)}`, `n = ${formatNumber(layer.heldOut)} held-out tokens`, ...(isExplained(layer) ? [] : ['Inside the null: no evidence that the maps hold']));
  else if (measured) lines.push('nothing was fitted here');
  if (layer.cka) lines.push(scoreTip('Likeness of the layers\u2019 inputs (CKA)', layer.cka));
  return lines.join('\n');
}

/** Place of everything in the layer map. */
export interface LayerMapLayout {
  readonly width: number;
  readonly height: number;
  readonly top: number;
  /** Height of the two ladders. */
  readonly tall: number;
  readonly sourceRow: number;
  readonly targetRow: number;
  readonly names: number;
  readonly x0: number;
  readonly x1: number;
  /** Left edge and width of the R² axis; width 0 without one. */
  readonly axis: readonly [number, number];
}

const TALL_MOST = 312;
const TALL_LEAST = 168;
const AXIS_FROM = 330;

export function layerMapLayout(map: LayerMap, width: number): LayerMapLayout {
  const longest = Math.max(1, map.source.length, map.target.length);
  const tall = Math.min(Math.max(TALL_LEAST, longest * 24), Math.max(TALL_MOST, longest * 10));
  const top = 26;
  const names = map.source.length > 99 ? 40 : 32;
  const x0 = names + 46;
  const x1 = map.measured ? Math.round(width < AXIS_FROM ? width * 0.5 : Math.min(width * 0.56, 220)) : width - 56;
  const axisLeft = x1 + 48;
  return { width, height: top + tall + (map.measured ? 22 : 8), top, tall, sourceRow: tall / Math.max(1, map.source.length), targetRow: tall / Math.max(1, map.target.length), names, x0, x1: Math.max(x0 + 40, x1), axis: [axisLeft, map.measured ? Math.max(24, width - axisLeft - 38) : 0] };
}

/** Rows between two names, so that names do not touch. */
function nameStep(row: number): number {
  return [1, 2, 5, 10, 20, 50].find((step) => step * row >= 13) ?? 100;
}

/**
 * Source layers left, target layers right, what goes where between them. Bars left: share of the module's norm; what is dropped is
 * hollow and crossed. After a run lines are coloured by held-out R², drawn right against the R² of shuffled pairs.
 */
export function drawLayerMap(map: LayerMap, layout: LayerMapLayout, ramp: Ramp): Drawing {
  const { top, tall, x0, x1, axis, names } = layout;
  const sy = (index: number): number => round(top + (index + 0.5) * layout.sourceRow);
  const ty = (index: number): number => round(top + (index + 0.5) * layout.targetRow);
  const largest = Math.max(1e-9, ...map.source.map(({ share }) => share));
  const marks: Mark[] = [
    { kind: 'text', x: 0, y: 12, text: 'source', size: 11, fill: 'var(--ml-ink-dim)' },
    { kind: 'text', x: x1 - 2, y: 12, text: 'target', size: 11, anchor: map.measured ? 'middle' : 'start', fill: 'var(--ml-ink-dim)' },
  ];
  if (map.measured) marks.push(...axisMarks(map, layout));
  const byWidth = map.target.filter(({ from }) => from !== null).map((target) => ({ target, share: map.source[target.from ?? 0]?.share ?? 0 }));
  for (const { target, share } of byWidth) {
    const explained = isExplained(target);
    const colour = target.r2 !== null && explained ? fitColour(target.r2, ramp) : 'var(--ml-inside)';
    const middle = round((x0 + x1) / 2);
    const [a, b] = [sy(target.from ?? 0), ty(target.index)];
    const d = `M${x0} ${a}C${middle} ${a} ${middle} ${b} ${x1} ${b}`;
    marks.push({ kind: 'path', d, fill: 'none', stroke: colour, strokeWidth: map.measured ? round(Math.max(1.25, Math.min(layout.targetRow * 0.5, 1.5 + (share / largest) * 6))) : 1.5, ...(map.provisional || !map.measured ? { dash: map.provisional ? '4 3' : undefined } : {}), name: 'link', key: target.index, tip: targetTip(target, map.measured) });
    marks.push({ kind: 'circle', x: x1, y: b, r: 4, fill: map.measured ? colour : 'var(--ml-page)', ...(map.measured ? {} : { stroke: 'var(--ml-ink)', strokeWidth: 1 }) });
    if (map.measured && axis[1] > 0) marks.push(...fitMarks(target, layout, colour, b));
  }
  const targetStep = nameStep(layout.targetRow);
  for (const { index } of map.target) if (index % targetStep === 0) marks.push({ kind: 'text', x: x1 + 9, y: ty(index) + 4, text: `L${index}`, size: 11, mono: true, fill: 'var(--ml-ink)' });
  marks.push(...sourceMarks(map, layout, sy, largest, names));
  map.target.forEach((target) => marks.push({ kind: 'rect', x: x1 + 4, y: round(top + target.index * layout.targetRow), width: round(layout.width - x1 - 4), height: round(layout.targetRow), fill: 'transparent', name: 'hit', key: target.index, tip: targetTip(target, map.measured) }));
  return { width: layout.width, height: top + tall + (map.measured ? 22 : 8), marks };
}

function sourceMarks(map: LayerMap, layout: LayerMapLayout, sy: (index: number) => number, largest: number, names: number): readonly Mark[] {
  const step = nameStep(layout.sourceRow);
  const thick = round(Math.max(2, Math.min(8, layout.sourceRow * 0.5)));
  const room = layout.x0 - names - 8;
  return map.source.flatMap((layer): Mark[] => {
    const y = sy(layer.index);
    const lost = isLost(layer) && layer.sites > 0;
    const marks: Mark[] = [];
    if (layer.index % step === 0) marks.push({ kind: 'text', x: 0, y: y + 4, text: `L${layer.index}`, size: 11, mono: true, fill: lost || layer.sites === 0 ? 'var(--ml-ink-dim)' : 'var(--ml-ink)' });
    marks.push({ kind: 'rect', x: names, y: round(y - thick / 2), width: round(Math.max(1, (layer.share / largest) * room)), height: thick, ...(lost ? { fill: 'none', stroke: 'var(--ml-error)', strokeWidth: 1 } : { fill: 'var(--ml-excess)' }) });
    if (lost) {
      const c = Math.min(4, layout.sourceRow * 0.35);
      marks.push({ kind: 'path', d: `M${round(layout.x0 - c)} ${round(y - c)}L${round(layout.x0 + c)} ${round(y + c)}M${round(layout.x0 + c)} ${round(y - c)}L${round(layout.x0 - c)} ${round(y + c)}`, fill: 'none', stroke: 'var(--ml-error)', strokeWidth: 1.5 });
      if (layout.sourceRow >= 13) marks.push({ kind: 'text', x: layout.x0 + 9, y: y + 4, text: 'dropped', size: 11, fill: 'var(--ml-error)', name: 'edged' });
    } else if (layer.to.length > 0) marks.push({ kind: 'circle', x: layout.x0, y, r: Math.min(3, layout.sourceRow * 0.35), fill: 'var(--ml-ink)' });
    marks.push({ kind: 'rect', x: 0, y: round(y - layout.sourceRow / 2), width: layout.x0, height: round(layout.sourceRow), fill: 'transparent', name: 'source-hit', key: layer.index, tip: sourceTip(layer) });
    return marks;
  });
}

function axisMarks(map: LayerMap, { top, tall, axis, targetRow }: LayerMapLayout): readonly Mark[] {
  const [left, wide] = axis;
  const marks: Mark[] = [
    { kind: 'text', x: left, y: 12, text: wide < 60 ? 'R\u00b2' : 'held-out R\u00b2', size: 11, fill: 'var(--ml-ink-dim)' },
    { kind: 'text', x: left, y: top + tall + 15, text: '0', size: 11, mono: true, fill: 'var(--ml-ink-dim)' },
    { kind: 'text', x: left + wide, y: top + tall + 15, text: '1', size: 11, mono: true, anchor: 'end', fill: 'var(--ml-ink-dim)' },
  ];
  for (const layer of map.target) if (layer.r2Null !== null) marks.push({ kind: 'rect', x: left, y: round(top + layer.index * targetRow), width: round(Math.max(2, Math.min(1, Math.max(0, layer.r2Null)) * wide)), height: round(targetRow + 0.5), fill: 'var(--ml-null)' });
  marks.push({ kind: 'line', x1: left, x2: left, y1: top, y2: top + tall, stroke: 'var(--ml-inside)' });
  return marks;
}

function fitMarks(target: TargetLayer, { axis, targetRow }: LayerMapLayout, colour: string, y: number): readonly Mark[] {
  const [left, wide] = axis;
  if (target.r2 === null) return targetRow >= 13 && wide > 50 ? [{ kind: 'text', x: left + 4, y: y + 4, text: 'not fitted', size: 11, fill: 'var(--ml-ink-dim)' }] : [];
  const end = left + wide * Math.max(0, Math.min(1, target.r2));
  const marks: Mark[] = [{ kind: 'line', x1: left, x2: round(end), y1: y, y2: y, stroke: colour, strokeWidth: Math.max(2, Math.min(6, targetRow * 0.4)) }];
  if (targetRow >= 13) marks.push({ kind: 'text', x: round(end + 6), y: y + 4, text: fixed(target.r2), size: 11, mono: true, fill: isExplained(target) ? 'var(--ml-ink)' : 'var(--ml-inside)' });
  return marks;
}
