import { describe, expect, it } from 'vitest';
import { Random } from '../../../extension/numerics/random';
import { addDeltas, addPairs, conflictScore, cosineScore, lostShare, NO_DELTA, NO_PAIR, pairsOf, type PairSums, relativeDelta } from '../../../extension/protocol/mergeInspect';
import { isEvidence } from '../../../extension/protocol/score';

/** Sums of two matrices `[rows, width]`, by the definitions in the contract. */
function sumsOf(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): PairSums {
  let sums = NO_PAIR;
  a.forEach((row, r) => {
    let dot = 0, aa = 0, bb = 0, agree = 0, disagree = 0;
    row.forEach((x, i) => {
      const y = b[r][i];
      dot += x * y;
      aa += x * x;
      bb += y * y;
      if (x * y > 0) agree++;
      if (x * y < 0) disagree++;
    });
    sums = addPairs(sums, { dot, dotSquares: dot * dot, squares: [aa, bb], agree, disagree, balanceSquares: (agree - disagree) ** 2, rows: 1 });
  });
  return sums;
}

const ROWS = 48, WIDTH = 24;
const draw = (random: Random, row: (r: number) => number): number[][] => Array.from({ length: ROWS }, (_, r) => {
  const common = row(r);
  return Array.from({ length: WIDTH }, () => random.normal() + common);
});

describe('figures of pairs of differences', () => {
  it('are told from chance as often as they should be, also when elements of a row go together', () => {
    let cosine = 0, conflict = 0;
    const trials = 400;
    for (let trial = 0; trial < trials; trial++) {
      const random = new Random(trial, 'pairs');
      // A shared shift within each row makes elements dependent; a null that turns single signs would call far too many pairs related.
      const a = draw(random, () => 2 * random.normal()), b = draw(random, () => 2 * random.normal());
      const sums = sumsOf(a, b);
      if (isEvidence(cosineScore(sums))) cosine++;
      if (isEvidence(conflictScore(sums))) conflict++;
    }
    for (const count of [cosine, conflict]) {
      expect(count / trials).toBeGreaterThan(0.02);
      expect(count / trials).toBeLessThan(0.09);
    }
  });

  it('find what is shared, and its side', () => {
    const random = new Random(1, 'shared');
    const a = draw(random, () => 0), b = a.map((row) => row.map((x) => 0.3 * x + random.normal()));
    const together = cosineScore(sumsOf(a, b)), apart = cosineScore(sumsOf(a, b.map((row) => row.map((x) => -x))));
    expect(together.value).toBeGreaterThan(0.2);
    expect(isEvidence(together)).toBe(true);
    expect(together.direction).toBe('greater');
    expect(apart.value).toBeCloseTo(-(together.value ?? 0), 12);
    expect(apart.direction).toBe('less');
    expect(conflictScore(sumsOf(a, b)).value).toBeLessThan(0.5);
    expect(together.n).toBe(ROWS);
  });

  it('say why there is none', () => {
    expect(cosineScore(NO_PAIR)).toMatchObject({ value: null, p: null, why: expect.stringContaining('does not differ') as string });
    expect(conflictScore(NO_PAIR).why).toContain('no element');
    const one = sumsOf([[1, 2]], [[1, 2]]);
    expect(cosineScore(one)).toMatchObject({ p: null, why: 'too few rows for a null' });
    expect(cosineScore(one).value).toBeCloseTo(1, 12);
  });

  it('add up over parts', () => {
    const random = new Random(2, 'sum');
    const a = draw(random, () => 0), b = draw(random, () => 0);
    const parts = addPairs(sumsOf(a.slice(0, 20), b.slice(0, 20)), sumsOf(a.slice(20), b.slice(20)));
    expect(cosineScore(parts).value).toBeCloseTo(cosineScore(sumsOf(a, b)).value ?? NaN, 12);
    const delta = addDeltas({ square: 4, baseSquare: 100, elements: 10, changed: 8, lost: 2 }, { ...NO_DELTA, baseSquare: 300, elements: 5 });
    expect(relativeDelta(delta)).toBeCloseTo(0.1, 12);
    expect(lostShare(delta)).toBe(0.25);
    expect([relativeDelta(NO_DELTA), lostShare(NO_DELTA)]).toEqual([null, null]);
    expect(pairsOf(3)).toEqual([[0, 1], [0, 2], [1, 2]]);
  });
});
