import { scaleLinear, scaleLog } from 'd3-scale';
import type { Score } from '../../extension/protocol/score';
import { isEvidence } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { HATCH, round } from './drawing';

/** The shared scale of a track. */
export interface TrackScale {
  readonly domain: readonly [number, number];
  readonly log?: boolean;
}

/** A score, or why there is none: `pending` is not computed yet, `missing` cannot be computed. */
export type TrackValue = Score | 'pending' | 'missing';

const TICK_WIDTH = 3;
const TICK_HEIGHT = 12;
/** Half width of a 95 % interval in standard deviations. */
const Z95 = 1.96;

/** The band of a score's null: its interval, else mean and 1.96 standard deviations; null without draws. */
export function nullBand(score: Score): readonly [number, number] | null {
  if (score.nullInterval) return score.nullInterval;
  if (score.null === null) return null;
  const half = Z95 * (score.nullSd ?? 0);
  return [score.null - half, score.null + half];
}

/** A function from values to positions in `[0, width]`, held inside the box. */
export function positionOf(scale: TrackScale, width: number): (value: number) => number {
  const [from, to] = scale.domain;
  const place = scale.log ? scaleLog([Math.max(from, 1e-6), to], [0, width]).clamp(true) : scaleLinear([from, to], [0, width]).clamp(true);
  return (value) => {
    const at = place(scale.log ? Math.max(value, 1e-6) : value);
    return Number.isFinite(at) ? at : 0;
  };
}

/**
 * One value on the scale of its track, against the band of its null. Told from chance: solid tick, bar from the null's
 * mean, 95 % interval. Not told from chance: hollow grey tick, no bar. Pending: flat. Missing: hatched.
 */
export function drawTrack(scale: TrackScale, value: TrackValue, width: number, height: number): Drawing {
  if (value === 'pending' || value === 'missing' || value.value === null) {
    const inset = Math.min(2, height / 8);
    return { width, height, marks: [{ kind: 'rect', x: 0, y: inset, width, height: height - 2 * inset, fill: value === 'pending' ? 'var(--ml-pending)' : HATCH }] };
  }
  const at = positionOf(scale, width);
  const told = isEvidence(value);
  const middle = height / 2;
  const marks: Mark[] = [];
  const band = nullBand(value);
  if (band) marks.push({ kind: 'rect', x: round(at(band[0])), y: 0, width: round(Math.max(1, at(band[1]) - at(band[0]))), height, fill: 'var(--ml-null)' });
  if (value.null !== null) {
    const mean = round(at(value.null));
    marks.push({ kind: 'line', x1: mean, x2: mean, y1: 0, y2: height, stroke: 'var(--ml-null-mean)', strokeWidth: 1 });
    if (told) {
      const x = round(at(value.value));
      marks.push({ kind: 'rect', x: Math.min(mean, x), y: middle - 2, width: Math.abs(x - mean), height: 4, fill: 'var(--ml-excess)' });
    }
  }
  const ink = told ? 'var(--ml-value)' : 'var(--ml-inside)';
  if (value.interval) marks.push({ kind: 'line', x1: round(at(value.interval[0])), x2: round(at(value.interval[1])), y1: middle, y2: middle, stroke: ink, strokeWidth: 1 });
  const tall = Math.min(TICK_HEIGHT, height - 4);
  const x = round(at(value.value) - TICK_WIDTH / 2);
  const tick = { kind: 'rect', x, y: middle - tall / 2, width: TICK_WIDTH, height: tall } as const;
  marks.push(told ? { ...tick, fill: ink } : { ...tick, fill: 'var(--ml-page)', stroke: ink, strokeWidth: 1 });
  return { width, height, marks };
}

/** The smallest and largest number that a track of these scores must show. */
export function extentOf(scores: readonly Score[]): readonly [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const score of scores) {
    if (score.value === null) continue;
    for (const v of [score.value, ...(score.interval ?? []), ...(nullBand(score) ?? [])]) {
      if (!Number.isFinite(v)) continue;
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
  }
  return low <= high ? [low, high] : null;
}

/** A linear scale that shows `atLeast` and all scores, with the ticks to write at its ends. */
export function linearTrack(scores: readonly Score[], atLeast: readonly [number, number]): TrackScale & { readonly ticks: readonly [number, number] } {
  const extent = extentOf(scores) ?? atLeast;
  const nice = scaleLinear([Math.min(atLeast[0], extent[0]), Math.max(atLeast[1], extent[1])], [0, 1]).nice(6).domain();
  const [from = 0, to = 1] = nice;
  const pad = (to - from) * 0.04;
  return { domain: [from - pad, to + pad], ticks: [from < 0 && to > 0 ? 0 : from, to] };
}

/** A logarithmic scale around 1 that shows all scores. */
export function foldTrack(scores: readonly Score[]): TrackScale {
  const extent = extentOf(scores) ?? [0.5, 2];
  return { domain: [Math.min(0.4, Math.max(0.02, extent[0])) * 0.9, Math.max(2.5, extent[1]) * 1.1], log: true };
}
