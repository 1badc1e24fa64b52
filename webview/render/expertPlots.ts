import type { ExpertDetail } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { pathOf, round } from './drawing';

/** More points than this cannot be told apart in a plot a few hundred pixels wide. */
const POINTS = 400;

/** Largest and smallest effects on the vocabulary as two wings over the null's band. */
export function drawButterfly(effect: NonNullable<ExpertDetail['logitEffect']>, width: number, row: number): Drawing {
  const rows = Math.max(effect.up.length, effect.down.length);
  const height = rows * row;
  const half = width / 2;
  const limit = Math.max(effect.nullBand, 1e-9, ...effect.up.map((w) => Math.abs(w.value)), ...effect.down.map((w) => Math.abs(w.value))) * 1.04;
  const size = (value: number): number => (Math.abs(value) / limit) * half;
  const band = size(effect.nullBand);
  const marks: Mark[] = [{ kind: 'rect', x: round(half - band), y: 0, width: round(2 * band), height, fill: 'var(--ml-null)' }];
  const note = `null \u00b1${formatNumber(effect.nullBand)}, ${formatNumber(effect.nullDraws)} matched random groups\nn = ${formatNumber(effect.n)} vocabulary entries`;
  const bar = (word: { readonly token: string; readonly value: number }, i: number): void => {
    const wide = size(word.value);
    const inside = Math.abs(word.value) <= effect.nullBand;
    marks.push({
      kind: 'rect', x: round(word.value >= 0 ? half : half - wide), y: i * row + (row - 6) / 2, width: round(Math.max(0.5, wide)), height: 6,
      fill: inside ? 'var(--ml-inside)' : word.value >= 0 ? 'var(--ml-div-pos-1)' : 'var(--ml-div-neg-1)',
      tip: `${visibleToken(word.token)} ${word.value > 0 ? '+' : ''}${formatNumber(word.value)}\n${note}${inside ? '\nInside the null: no evidence' : ''}`,
    });
  };
  effect.up.forEach(bar);
  effect.down.forEach(bar);
  marks.push({ kind: 'line', x1: half, x2: half, y1: 0, y2: height, stroke: 'var(--ml-null-mean)', strokeWidth: 1 });
  return { width, height, marks };
}

/** Norms of the expert's neurons, largest first, over the band of random groups at the same rank (square-root scale). */
export function drawNeurons(neurons: ExpertDetail['neurons'], width: number, height: number): Drawing {
  const count = neurons.norms.length;
  const top = Math.sqrt(Math.max(1e-12, maximum(neurons.norms), maximum(neurons.nullHigh)) * 1.02);
  const step = Math.max(1, Math.ceil(count / POINTS));
  const at = (values: Float32Array, i: number): readonly [number, number] => [((i + 0.5) / count) * width, height - Math.max(1, (Math.sqrt(Math.max(0, values[i] ?? 0)) / top) * height)];
  const ranks: number[] = [];
  for (let i = 0; i < count; i += step) ranks.push(i);
  const high = ranks.map((i) => at(neurons.nullHigh, i));
  const low = ranks.map((i) => at(neurons.nullLow, i)).reverse();
  const marks: Mark[] = [];
  if (neurons.nullHigh.length === count && count > 0) marks.push({ kind: 'path', d: pathOf([...high, ...low], true), fill: 'var(--ml-null)' });
  marks.push({ kind: 'path', d: pathOf(ranks.map((i) => at(neurons.norms, i))), fill: 'none', stroke: 'var(--ml-value)', strokeWidth: 1.25 });
  marks.push({ kind: 'line', x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5, stroke: 'var(--ml-grid)', strokeWidth: 1 });
  return { width, height, marks };
}

function maximum(values: Float32Array): number {
  let top = 0;
  for (const value of values) if (value > top) top = value;
  return top;
}

/** Cosine of the expert's router row with every other's, over the null's band; the expert itself is a thick line. */
export function drawRouterRow(detail: Pick<ExpertDetail, 'expert' | 'routerRow'>, width: number, height: number): Drawing {
  const { cosine, nullLow, nullHigh, nullDraws } = detail.routerRow;
  const count = cosine.length;
  const step = width / Math.max(1, count);
  let top = Math.max(nullHigh, 0.1);
  let bottom = Math.min(nullLow, -0.05);
  cosine.forEach((value, i) => {
    if (i === detail.expert || !Number.isFinite(value)) return;
    top = Math.max(top, value);
    bottom = Math.min(bottom, value);
  });
  const y = (value: number): number => ((top - value) / (top - bottom)) * (height - 4) + 2;
  const zero = round(y(0));
  const marks: Mark[] = [
    { kind: 'rect', x: 0, y: round(y(nullHigh)), width, height: round(Math.max(1, y(nullLow) - y(nullHigh))), fill: 'var(--ml-null)' },
    { kind: 'line', x1: 0, x2: width, y1: zero, y2: zero, stroke: 'var(--ml-null-mean)', strokeWidth: 1 },
  ];
  const gap = step >= 12 ? 4 : step >= 5 ? 1 : 0;
  cosine.forEach((value, i) => {
    const x = round(i * step + gap);
    const wide = round(Math.max(0.75, step - 2 * gap));
    if (i === detail.expert) {
      marks.push({ kind: 'rect', x, y: zero - 1.5, width: wide, height: 3, fill: 'var(--ml-ink)', key: i, tip: `Expert ${i}: itself` });
      return;
    }
    const inside = value >= nullLow && value <= nullHigh;
    const fill = inside ? 'var(--ml-inside)' : value > 0 ? 'var(--ml-div-pos-1)' : 'var(--ml-div-neg-1)';
    const tip = `Experts ${detail.expert} and ${i}: cosine ${formatNumber(value)}\nnull [${formatNumber(nullLow)}, ${formatNumber(nullHigh)}], ${formatNumber(nullDraws)} draws${inside ? '\nInside the null: no evidence' : ''}`;
    marks.push({ kind: 'rect', x, y: round(Math.min(y(value), zero)), width: wide, height: round(Math.max(1, Math.abs(y(value) - zero))), fill, key: i, tip });
  });
  return { width, height, marks };
}

/** A token as text that can be seen: blanks as a middle dot, line ends and tabs as arrows. */
export function visibleToken(token: string): string {
  return token.replace(/ /g, '\u00b7').replace(/\n/g, '\u23ce').replace(/\r/g, '\u240d').replace(/\t/g, '\u21e5').replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '\ufffd') || '\u2205';
}

/** A context on one line: line ends become a sign, so that the token stays in its column. */
export function oneLine(text: string): string {
  return text.replace(/\r?\n/g, '\u23ce').replace(/\t/g, ' ').replace(/[\u0000-\u001f]/g, '\ufffd');
}
