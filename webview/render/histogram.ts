import type { TensorStatistics } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { DOTS, pathOf, round } from './drawing';

const BASE = 74;
const HEIGHT = 92;
const APART = 96;
const SKETCH_BINS = 24;

/** Counts on a log scale with the normal curve of the same SD; zero, NaN and Inf have bars apart from the axis. */
export function drawHistogram(statistics: TensorStatistics, width: number): Drawing {
  const { histogram, mean, sd } = statistics;
  const bins = histogram.counts.length;
  const plot = width - APART;
  const step = plot / Math.max(1, bins);
  const total = histogram.counts.reduce((sum, count) => sum + count, 0);
  const most = Math.max(10, statistics.zeros, statistics.nan, statistics.infinite, ...histogram.counts);
  const tall = (count: number): number => (count <= 0 ? 0 : Math.max(2, (Math.log10(count + 1) / Math.log10(most + 1)) * BASE));
  const marks: Mark[] = [];
  const wide = (histogram.to - histogram.from) / Math.max(1, bins);
  histogram.counts.forEach((count, k) => {
    if (count <= 0) return;
    const from = histogram.from + k * wide;
    marks.push({ kind: 'rect', x: round(k * step + 0.5), y: round(BASE - tall(count)), width: round(Math.max(0.5, step - 1)), height: round(tall(count)), fill: 'var(--ml-excess)', tip: `${formatNumber(from)} to ${formatNumber(from + wide)}\n${formatNumber(count)} values` });
  });
  if (mean !== null && sd !== null && sd > 0 && bins > 2) {
    const points: (readonly [number, number])[] = [];
    for (let k = 0; k < bins; k++) {
      const z = (histogram.from + (k + 0.5) * wide - mean) / sd;
      const expected = ((total * wide) / sd) * (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI));
      if (expected >= 0.5) points.push([(k + 0.5) * step, BASE - tall(expected)]);
    }
    if (points.length > 1) marks.push({ kind: 'path', d: pathOf(points), fill: 'none', stroke: 'var(--ml-ink-dim)', strokeWidth: 1, dash: '3 2' });
  }
  marks.push({ kind: 'line', x1: 0, x2: plot, y1: BASE, y2: BASE, stroke: 'var(--ml-null-mean)', strokeWidth: 1 });
  for (const value of ticksOf(histogram.from, histogram.to)) {
    const x = round(((value - histogram.from) / (histogram.to - histogram.from)) * plot);
    marks.push({ kind: 'line', x1: x, x2: x, y1: BASE, y2: BASE + 3, stroke: 'var(--ml-ink-dim)', strokeWidth: 1 });
    marks.push({ kind: 'text', x: Math.max(14, Math.min(plot - 14, x)), y: BASE + 13, text: String(Number(value.toPrecision(3))).replace('-', '\u2212'), size: 10, anchor: 'middle', mono: true, fill: 'var(--ml-ink-dim)' });
  }
  const apart = [['0', statistics.zeros, DOTS, 'var(--ml-inside)'], ['NaN', statistics.nan, 'none', 'var(--ml-error)'], ['\u00b1Inf', statistics.infinite, 'none', 'var(--ml-error)']] as const;
  apart.forEach(([name, count, fill, stroke], i) => {
    const x = plot + 16 + i * 29;
    if (count > 0) marks.push({ kind: 'rect', x, y: round(BASE - tall(count)), width: 14, height: round(tall(count)), fill, stroke, strokeWidth: 1, tip: `${name}: ${formatNumber(count)} values` });
    marks.push({ kind: 'text', x: x + 7, y: BASE + 13, text: name, size: 10, anchor: 'middle', mono: true, fill: 'var(--ml-ink-dim)' });
  });
  return { width, height: HEIGHT, marks };
}

/** Zero and two round numbers, as far as they lie inside. */
function ticksOf(from: number, to: number): readonly number[] {
  if (!(to > from)) return [from];
  const reach = Math.max(Math.abs(from), Math.abs(to));
  const power = 10 ** Math.floor(Math.log10(reach));
  const unit = [5, 2, 1, 0.5].map((k) => k * power).find((step) => step <= reach * 0.9) ?? power;
  return [-unit, 0, unit].filter((value) => value >= from && value <= to);
}

/** The shape of a distribution in a line of a table: 24 bars, a line at zero. */
export function drawSketch(statistics: TensorStatistics, width: number, height: number): Drawing {
  const { counts, from, to } = statistics.histogram;
  const marks: Mark[] = [];
  const step = width / SKETCH_BINS;
  const sums = Array.from({ length: SKETCH_BINS }, (_, bin) => {
    const start = Math.floor((bin / SKETCH_BINS) * counts.length);
    const end = Math.max(start + 1, Math.floor(((bin + 1) / SKETCH_BINS) * counts.length));
    let sum = 0;
    for (let k = start; k < end; k++) sum += counts[k] ?? 0;
    return sum;
  });
  const most = Math.max(1, ...sums);
  sums.forEach((count, k) => {
    const tall = Math.sqrt(count / most) * (height - 2);
    marks.push({ kind: 'rect', x: round(k * step), y: round(height - 1 - tall), width: round(step - 1), height: round(tall + 0.5), fill: 'var(--ml-inside)' });
  });
  if (from < 0 && to > 0) {
    const x = round((-from / (to - from)) * width);
    marks.push({ kind: 'line', x1: x, x2: x, y1: 0, y2: height, stroke: 'var(--ml-null-mean)', strokeWidth: 1 });
  }
  return { width, height, marks };
}
