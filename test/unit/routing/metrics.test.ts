import { describe, expect, it } from 'vitest';
import { entropy } from '../../../extension/numerics/statistics';
import { jensenShannon, switchRate } from '../../../extension/protocol/routingMetrics';
import { rowShares, standardisedShares } from '../../../extension/routing/shares';

// Values computed by hand or with numpy from the definitions.
describe('metrics', () => {
  it('entropy', () => {
    expect(entropy([0.7, 0.2, 0.1])).toBeCloseTo(0.801819, 6);
    expect(entropy([1, 0, 0])).toBe(0);
    expect(entropy([1, 1, 1])).toBeCloseTo(Math.log(3), 12);
  });

  it('Jensen-Shannon divergence', () => {
    expect(jensenShannon([[8, 6, 4, 2], [2, 4, 6, 8]])).toBeCloseTo(0.10644, 5);
    expect(jensenShannon([[1, 0], [0, 1]])).toBeCloseTo(Math.log(2), 12);
    expect(jensenShannon([[3, 1], [6, 2]])).toBeCloseTo(0, 12);
    // One of three parts differs: H(2/3, 1/3) - 0.
    expect(jensenShannon([[1, 0], [0, 1]], [2, 1])).toBeCloseTo(entropy([2, 1]), 12);
  });

  it('switch rate, not across texts', () => {
    expect(switchRate([0, 0, 1, 1, 1, 2, 0], new Set([0]))).toBe(0.5);
    expect(switchRate([0, 1, 2, 3], new Set([0, 1, 3]))).toBe(1);
    expect(switchRate([0], new Set([0]))).toBeNaN();
  });
});

describe('shares', () => {
  it('of standardised scores do not depend on their scale, and sum to 1', () => {
    const scores = Float32Array.from([1, 2, 4, 3, 3, 3]);
    const shares = standardisedShares(scores, 2, 3), scaled = standardisedShares(scores.map((x) => 100 * x - 7), 2, 3);
    for (let i = 0; i < 6; i++) expect(scaled[i]).toBeCloseTo(shares[i], 5);
    expect([...shares.subarray(3)]).toEqual([1 / 3, 1 / 3, 1 / 3].map(Math.fround));
    expect(shares[0] + shares[1] + shares[2]).toBeCloseTo(1, 6);
    expect(shares[2] / shares[0]).toBeCloseTo(Math.exp(3 / Math.sqrt(14 / 9)), 4);
  });

  it('of rows', () => {
    expect([...rowShares(Float32Array.from([1, 3, 0, 0]), 2, 2)]).toEqual([0.25, 0.75, 0.5, 0.5]);
  });
});
