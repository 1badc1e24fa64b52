import { innerProduct } from '../../numerics/lowRank';
import type { Steps } from '../../numerics/steps';
import { ModulensError } from '../../protocol/errors';
import { HARDLY_DETERMINED, type LibraryAdapter, type LibraryArrays, type LibraryComparison, type LibraryFactsOf, type LibraryGrouping, type LibraryOverlaps, LIBRARY_SIMILARITIES, type LibrarySimilarityKind, NOT_MBC } from '../../protocol/routingLibrary';
import { clusterSteps, seriate } from './clusters';
import { siteOverlaps } from './facts';
import { distinctSites, type LibrarySimilarity, similaritySteps } from './similarity';
import type { BoundLibrary, LibrarySite } from './types';

/** Groups that are tried. */
const MOST_CLUSTERS = 10;
/** Pictures layer by layer take no more than this: a message holds 4 MB. */
const MOST_BY_LAYER = 500_000;

/** What was asked of a library. */
export interface WeightsQuestion {
  readonly layers: readonly number[];
  readonly by: LibrarySimilarityKind;
  readonly seed: number;
}

type Described = Omit<LibraryFactsOf<Float32Array>, 'schema' | 'model' | 'subtraction'>;

/**
 * What the weights of a bound library say: facts by site and adapter, comparisons of all pairs, and groups. Takes
 * O(N^2 r^2 (in + out)) a site; no text is run.
 */
export function* weightsSteps(whole: BoundLibrary, { layers, by, seed }: WeightsQuestion): Steps<Described> {
  const bound: BoundLibrary = { ...whole, sites: whole.sites.filter(({ layer }) => layers.includes(layer)) }, { library, sites } = bound;
  const similarity: LibraryComparison<Float32Array>[] = [];
  let grouped: LibrarySimilarity | null = null, refused: ModulensError | null = null;
  for (const kind of LIBRARY_SIMILARITIES) {
    const unrelated = kind === 'direction' ? unrelatedDirections(distinctSites(bound)) : 0;
    try {
      const found = yield* similaritySteps(bound, kind);
      if (kind === by) grouped = found;
      similarity.push({ kind, matrix: Float32Array.from(found.matrix), sites: found.sites, unrelated });
    } catch (error) {
      if (!(error instanceof ModulensError)) throw error;
      if (kind === by) refused = error;
      similarity.push({ kind, matrix: null, why: error.message, sites: 0, unrelated });
    }
  }
  if (!grouped) throw refused ?? new RangeError(`no similarity by ${by}`);
  const n = library.adapters.length, groupings: LibraryGrouping[] = [], { order, joinings } = seriate(grouped);
  for (let clusters = 2; clusters <= Math.min(MOST_CLUSTERS, n - 1); clusters++) {
    const { labels, silhouette } = yield* clusterSteps(grouped, clusters, seed);
    groupings.push({ clusters, labels: [...labels], silhouette });
  }
  return {
    library: library.path, genKnowSub: bound.genKnowSub, adapters: library.adapters.map((_, i) => adapterOf(bound, i)),
    sites: sites.map(({ spec, layer }) => ({ id: spec.site, layer, module: spec.site.split('.').slice(2).join('.') })), facts: factArrays(bound),
    similarity, byLayer: yield* byLayerSteps(bound), by, order: [...order], joinings, groupings, says: NOT_MBC, skipped: library.skipped,
  };
}

/** Pairwise overlaps at one site, as pages take them. */
export function overlapsAt(bound: BoundLibrary, site: LibrarySite): LibraryOverlaps {
  const { cosine, direction, readOverlap } = siteOverlaps(bound, site);
  return { site: site.spec.site, adapters: site.experts.map(({ adapter }) => adapter), cosine: Float32Array.from(cosine), direction: Float32Array.from(direction), readOverlap: Float32Array.from(readOverlap) };
}

function adapterOf({ library, sites }: BoundLibrary, index: number): LibraryAdapter {
  const { name, lora } = library.adapters[index], own = sites.flatMap(({ experts }) => experts.filter((e) => e.adapter === index));
  const parameters = lora.sites.reduce((sum, { rank, a, b }) => sum + rank * (a.shape[1] + b.shape[0]), 0);
  return { name, base: lora.base, rank: lora.rank, parameters, sites: own.length, hardlyDetermined: own.filter(({ spectrum }) => spectrum.ratio > HARDLY_DETERMINED).length };
}

function factArrays({ library, sites }: BoundLibrary): LibraryArrays<Float32Array> {
  const n = library.adapters.length, empty = (): Float32Array => new Float32Array(sites.length * n).fill(NaN);
  const out = { rank: empty(), scaling: empty(), sigma1: empty(), ratio: empty(), energy: empty(), stableRank: empty(), frobenius: empty() };
  for (const [s, { experts }] of sites.entries()) {
    for (const { adapter, factors, scaling, spectrum } of experts) {
      const at = s * n + adapter;
      out.rank[at] = factors.rank;
      out.scaling[at] = scaling;
      out.sigma1[at] = Math.abs(scaling) * spectrum.singularValues[0];
      out.ratio[at] = spectrum.ratio;
      out.energy[at] = spectrum.energy;
      out.stableRank[at] = spectrum.stableRank;
      out.frobenius[at] = Math.abs(scaling) * spectrum.frobenius;
    }
  }
  return out;
}

function* byLayerSteps(bound: BoundLibrary): Steps<LibraryFactsOf<Float32Array>['byLayer']> {
  const layers = [...new Set(bound.sites.map(({ layer }) => layer))], n = bound.library.adapters.length;
  if (layers.length * n * n > MOST_BY_LAYER) return null;
  const matrices = new Float32Array(layers.length * n * n);
  for (const [i, layer] of layers.entries()) matrices.set((yield* similaritySteps(bound, 'update', [layer])).matrix, i * n * n);
  return { layers, matrices };
}

/** Mean |cos| of two directions drawn evenly from the sphere of each site's inputs: Gamma(d/2) / (sqrt(pi) Gamma((d+1)/2)), which is sqrt(2 / (pi (d - 1/2))) to 1 % from d = 4 on. */
function unrelatedDirections(sites: readonly LibrarySite[]): number {
  return sites.reduce((sum, { spec }) => sum + Math.sqrt(2 / (Math.PI * (spec.inWidth - 0.5))), 0) / Math.max(1, sites.length);
}

/** Norms of each adapter's update under two bindings of one library, and the cosine between them, over all sites. */
export function compareBindings(one: BoundLibrary, two: BoundLibrary): readonly { readonly one: number; readonly two: number; readonly cosine: number | null }[] {
  const others = new Map(distinctSites(two).map((site) => [site.spec.weight, site]));
  return one.library.adapters.map((_, adapter) => {
    let left = 0, right = 0, both = 0;
    for (const site of distinctSites(one)) {
      const x = site.experts.find((e) => e.adapter === adapter), y = others.get(site.spec.weight)?.experts.find((e) => e.adapter === adapter);
      if (!x || !y) continue;
      left += (x.scaling * x.spectrum.frobenius) ** 2;
      right += (y.scaling * y.spectrum.frobenius) ** 2;
      both += x.scaling * y.scaling * innerProduct(x.factors, y.factors);
    }
    return { one: Math.sqrt(left), two: Math.sqrt(right), cosine: left > 0 && right > 0 ? both / Math.sqrt(left * right) : null };
  });
}
