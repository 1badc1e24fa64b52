import { describe, expect, it } from 'vitest';
import type { RoutingHead, RoutingSite } from '../../../extension/protocol/routing';
import { sliceOf, slotsOf, TraceArrays } from '../../../extension/routing/trace';

const site = (E: number, k: number, semantics: RoutingSite['semantics'] = 'simplex'): RoutingSite => ({ id: `s${E}`, layer: 0, module: 'ffn', kind: 'moe', semantics, E, labels: [], k, temperature: null, scale: 1, note: '' });
const headOf = (sites: readonly RoutingSite[], tokens: number): RoutingHead => ({
  schema: 'modulens-routing-1', model: { hash: '', kind: '', name: '' }, tokenizer: null, router: 'native', composition: 'outputs', granularity: 'token', provenance: 'exact', causal: true, records: [{ from: 0, to: tokens, label: null, cut: 0 }],
  tokens: Array.from({ length: tokens }, (_, id) => ({ id, text: '', record: 0, start: id === 0 ? null : id, end: id === 0 ? null : id + 1, special: id === 0 })), sites, slots: slotsOf(sites),
});

describe('arrays of a trace', () => {
  it('keep everything that is not zero', () => {
    expect(slotsOf([site(16, 4)])).toBe(16);
    expect(slotsOf([site(256, 8, 'truncated')])).toBe(8);
    expect(slotsOf([site(64, 2, 'truncated')])).toBe(8);
    expect(slotsOf([site(100, 2)])).toBe(100);
    expect(slotsOf([site(4, 1), site(6, 2)])).toBe(6);
  });

  it('sort by weight, then score, then expert; margins of weights and of the choice', () => {
    const sites = [site(4, 2, 'truncated')], arrays = new TraceArrays(3, sites);
    arrays.put(0, 3, { site: 0, weights: Float32Array.from([0, 0.75, 0, 0.25, 0.5, 0.5, 0, 0, 0, 0, 0.5, 0.5]), logits: Float32Array.from([1, 3, 1.5, 2, 2, 2, 0, 0, 0, 0, 1, 1]) });
    const trace = arrays.finish(headOf(sites, 3));
    expect([...trace.ids]).toEqual([1, 3, 2, 0, 0, 1, 2, 3, 2, 3, 0, 1]);
    expect([...trace.weights.subarray(0, 4)]).toEqual([0.75, 0.25, 0, 0]);
    expect([...(trace.logits ?? []).slice(0, 4)]).toEqual([3, 2, 1.5, 1]);
    expect([...trace.margins]).toEqual([0.5, 0, 0]);
    expect([...trace.choiceMargins]).toEqual([0.5, 2, 1]);
    expect(trace.entropies[1]).toBeCloseTo(Math.log(2), 6);
    // The first token is a special one and stands nowhere in the text.
    expect([...trace.meanWeights]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  it('rank by what the choice was made by where that is not the score', () => {
    const sites = [site(3, 1, 'truncated')], arrays = new TraceArrays(1, sites);
    arrays.put(0, 1, { site: 0, weights: Float32Array.from([0, 0, 1]), logits: Float32Array.from([5, 4, 3]), ranking: Float32Array.from([1, 2, 6]) });
    const trace = arrays.finish(headOf(sites, 1));
    expect([...trace.ids]).toEqual([2, 1, 0]);
    expect(trace.choiceMargins[0]).toBe(4);
  });

  it('have no score where the router gives none, and no margin where all are chosen', () => {
    const sites = [site(2, 2, 'binary')], arrays = new TraceArrays(1, sites);
    arrays.put(0, 1, { site: 0, weights: Float32Array.from([1, 1]), logits: null });
    const trace = arrays.finish(headOf(sites, 1));
    expect(trace.logits).toBeNull();
    expect(trace.choiceMargins[0]).toBe(Infinity);
  });

  it('are cut into slices of sites', () => {
    const sites = [site(2, 1), site(3, 1), site(2, 1)], arrays = new TraceArrays(2, sites);
    for (const [s, { E }] of sites.entries()) arrays.put(0, 2, { site: s, weights: Float32Array.from({ length: 2 * E }, (_, i) => (i % E === s % E ? 1 : 0)), logits: null });
    const trace = arrays.finish(headOf(sites, 2)), slice = sliceOf(trace, 1, 3);
    expect(trace.slots).toBe(3);
    expect([...slice.ids]).toEqual([1, 0, 2, 0, 1, 0, 1, 0, 2, 0, 1, 0]);
    expect(slice.margins).toHaveLength(4);
    expect(() => sliceOf(trace, 2, 4)).toThrow(RangeError);
  });
});
