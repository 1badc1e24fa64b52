import type { LibraryFacts, LibraryOverlaps } from '../../../extension/protocol/routingLibrary';
import { NOT_MBC } from '../../../extension/protocol/routingLibrary';
import type { RoutingHead } from '../../../extension/protocol/routing';
import type { Score } from '../../../extension/protocol/score';
import { seeded } from './inventedAnalysis';

/** INVENTED facts of a library of adapters, for looking at the page without an engine. Nothing here was measured. */
export function inventedLibrary(head: RoutingHead): LibraryFacts {
  const random = seeded(41);
  const names = head.sites[0].labels;
  const N = names.length;
  const sites = head.sites.map(({ id, layer, module }) => ({ id, layer, module }));
  const array = (make: (site: number, adapter: number) => number): Float32Array => Float32Array.from({ length: sites.length * N }, (_, i) => make(Math.floor(i / N), i % N));
  // The last adapter has no factors in the attention; one is untrained at one place.
  const absent = (s: number, a: number): boolean => a === N - 1 && sites[s].module.startsWith('attention');
  const ratios = array((s, a) => (absent(s, a) ? NaN : Math.min(0.99, 0.25 + 0.12 * a + 0.35 * random() + (s % 7 === 3 ? 0.2 : 0))));
  const frobenius = array((s, a) => (absent(s, a) ? NaN : s === 9 && a === 2 ? 0 : 0.4 + random() + s * 0.03));
  const facts = {
    rank: array((s, a) => (absent(s, a) ? NaN : 8)), scaling: array((s, a) => (absent(s, a) ? NaN : 2)), ratio: ratios, frobenius,
    sigma1: frobenius.map((value) => value * 0.7), energy: ratios.map((ratio) => 1 / (1 + 2 * ratio * ratio)), stableRank: ratios.map((ratio) => 1 + 3 * ratio),
  };
  // Two families: the even and the odd adapters.
  const alike = (i: number, j: number): number => (i === j ? 1 : i % 2 === j % 2 ? 0.34 + 0.02 * (i + j) : -0.03 + 0.01 * (i + j));
  const matrix = (make: (i: number, j: number) => number): Float32Array => Float32Array.from({ length: N * N }, (_, at) => make(Math.floor(at / N), at % N));
  const silhouette = (value: number, p: number): Score => ({ value, null: 0.18, nullSd: 0.07, nullDraws: 99, z: (value - 0.18) / 0.07, p, n: N, nOf: 'adapters', unit: 'silhouette', direction: 'greater', nullKind: 'INVENTED: the same similarities dealt out to pairs at random, grouped again' });
  const order = [...Array.from({ length: N }, (_, i) => i).filter((i) => i % 2 === 0), ...Array.from({ length: N }, (_, i) => i).filter((i) => i % 2 === 1)];
  const joinings = [{ left: 0, right: 2, height: 0.62 }, { left: 1, right: 3, height: 0.58 }, { left: N, right: 4, height: 0.6 }, { left: N + 1, right: 5, height: 0.55 }, { left: N + 2, right: N + 3, height: 0.98 }];
  return {
    schema: 'modulens-library-1', model: head.model, library: 'invented/loras', genKnowSub: 'none',
    adapters: names.map((name, a) => ({ name, base: 'invented-numbers', rank: 8, parameters: 98_304, sites: sites.filter((_, s) => !absent(s, a)).length, hardlyDetermined: sites.filter((_, s) => ratios[s * N + a] > 0.9).length })),
    sites, facts, by: 'update', order, joinings: N === 6 ? joinings : [], says: NOT_MBC, byLayer: null,
    similarity: [
      { kind: 'update', matrix: matrix(alike), sites: sites.length, unrelated: 0 },
      { kind: 'parameters', matrix: null, why: 'INVENTED: \u201cchat\u201d has another rank than the rest, so that their parameters cannot be compared one by one.', sites: sites.length, unrelated: 0 },
      { kind: 'direction', matrix: matrix((i, j) => (i === j ? 1 : Math.abs(alike(i, j)) + 0.05)), sites: sites.length, unrelated: 0.029 },
    ],
    groupings: [2, 3, 4, 5].map((clusters) => ({ clusters, labels: Array.from({ length: N }, (_, i) => (clusters === 2 ? i % 2 : Math.min(clusters - 1, i))), silhouette: silhouette(clusters === 2 ? 0.61 : 0.24 - 0.02 * clusters, clusters === 2 ? 0.01 : 0.42) })),
    subtraction: { general: ['general'], used: 'none', says: 'INVENTED: PEFT subtracts the mean of the factors; the other way subtracts the mean of the updates.', adapters: names.map((name, i) => ({ name, none: 12 + i, peft: 10.5 + i, update: 9.8 + i, cosine: 0.83 - 0.02 * i })) },
    skipped: [{ name: 'notes', reason: 'INVENTED: no adapter_config.json' }], warnings: [], seconds: 0.12,
  };
}

export function inventedOverlaps(facts: LibraryFacts, site: string): LibraryOverlaps {
  const s = Math.max(0, facts.sites.findIndex((one) => one.id === site));
  const N = facts.adapters.length;
  const adapters = facts.adapters.map((_, a) => a).filter((a) => Number.isFinite(facts.facts.ratio[s * N + a]));
  const E = adapters.length;
  const matrix = (make: (a: number, b: number) => number): Float32Array => Float32Array.from({ length: E * E }, (_, at) => make(adapters[Math.floor(at / E)], adapters[at % E]));
  return { site, adapters, cosine: matrix((a, b) => (a === b ? 1 : 0.3 * Math.cos(a * 2 + b * 2 + s))), direction: matrix((a, b) => (a === b ? 1 : 0.45 + 0.4 * Math.cos(a + b + s))), readOverlap: matrix((a, b) => 3 + Math.abs(a - b) + (a === b ? 9 : 0)) };
}
