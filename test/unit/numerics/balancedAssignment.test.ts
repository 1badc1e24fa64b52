import { describe, expect, it } from 'vitest';
import { balancedAssignment } from '../../../extension/numerics/balancedAssignment';
import { clusterSizes } from '../../../extension/numerics/labels';
import { Random } from '../../../extension/numerics/random';

/** Least total cost by trying everything. */
function bruteForce(cost: ArrayLike<number>, items: number, clusters: number, lower: number[], upper: number[]): number {
  const counts = new Array<number>(clusters).fill(0);
  const search = (x: number): number => {
    if (x === items) return counts.every((c, e) => c >= lower[e]) ? 0 : Infinity;
    let best = Infinity;
    for (let e = 0; e < clusters; e++) {
      if (counts[e] === upper[e]) continue;
      counts[e]++;
      best = Math.min(best, cost[x * clusters + e] + search(x + 1));
      counts[e]--;
    }
    return best;
  };
  return search(0);
}

describe('balancedAssignment', () => {
  it('is exact for any sizes, also with equal costs (compared with trying everything)', () => {
    const random = new Random(1, 'brute');
    for (let run = 0; run < 200; run++) {
      const clusters = 1 + random.integer(4);
      const items = 1 + random.integer(7);
      const lower: number[] = [];
      const upper: number[] = [];
      for (let e = 0; e < clusters; e++) {
        lower.push(random.integer(2));
        upper.push(lower[e] + random.integer(4));
      }
      const total = (bounds: number[]): number => bounds.reduce((a, b) => a + b, 0);
      const cost = Float64Array.from({ length: items * clusters }, () => (run % 2 === 0 ? random.integer(3) : random.normal()));
      if (total(lower) > items || total(upper) < items) {
        expect(() => balancedAssignment({ cost, items, clusters, lower, upper })).toThrow(RangeError);
        continue;
      }
      const best = bruteForce(cost, items, clusters, lower, upper);
      const prices = Float64Array.from({ length: clusters }, () => random.normal());
      for (const start of [undefined, prices]) {
        const result = balancedAssignment({ cost, items, clusters, lower, upper, prices: start });
        expect(result.total).toBeCloseTo(best, 10);
        const sizes = clusterSizes(result.labels, clusters);
        expect([...sizes].every((size, e) => size >= lower[e] && size <= upper[e])).toBe(true);
      }
    }
  });

  it('leaves every item where cost minus price is least', () => {
    const random = new Random(2, 'slack');
    const cost = Float64Array.from({ length: 300 * 7 }, () => random.normal());
    const { labels, prices } = balancedAssignment({ cost, items: 300, clusters: 7, lower: new Array<number>(7).fill(42), upper: new Array<number>(7).fill(43) });
    for (let x = 0; x < 300; x++) for (let e = 0; e < 7; e++) expect(cost[x * 7 + labels[x]] - prices[labels[x]]).toBeLessThanOrEqual(cost[x * 7 + e] - prices[e] + 1e-9);
  });

  it('refuses costs of another shape', () => {
    expect(() => balancedAssignment({ cost: new Float64Array(3), items: 2, clusters: 2, lower: [1, 1], upper: [1, 1] })).toThrow(RangeError);
  });
});
