import { describe, expect, it } from 'vitest';
import { bitRowBytes } from '../../../extension/numerics/pairCounts';
import { Random } from '../../../extension/numerics/random';
import { graphFromActivations, modularityOf } from '../../../extension/partition/coactivationGraph';
import { meanInterval, modularityInterval, modularityOfParts, modularityParts } from '../../../extension/partition/documentBootstrap';

const NEURONS = 24, TOKENS = 300, EXPERTS = 4, DOCUMENTS = 12;
const random = new Random(3, 'test', 0);
const labels = Int32Array.from({ length: NEURONS }, (_, i) => i % EXPERTS);
const document = Int32Array.from({ length: TOKENS }, (_, t) => 100 + Math.floor((t * DOCUMENTS) / TOKENS));
/** Experts that are active together, in some documents more than in others. */
const active = new Float32Array(NEURONS * TOKENS);
for (let t = 0; t < TOKENS; t++) {
  const lead = random.integer(EXPERTS);
  for (let i = 0; i < NEURONS; i++) active[i * TOKENS + t] = random.integer(100) < (labels[i] === lead ? 60 : 10 + (document[t] % 5)) ? 1 : 0;
}
const rowBytes = bitRowBytes(TOKENS), bits = new Uint8Array(NEURONS * rowBytes);
active.forEach((on, at) => { const t = at % TOKENS; if (on) bits[Math.floor(at / TOKENS) * rowBytes + (t >> 3)] |= 1 << (t & 7); });
const byToken = Float32Array.from({ length: NEURONS * TOKENS }, (_, at) => active[(at % NEURONS) * TOKENS + Math.floor(at / NEURONS)]);

describe('intervals over documents', () => {
  it('sum up to the Q of the whole graph', () => {
    const whole = modularityOf(graphFromActivations(byToken, TOKENS, NEURONS), labels, EXPERTS);
    const parts = modularityParts({ bits, tokens: TOKENS, labels, experts: EXPERTS, document });
    expect(parts.documents).toBe(DOCUMENTS);
    expect(modularityOfParts(parts, EXPERTS, new Int32Array(DOCUMENTS).fill(1))).toBeCloseTo(whole, 12);
    // A document drawn twice counts as if its tokens stood there twice.
    const twice = Int32Array.from({ length: DOCUMENTS }, (_, d) => (d === 0 ? 2 : 1));
    const first = Array.from({ length: TOKENS }, (_, t) => t).filter((t) => document[t] === 100);
    const more = Float32Array.from([...byToken, ...first.flatMap((t) => [...byToken.subarray(t * NEURONS, (t + 1) * NEURONS)])]);
    expect(modularityOfParts(parts, EXPERTS, twice)).toBeCloseTo(modularityOf(graphFromActivations(more, TOKENS + first.length, NEURONS), labels, EXPERTS), 12);
  });

  it('hold the value, and are the same for the same seed', () => {
    const input = { bits, tokens: TOKENS, labels, experts: EXPERTS, document };
    const whole = modularityOf(graphFromActivations(byToken, TOKENS, NEURONS), labels, EXPERTS);
    const interval = modularityInterval(input, 1);
    expect(interval).toEqual(modularityInterval(input, 1));
    expect(interval?.[0]).toBeLessThan(whole);
    expect(interval?.[1]).toBeGreaterThan(whole);
  });

  it('of a mean are wider when tokens of a document are alike', () => {
    const alike = Float64Array.from(document, (d) => new Random(1, 'alike', d).integer(1000));
    const order = new Random(1, 'mixed', 0).permutation(TOKENS), mixed = Float64Array.from(order, (t) => alike[t]);
    const width = (values: Float64Array): number => { const [low, high] = meanInterval(values, document, 0, 'x') ?? [0, 0]; return high - low; };
    expect(width(alike)).toBeGreaterThan(3 * width(mixed));
  });

  it('leave out what is not finite, and need two documents', () => {
    expect(meanInterval([1, NaN, 1, 1], [0, 0, 1, 1], 0, 'x')).toEqual([1, 1]);
    expect(meanInterval([1, 2], [5, 5], 0, 'x')).toBeUndefined();
    expect(modularityInterval({ bits, tokens: TOKENS, labels, experts: EXPERTS, document: new Int32Array(TOKENS) }, 0)).toBeUndefined();
  });
});
