import { describe, expect, it } from 'vitest';
import { adjustedMutualInformation, adjustedRandIndex, contingency } from '../../../extension/numerics/agreement';
import { averagePrecision } from '../../../extension/numerics/averagePrecision';
import { bootstrapMean, pairedBootstrap } from '../../../extension/numerics/bootstrap';
import { Random } from '../../../extension/numerics/random';
import { benjaminiHochberg, entropy, median, pearson, quantile, sampleSd } from '../../../extension/numerics/statistics';
import { finishInTurns } from '../../../extension/numerics/steps';
import type { Steps } from '../../../extension/numerics/steps';

describe('statistics', () => {
  it('sd of equal values is exactly 0, of one value unknown', () => {
    expect(sampleSd([0.1, 0.1, 0.1])).toBe(0);
    expect(sampleSd([3])).toBeNaN();
    expect(sampleSd([1, 3])).toBeCloseTo(Math.SQRT2, 14);
  });
  it('median, quantile and entropy at their edges', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
    expect(quantile([5], 0.975)).toBe(5);
    expect(entropy([0, 0])).toBe(0);
    expect(entropy([2, 2])).toBeCloseTo(Math.LN2, 14);
    expect(pearson([1, 2, 3], [2, 4, 6])).toBeCloseTo(1, 14);
    expect(pearson([1, 1], [1, 2])).toBeNaN();
  });
  it('Benjamini-Hochberg leaves out tests that were not made', () => {
    const q = benjaminiHochberg([0.01, NaN, 0.04]);
    expect(q[0]).toBeCloseTo(0.02, 14);
    expect(q[1]).toBeNaN();
    expect(q[2]).toBeCloseTo(0.04, 14);
  });
  it('agreement of trivial partitions, and of arrays that do not fit', () => {
    expect(adjustedRandIndex([0, 0, 0], [5, 5, 5])).toBe(1);
    expect(adjustedRandIndex([0, 1, 2], [2, 1, 0])).toBe(1);
    expect(adjustedMutualInformation([0, 0, 0], [5, 5, 5])).toBe(1);
    expect(() => contingency([1], [1, 2])).toThrow(RangeError);
  });
  it('average precision without a positive is unknown', () => {
    expect(averagePrecision([0, 0], [1, 2])).toBeNaN();
  });
});

describe('bootstrap', () => {
  it('covers the mean about 95 times in a hundred', () => {
    const random = new Random(1, 'coverage');
    let covered = 0;
    for (let run = 0; run < 200; run++) {
      const values = Float64Array.from({ length: 40 }, () => random.normal());
      const [low, high] = bootstrapMean(values, { random: random.fork(run), resamples: 300 });
      if (low <= 0 && high >= 0) covered++;
    }
    expect(covered).toBeGreaterThan(175);
    expect(covered).toBeLessThan(199);
  });
  it('pairs: what both runs share cancels', () => {
    const random = new Random(2, 'paired');
    const a = Float64Array.from({ length: 50 }, () => 100 * random.normal());
    const b = a.map((value) => value - 1 + 0.1 * random.normal());
    const [low, high] = pairedBootstrap(a, b, { random: random.fork('x') });
    expect(low).toBeGreaterThan(0.9);
    expect(high).toBeLessThan(1.1);
    expect(pairedBootstrap(a, b, { random: random.fork('x') })).toEqual([low, high]);
    expect(() => pairedBootstrap(a, [1], { random })).toThrow(RangeError);
  });
  it('weights documents by their size', () => {
    const [low, high] = bootstrapMean([10, 30], { random: new Random(3, 'sizes') }, [10, 10]);
    expect(low).toBe(1);
    expect(high).toBe(3);
  });
});

describe('steps', () => {
  function* counting(to: number): Steps<number> {
    let sum = 0;
    for (let i = 0; i < to; i++) {
      sum += i;
      yield;
    }
    return sum;
  }
  it('lets timers run between turns', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    function* busy(): Steps<void> {
      const end = performance.now() + 200;
      while (performance.now() < end) yield;
    }
    await finishInTurns(busy());
    clearInterval(timer);
    expect(ticks).toBeGreaterThanOrEqual(2);
    expect(await finishInTurns(counting(10))).toBe(45);
  });
  it('does not start when it was cancelled before', async () => {
    const controller = new AbortController();
    controller.abort(new Error('early'));
    await expect(finishInTurns(counting(3), controller.signal)).rejects.toThrow('early');
  });
});
