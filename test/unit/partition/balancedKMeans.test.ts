import { describe, expect, it } from 'vitest';
import { adjustedRandIndex } from '../../../extension/numerics/agreement';
import { clusterSizes } from '../../../extension/numerics/labels';
import { Random } from '../../../extension/numerics/random';
import { finish, finishInTurns } from '../../../extension/numerics/steps';
import { balancedKMeans, balancedKMeansSteps } from '../../../extension/partition/balancedKMeans';
import { inertiaOf, unitKeys, unitKeysSteps } from '../../../extension/partition/keys';
import { plantedKeys } from './planted';

const N = 384;
const WIDTH = 40;
const E = 12;

describe('balancedKMeans', () => {
  it('finds planted experts', () => {
    const { keys, labels } = plantedKeys(new Random(1, 'planted'), N, WIDTH, E, 1.5);
    const result = balancedKMeans(unitKeys(keys, N, WIDTH), { experts: E, seed: 0 });
    expect(adjustedRandIndex(result.labels, labels)).toBe(1);
  });

  it('makes sizes that differ by at most one, experts numbered by their lowest neuron', () => {
    for (const [n, e] of [[100, 7], [64, 64], [50, 1], [33, 32]]) {
      const { keys } = plantedKeys(new Random(2, n), n, 9, e, 0.5);
      const { labels } = balancedKMeans(unitKeys(keys, n, 9), { experts: e, seed: 0 });
      const sizes = [...clusterSizes(labels, e)];
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      const firsts = Array.from({ length: e }, (_, x) => labels.indexOf(x));
      expect(firsts).toEqual([...firsts].sort((x, y) => x - y));
    }
  });

  it('depends on keys, options and seed alone', async () => {
    const { keys } = plantedKeys(new Random(3, 'noise'), N, WIDTH, E, 0.3);
    const one = balancedKMeans(unitKeys(keys, N, WIDTH), { experts: E, seed: 4 });
    const steps = await finishInTurns(balancedKMeansSteps(finish(unitKeysSteps(keys, N, WIDTH)), { experts: E, seed: 4 }));
    expect(steps).toEqual(one);
    expect(balancedKMeans(unitKeys(keys, N, WIDTH), { experts: E, seed: 5 }).labels).not.toEqual(one.labels);
  });

  it('gives the labels that it gave on the machine where this was written', () => {
    // Whole numbers: normals pass through logarithms and cosines, whose last bit an engine may choose.
    const random = new Random(9, 'machines');
    const keys = Float32Array.from({ length: 300 * 33 }, () => random.integer(2001) - 1000);
    const { labels } = balancedKMeans(unitKeys(keys, 300, 33), { experts: 11, seed: 1 });
    let hash = 7;
    for (const label of labels) hash = (Math.imul(hash, 31) + label) | 0;
    expect(hash).toBe(LABEL_HASH);
  });

  it('leaves no exchange of two neurons that lowers the inertia', () => {
    const { keys } = plantedKeys(new Random(5, 'stable'), 60, 10, 5, 0.4);
    const unit = unitKeys(keys, 60, 10);
    const { labels, inertia } = balancedKMeans(unit, { experts: 5, seed: 0, inits: 1 });
    expect(inertia).toBeCloseTo(inertiaOf(unit, labels, 5), 12);
    for (let i = 0; i < 60; i++) {
      for (let j = i + 1; j < 60; j++) {
        const swapped = labels.slice();
        swapped[i] = labels[j];
        swapped[j] = labels[i];
        expect(inertiaOf(unit, swapped, 5)).toBeGreaterThan(inertia - 2e-6);
      }
    }
  });

  it('does not depend on the scale of keys, and survives zero and non-finite keys', () => {
    const { keys } = plantedKeys(new Random(6, 'dead'), 40, 6, 4, 1);
    const scaled = keys.map((value, at) => value * (1 + (Math.floor(at / 6) % 3)));
    const plain = balancedKMeans(unitKeys(keys, 40, 6), { experts: 4, seed: 0 });
    expect(balancedKMeans(unitKeys(scaled, 40, 6), { experts: 4, seed: 0 }).labels).toEqual(plain.labels);
    scaled.fill(0, 0, 6);
    scaled[6 * 7] = NaN;
    const unit = unitKeys(scaled, 40, 6);
    expect([...unit.dead]).toEqual([0, 7]);
    expect([...clusterSizes(balancedKMeans(unit, { experts: 4, seed: 0 }).labels, 4)]).toEqual([10, 10, 10, 10]);
  });

  it('also splits keys that are all the same', () => {
    const result = balancedKMeans(unitKeys(new Float32Array(300 * 4).fill(1), 300, 4), { experts: 6, seed: 0 });
    expect([...clusterSizes(result.labels, 6)]).toEqual([50, 50, 50, 50, 50, 50]);
    expect(result.inertia).toBeLessThan(1e-9);
  });

  it('works without a Gram matrix, as very wide layers do', () => {
    const { keys, labels } = plantedKeys(new Random(7, 'wide'), N, 160, E, 1);
    const unit = finish(unitKeysSteps(keys, N, 160, 10));
    expect(unit.gram).toBeNull();
    const result = balancedKMeans(unit, { experts: E, seed: 0 });
    expect(adjustedRandIndex(result.labels, labels)).toBe(1);
    expect(result.inertia).toBeCloseTo(balancedKMeans(unitKeys(keys, N, 160), { experts: E, seed: 0 }).inertia, 6);
  });

  it('refuses more experts than neurons', () => {
    expect(() => balancedKMeans(unitKeys(new Float32Array(8), 4, 2), { experts: 5, seed: 0 })).toThrow(RangeError);
  });

  it('stops at the next step when it is cancelled', async () => {
    const { keys } = plantedKeys(new Random(8, 'cancel'), 1024, 64, 32, 0);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('stop')), 1);
    await expect(finishInTurns(balancedKMeansSteps(unitKeys(keys, 1024, 64), { experts: 32, seed: 0, inits: 50 }), controller.signal)).rejects.toThrow('stop');
  });
});

/** Of labels, from one run; another processor or engine must not change them. */
const LABEL_HASH = 1308082490;
