import { describe, expect, it } from 'vitest';
import { Random } from '../../../extension/numerics/random';
import { finish } from '../../../extension/numerics/steps';
import type { RoutingHead, RoutingSite, RoutingTrace } from '../../../extension/protocol/routing';
import { jensenShannon } from '../../../extension/protocol/routingMetrics';
import { compareSteps } from '../../../extension/routing/compareTraces';
import { slotsOf, TraceArrays } from '../../../extension/routing/trace';

const site = (id: string, E: number, k: number, labels = Array.from({ length: E }, (_, e) => String(e))): RoutingSite => ({ id, layer: Number(id.split('.')[1]), module: 'ffn', kind: 'moe', semantics: k < E ? 'truncated' : 'simplex', E, labels, k, temperature: 1, scale: 1, note: '' });

/** A trace of given weights `[tokens, E]` per site; the first token of each record is special. */
function traceOf(sites: readonly RoutingSite[], weights: readonly Float32Array[], tokens: number, ids = (t: number): number => t): RoutingTrace {
  const arrays = new TraceArrays(tokens, sites), half = Math.ceil(tokens / 2);
  weights.forEach((one, s) => arrays.put(0, tokens, { site: s, weights: one, logits: null }));
  const head: RoutingHead = {
    schema: 'modulens-routing-1', model: { hash: '', kind: '', name: '' }, tokenizer: null, router: 'native', composition: 'outputs', granularity: 'token', provenance: 'exact', causal: true,
    records: [{ from: 0, to: half, label: null, cut: 0 }, { from: half, to: tokens, label: null, cut: 0 }], sites, slots: slotsOf(sites),
    tokens: Array.from({ length: tokens }, (_, t) => ({ id: ids(t), text: '', record: t < half ? 0 : 1, start: t % half === 0 ? null : t, end: t % half === 0 ? null : t + 1, special: t % half === 0 })),
  };
  return arrays.finish(head);
}

/** Rows that depend on the token, so that shuffling tokens matters. */
function rows(tokens: number, E: number, seed: string): Float32Array {
  const random = new Random(0, seed), out = new Float32Array(tokens * E);
  for (let t = 0; t < tokens; t++) {
    const row = Array.from({ length: E }, () => -Math.log(1 - random.uniform())), sum = row.reduce((a, b) => a + b, 0);
    row.forEach((x, e) => { out[t * E + e] = x / sum; });
  }
  return out;
}

describe('two routers on the same tokens', () => {
  const tokens = 400, sites = [site('blocks.0.ffn', 5, 5), site('blocks.1.ffn', 5, 5)];
  const a = traceOf(sites, [rows(tokens, 5, 'a'), rows(tokens, 5, 'b')], tokens);

  it('that are one agree everywhere, far from chance', () => {
    const { sites: found, divergences, names, tokens: n, left } = finish(compareSteps(a, a, 0));
    expect(names).toEqual(['native', 'native']);
    expect([n, left]).toEqual([tokens - 2, []]);
    expect(Math.max(...divergences)).toBeLessThan(1e-12);
    for (const { agreement, divergence } of found) {
      expect(agreement).toMatchObject({ value: 1, n: tokens - 2, nOf: 'tokens', nullDraws: 99 });
      expect(agreement.null).toBeGreaterThan(0.1);
      expect(agreement.null).toBeLessThan(0.3);
      expect(agreement.p).toBeLessThan(0.05);
      expect(divergence.value).toBeLessThan(1e-12);
      expect(divergence).toMatchObject({ nullDraws: 39, unit: 'nats', direction: 'less' });
      expect(divergence.p).toBeLessThan(0.05);
    }
  });

  it('that have nothing to do with each other do not pass for agreeing', () => {
    const b = traceOf(sites, [rows(tokens, 5, 'c'), rows(tokens, 5, 'd')], tokens), { sites: found } = finish(compareSteps(a, b, 0));
    for (const { agreement, divergence } of found) for (const score of [agreement, divergence]) expect(score.p).toBeGreaterThan(0.05);
  });

  it('give Jensen-Shannon divergences token by token, also of truncated weights and of rows of nothing', () => {
    const left = Float32Array.of(0.7, 0.2, 0.1, 0, 1, 0, 0.5, 0.5, 0), right = Float32Array.of(0.3, 0, 0.3, 0, 0, 0.5, 0, 0, 0), at = site('blocks.2.ffn', 3, 2);
    const { divergences, firsts } = finish(compareSteps(traceOf([at], [left], 3), traceOf([at], [right], 3), 0));
    expect(divergences[0]).toBeCloseTo(jensenShannon([[0.7, 0.2, 0.1], [0.3, 0, 0.3]]), 6);
    expect(divergences[1]).toBeCloseTo(Math.log(2), 6);
    expect(divergences[2]).toBeNaN();
    expect([[...firsts[0]], [...firsts[1]]]).toEqual([[0, 1, 0], [0, 2, 0]]);
  });

  it('are compared where they choose between the same experts, and not at all where they do not', () => {
    const b = traceOf([site('blocks.1.ffn', 5, 2), site('blocks.0.ffn', 5, 5, ['v', 'w', 'x', 'y', 'z']), site('blocks.7.ffn', 2, 2)], [rows(tokens, 5, 'e'), rows(tokens, 5, 'f'), rows(tokens, 2, 'g')], tokens);
    const { sites: found, left } = finish(compareSteps(a, b, 0));
    expect(found.map(({ id, sites: both }) => [id, both])).toEqual([['blocks.1.ffn', [1, 0]]]);
    expect(left).toEqual(['blocks.0.ffn', 'blocks.7.ffn']);
    const other = traceOf([site('blocks.0.ffn', 4, 4)], [rows(tokens, 4, 'h')], tokens);
    expect(() => finish(compareSteps(a, other, 0))).toThrow(/native and native cannot be compared: nowhere.*same experts.*avg-k and similarity/s);
    expect(() => finish(compareSteps(a, traceOf(sites, [rows(tokens, 5, 'a'), rows(tokens, 5, 'b')], tokens, (t) => t + 1), 0))).toThrow(/different tokens/);
  });
});
