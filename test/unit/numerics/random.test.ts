import { describe, expect, it } from 'vitest';
import { Random } from '../../../extension/numerics/random';

describe('Random', () => {
  it('repeats itself for the same seed and names, and differs for others', () => {
    const draw = (random: Random): number[] => Array.from({ length: 9 }, () => random.uint32());
    expect(draw(new Random(3, 'layer', 1))).toEqual(draw(new Random(3, 'layer', 1)));
    const others = [new Random(4, 'layer', 1), new Random(3, 'layer', 2), new Random(3, 'layer1'), new Random(3, 'layer', 1).fork(), new Random(3, 'layer', '1')];
    const streams = [new Random(3, 'layer', 1), ...others].map((random) => draw(random).join());
    expect(new Set(streams).size).toBe(streams.length);
  });

  it('keeps its numbers from release to release', () => {
    const random = new Random(0, 'golden');
    expect([random.uint32(), random.uint32()]).toEqual(FIRST_WORDS);
  });

  it('forks without advancing', () => {
    const a = new Random(1, 'a');
    const b = new Random(1, 'a');
    a.fork('x').uint32();
    expect(a.uint32()).toBe(b.uint32());
  });

  it('draws uniform integers: chi-square below its 99.9 % point', () => {
    const counts = new Float64Array(10);
    const random = new Random(5, 'chi');
    for (let i = 0; i < 20000; i++) counts[random.integer(10)]++;
    const chi = counts.reduce((sum, c) => sum + (c - 2000) ** 2 / 2000, 0);
    expect(chi).toBeLessThan(27.88);
  });

  it('draws normals of mean 0, variance 1, kurtosis 3', () => {
    const random = new Random(6, 'normal');
    let sum = 0;
    let square = 0;
    let fourth = 0;
    const count = 40000;
    for (let i = 0; i < count; i++) {
      const x = random.normal();
      sum += x;
      square += x * x;
      fourth += x ** 4;
    }
    expect(Math.abs(sum / count)).toBeLessThan(0.02);
    expect(square / count).toBeCloseTo(1, 1);
    expect(Math.abs(fourth / count - 3)).toBeLessThan(0.2);
  });

  it('permutes, and samples without repetition', () => {
    const random = new Random(7, 'shuffle');
    expect([...random.permutation(50)].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(new Set(random.sample(30, 12)).size).toBe(12);
    expect(() => random.sample(3, 4)).toThrow(RangeError);
    expect(() => random.integer(0)).toThrow(RangeError);
  });

  it('puts every element everywhere equally often', () => {
    const random = new Random(8, 'positions');
    const first = new Float64Array(5);
    for (let i = 0; i < 5000; i++) first[random.permutation(5)[0]]++;
    for (const count of first) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });
});

/** Drawn once and kept: stored results rest on these streams. */
const FIRST_WORDS = [1434145943, 2361760977];
