import { innerProduct } from '../../numerics/lowRank';
import { finish, type Steps } from '../../numerics/steps';
import { failure } from '../../protocol/errors';
import type { LibrarySimilarityKind } from '../../protocol/routingLibrary';
import type { BoundLibrary, LibrarySite, SiteExpert } from './types';

/** Adapters compared pair by pair. */
export interface LibrarySimilarity {
  readonly kind: LibrarySimilarityKind;
  readonly names: readonly string[];
  /** `[N, N]`, row-major, 1 on the diagonal; 0 where two adapters share no linear map or one is zero. */
  readonly matrix: Float64Array;
  /** Linear maps that were compared. */
  readonly sites: number;
}

/**
 * Similarity of all pairs over the sites of a library, or of some layers. Updates are compared from Gram matrices; no
 * update is formed. Sites count by the size of the updates there, as one long vector would.
 * @throws routing/library for 'parameters' where ranks differ
 */
export function librarySimilarity(bound: BoundLibrary, kind: LibrarySimilarityKind = 'update', layers?: readonly number[]): LibrarySimilarity {
  return finish(similaritySteps(bound, kind, layers));
}

/** The same, pair by pair. */
export function* similaritySteps(bound: BoundLibrary, kind: LibrarySimilarityKind, layers?: readonly number[]): Steps<LibrarySimilarity> {
  const n = bound.library.adapters.length, matrix = new Float64Array(n * n), sites = distinctSites(bound, layers);
  const compare = kind === 'direction' ? meanDirection : cosineOf;
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = 1;
    for (let j = 0; j < i; j++) {
      matrix[i * n + j] = matrix[j * n + i] = compare(bound, sites, i, j, kind);
      yield;
    }
  }
  return { kind, names: bound.library.adapters.map((a) => a.name), matrix, sites: sites.length };
}

/** Sites of some layers; blocks that share their weights count once. */
export function distinctSites({ sites }: BoundLibrary, layers?: readonly number[]): readonly LibrarySite[] {
  const seen = new Set<string>();
  return sites.filter(({ spec, layer }) => (layers === undefined || layers.includes(layer)) && !seen.has(spec.weight) && seen.add(spec.weight));
}

function cosineOf(bound: BoundLibrary, sites: readonly LibrarySite[], i: number, j: number, kind: LibrarySimilarityKind): number {
  let both = 0, left = 0, right = 0;
  for (const site of sites) {
    const x = find(site, i), y = find(site, j);
    if (kind === 'update') {
      left += x ? (x.scaling * x.spectrum.frobenius) ** 2 : 0;
      right += y ? (y.scaling * y.spectrum.frobenius) ** 2 : 0;
      if (x && y) both += x.scaling * y.scaling * innerProduct(x.factors, y.factors);
      continue;
    }
    left += x ? squares(x.factors.a) + squares(x.factors.b) : 0;
    right += y ? squares(y.factors.a) + squares(y.factors.b) : 0;
    if (x && y) {
      if (x.factors.rank !== y.factors.rank) throw failure('routing/library', { path: bound.library.path, reason: `"${bound.library.adapters[i].name}" has rank ${x.factors.rank} and "${bound.library.adapters[j].name}" rank ${y.factors.rank} at ${site.spec.site}, so that their parameters cannot be compared one by one. Compare updates instead` });
      both += dot(x.factors.a, y.factors.a) + dot(x.factors.b, y.factors.b);
    }
  }
  return left > 0 && right > 0 ? both / Math.sqrt(left * right) : 0;
}

function meanDirection(_bound: BoundLibrary, sites: readonly LibrarySite[], i: number, j: number): number {
  let sum = 0, count = 0;
  for (const site of sites) {
    const x = find(site, i), y = find(site, j);
    if (!x || !y) continue;
    sum += Math.abs(dot(x.spectrum.direction, y.spectrum.direction));
    count++;
  }
  return count > 0 ? sum / count : 0;
}

function find({ experts }: LibrarySite, adapter: number): SiteExpert | undefined {
  return experts.find((e) => e.adapter === adapter);
}
function dot(x: Float32Array | Float64Array, y: Float32Array | Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}
function squares(x: Float32Array): number {
  return dot(x, x);
}
