import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { linearCka, linearCkaUnbiased, rowGram } from '../../../extension/numerics/cka';
import { ridgeSteps } from '../../../extension/numerics/cholesky';
import { pearson } from '../../../extension/numerics/correlation';
import { truncateFactors } from '../../../extension/numerics/lowRankSvd';
import { optimalAssignment } from '../../../extension/numerics/optimalAssignment';
import { nuclearNorm, polarFactor } from '../../../extension/numerics/procrustes';
import { Random } from '../../../extension/numerics/random';
import { finish } from '../../../extension/numerics/steps';
import { pruneColumns, pruneRows, seedAssignment } from '../../../extension/transfer/methods/seedExact';

interface Golden {
  readonly assignments: readonly { readonly rows: number; readonly columns: number; readonly scores: readonly number[]; readonly score: number; readonly given: Readonly<Record<string, number>> }[];
  readonly seedExact: readonly { readonly n: number; readonly ds: number; readonly dt: number; readonly r: number; readonly teacher: readonly number[]; readonly student: readonly number[]; readonly c: readonly number[]; readonly idx: readonly number[]; readonly score: number; readonly a: readonly number[]; readonly b: readonly number[]; readonly prunedA: readonly number[]; readonly prunedB: readonly number[] }[];
  readonly procrustes: readonly { readonly p: number; readonly o: number; readonly c: readonly number[]; readonly factor: readonly number[]; readonly singularSum: number }[];
  readonly ridge: readonly { readonly p: number; readonly o: number; readonly rho: number; readonly gram: readonly number[]; readonly cross: readonly number[]; readonly map: readonly number[] }[];
  readonly cka: readonly { readonly n: number; readonly dx: number; readonly dy: number; readonly x: readonly number[]; readonly y: readonly number[]; readonly biased: number; readonly unbiased: number }[];
  readonly lowRank: readonly { readonly out: number; readonly r: number; readonly in: number; readonly keep: number; readonly a: readonly number[]; readonly b: readonly number[]; readonly singularValues: readonly number[]; readonly cut: readonly number[]; readonly energy: number }[];
}
const golden = JSON.parse(readFileSync('test/fixtures/transfer/golden.json', 'utf8')) as Golden;

function close(found: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(found.length).toBe(expected.length);
  for (let i = 0; i < found.length; i++) expect(Math.abs(found[i] - expected[i])).toBeLessThan(tolerance);
}

/** The example of the notes on methods: two bases of three and two dimensions on five tokens. */
const TEACHER = [1, 0, 2, 2, 1, 1, 3, 1, 4, 4, 2, 3, 5, 2, 6], STUDENT = [2, 1, 1, 2, 4, 3, 3, 4, 6, 5];

describe('assignment', () => {
  it('finds scipy\u2019s sums, and its pairs where they are unique', () => {
    for (const { rows, columns, scores, score, given } of golden.assignments) {
      const found = optimalAssignment(scores, rows, columns);
      expect(found.score).toBeCloseTo(score, 9);
      expect([...found.columns].filter((c) => c >= 0).length).toBe(Math.min(rows, columns));
      if (scores.some((x) => !Number.isInteger(x))) expect([...found.columns]).toEqual(Array.from({ length: rows }, (_, r) => given[String(r)] ?? -1));
    }
  });

  it('finds known optima, with and without rows to spare', () => {
    expect(optimalAssignment([1, 2, 3, 6, 5, 4, 7, 9, 8], 3, 3).score).toBe(18);
    expect(optimalAssignment([1, 2, 3, 6, 5, 4, 7, 9, 8, -1, -1, -1], 4, 3).score).toBe(18);
    expect(optimalAssignment([3, 4, 4, 4, 1, 3, 4, 4, 3, 2, 3, 4, 4, 4, 4, 4], 4, 4).score).toBe(16);
    const least = optimalAssignment([4, 1, 3, 2, 0, 5, 3, 2, 2].map((x) => -x), 3, 3);
    expect([...least.columns]).toEqual([1, 0, 2]);
    expect(least.score).toBe(-5);
  });

  it('gives the lowest columns to the first rows where everything is equal, and treats what is not finite as the worst', () => {
    expect([...optimalAssignment(new Float64Array(16), 4, 4).columns]).toEqual([0, 1, 2, 3]);
    expect([...optimalAssignment(new Float64Array(12), 3, 4).columns]).toEqual([0, 1, 2]);
    expect([...optimalAssignment(new Float64Array(12), 4, 3).columns]).toEqual([0, 1, 2, -1]);
    expect([...optimalAssignment([NaN, 1, 0, NaN], 2, 2).columns]).toEqual([1, 0]);
    expect([...optimalAssignment([], 0, 3).columns]).toEqual([]);
  });

  it('beats every other permutation of small tables', () => {
    const random = new Random(0, 'brute force');
    const permutations = (n: number): number[][] => (n === 0 ? [[]] : permutations(n - 1).flatMap((p) => Array.from({ length: n }, (_, i) => [...p.slice(0, i), n - 1, ...p.slice(i)])));
    for (let n = 1; n <= 6; n++) {
      const scores = Array.from({ length: n * n }, () => Math.floor(random.uniform() * 5)), best = Math.max(...permutations(n).map((p) => p.reduce((sum, c, r) => sum + scores[r * n + c], 0)));
      expect(optimalAssignment(scores, n, n).score).toBe(best);
    }
  });
});

describe('prune and align as released', () => {
  it('gives the example\u2019s order and factors', () => {
    close(pearson(STUDENT, TEACHER, 5, 2, 3), [0.8220, 0.5903, 1, 1, 0.9449, 0.8220], 5e-5);
    const { from, score } = seedAssignment({ n: 5, from: Float32Array.from(TEACHER), to: Float32Array.from(STUDENT) }, 2, 3);
    expect([...from]).toEqual([2, 0]);
    expect(2 * score).toBeCloseTo(2, 9);
    expect([...pruneColumns(Float32Array.of(0, 1, 2, 3, 4, 5), 2, from)]).toEqual([2, 0, 5, 3]);
    expect([...pruneRows(Float32Array.of(0, 1, 2, 3, 4, 5), 2, from)]).toEqual([4, 5, 0, 1]);
  });

  it('gives what scikit-learn and scipy give, constant dimensions included', () => {
    for (const { n, ds, dt, r, teacher, student, c, idx, score, a, b, prunedA, prunedB } of golden.seedExact) {
      close(pearson(student, teacher, n, ds, dt), c, 1e-9);
      const found = seedAssignment({ n, from: Float32Array.from(teacher), to: Float32Array.from(student) }, ds, dt);
      expect(found.score * ds).toBeCloseTo(score, 9);
      // A constant student dimension correlates 0 with all: which teacher dimension is left over for it is a tie.
      found.from.forEach((g, j) => { if (c.slice(j * dt, (j + 1) * dt).some((x) => x !== 0)) expect(g).toBe(idx[j]); });
      close(pruneColumns(Float32Array.from(a), r, Int32Array.from(idx)), prunedA, 1e-12);
      close(pruneRows(Float32Array.from(b), r, Int32Array.from(idx)), prunedB, 1e-12);
    }
  });
});

describe('Procrustes', () => {
  it('recovers the example\u2019s rotation and carries its update', () => {
    const c = Math.cos(Math.PI / 6), s = Math.sin(Math.PI / 6), rotation = [c, s, 0, -s, c, 0], x = [1, 0, 0, 2, 1, 1, 3, -1], cross = new Float64Array(6);
    for (let t = 0; t < 4; t++) for (let i = 0; i < 2; i++) for (let j = 0; j < 3; j++) for (let k = 0; k < 2; k++) cross[i * 3 + j] += x[t * 2 + i] * x[t * 2 + k] * rotation[k * 3 + j];
    const { factor } = polarFactor(cross, 2, 3);
    close(factor, rotation, 1e-14);
    const a = [1, 2].reduce((sum, v, i) => sum.map((y, j) => y + v * factor[i * 3 + j]), [0, 0, 0]), b = [0, 1, 2].map((j) => 3 * factor[j] - factor[3 + j]);
    close(a, [-0.1340, 2.2321, 0], 5e-5);
    close(b, [3.0981, 0.6340, 0], 5e-5);
    // Effect of the moved update on a turned input is the turned effect of the update.
    const input = [0.3, -1.2], turned = [0, 1, 2].map((j) => input[0] * rotation[j] + input[1] * rotation[3 + j]), bottleneck = input[0] + 2 * input[1];
    expect(turned.reduce((sum, v, j) => sum + v * a[j], 0)).toBeCloseTo(bottleneck, 13);
    close(b.map((v) => v * bottleneck), [0, 1, 2].map((j) => bottleneck * (3 * rotation[j] - rotation[3 + j])), 1e-13);
  });

  it('gives numpy\u2019s factors for any shape, and there and back again is where it was', () => {
    for (const { p, o, c, factor, singularSum } of golden.procrustes) {
      const found = polarFactor(c, p, o);
      close(found.factor, factor, 1e-10);
      expect(found.singularSum).toBeCloseTo(singularSum, 8);
      expect(nuclearNorm(c, p, o)).toBeCloseTo(singularSum, 8);
      if (p > o) continue;
      const product = new Float64Array(p * p), identity = Float64Array.from({ length: p * p }, (_, i) => (Math.floor(i / p) === i % p ? 1 : 0));
      for (let i = 0; i < p; i++) for (let j = 0; j < p; j++) for (let k = 0; k < o; k++) product[i * p + j] += found.factor[i * o + k] * found.factor[j * o + k];
      close(product, identity, 1e-12);
    }
  });
});

it('ridge gives scikit-learn\u2019s coefficients', () => {
  for (const { p, o, rho, gram, cross, map } of golden.ridge) close(finish(ridgeSteps(Float64Array.from(gram), Float64Array.from(cross), p, o, rho)) ?? [], map, 1e-9);
  expect(finish(ridgeSteps(new Float64Array(4), new Float64Array(4), 2, 2, 0.1))).toBeNull();
});

describe('centred kernel alignment', () => {
  it('gives the example\u2019s and numpy\u2019s values', () => {
    const k = rowGram(TEACHER, 5, 3), l = rowGram(STUDENT, 5, 2);
    expect(linearCka(k, l, 5)).toBeCloseTo(0.9959944, 7);
    expect(linearCkaUnbiased(k, l, 5)).toBeCloseTo(0.9957964, 7);
    for (const { n, dx, dy, x, y, biased, unbiased } of golden.cka) {
      expect(linearCka(rowGram(x, n, dx), rowGram(y, n, dy), n)).toBeCloseTo(biased, 10);
      expect(linearCkaUnbiased(rowGram(x, n, dx), rowGram(y, n, dy), n)).toBeCloseTo(unbiased, 10);
    }
  });

  it('is 1 with itself, scaled and turned', () => {
    const x = golden.cka[0].x.slice(0, 60), c = Math.cos(1), s = Math.sin(1), turned: number[] = [];
    for (let t = 0; t < 12; t++) turned.push(7 * (c * x[t * 5] - s * x[t * 5 + 1]), 7 * (s * x[t * 5] + c * x[t * 5 + 1]), 7 * x[t * 5 + 2], -7 * x[t * 5 + 4], 7 * x[t * 5 + 3]);
    expect(linearCka(rowGram(x, 12, 5), rowGram(turned, 12, 5), 12)).toBeCloseTo(1, 12);
    expect(linearCkaUnbiased(rowGram(x, 12, 5), rowGram(turned, 12, 5), 12)).toBeCloseTo(1, 12);
  });
});

it('low-rank updates are decomposed and cut without being made', () => {
  expect(truncateFactors([1, 2, 0, 1, 0, 1, 1, 0], [1, 0, 0, 2, 1, 1], 2, 2).singularValues.map((x) => x.toFixed(8))).toEqual(['4.78004789', '1.77514568']);
  for (const { out, r, in: inWidth, keep, a, b, singularValues, cut, energy } of golden.lowRank) {
    const found = truncateFactors(a, b, r, keep), product = new Float64Array(out * inWidth);
    close(found.singularValues.slice(0, singularValues.length), singularValues, 1e-10);
    expect(found.energy).toBeCloseTo(energy, 10);
    for (let o = 0; o < out; o++) for (let i = 0; i < inWidth; i++) for (let k = 0; k < found.rank; k++) product[o * inWidth + i] += found.b[o * found.rank + k] * found.a[k * inWidth + i];
    close(product, cut, 1e-10);
  }
});
