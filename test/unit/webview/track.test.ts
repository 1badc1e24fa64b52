import { describe, expect, it } from 'vitest';
import type { Mark, RectMark } from '../../../webview/render/drawing';
import { HATCH } from '../../../webview/render/drawing';
import { drawTrack, extentOf, foldTrack, linearTrack, nullBand } from '../../../webview/render/track';
import { score } from './scores';

const scale = { domain: [0, 1] } as const;
const rects = (marks: readonly Mark[]): readonly RectMark[] => marks.filter((mark): mark is RectMark => mark.kind === 'rect');

describe('a value on its track', () => {
  it('is solid with a bar from the null when it can be told from chance', () => {
    const { marks } = drawTrack(scale, score(), 100, 28);
    const [band, bar, tick] = rects(marks);
    expect(band).toMatchObject({ x: 6, width: 8, fill: 'var(--ml-null)' });
    expect(bar).toMatchObject({ x: 10, width: 40, fill: 'var(--ml-excess)' });
    expect(tick).toMatchObject({ x: 48.5, width: 3, fill: 'var(--ml-value)' });
  });
  it('is hollow, grey and without a bar when it cannot, whatever its place', () => {
    const { marks } = drawTrack(scale, score({ p: 0.2 }), 100, 28);
    const boxes = rects(marks);
    expect(boxes).toHaveLength(2);
    expect(boxes[1]).toMatchObject({ fill: 'var(--ml-page)', stroke: 'var(--ml-inside)' });
  });
  it('counts below the null as evidence only for scores that look for less', () => {
    const below = score({ value: 0.02, p: 0.01, direction: 'less' });
    expect(rects(drawTrack(scale, below, 100, 28).marks)[1]).toMatchObject({ x: 2, width: 8, fill: 'var(--ml-excess)' });
  });
  it('is flat while pending, hatched when it cannot be computed or is not finite', () => {
    expect(rects(drawTrack(scale, 'pending', 50, 28).marks)[0]?.fill).toBe('var(--ml-pending)');
    expect(rects(drawTrack(scale, 'missing', 50, 28).marks)[0]?.fill).toBe(HATCH);
    expect(rects(drawTrack(scale, score({ value: null, why: 'no tokens' }), 50, 28).marks)[0]?.fill).toBe(HATCH);
  });
  it('stays inside its box for any value', () => {
    for (const value of [-50, 0, 1, 50]) {
      for (const mark of rects(drawTrack(scale, score({ value, interval: [value - 1, value + 1] }), 100, 28).marks)) {
        expect(mark.x).toBeGreaterThanOrEqual(-1.5);
        expect(mark.x + mark.width).toBeLessThanOrEqual(101.5);
      }
    }
  });
});

describe('scales', () => {
  it('take the null into account, from its interval or its standard deviation', () => {
    expect(nullBand(score())).toEqual([0.06, 0.14]);
    const band = nullBand(score({ nullInterval: undefined }));
    expect(band?.[0]).toBeCloseTo(0.1 - 1.96 * 0.02);
    expect(extentOf([score({ value: 0.9, interval: undefined })])).toEqual([0.06, 0.9]);
    expect(extentOf([score({ value: null })])).toBeNull();
  });
  it('show at least what they must and write zero where it lies inside', () => {
    const track = linearTrack([score({ value: -0.2, interval: undefined })], [0, 0.8]);
    expect(track.domain[0]).toBeLessThanOrEqual(-0.2);
    expect(track.ticks[0]).toBe(0);
    expect(track.ticks[1]).toBeGreaterThanOrEqual(0.8);
  });
  it('of folds are logarithmic and symmetric enough to show 1', () => {
    const track = foldTrack([score({ value: 9, interval: undefined, nullInterval: [0.8, 1.2] })]);
    expect(track.log).toBe(true);
    expect(track.domain[0]).toBeGreaterThan(0);
    expect(track.domain[1]).toBeGreaterThan(9);
  });
});
