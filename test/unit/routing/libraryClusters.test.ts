import { describe, expect, it } from 'vitest';
import type { LinearSpec } from '../../../extension/architecture/spec';
import { kMeans, silhouette } from '../../../extension/numerics/kMeans';
import { averageLinkage } from '../../../extension/numerics/linkage';
import { type LowRank, spectrumOf } from '../../../extension/numerics/lowRank';
import { Random } from '../../../extension/numerics/random';
import { adjustedRandIndex } from '../../../extension/numerics/agreement';
import { clusterLibrary, clusterRange, seriate } from '../../../extension/routing/library/clusters';
import { NOT_MBC } from '../../../extension/protocol/routingLibrary';
import { librarySimilarity } from '../../../extension/routing/library/similarity';
import type { BoundLibrary } from '../../../extension/routing/library/types';

const SPEC: LinearSpec = { site: 'blocks.0.ffn.up', weight: 'w', inWidth: 4, outWidth: 3, layout: 'outIn' };
function library(parts: readonly LowRank[], spec: LinearSpec = SPEC): BoundLibrary {
  const adapters = parts.map((_, i) => ({ name: `a${i}`, lora: { kind: 'lora', path: '', name: '', base: null, rank: 2, sites: [], weights: null as never } as const }));
  return { genKnowSub: 'none', library: { path: 'toy', adapters, general: [], arrow: null, skipped: [], remarks: [], files: [] }, sites: [{ spec, layer: 0, experts: parts.map((factors, adapter) => ({ adapter, factors, scaling: 1, spectrum: spectrumOf(factors) })) }] };
}
const toy: readonly LowRank[] = [
  [[1, 0, 0, 0, 0, 1, 0, 0], [2, 0, 0, 1, 0, 0]], [[0, 0, 1, 0, 0, 0, 1, 1], [1, 0, 0, 1, 1, 1]], [[1, 1, 1, 1, 0, 1, 0, -1], [0, 1, 1, 0, 1, 0]],
].map(([a, b]) => ({ rank: 2, inWidth: 4, outWidth: 3, a: Float32Array.from(a), b: Float32Array.from(b) }));
const pairs = (m: Float64Array): number[] => [m[1], m[2], m[5]];

describe('similarity of adapters', () => {
  it('of updates, of parameters and of directions: golden values', () => {
    const close = (found: number[], expected: number[]): void => expected.forEach((x, i) => expect(found[i]).toBeCloseTo(x, 5));
    close(pairs(librarySimilarity(library(toy)).matrix), [0, 0.141421, 0.559017]);
    close(pairs(librarySimilarity(library(toy), 'parameters').matrix), [0.428571, 0.251976, 0.125988]);
    close(pairs(librarySimilarity(library(toy), 'direction').matrix), [0, 0.5, (0.881675 + 0.471858) / 2]);
  });

  it('of updates does not depend on the basis, of parameters does', () => {
    const turned = toy.map((m, i) => (i === 1 ? { ...m, a: Float32Array.from([...m.a.slice(4), ...m.a.slice(0, 4)].map((x) => -x)), b: Float32Array.from([0, 1, 2].flatMap((o) => [-m.b[2 * o + 1], -m.b[2 * o]])) } : m));
    const [one, two] = [toy, turned].map((m) => librarySimilarity(library(m)).matrix);
    one.forEach((x, i) => expect(two[i]).toBeCloseTo(x, 6));
    expect(Math.abs(librarySimilarity(library(turned), 'parameters').matrix[1] - 0.428571)).toBeGreaterThan(0.1);
  });

  it('of parameters is refused between ranks', () => {
    const wide: LowRank = { rank: 1, inWidth: 4, outWidth: 3, a: Float32Array.of(1, 0, 0, 0), b: Float32Array.of(1, 0, 0) };
    expect(() => librarySimilarity(library([toy[0], wide]), 'parameters')).toThrow(/rank.*Compare updates/s);
    expect(librarySimilarity(library([toy[0], wide])).matrix[1]).toBeGreaterThan(0);
  });
});

/** Adapters of three true groups, each the group's update with noise. */
function grouped(perGroup: number, seed: number): { readonly parts: readonly LowRank[]; readonly truth: readonly number[] } {
  const draw = (random: Random, n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal());
  const parts: LowRank[] = [], truth: number[] = [];
  for (let g = 0; g < 3; g++) {
    const a = draw(new Random(seed, 'a', g), 2 * 12), b = draw(new Random(seed, 'b', g), 2 * 10);
    for (let i = 0; i < perGroup; i++) {
      const noise = new Random(seed, 'noise', g, i);
      parts.push({ rank: 2, inWidth: 12, outWidth: 10, a: a.map((x) => x + 0.3 * noise.normal()), b: b.map((x) => x + 0.3 * noise.normal()) });
      truth.push(g);
    }
  }
  return { parts, truth };
}

describe('groups of adapters', () => {
  const { parts, truth } = grouped(4, 5), similarity = librarySimilarity(library(parts, { ...SPEC, inWidth: 12, outWidth: 10 }));

  it('are found where there are any, with a silhouette that its null does not reach', () => {
    const found = clusterLibrary(similarity, 3, 0);
    expect(adjustedRandIndex(found.labels, truth)).toBe(1);
    expect(found.silhouette?.value ?? 0).toBeGreaterThan(0.5);
    expect(found.silhouette?.p ?? 1).toBeLessThan(0.05);
    expect(found.silhouette).toMatchObject({ n: 12, nOf: 'adapters', nullDraws: 99 });
    expect(found.says).toBe(NOT_MBC);
    expect(clusterLibrary(similarity, 3, 0)).toEqual(found);
    const range = clusterRange(similarity, 5, 0);
    expect(range.map((c) => c.clusters)).toEqual([2, 3, 4, 5]);
    const best = [...range].sort((x, y) => (y.silhouette?.value ?? 0) - (x.silhouette?.value ?? 0))[0];
    expect(best.clusters).toBe(3);
  });

  it('stand together in the order', () => {
    const { order, joinings } = seriate(similarity);
    expect([...order].sort((a, b) => a - b)).toEqual(truth.map((_, i) => i));
    const groups = [...order].map((i) => truth[i]);
    expect(groups.filter((g, i) => i > 0 && g !== groups[i - 1])).toHaveLength(2);
    expect(joinings).toHaveLength(11);
  });

  it('of noise do not pass for groups', () => {
    const noise = Array.from({ length: 12 }, (_, i): LowRank => ({ rank: 2, inWidth: 12, outWidth: 10, a: Float32Array.from({ length: 24 }, () => 0).map((_x, j) => new Random(7, i, j).normal()), b: Float32Array.from({ length: 20 }, (_x, j) => new Random(8, i, j).normal()) }));
    expect(clusterLibrary(librarySimilarity(library(noise, { ...SPEC, inWidth: 12, outWidth: 10 })), 3, 0).silhouette?.p ?? 0).toBeGreaterThan(0.05);
  });

  it('have no score for two or three adapters, and no impossible number', () => {
    const few = librarySimilarity(library(toy));
    expect(clusterLibrary(few, 2, 0).silhouette).toBeNull();
    expect(() => clusterLibrary(few, 4, 0)).toThrow(/from 1 to 3/);
  });
});

describe('k-means, silhouette and linkage', () => {
  const points = { n: 5, width: 1, data: Float64Array.of(0, 1, 10, 11, 12) };
  it('give what can be worked out by hand', () => {
    const { labels, inertia } = kMeans(points, 2, new Random(0, 'test'));
    expect([...labels]).toEqual([0, 0, 1, 1, 1]);
    expect(inertia).toBeCloseTo(2.5, 12);
    const own = [1 - 1 / 11, 1 - 1 / 10, 1 - 1.5 / 9.5, 1 - 1 / 10.5, 1 - 1.5 / 11.5];
    expect(silhouette(points, labels)).toBeCloseTo(own.reduce((s, x) => s + x, 0) / 5, 12);
    expect(silhouette(points, new Int32Array(5))).toBeNaN();
    const distances = Float64Array.from({ length: 25 }, (_, i) => Math.abs(points.data[Math.floor(i / 5)] - points.data[i % 5]));
    const { joinings, order } = averageLinkage(distances, 5);
    expect(joinings.map((j) => j.height)).toEqual([1, 1, 1.5, 10.5]);
    expect([...order]).toEqual([0, 1, 2, 3, 4]);
  });
});
