import { describe, expect, it } from 'vitest';
import type { DocumentLoss } from '../../../extension/evaluation/loss';
import { accuracyDifference, halvesOf, lossDifference, recoveredLift } from '../../../extension/evaluation/paired';
import { changedTexts, verdictOf, verdictSentence } from '../../../extension/evaluation/verdict';
import { Random } from '../../../extension/numerics/random';

const losses = (n: number, each: (i: number) => number): DocumentLoss[] => Array.from({ length: n }, (_, i) => ({ nll: each(i), tokens: 10, bytes: 40 }));
const noise = (seed: number) => { const random = new Random(seed, 'noise'); return () => random.normal(); };
const random = () => new Random(1, 'test');

describe('paired comparisons', () => {
  it('splits documents into two halves without overlap, the same for the same seed', () => {
    const a = halvesOf(7, random()), b = halvesOf(7, random());
    expect(a).toEqual(b);
    expect([...a.choose, ...a.report].sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(a.report.length).toBe(4);
    expect(halvesOf(1, random())).toEqual({ choose: [], report: [0] });
  });

  it('finds a difference that documents share although they differ more among themselves', () => {
    const draw = noise(2), base = losses(60, (i) => 20 + 10 * Math.sin(i) + 0.5 * draw()), better = base.map((d) => ({ ...d, nll: d.nll - 2 + 0.5 * draw() }));
    const d = lossDifference({ name: 'a', documents: better }, { name: 'b', documents: base }, random());
    expect(d.value).toBeCloseTo(-0.2, 1);
    expect(d.high).toBeLessThan(0);
    expect(d.low).toBeLessThan(d.value);
    expect(d.n).toBe(60);
  });

  it('sees no difference in noise', () => {
    const draw = noise(3), base = losses(60, () => 20 + draw()), other = losses(60, () => 20 + draw());
    const d = lossDifference({ name: 'a', documents: other }, { name: 'b', documents: base }, random());
    expect(d.low).toBeLessThan(0);
    expect(d.high).toBeGreaterThan(0);
  });

  it('compares right labels row by row', () => {
    const right = (n: number) => Uint8Array.from({ length: 40 }, (_, i) => (i < n ? 1 : 0));
    expect(accuracyDifference({ name: 'a', correct: right(30) }, { name: 'b', correct: right(10) }, random())).toMatchObject({ value: 0.5, unit: 'accuracy', n: 40 });
  });

  it('gives the share of the gain that arrived, and none where the module has no gain of its own', () => {
    const draw = noise(4), base = losses(50, () => 30 + draw());
    const gain = (d: readonly DocumentLoss[], x: number) => d.map((l) => ({ ...l, nll: l.nll - x }));
    const lift = recoveredLift({ without: base, with: gain(base, 3) }, { without: base, with: gain(base, 6) }, random());
    expect(lift.value).toBeCloseTo(0.5, 6);
    expect(recoveredLift({ without: base, with: gain(base, 3) }, { without: base, with: base.map((l) => ({ ...l, nll: l.nll + draw() })) }, random())).toMatchObject({ value: null });
    expect(recoveredLift({ without: base, with: gain(base, 3) }, { without: base, with: gain(base, -3) }, random()).why).toContain('less likely');
  });
});

describe('verdict', () => {
  const difference = (low: number, high: number, against = 'base') => ({ run: 'transferred', against, unit: 'nats per token' as const, value: (low + high) / 2, low, high, n: 30, resamples: 1000 });

  it('has three zones, and help must also beat every control', () => {
    expect(verdictOf(difference(-0.3, -0.1), [difference(-0.2, -0.1, 'random')])).toBe('helps');
    expect(verdictOf(difference(-0.3, -0.1), [difference(-0.2, 0.1, 'random')])).toBe('no-evidence');
    expect(verdictOf(difference(-0.3, 0.1), [])).toBe('no-evidence');
    expect(verdictOf(difference(0.1, 0.3), [difference(-0.2, -0.1, 'random')])).toBe('hurts');
  });

  it('says in one sentence what was measured, and on how many texts', () => {
    const facts = { module: 'm', from: 'a', to: 'b', againstBase: difference(-0.3, -0.1), againstChance: [difference(-0.2, 0.1, 'shuffled pairs')], againstOthers: [difference(-0.1, 0.1, 'naive copy')], lift: null };
    expect(verdictSentence({ ...facts, verdict: 'no-evidence' })).toBe('m was carried from a to b; no evidence that it helps: \u22120.200 nats per token [\u22120.300, \u22120.100] against b alone, n = 30 texts, which cannot be told from shuffled pairs.');
    expect(verdictSentence({ ...facts, againstChance: [difference(-0.2, -0.1, 'shuffled pairs')], verdict: 'helps' })).toMatch(/against the best control \(shuffled pairs\)\. The control .naive copy. does as well/);
    expect(verdictSentence({ ...facts, verdict: 'hurts' })).toContain('and hurts');
    expect(verdictSentence({ ...facts, againstBase: null, verdict: 'no-verdict' })).toContain('no verdict');
  });

  it('lists the texts that changed most, both ways', () => {
    const before = losses(20, () => 30), after = losses(20, (i) => 30 + (i - 10)), rows = before.map((_, row) => ({ row, text: `t${row}`, label: null }));
    const changed = changedTexts(rows, before, after);
    expect(changed.map((c) => c.row)).toEqual([0, 1, 2, 3, 4, 19, 18, 17, 16, 15]);
    expect(changed[0]).toMatchObject({ before: 3, after: 2, direction: 'better' });
  });
});
