import { formatNumber } from '../../extension/protocol/score';
import type { TransferDocument } from '../../extension/protocol/transfer';
import type { Drawing, Mark } from './drawing';
import { pathOf, round } from './drawing';
import type { RunsPicture } from './transferRuns';
import { alphaText, changeText, level as levelText, signed, ticks, tickText } from './transferRuns';

/** The loss by strength on the half that chose it, as change against the strength zero, and what was reported on the other half. */
export interface CurvePicture {
  readonly points: readonly { readonly alpha: number; readonly value: number }[];
  /** The values are changes; false where strength zero was not tried. */
  readonly relative: boolean;
  readonly chosen: number;
  readonly reported: { readonly value: number; readonly low: number | null; readonly high: number | null } | null;
  readonly band: readonly [number, number] | null;
  readonly chooseOn: number;
  readonly reportOn: number;
  readonly told: boolean;
  readonly accuracy: boolean;
}

export function curvePicture(document: TransferDocument, runs: RunsPicture): CurvePicture | null {
  const { proof } = document;
  if (!proof || proof.curve.length === 0) return null;
  const accuracy = runs.unit === 'accuracy' && proof.curve.every((point) => point.accuracy !== undefined);
  const level = (point: (typeof proof.curve)[number]): number => (accuracy ? point.accuracy ?? 0 : point.lossPerToken);
  const zero = proof.curve.find(({ alpha }) => alpha === 0);
  const points = [...proof.curve].sort((a, b) => a.alpha - b.alpha).map((point) => ({ alpha: point.alpha, value: level(point) - (zero ? level(zero) : 0) }));
  const same = accuracy === (runs.unit === 'accuracy');
  return {
    points, relative: zero !== undefined, chosen: proof.chosen, reported: zero && same ? runs.rows.find(({ role }) => role === 'asked')?.change ?? null : null, band: zero && same ? runs.band : null,
    chooseOn: proof.chooseOn, reportOn: proof.reportOn, told: runs.told, accuracy,
  };
}

/** What a strength says. */
export function curveTip(picture: CurvePicture, index: number): string {
  const point = picture.points[index];
  if (!point) return '';
  const unit = picture.accuracy ? 'share of right labels' : 'nats per token';
  const lines = [`strength ${alphaText(point.alpha)}`, `${picture.relative ? 'change' : 'level'} ${picture.relative ? signed(point.value) : levelText(point.value)} ${unit} on the half that chose, n = ${formatNumber(picture.chooseOn)} texts`];
  if (point.alpha === picture.chosen) lines.push(`chosen; on the other half ${changeText(picture.reported)}, n = ${formatNumber(picture.reportOn)} texts`);
  return lines.join('\n');
}

const LEFT = 46;
const TALL = 180;
const TOP = 16;

/** The curve of one half, the chosen strength, and the interval of the other half at it. */
export function drawCurve(picture: CurvePicture, width: number): Drawing {
  const { points, reported, band, chosen } = picture;
  const values = [...points.map(({ value }) => value), ...(band ?? []), ...(reported ? [reported.value, reported.low ?? reported.value, reported.high ?? reported.value] : []), ...(picture.relative ? [0] : [])];
  const pad = Math.max(1e-9, Math.max(...values) - Math.min(...values)) * 0.1;
  const [low, high] = [Math.min(...values) - pad, Math.max(...values) + pad];
  const last = Math.max(1e-9, ...points.map(({ alpha }) => alpha));
  const wide = width - LEFT - 12;
  const x = (alpha: number): number => round(LEFT + (wide * alpha) / last);
  const y = (value: number): number => round(TOP + (TALL * (high - value)) / (high - low));
  const marks: Mark[] = [];
  if (band) {
    marks.push({ kind: 'rect', x: LEFT, y: y(band[1]), width: wide, height: Math.max(2, y(band[0]) - y(band[1])), fill: 'var(--ml-null)', tip: `random modules: ${signed(band[0])} to ${signed(band[1])}` });
  }
  const places = ticks(low, high, 4);
  for (const value of places) {
    marks.push({ kind: 'line', x1: LEFT, x2: LEFT + wide, y1: y(value), y2: y(value), stroke: value === 0 ? 'var(--ml-inside)' : 'var(--ml-grid)' });
    marks.push({ kind: 'text', x: LEFT - 8, y: y(value) + 4, text: tickText(value, places), size: 11, mono: true, anchor: 'end', fill: 'var(--ml-ink-dim)' });
  }
  let free = -Infinity;
  for (const { alpha } of points) {
    if (x(alpha) - free < 28 && alpha !== chosen) continue;
    free = x(alpha);
    marks.push({ kind: 'text', x: x(alpha), y: TOP + TALL + 16, text: alphaText(alpha), size: 11, mono: true, bold: alpha === chosen, anchor: 'middle', fill: alpha === chosen ? 'var(--ml-ink)' : 'var(--ml-ink-dim)' });
  }
  marks.push({ kind: 'text', x: LEFT + wide, y: TOP + TALL + 31, text: 'strength \u03b1', size: 11, anchor: 'end', fill: 'var(--ml-ink-dim)' });
  marks.push({ kind: 'text', x: 0, y: 10, text: picture.accuracy ? 'accuracy' : 'nats per token', size: 11, fill: 'var(--ml-ink-dim)' });
  marks.push({ kind: 'line', x1: x(chosen), x2: x(chosen), y1: TOP, y2: TOP + TALL, stroke: 'var(--ml-inside)', dash: '2 3' });
  marks.push({ kind: 'path', d: pathOf(points.map(({ alpha, value }) => [x(alpha), y(value)])), fill: 'none', stroke: 'var(--ml-inside)', strokeWidth: 1.5 });
  points.forEach(({ alpha, value }, i) => marks.push({ kind: 'circle', x: x(alpha), y: y(value), r: 3, fill: 'var(--ml-page)', stroke: 'var(--ml-inside)', strokeWidth: 1.5, name: 'point', key: i, tip: curveTip(picture, i) }));
  if (reported) {
    const colour = picture.told ? 'var(--ml-cat-1)' : 'var(--ml-page)';
    if (reported.low !== null && reported.high !== null) marks.push({ kind: 'line', x1: x(chosen), x2: x(chosen), y1: y(reported.low), y2: y(reported.high), stroke: 'var(--ml-ink-strong)', strokeWidth: 2 });
    marks.push({ kind: 'circle', x: x(chosen), y: y(reported.value), r: 5, fill: colour, stroke: picture.told ? 'var(--ml-page)' : 'var(--ml-cat-1)', strokeWidth: picture.told ? 1 : 2, tip: `reported on the other half, n = ${formatNumber(picture.reportOn)} texts\n${changeText(reported)}` });
  }
  return { width, height: TOP + TALL + 36, marks };
}
