import { describe, expect, it } from 'vitest';
import { Random } from '../../../extension/numerics/random';
import { mean } from '../../../extension/numerics/statistics';
import { finish } from '../../../extension/numerics/steps';
import { massShares, neuronActivity, rankedNeurons } from '../../../extension/partition/activity';
import { balancedKMeans } from '../../../extension/partition/balancedKMeans';
import { randomPartition } from '../../../extension/partition/controls';
import { blockMeans, correlationFromGram, expertMatrix } from '../../../extension/partition/expertMatrix';
import { unitKeys } from '../../../extension/partition/keys';
import { labelEnrichment, labelSelectivity } from '../../../extension/partition/labelEnrichment';
import { matchedGroup } from '../../../extension/partition/matchedGroups';
import { routerGeometry } from '../../../extension/partition/routerGeometry';
import { avgKScores, oracleScores, randomScores, similarityScores, topK } from '../../../extension/partition/routers';
import { capturedMass, capturedShare, reconstructionErrors, reconstructionScoreSteps, routerAgreement } from '../../../extension/partition/routingScores';
import { weightScores } from '../../../extension/partition/weightScores';
import { plantedActivations, plantedKeys } from './planted';

const N = 96;
const E = 8;
const D = 24;

describe('weights only', () => {
  it('planted keys are compact and stable, noise is neither', () => {
    const { keys } = plantedKeys(new Random(1, 'w'), N, D, E, 1.2);
    const planted = weightScores(keys, N, D, { experts: E, seed: 0 });
    expect(planted.compactness.p!).toBeLessThan(0.001);
    expect(planted.compactness.direction).toBe('less');
    expect(planted.stability.value!).toBeGreaterThan(0.9);
    expect(planted.stability.p!).toBeLessThan(0.001);
    expect(planted.stability.nullDraws).toBe(5);
    const best = balancedKMeans(unitKeys(keys, N, D), { experts: E, seed: 0 }).inertia / N;
    expect(planted.compactness.value!).toBeGreaterThanOrEqual(best);
    expect(planted.compactness.value!).toBeLessThan(1.02 * best);
    const noise = weightScores(plantedKeys(new Random(2, 'w'), N, D, E, 0).keys, N, D, { experts: E, seed: 0 });
    expect(noise.compactness.p!).toBeGreaterThan(0.01);
    expect(noise.stability.p!).toBeGreaterThan(0.01);
  });
});

describe('routers', () => {
  const { keys, labels } = plantedKeys(new Random(3, 'r'), N, D, E, 1);
  const random = new Random(4, 'x');
  const tokens = 200;
  const x = Float32Array.from({ length: tokens * D }, () => random.normal());
  const input = { x, tokens, keys, neurons: N, width: D, labels, experts: E };
  const pre = new Float32Array(tokens * N);
  for (let t = 0; t < tokens; t++) for (let i = 0; i < N; i++) for (let c = 0; c < D; c++) pre[t * N + i] += x[t * D + c] * keys[i * D + c];
  const hidden = pre.map((value) => Math.max(0, value));
  const neuronMass = hidden.map((value) => value * value);

  it('avg-k is the mean pre-activation', () => {
    const scores = avgKScores(input);
    for (let t = 0; t < tokens; t += 17) {
      const own = Array.from({ length: N }, (_, i) => i).filter((i) => labels[i] === 3);
      expect(scores[t * E + 3]).toBeCloseTo(mean(own.map((i) => pre[t * N + i])), 4);
    }
  });
  it('similarity is minus a Euclidean distance', () => {
    const scores = similarityScores(input);
    let expected = 0;
    const length = Math.hypot(...x.subarray(0, D));
    for (let c = 0; c < D; c++) {
      const own = Array.from({ length: N }, (_, i) => i).filter((i) => labels[i] === 2);
      const centre = mean(own.map((i) => keys[i * D + c] / Math.hypot(...keys.subarray(i * D, i * D + D))));
      expected += (x[c] / length - centre) ** 2;
    }
    expect(scores[2]).toBeCloseTo(-Math.sqrt(expected), 5);
  });
  it('the oracle captures most, avg-k more than a random router, all experts everything', () => {
    const oracle = oracleScores(neuronMass, tokens, labels, E);
    const share = (scores: Float32Array, k: number): number => capturedShare(oracle, E, topK(scores, tokens, E, k));
    expect(share(oracle, E)).toBe(1);
    expect(share(oracle, 2)).toBeGreaterThan(share(avgKScores(input), 2));
    expect(share(avgKScores(input), 2)).toBeGreaterThan(share(randomScores(input, 0), 2));
    expect(share(oracle, 2)).toBeGreaterThanOrEqual(share(similarityScores(input), 2));
  });
  it('captured mass stands beside random partitions', () => {
    const { router, oracle } = capturedMass({ neuronMass, preActivations: pre, tokens, labels, experts: E, k: 2, seed: 0 });
    expect(router.p!).toBeLessThanOrEqual(1 / 21);
    expect(oracle.p!).toBeLessThanOrEqual(1 / 21);
    expect(oracle.value!).toBeGreaterThan(router.value!);
    expect(oracle.null!).toBeGreaterThan(2 / E);
    const chance = capturedMass({ neuronMass, preActivations: pre, tokens, labels: randomPartition(N, E, 5), experts: E, k: 2, seed: 0 });
    expect(chance.router.p!).toBeGreaterThan(0.05);
  });
  it('reconstruction error is 0 with all experts and lower than that of random partitions', () => {
    const values = Float32Array.from({ length: D * N }, () => random.normal());
    const output = { hidden, values, tokens, width: D, labels, experts: E };
    for (const error of reconstructionErrors(output, topK(avgKScores(input), tokens, E, E))) expect(error).toBe(0);
    const score = finish(reconstructionScoreSteps(output, 3, 0, (by) => avgKScores({ ...input, labels: by })));
    expect(score.value!).toBeLessThan(score.null!);
    expect(score.p!).toBeLessThan(0.05);
    const kept = hidden.slice();
    const choice = topK(avgKScores(input), tokens, E, 3);
    for (let i = 0; i < N; i++) if (![...choice.experts.subarray(0, 3)].includes(labels[i])) kept[i] = 0;
    const out = (h: Float32Array): number[] => Array.from({ length: D }, (_, c) => h.subarray(0, N).reduce((sum, a, i) => sum + a * values[c * N + i], 0));
    const full = out(hidden);
    const part = out(kept);
    expect(reconstructionErrors(output, choice)[0]).toBeCloseTo(Math.hypot(...full.map((v, c) => v - part[c])) / Math.hypot(...full), 4);
  });
  it('agreement with the oracle: all in common with itself, chance for a router that knows nothing', () => {
    const oracle = topK(oracleScores(neuronMass, tokens, labels, E), tokens, E, 2);
    expect(routerAgreement(oracle, oracle, E, 0, 99)).toMatchObject({ value: 1, p: 0.01 });
    expect(routerAgreement(topK(avgKScores(input), tokens, E, 2), oracle, E, 0, 99).p).toBe(0.01);
    const blind = topK(Float32Array.from({ length: tokens * E }, () => random.uniform()), tokens, E, 2);
    const score = routerAgreement(blind, oracle, E, 0, 99);
    expect(score.p!).toBeGreaterThan(0.02);
    expect(Math.abs(score.null! - 2 / E)).toBeLessThan(0.02);
  });
  it('top-k: ties go to the lowest expert, margins tell how close it was', () => {
    const choice = topK(Float32Array.from([1, 3, 3, 2]), 1, 4, 2);
    expect([...choice.experts]).toEqual([1, 2]);
    expect([...choice.margins]).toEqual([1]);
    expect([...topK(Float32Array.from([1, 3]), 1, 2, 2).margins]).toEqual([Infinity]);
    expect(() => topK(new Float32Array(4), 1, 4, 5)).toThrow(RangeError);
  });
  it('router rows of planted experts differ more than those of random ones', () => {
    const geometry = routerGeometry(keys, N, D, labels, E, 0);
    expect(geometry.score.p!).toBeLessThan(0.05);
    expect(geometry.cosine[0]).toBe(1);
    expect(geometry.nullLow).toBeLessThan(geometry.nullHigh);
    expect(routerGeometry(keys, N, D, randomPartition(N, E, 8), E, 0).score.p!).toBeGreaterThan(0.05);
  });
});

describe('labels', () => {
  const random = new Random(5, 'labels');
  const n = 400;
  const experts = 10;
  const labels = randomPartition(n, experts, 0);
  const count = 4;
  const tokens = [300, 300, 300, 300];
  const gather = (boost: (label: number, neuron: number) => number): { sums: Float64Array; squares: Float64Array; tokens: number[]; neurons: number } => {
    const sums = new Float64Array(count * n);
    const squares = new Float64Array(count * n);
    for (let l = 0; l < count; l++) {
      for (let i = 0; i < n; i++) {
        for (let t = 0; t < 60; t++) {
          const a = Math.abs(random.normal()) * boost(l, i);
          sums[l * n + i] += 5 * a;
          squares[l * n + i] += 5 * a * a;
        }
      }
    }
    return { sums, squares, tokens, neurons: n };
  };
  const enrich = (selectivity: Float64Array, eligible?: Uint8Array): ReturnType<typeof labelEnrichment> => labelEnrichment({ selectivity, textLabels: count, labels, experts, tokens: 1200, seed: 0, draws: 99, ...(eligible ? { eligible } : {}) });

  it('finds the expert that serves a label, with squares and without', () => {
    const data = gather((l, i) => (labels[i] === 6 && l === 2 ? 1.6 : 1));
    for (const selectivity of [labelSelectivity(data), labelSelectivity({ sums: data.sums, tokens, neurons: n })]) {
      const result = enrich(selectivity);
      expect(result.dominant[6]).toBe(2);
      expect(result.fold[6 * count + 2]).toBeGreaterThan(3);
      expect(result.q[6 * count + 2]).toBeLessThan(0.001);
      expect(result.specialised.value).toBe([...result.dominant].filter((l) => l >= 0).length);
      expect(result.specialised.value!).toBeLessThanOrEqual(2);
      expect(result.specialised.p!).toBeLessThan(0.05);
    }
  });
  it('finds none in noise', () => {
    const result = enrich(labelSelectivity(gather(() => 1)));
    expect(result.specialised.p!).toBeGreaterThan(0.05);
    expect(result.specialised.value!).toBeLessThanOrEqual(1);
  });
  it('neurons that are not eligible are never listed; labels without tokens are left out', () => {
    const data = gather((l, i) => (labels[i] === 6 && l === 2 ? 2 : 1));
    const eligible = Uint8Array.from({ length: n }, (_, i) => (labels[i] === 6 ? 0 : 1));
    const result = enrich(labelSelectivity({ ...data, tokens: [300, 0, 300, 300] }), eligible);
    expect(result.counts[6 * count + 2]).toBe(0);
    expect(Number.isNaN(result.q[6 * count + 1])).toBe(true);
    expect(result.dominant[6]).toBe(-1);
  });
});

describe('activity and pictures', () => {
  it('tells neurons that were never seen active from those always on', () => {
    const activity = neuronActivity([0, 5, 90, 100], 100);
    expect([...activity.notSeenActive]).toEqual([1, 0, 0, 0]);
    expect([...activity.resident]).toEqual([0, 0, 1, 1]);
    expect([...activity.eligible]).toEqual([0, 1, 0, 0]);
    expect(activity).toMatchObject({ notSeenActiveCount: 1, residentCount: 2 });
  });
  it('shares of mass sum to one, a heavy expert leaves the band', () => {
    const labels = randomPartition(60, 6, 0);
    const values = Float64Array.from(labels, (e) => (e === 4 ? 5 : 1));
    const { shares, band, scores } = massShares(values, labels, 6, 100, 0, 99);
    expect(shares.reduce((sum, s) => sum + s, 0)).toBeCloseTo(1, 6);
    expect(shares[4]).toBeGreaterThan(band[1]);
    expect(scores[4].p).toBe(0.01);
    expect(scores[0].p!).toBeGreaterThan(0.5);
    const ranked = rankedNeurons(values, labels, 4, 6, 0, 99);
    expect(ranked.values[0]).toBe(5);
    expect([...ranked.ids].every((i) => labels[i] === 4)).toBe(true);
    expect(ranked.values[9]).toBeGreaterThan(ranked.nullHigh[9]);
  });
  it('matched groups have the size and nearly the norms of the expert, and none of its neurons', () => {
    const random = new Random(6, 'norms');
    const norms = Float64Array.from({ length: 500 }, () => Math.exp(random.normal()));
    const members = Array.from({ length: 500 }, (_, i) => i).sort((a, b) => norms[b] - norms[a]).slice(0, 20);
    const groups = Array.from({ length: 20 }, (_, draw) => matchedGroup(norms, members, 0, draw));
    const meanNorm = (group: ArrayLike<number>): number => mean(Array.from(group, (i) => norms[i]));
    const all = mean(norms);
    for (const group of groups) {
      expect(new Set(group).size).toBe(20);
      expect([...group].some((i) => members.includes(i))).toBe(false);
      expect(meanNorm(group)).toBeGreaterThan(1.5 * all);
    }
    expect(new Set(groups.map((g) => g.join())).size).toBe(20);
    expect(matchedGroup(norms, members, 0, 3)).toEqual(groups[3]);
    expect(matchedGroup([1, 2, 3, 4], [2, 3], 0, 0)).toEqual(Int32Array.from([0, 1]));
    expect(() => matchedGroup([1, 2, 3], [0, 1], 0, 0)).toThrow(RangeError);
  });
  it('expert matrices: means over pairs without the diagonal, excess above random partitions', () => {
    const matrix = Float32Array.from([9, 1, 2, 3, 1, 9, 4, 5, 2, 4, 9, 6, 3, 5, 6, 9]);
    expect([...blockMeans(matrix, 4, [0, 0, 1, 1], 2)]).toEqual([1, 3.5, 3.5, 6]);
    const labels = randomPartition(60, 6, 1);
    const tokens = 300;
    const h = plantedActivations(new Random(7, 'm'), tokens, labels, 6, 0.2, 0.05);
    const moments = new Float32Array(3600);
    const sums = new Float64Array(60);
    for (let t = 0; t < tokens; t++) {
      for (let i = 0; i < 60; i++) {
        sums[i] += h[t * 60 + i];
        for (let j = 0; j < 60; j++) moments[i * 60 + j] += h[t * 60 + i] * h[t * 60 + j];
      }
    }
    const correlation = correlationFromGram(moments, sums, tokens, 60);
    expect(correlation[0]).toBeCloseTo(1, 4);
    const picture = expertMatrix(correlation, 60, labels, 6, 0);
    for (let e = 0; e < 6; e++) expect(picture.excess[e * 7]).toBeGreaterThan(3 * picture.excessBand);
    expect(Math.abs(picture.excess[1])).toBeLessThan(0.2);
  });
});
