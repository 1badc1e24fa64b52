import { describe, expect, it } from 'vitest';
import { coactivation, coverage, divergence, effectiveExperts, entropy, flows, loadMetrics, normalisedEntropy, runs, saturation, switchRate, togetherWith } from '../../../webview/render/routingMetrics';
import { blockHalfWidth, pairNull, seededNumbers, switchScore } from '../../../webview/render/routingNull';

/** Entropies, divergence, CV, Gini and balance loss as NumPy 2.4.6 and SciPy 1.17.1 give them (stats.entropy, jensenshannon squared); the counts by hand. */
describe('golden values of routing figures', () => {
  it('entropy in nats', () => {
    expect(entropy([0.7, 0.2, 0.1])).toBeCloseTo(0.801819, 6);
    expect(normalisedEntropy([0.7, 0.2, 0.1])).toBeCloseTo(0.729847, 6);
    expect(effectiveExperts([0.7, 0.2, 0.1])).toBeCloseTo(2.229592, 6);
    expect(entropy([1, 0, 0])).toBe(0);
    expect(entropy([1 / 3, 1 / 3, 1 / 3])).toBeCloseTo(1.098612, 6);
  });
  it('balance of loads', () => {
    const metrics = loadMetrics([8, 6, 4, 2], 10, 2, [0.4, 0.3, 0.2, 0.1]);
    expect(metrics?.specialisation).toEqual([0.8, 0.6, 0.4, 0.2]);
    expect(metrics?.uniform).toBe(0.5);
    expect(metrics?.variation).toBeCloseTo(0.447214, 6);
    expect(metrics?.gini).toBeCloseTo(0.25, 12);
    expect(metrics?.peak).toBeCloseTo(1.6, 12);
    expect(metrics?.auxiliary).toBeCloseTo(2.4, 12);
  });
  it('divergence between kinds', () => {
    expect(divergence([[8, 6, 4, 2], [2, 4, 6, 8]])).toBeCloseTo(0.10644, 5);
    expect(divergence([[1, 0], [0, 1]])).toBeCloseTo(Math.log(2), 12);
  });
  it('switches and runs', () => {
    const ids = [0, 0, 1, 1, 1, 2, 0];
    expect(switchRate(ids)).toBe(0.5);
    expect(switchRate(ids, new Set([2]))).toBeCloseTo(2 / 5, 12);
    expect(runs(ids)).toEqual([[0, 2], [1, 3], [2, 1], [0, 1]]);
  });
  it('pairs over all tokens', () => {
    const pairs = coactivation([0, 1, 0, 2, 1, 2, 0, 1], 2, 3);
    expect(togetherWith(pairs, 0, 1)).toBeCloseTo(0.6667, 4);
    expect(togetherWith(pairs, 0, 2)).toBeCloseTo(0.3333, 4);
    expect(togetherWith(pairs, 2, 0)).toBe(0.5);
    expect(pairs.tokens).toBe(4);
    expect(saturation([1, 3], [3, 5])).toBe(0.5);
  });
  it('are undefined where there is nothing, not zero', () => {
    expect(loadMetrics([0, 0], 0, 1)).toBeNull();
    expect(switchRate([])).toBeNull();
    expect(switchRate([3])).toBeNull();
    expect(divergence([[1, 2]])).toBeNull();
    expect(normalisedEntropy([1])).toBeNull();
    expect(entropy([1])).toBe(0);
    expect(togetherWith(coactivation([], 2, 3), 0, 1)).toBeNull();
    expect(saturation([], [])).toBeNull();
    expect(switchScore([], []).value).toBeNull();
  });
});

describe('flows and coverage', () => {
  it('count all tokens once and compare with independence', () => {
    const found = flows([0, 0, 0, 1, 1, 2], [1, 1, 0, 2, 2, 2], 3);
    expect(found.reduce((sum, flow) => sum + flow.count, 0)).toBe(6);
    expect(found.reduce((sum, flow) => sum + flow.expected, 0)).toBeLessThanOrEqual(6);
    const strongest = found.find((flow) => flow.from === 1 && flow.to === 2);
    expect(strongest).toMatchObject({ count: 2, expected: 1 });
    expect(strongest?.z).toBeCloseTo(1 / Math.sqrt(1.5), 12);
  });
  it('coverage goes from nothing to all', () => {
    expect(coverage([1, 3, 0, 4], [3, 1, 0, 2])).toEqual([0, 0.5, 0.875, 1, 1]);
    expect(coverage([0, 0], [0, 1])).toEqual([0, 0, 0]);
  });
});

describe('what chance gives', () => {
  it('random order of tokens: mean = the chance that two differ, few switches are evidence', () => {
    const ids = Array.from({ length: 128 }, (_, i) => Math.floor(i / 16) % 2);
    const score = switchScore(ids, [[0, 128]], 3);
    expect(score.value).toBeCloseTo(7 / 127, 12);
    expect(score.null).toBeCloseTo((2 * 64 * 64) / (128 * 127), 1);
    expect(score.p).toBe(0.01);
    expect(score).toMatchObject({ n: 127, nullDraws: 99, direction: 'less' });
    const random = seededNumbers(9);
    const shuffled = switchScore(Array.from({ length: 128 }, () => Math.floor(random() * 4)), [[0, 64], [64, 128]], 3);
    expect(shuffled.p).toBeGreaterThan(0.05);
    expect(shuffled.n).toBe(126);
  });
  it('random pairs: independent choices stay inside the band, fixed partners do not', () => {
    const random = seededNumbers(1);
    const free: number[] = [];
    const bound: number[] = [];
    for (let t = 0; t < 600; t++) {
      const a = Math.floor(random() * 6);
      const b = (a + 1 + Math.floor(random() * 5)) % 6;
      free.push(a, b);
      bound.push(a, a % 2 === 0 ? a + 1 : a - 1);
    }
    const outside = (chosen: readonly number[]): number => {
      const pairs = coactivation(chosen, 2, 6);
      const band = pairNull(pairs, 2, 5);
      let count = 0;
      for (let a = 0; a < 6; a++) for (let b = 0; b < 6; b++) if (a !== b && ((togetherWith(pairs, a, b) ?? 0) < (band.low[a * 6 + b] ?? 0) || (togetherWith(pairs, a, b) ?? 0) > (band.high[a * 6 + b] ?? 1))) count++;
      return count;
    };
    expect(outside(free)).toBeLessThanOrEqual(5);
    expect(outside(bound)).toBe(30);
  });
  it('the interval of a mean is wider when neighbours are alike', () => {
    const random = seededNumbers(4);
    const values = Array.from({ length: 256 }, () => (random() < 0.5 ? 0 : 1));
    const blocks = (list: readonly number[]): readonly number[] => Array.from({ length: 16 }, (_, b) => list.slice(b * 16, b * 16 + 16).reduce((sum, x) => sum + x, 0));
    const sizes = new Array<number>(16).fill(16);
    const alone = blockHalfWidth(blocks(values), sizes);
    const alike = blockHalfWidth(blocks(values.map((_, i) => values[Math.floor(i / 16)] ?? 0)), sizes);
    expect(alike).toBeGreaterThan(2 * alone);
    expect(alone).toBeCloseTo((1.96 * 0.5) / 16, 1);
    expect(blockHalfWidth([8], [16])).toBe(Infinity);
    // Blocks of 2 and 3 tokens with sums 2 and 0: mean 0.4, deviations 1.2 and -1.2.
    expect(blockHalfWidth([2, 0], [2, 3])).toBeCloseTo((1.96 * Math.sqrt(2 * (1.2 ** 2 + 1.2 ** 2))) / 5, 12);
  });
});
