import { describe, expect, it } from 'vitest';
import { continuation } from '../../../extension/evaluation/labels';
import { mergeSlice } from '../../../extension/evaluation/scoring';
import { windowsOf } from '../../../extension/evaluation/windows';
import { Random } from '../../../extension/numerics/random';

describe('windows of a document', () => {
  it('are one when it fits', () => {
    expect(windowsOf(8, 8)).toEqual([{ from: 0, to: 8, scoreFrom: 0 }]);
    expect(windowsOf(0, 8)).toEqual([]);
  });

  it('have the full context at half its stride', () => {
    expect(windowsOf(15, 8)).toEqual([{ from: 0, to: 8, scoreFrom: 0 }, { from: 4, to: 12, scoreFrom: 8 }, { from: 8, to: 15, scoreFrom: 12 }]);
  });

  it('score every id once, in the window with its longest left context', () => {
    const random = new Random(0, 'windows');
    for (let round = 0; round < 300; round++) {
      const context = 2 + random.integer(20), length = random.integer(120), windows = windowsOf(length, context);
      const seen = new Array<number>(length).fill(0);
      for (const { from, to, scoreFrom } of windows) {
        expect(to - from).toBeLessThanOrEqual(context);
        expect(scoreFrom).toBeGreaterThanOrEqual(from);
        for (let i = scoreFrom; i < to; i++) {
          seen[i]++;
          expect(i - from).toBe(Math.max(...windows.filter((w) => w.from <= i && i < w.to).map((w) => i - w.from)));
          // Only the first id of a document lacks a left context.
          if (i > 0) expect(i).toBeGreaterThan(from);
        }
      }
      expect(seen.every((n) => n === 1)).toBe(true);
    }
  });
});

describe('the normaliser over slices', () => {
  it('is the log of the sum of exponentials, whatever the order', () => {
    const random = new Random(1, 'slices');
    for (let round = 0; round < 100; round++) {
      const logits = Array.from({ length: 12 }, () => 40 * random.normal()), cuts = [0, 1 + random.integer(5), 6 + random.integer(5), 12];
      const top = Float64Array.of(-Infinity), sum = Float64Array.of(0);
      for (let s = 0; s < 3; s++) {
        const part = logits.slice(cuts[s], cuts[s + 1]), most = Math.max(...part);
        mergeSlice(top, sum, 0, most, part.reduce((total, x) => total + Math.exp(x - most), 0));
      }
      const most = Math.max(...logits);
      expect(top[0] + Math.log(sum[0])).toBeCloseTo(most + Math.log(logits.reduce((total, x) => total + Math.exp(x - most), 0)), 10);
    }
  });
});

describe('continuation of a text by a label', () => {
  const ids = (...list: number[]): Int32Array => Int32Array.from(list);
  it('scores the ids after the common prefix', () => {
    expect(continuation(ids(1, 5, 6), ids(1, 5, 6, 7, 8), 16).targets).toEqual([{ row: 2, id: 7 }, { row: 3, id: 8 }]);
  });
  it('scores an id that the seam changed', () => {
    expect(continuation(ids(1, 5, 6), ids(1, 5, 9, 8), 16).targets).toEqual([{ row: 1, id: 9 }, { row: 2, id: 8 }]);
  });
  it('cuts a long text on the left', () => {
    const { ids: kept, targets } = continuation(ids(1, 2, 3, 4, 5), ids(1, 2, 3, 4, 5, 6, 7), 4);
    expect([...kept]).toEqual([4, 5, 6, 7]);
    expect(targets).toEqual([{ row: 1, id: 6 }, { row: 2, id: 7 }]);
  });
  it('never asks for an id that nothing precedes', () => {
    expect(continuation(ids(), ids(3, 4), 16).targets).toEqual([{ row: 0, id: 4 }]);
    expect(continuation(ids(9), ids(1, 2, 3, 4), 3).targets).toEqual([{ row: 0, id: 3 }, { row: 1, id: 4 }]);
  });
});
