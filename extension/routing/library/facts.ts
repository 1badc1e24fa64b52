import { innerProduct, readOverlap } from '../../numerics/lowRank';
import { directionTrust } from '../../protocol/routingLibrary';
import type { BoundLibrary, LibrarySite } from './types';

/** What the weights of one adapter at one linear map say; no text was run. */
export interface AdapterFacts {
  readonly site: string;
  readonly layer: number;
  readonly adapter: string;
  readonly rank: number;
  readonly scaling: number;
  /** First singular value of the update, scaling included. */
  readonly sigma1: number;
  /** Second over first singular value. */
  readonly ratio: number;
  /** Whether the direction that tokens are compared with is well determined. */
  readonly trusted: boolean;
  /** Square of the first singular value over the sum of squares. */
  readonly energy: number;
  readonly stableRank: number;
  /** Frobenius norm of the update, scaling included. */
  readonly frobenius: number;
}

/** How the adapters at one linear map lie to each other, `[E, E]` row-major. */
export interface SiteOverlaps {
  readonly site: string;
  readonly adapters: readonly string[];
  /** Cosine of the updates as vectors. */
  readonly cosine: Float64Array;
  /** |cos| of the main input directions. */
  readonly direction: Float64Array;
  /** O-LoRA's overlap, sum of |A A'^T|: 0 where two adapters read nothing in common. */
  readonly readOverlap: Float64Array;
}

/** Facts of every adapter at every site, sites in order. */
export function adapterFacts({ library, sites }: BoundLibrary): readonly AdapterFacts[] {
  return sites.flatMap(({ spec, layer, experts }) => experts.map(({ adapter, factors, scaling, spectrum }): AdapterFacts => ({
    site: spec.site, layer, adapter: library.adapters[adapter].name, rank: factors.rank, scaling,
    sigma1: Math.abs(scaling) * spectrum.singularValues[0], ratio: spectrum.ratio, trusted: directionTrust(spectrum.ratio, spectrum.frobenius) === 'determined',
    energy: spectrum.energy, stableRank: spectrum.stableRank, frobenius: Math.abs(scaling) * spectrum.frobenius,
  })));
}

/** Pairwise overlaps at one site. A zero update has cosine 0 with everything but 1 with itself. */
export function siteOverlaps({ library }: BoundLibrary, { spec, experts }: LibrarySite): SiteOverlaps {
  const E = experts.length, cosine = new Float64Array(E * E), direction = new Float64Array(E * E), reads = new Float64Array(E * E);
  const norms = experts.map(({ spectrum }) => spectrum.frobenius);
  for (let i = 0; i < E; i++) {
    for (let j = 0; j <= i; j++) {
      const x = experts[i], y = experts[j], sign = Math.sign(x.scaling) * Math.sign(y.scaling);
      const put = (into: Float64Array, value: number): void => { into[i * E + j] = into[j * E + i] = value; };
      put(cosine, i === j ? 1 : norms[i] > 0 && norms[j] > 0 ? (sign * innerProduct(x.factors, y.factors)) / (norms[i] * norms[j]) : 0);
      put(direction, i === j ? 1 : Math.abs(dot(x.spectrum.direction, y.spectrum.direction)));
      put(reads, readOverlap(x.factors, y.factors));
    }
  }
  return { site: spec.site, adapters: experts.map(({ adapter }) => library.adapters[adapter].name), cosine, direction, readOverlap: reads };
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}
