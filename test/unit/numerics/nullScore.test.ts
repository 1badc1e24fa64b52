import { describe, expect, expectTypeOf, it } from 'vitest';
import { scoreAgainstNull } from '../../../extension/numerics/nullScore';
import type { NullScore, NullScoreInput } from '../../../extension/numerics/nullScore';
import type { Score } from '../../../extension/protocol/score';

const base: Omit<NullScoreInput, 'value' | 'draws'> = { n: 10, nOf: 'tokens', unit: 'Q', direction: 'greater', nullKind: 'random' };
const counting = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('scoreAgainstNull', () => {
  it('has exactly the fields of the protocol', () => {
    expectTypeOf<NullScore>().toEqualTypeOf<Score>();
  });
  it('counts ties against the figure from 19 draws on', () => {
    expect(scoreAgainstNull({ ...base, value: 18, draws: counting(19) }).p).toBe(2 / 20);
    expect(scoreAgainstNull({ ...base, value: 18.5, draws: counting(19) }).p).toBe(1 / 20);
    expect(scoreAgainstNull({ ...base, value: 0, draws: counting(19), direction: 'less' }).p).toBe(2 / 20);
    expect(scoreAgainstNull({ ...base, value: -1, draws: counting(99) }).p).toBe(1);
  });
  it('mirrors direction with few draws', () => {
    const up = scoreAgainstNull({ ...base, value: 3, draws: [0, 1, 2] });
    const down = scoreAgainstNull({ ...base, value: -3, draws: [0, -1, -2], direction: 'less' });
    expect(down.p).toBeCloseTo(up.p!, 14);
    expect(up.p! + scoreAgainstNull({ ...base, value: 3, draws: [0, 1, 2], direction: 'less' }).p!).toBeCloseTo(1, 12);
  });
  it('does not call a figure significant because its null has no spread', () => {
    const score = scoreAgainstNull({ ...base, value: 5, draws: [1, 1, 1, 1] });
    expect(score.z).toBeNull();
    expect(score.p).toBe(1 / 5);
    expect(score.why).toMatch(/equal/);
  });
  it('says why when something is missing', () => {
    expect(scoreAgainstNull({ ...base, value: NaN, draws: [1, 2, 3] })).toMatchObject({ value: null, null: 2, z: null, p: null, nullDraws: 3 });
    expect(scoreAgainstNull({ ...base, value: 1, draws: [NaN] })).toMatchObject({ value: 1, null: null, p: null, nullDraws: 0 });
    expect(scoreAgainstNull({ ...base, value: 1, draws: [0] })).toMatchObject({ null: 0, nullSd: null, p: null, nullDraws: 1 });
    expect(scoreAgainstNull({ ...base, value: 1, draws: [0, NaN, 2] }).why).toMatch(/1 draws/);
  });
  it('takes the null interval from quantiles when there are enough', () => {
    const score = scoreAgainstNull({ ...base, value: 1, draws: counting(79) });
    expect(score.nullInterval).toEqual([1, 77]);
  });
  it('holds its level: 5 % of true nulls fall below 0.05', async () => {
    const { Random } = await import('../../../extension/numerics/random');
    const random = new Random(1, 'level');
    for (const draws of [5, 19]) {
      let hits = 0;
      for (let i = 0; i < 2000; i++) {
        const null_ = Array.from({ length: draws }, () => random.normal());
        if (scoreAgainstNull({ ...base, value: random.normal(), draws: null_ }).p! <= 0.05) hits++;
      }
      expect(Math.abs(hits / 2000 - 0.05)).toBeLessThan(0.018);
    }
  });
});
