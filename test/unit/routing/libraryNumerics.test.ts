import { describe, expect, it } from 'vitest';
import { type LowRank, innerProduct, spectrumOf, stackLowRank } from '../../../extension/numerics/lowRank';
import { Random } from '../../../extension/numerics/random';
import { symmetricEigen } from '../../../extension/numerics/symmetricEigen';

function symmetric(n: number, seed: number): Float64Array {
  const random = new Random(seed, 'symmetric'), m = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) m[i * n + j] = m[j * n + i] = random.normal() * 10 ** (3 * random.normal());
  return m;
}

describe('eigen-decomposition of symmetric matrices', () => {
  it.each([1, 2, 3, 8, 33])('gives orthonormal vectors and the matrix back, n = %i', (n) => {
    const m = symmetric(n, n), { values, vectors } = symmetricEigen(m, n), scale = Math.max(...m.map(Math.abs));
    for (let i = 1; i < n; i++) expect(values[i]).toBeLessThanOrEqual(values[i - 1]);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let dot = 0, back = 0;
        for (let k = 0; k < n; k++) {
          dot += vectors[i * n + k] * vectors[j * n + k];
          back += values[k] * vectors[k * n + i] * vectors[k * n + j];
        }
        expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-12);
        expect(Math.abs(back - m[i * n + j])).toBeLessThan(1e-12 * scale * n);
      }
    }
  });

  it('gives known values, of nothing and of zeros too, and ends on NaN', () => {
    expect([...symmetricEigen([2, 1, 1, 2], 2).values]).toEqual([3, 1].map((x) => expect.closeTo(x, 14)));
    expect([...symmetricEigen(new Float64Array(9), 3).values]).toEqual([0, 0, 0]);
    expect(symmetricEigen([], 0).values).toHaveLength(0);
    expect(symmetricEigen([NaN, NaN, NaN, NaN], 2).values).toHaveLength(2);
    expect(() => symmetricEigen([1, 2, 3], 2)).toThrow(RangeError);
  });

  it('leaves its input alone', () => {
    const m = symmetric(5, 9), copy = Float64Array.from(m);
    symmetricEigen(m, 5);
    expect(m).toEqual(copy);
  });
});

function random(rank: number, inWidth: number, outWidth: number, seed: number): LowRank {
  const r = new Random(seed, 'factors'), draw = (n: number): Float32Array => Float32Array.from({ length: n }, () => r.normal());
  return { rank, inWidth, outWidth, a: draw(rank * inWidth), b: draw(outWidth * rank) };
}
function dense(m: LowRank): Float64Array {
  const out = new Float64Array(m.outWidth * m.inWidth);
  for (let o = 0; o < m.outWidth; o++) for (let p = 0; p < m.rank; p++) for (let k = 0; k < m.inWidth; k++) out[o * m.inWidth + k] += m.b[o * m.rank + p] * m.a[p * m.inWidth + k];
  return out;
}
/** Singular values and first right vector from the full Gram matrix. */
function denseSpectrum(m: LowRank): { readonly values: Float64Array; readonly first: Float64Array } {
  const w = dense(m), n = m.inWidth, gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) for (let o = 0; o < m.outWidth; o++) gram[i * n + j] += w[o * n + i] * w[o * n + j];
  const { values, vectors } = symmetricEigen(gram, n);
  return { values: values.map((x) => Math.sqrt(Math.max(0, x))), first: vectors.slice(0, n) };
}

describe('the spectrum of a low-rank update from its factors', () => {
  it.each([[4, 12, 9], [1, 5, 7], [8, 6, 20], [3, 3, 3]])('equals that of the whole matrix: rank %i, %i to %i', (rank, inWidth, outWidth) => {
    const m = random(rank, inWidth, outWidth, rank), found = spectrumOf(m), full = denseSpectrum(m);
    for (let i = 0; i < Math.min(rank, inWidth, outWidth); i++) expect(Math.abs(found.singularValues[i] - full.values[i])).toBeLessThan(1e-6 * full.values[0]);
    expect(Math.abs(found.direction.reduce((s, x, i) => s + x * full.first[i], 0))).toBeCloseTo(1, 9);
    const largest = found.direction.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
    expect(largest).toBeGreaterThan(0);
    const frobenius = Math.sqrt(dense(m).reduce((s, x) => s + x * x, 0));
    expect(found.frobenius).toBeCloseTo(frobenius, 6);
    expect(found.stableRank).toBeCloseTo(frobenius ** 2 / full.values[0] ** 2, 6);
    expect(found.energy).toBeCloseTo(1 / found.stableRank, 12);
  });

  it('is exact where rows of A are dependent, where power steps do not converge, and for zeros', () => {
    const m = random(3, 10, 8, 1), dependent: LowRank = { ...m, a: Float32Array.from([...m.a.slice(0, 10), ...m.a.slice(0, 10), ...m.a.slice(0, 10).map((x) => -2 * x)]) };
    const found = spectrumOf(dependent), full = denseSpectrum(dependent);
    expect(found.singularValues[0]).toBeCloseTo(full.values[0], 6);
    expect(found.ratio).toBeLessThan(1e-6);
    expect(Math.abs(found.direction.reduce((s, x, i) => s + x * full.first[i], 0))).toBeCloseTo(1, 9);
    const near: LowRank = { rank: 2, inWidth: 2, outWidth: 2, a: Float32Array.of(1, 0, 0, 1), b: Float32Array.of(1, 0, 0, 0.999) };
    expect(spectrumOf(near).direction[0]).toBeCloseTo(1, 12);
    expect(spectrumOf(near).ratio).toBeCloseTo(0.999, 6);
    expect(spectrumOf({ ...m, b: new Float32Array(24) })).toMatchObject({ energy: 0, stableRank: 0, frobenius: 0, ratio: 0, direction: new Float64Array(10) });
    expect(spectrumOf({ ...m, a: new Float32Array(30) }).frobenius).toBe(0);
  });

  it('does not depend on the basis of the factors', () => {
    const m = random(2, 6, 5, 3), swapped: LowRank = { ...m, a: Float32Array.from([...m.a.slice(6).map((x) => 4 * x), ...m.a.slice(0, 6).map((x) => -0.5 * x)]), b: Float32Array.from(Array.from({ length: 5 }, (_, o) => [m.b[2 * o + 1] / 4, m.b[2 * o] / -0.5]).flat()) };
    const one = spectrumOf(m), two = spectrumOf(swapped);
    one.direction.forEach((x, i) => expect(two.direction[i]).toBeCloseTo(x, 6));
    expect(two.singularValues[1]).toBeCloseTo(one.singularValues[1], 5);
  });
});

it('inner products and stacks agree with whole matrices', () => {
  const x = random(2, 6, 5, 10), y = random(3, 6, 5, 11), dx = dense(x), dy = dense(y);
  expect(innerProduct(x, y)).toBeCloseTo(dx.reduce((s, v, i) => s + v * dy[i], 0), 5);
  const stack = stackLowRank([{ factors: x, weight: 2 }, { factors: y, weight: -0.5 }]);
  expect(stack.rank).toBe(5);
  dense(stack).forEach((v, i) => expect(v).toBeCloseTo(2 * dx[i] - 0.5 * dy[i], 5));
});
