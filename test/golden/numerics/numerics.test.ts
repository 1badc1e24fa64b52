import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { adjustedMutualInformation, adjustedRandIndex, normalisedMutualInformation } from '../../../extension/numerics/agreement';
import { averagePrecision } from '../../../extension/numerics/averagePrecision';
import { balancedAssignment } from '../../../extension/numerics/balancedAssignment';
import * as d from '../../../extension/numerics/distributions';
import { clusterSizes } from '../../../extension/numerics/labels';
import { scoreAgainstNull } from '../../../extension/numerics/nullScore';
import { philox4x32 } from '../../../extension/numerics/random';
import { benjaminiHochberg, quantile } from '../../../extension/numerics/statistics';

interface Golden {
  readonly philox: readonly { readonly counter: number[]; readonly key: number[]; readonly out: number[] }[];
  readonly agreement: readonly { readonly a: number[]; readonly b: number[]; readonly ari: number; readonly nmi: number; readonly ami: number }[];
  readonly averagePrecision: readonly { readonly y: number[]; readonly s: number[]; readonly ap: number }[];
  readonly assignment: readonly { readonly n: number; readonly clusters: number; readonly lower: number[]; readonly upper: number[]; readonly cost: number[]; readonly best: number }[];
  readonly benjaminiHochberg: { readonly p: number[]; readonly q: number[] };
  readonly prediction: { readonly draws: number[]; readonly value: number; readonly p: number; readonly z: number; readonly reach: number; readonly mean: number; readonly sd: number };
  readonly quantile: { readonly values: number[]; readonly q: [number, number][] };
  readonly [table: string]: unknown;
}
const golden = JSON.parse(readFileSync(join(__dirname, 'numerics.json'), 'utf8')) as Golden;

function closeTo(actual: number, expected: number, relative: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.abs(expected) + 1e-300);
}

describe('distributions agree with scipy', () => {
  const functions: [string, (...x: number[]) => number, number][] = [
    ['normalCdf', d.normalCdf, 1e-12],
    ['normalQuantile', d.normalQuantile, 1e-10],
    ['erfc', d.erfc, 1e-12],
    ['incompleteBeta', d.incompleteBeta, 1e-9],
    ['studentCdf', d.studentCdf, 1e-11],
    ['studentTail', d.studentTail, 1e-11],
    ['studentQuantile', d.studentQuantile, 1e-9],
    ['hypergeometricTail', d.hypergeometricTail, 1e-9],
    ['binomialTail', d.binomialTail, 1e-9],
  ];
  it.each(functions)('%s', (name, fn, tolerance) => {
    const rows = golden[name] as number[][];
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) closeTo(fn(...row.slice(0, -1)), row[row.length - 1], tolerance);
  });
  it('logGamma', () => {
    for (const [x, y] of golden.logGamma as number[][]) expect(Math.abs(d.logGamma(x) - y)).toBeLessThan(1e-12 * Math.max(1, Math.abs(y)));
  });
  it('thresholds of the functional expert test', () => {
    const rows = golden.hypergeometricThreshold as number[][];
    expect(rows.map((r) => r[3])).toEqual([7, 4, 7, 8, 48]);
    for (const [population, marked, drawn, t] of rows) expect(d.smallestThreshold((x) => d.hypergeometricTail(x, population, marked, drawn), 1e-3)).toBe(t);
    const binomial = golden.binomialThreshold as number[][];
    expect(binomial.map((r) => r[1])).toEqual([28, 57, 80, 145]);
    for (const [n, t] of binomial) expect(d.smallestThreshold((x) => d.binomialTail(x, n, 1 / 16), 1e-3)).toBe(t);
  });
});

describe('statistics agree with scipy and scikit-learn', () => {
  it('Benjamini-Hochberg', () => {
    const q = benjaminiHochberg(golden.benjaminiHochberg.p);
    golden.benjaminiHochberg.q.forEach((expected, i) => closeTo(q[i], expected, 1e-12));
  });
  it('ARI, NMI, AMI', () => {
    expect(golden.agreement[0].ari).toBeCloseTo(0.571428571, 9);
    expect(golden.agreement[0].nmi).toBeCloseTo(0.8, 9);
    for (const { a, b, ari, nmi, ami } of golden.agreement) {
      expect(adjustedRandIndex(a, b)).toBeCloseTo(ari, 11);
      expect(normalisedMutualInformation(a, b)).toBeCloseTo(nmi, 11);
      expect(adjustedMutualInformation(a, b)).toBeCloseTo(ami, 9);
    }
  });
  it('average precision with ties', () => {
    for (const { y, s, ap } of golden.averagePrecision) expect(averagePrecision(y, s)).toBeCloseTo(ap, 12);
    expect(averagePrecision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])).toBeCloseTo(0.833333333, 9);
    expect(averagePrecision([1, 0, 1, 0], [1, 1, 1, 1])).toBe(0.5);
  });
  it('quantiles', () => {
    const sorted = Float64Array.from(golden.quantile.values).sort();
    for (const [p, expected] of golden.quantile.q) expect(quantile(sorted, p)).toBeCloseTo(expected, 12);
  });
  it('few draws of a null give a Student-t prediction', () => {
    const g = golden.prediction;
    const score = scoreAgainstNull({ value: g.value, draws: g.draws, n: 1, nOf: 'x', unit: 'x', direction: 'greater', nullKind: 'x' });
    closeTo(score.p!, g.p, 1e-10);
    closeTo(score.z!, g.z, 1e-12);
    closeTo(score.nullSd!, g.sd, 1e-12);
    closeTo(score.nullInterval![1], g.mean + g.reach, 1e-9);
  });
});

it('Philox4x32-10 gives the published words', () => {
  const out = new Uint32Array(4);
  expect(golden.philox[0].out).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  for (const { counter, key, out: expected } of golden.philox) {
    philox4x32(counter, key, out);
    expect([...out]).toEqual(expected);
  }
});

it('balanced assignment reaches the optimum of the linear program', () => {
  for (const { n, clusters, lower, upper, cost, best } of golden.assignment) {
    const result = balancedAssignment({ cost: Float64Array.from(cost), items: n, clusters, lower, upper });
    expect(result.total).toBeCloseTo(best, 9);
    const sizes = clusterSizes(result.labels, clusters);
    for (let e = 0; e < clusters; e++) {
      expect(sizes[e]).toBeGreaterThanOrEqual(lower[e]);
      expect(sizes[e]).toBeLessThanOrEqual(upper[e]);
    }
    const warm = balancedAssignment({ cost: Float64Array.from(cost), items: n, clusters, lower, upper, prices: result.prices.map((p, e) => p + Math.sin(e)) });
    expect(warm.total).toBeCloseTo(best, 9);
  }
});
