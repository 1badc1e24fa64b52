import { describe, expect, it } from 'vitest';
import { adjustedRandIndex } from '../../../extension/numerics/agreement';
import { gram } from '../../../extension/numerics/gemm';
import { clusterSizes } from '../../../extension/numerics/labels';
import { Random } from '../../../extension/numerics/random';
import { mean, sampleSd } from '../../../extension/numerics/statistics';
import { expectedModularity, graphFromActivations, graphFromGram, modularityOf, normaliseTokens } from '../../../extension/partition/coactivationGraph';
import { coactivationSplit } from '../../../extension/partition/coactivationSplit';
import { contiguousPartition, permuteTokens, randomPartition, shuffledLabels } from '../../../extension/partition/controls';
import { heldOutModularity, methodAgreement, selectionCorrectedModularity } from '../../../extension/partition/modularityScore';
import { plantedActivations } from './planted';

const N = 120;
const E = 8;
const T = 400;
const planted = randomPartition(N, E, 3);

function transposedGram(h: Float32Array, tokens: number, neurons: number): Float32Array {
  const turned = new Float32Array(h.length);
  for (let t = 0; t < tokens; t++) for (let i = 0; i < neurons; i++) turned[i * tokens + t] = h[t * neurons + i];
  return gram(turned, neurons, tokens);
}

describe('co-activation', () => {
  const random = new Random(1, 'coactivation');
  const h = plantedActivations(random, T, planted, E, 0.15, 0.05);
  const held = plantedActivations(random, T, planted, E, 0.15, 0.05);
  const noise = permuteTokens(h, T, N, 0, 0);
  const graph = graphFromActivations(held, T, N);

  it.each(['cut', 'modularity'] as const)('the split finds planted experts (%s)', (objective) => {
    const result = coactivationSplit(transposedGram(h, T, N), N, { experts: E, seed: 0, objective });
    expect(adjustedRandIndex(result.labels, planted)).toBe(1);
    expect(result.insideShare).toBeGreaterThan(0.3);
  });

  it('the split is a function of graph and seed, with sizes that differ by at most one', () => {
    const matrix = transposedGram(noise, T, N);
    for (const experts of [7, 8, 120, 1]) {
      const one = coactivationSplit(matrix, N, { experts, seed: 2 });
      expect(coactivationSplit(matrix, N, { experts, seed: 2 })).toEqual(one);
      const sizes = [...clusterSizes(one.labels, experts)];
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }
    expect(coactivationSplit(new Float32Array(16), 4, { experts: 2, seed: 0 }).labels.length).toBe(4);
  });

  it('leaves no exchange that adds weight inside experts', () => {
    const n = 24;
    const matrix = transposedGram(plantedActivations(new Random(9, 'small'), 60, randomPartition(n, 4, 1), 4, 0.3, 0.2), 60, n);
    const { labels } = coactivationSplit(matrix, n, { experts: 4, seed: 0 });
    const small = graphFromGram(matrix, n);
    const inside = small.inside(labels, 4);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        const swapped = labels.slice();
        swapped[i] = labels[j];
        swapped[j] = labels[i];
        expect(small.inside(swapped, 4)).toBeLessThan(inside * (1 + 1e-5));
      }
    }
  });

  it('held-out Q of planted experts stands above its null', () => {
    const score = heldOutModularity({ graph, labels: planted, experts: E, tokens: T, seed: 0, draws: 99 });
    expect(score.p).toBe(0.01);
    expect(score.z!).toBeGreaterThan(20);
    expect(score.n).toBe(T);
    expect(heldOutModularity({ graph, labels: planted, experts: E, tokens: T, seed: 0, draws: 99 })).toEqual(score);
  });

  it('selection alone does not look like structure on held-out tokens', () => {
    const heldNoise = graphFromActivations(permuteTokens(held, T, N, 1, 0), T, N);
    const selected = coactivationSplit(transposedGram(noise, T, N), N, { experts: E, seed: 0 }).labels;
    const inSample = heldOutModularity({ graph: graphFromActivations(noise, T, N), labels: selected, experts: E, tokens: T, seed: 0, draws: 99 });
    expect(inSample.z!).toBeGreaterThan(10);
    expect(heldOutModularity({ graph: heldNoise, labels: selected, experts: E, tokens: T, seed: 0, draws: 99 }).p!).toBeGreaterThan(0.05);
    const nulls = [0, 1, 2, 3, 4].map((draw) => coactivationSplit(transposedGram(permuteTokens(h, T, N, 5, draw), T, N), N, { experts: E, seed: draw }).labels);
    expect(selectionCorrectedModularity({ graph, labels: planted, experts: E, tokens: T }, nulls).p!).toBeLessThan(0.001);
    expect(selectionCorrectedModularity({ graph: heldNoise, labels: selected, experts: E, tokens: T }, nulls).p!).toBeGreaterThan(0.05);
  });

  it('the mean of Q over random partitions has the closed form', () => {
    const draws = Array.from({ length: 800 }, (_, draw) => modularityOf(graph, shuffledLabels(planted, 7, draw), E));
    expect(Math.abs(mean(draws) - expectedModularity(graph, E))).toBeLessThan((4 * sampleSd(draws)) / Math.sqrt(800));
  });

  it('agreement of methods: 1 for the same partition, chance for another', () => {
    expect(methodAgreement(planted, planted, 0)).toMatchObject({ value: 1, p: 1 / 201 });
    const other = methodAgreement(planted, randomPartition(N, E, 99), 0);
    expect(Math.abs(other.value!)).toBeLessThan(0.05);
    expect(Math.abs(other.null!)).toBeLessThan(0.01);
    expect(other.p!).toBeGreaterThan(0.01);
  });

  it('one loud token is tamed by normalising tokens', () => {
    const loud = held.slice();
    for (let i = 0; i < N; i++) loud[i] = 1000;
    const score = (data: Float32Array): number => heldOutModularity({ graph: graphFromActivations(data, T, N), labels: planted, experts: E, tokens: T, seed: 0, draws: 39 }).value!;
    expect(score(loud)).toBeLessThan(0.01);
    expect(score(normaliseTokens(loud, T, N))).toBeGreaterThan(0.1);
  });
});

describe('controls', () => {
  it('contiguous and random partitions have sizes that differ by at most one', () => {
    expect([...contiguousPartition(7, 3)]).toEqual([0, 0, 0, 1, 1, 2, 2]);
    expect([...clusterSizes(randomPartition(50, 7, 0), 7)].sort()).toEqual([7, 7, 7, 7, 7, 7, 8]);
    expect(randomPartition(50, 7, 0)).not.toEqual(randomPartition(50, 7, 1));
    expect(() => contiguousPartition(3, 4)).toThrow(RangeError);
  });
  it('permuting tokens keeps every neuron\u2019s values', () => {
    const data = Float32Array.from({ length: 30 }, (_, i) => i);
    const permuted = permuteTokens(data, 10, 3, 0, 0);
    for (let i = 0; i < 3; i++) {
      const column = (values: Float32Array): number[] => Array.from({ length: 10 }, (_, t) => values[t * 3 + i]).sort((a, b) => a - b);
      expect(column(permuted)).toEqual(column(data));
    }
    expect(permuted).not.toEqual(data);
  });
});
