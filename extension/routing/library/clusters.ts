import { kMeans, type Points, silhouette } from '../../numerics/kMeans';
import { averageLinkage, type Joining } from '../../numerics/linkage';
import { scoreAgainstNull } from '../../numerics/nullScore';
import { Random } from '../../numerics/random';
import { finish, type Steps } from '../../numerics/steps';
import { failure } from '../../protocol/errors';
import { NOT_MBC } from '../../protocol/routingLibrary';
import type { Score } from '../../protocol/score';
import type { LibrarySimilarity } from './similarity';

/** Draws of the null of a silhouette: enough for a p-value of 0.05. */
const NULL_DRAWS = 99;
/** Fewer adapters have too few ways to be grouped for a null. */
const LEAST_FOR_NULL = 4;

/** A library in groups. */
export interface LibraryClusters {
  /** Group of each adapter, numbered by the lowest adapter `[N]`. */
  readonly labels: Int32Array;
  readonly clusters: number;
  /** Mean silhouette of the grouping; null = the same similarities dealt out to pairs at random. Null below four adapters. */
  readonly silhouette: Score | null;
  readonly says: string;
}

/**
 * Groups adapters as MBC does (arXiv 2405.11157): k-means on the rows of the similarity matrix. A row says how an adapter
 * relates to every other one, so that copies of an adapter pull the grouping towards themselves.
 * @throws routing/library for a number of clusters that the library does not have
 */
export function clusterLibrary(similarity: LibrarySimilarity, clusters: number, seed: number): LibraryClusters {
  return finish(clusterSteps(similarity, clusters, seed));
}

/** The same, draw by draw. */
export function* clusterSteps(similarity: LibrarySimilarity, clusters: number, seed: number): Steps<LibraryClusters> {
  const n = similarity.names.length;
  if (!Number.isInteger(clusters) || clusters < 1 || clusters > n) throw failure('routing/library', { path: similarity.names.join(', '), reason: `${n} adapters cannot be put into ${clusters} clusters. Choose a whole number from 1 to ${n}` });
  const points: Points = { n, width: n, data: similarity.matrix }, found = kMeans(points, clusters, new Random(seed, 'library clusters', clusters));
  return { labels: found.labels, clusters, silhouette: clusters >= 2 && clusters < n && n >= LEAST_FOR_NULL ? yield* silhouetteScore(points, found.labels, clusters, seed) : null, says: NOT_MBC };
}

/** Groupings into 2 .. `most` clusters, for a slider with the silhouette of each. */
export function clusterRange(similarity: LibrarySimilarity, most: number, seed: number): readonly LibraryClusters[] {
  const last = Math.min(most, similarity.names.length - 1);
  return Array.from({ length: Math.max(0, last - 1) }, (_, i) => clusterLibrary(similarity, i + 2, seed));
}

/** An order of adapters in which similar ones stand together, and the tree that it comes from (average linkage of 1 - similarity). */
export function seriate(similarity: LibrarySimilarity): { readonly order: Int32Array; readonly joinings: readonly Joining[] } {
  return averageLinkage(similarity.matrix.map((s) => 1 - s), similarity.names.length);
}

function* silhouetteScore(points: Points, labels: Int32Array, clusters: number, seed: number): Steps<Score> {
  const draws: number[] = [];
  for (let draw = 0; draw < NULL_DRAWS; draw++) {
    const random = new Random(seed, 'library clusters null', clusters, draw), dealt: Points = { ...points, data: dealtOut(points, random) };
    draws.push(silhouette(dealt, kMeans(dealt, clusters, random.fork('k-means')).labels));
    yield;
  }
  return scoreAgainstNull({ value: silhouette(points, labels), draws, n: points.n, nOf: 'adapters', unit: 'silhouette', direction: 'greater', nullKind: 'the same similarities dealt out to pairs of adapters at random, grouped again' });
}

/** A symmetric matrix with the same entries off its diagonal in another order. */
function dealtOut({ n, data }: Points, random: Random): Float64Array {
  const pairs = new Float64Array((n * (n - 1)) / 2);
  for (let i = 0, at = 0; i < n; i++) for (let j = 0; j < i; j++) pairs[at++] = data[i * n + j];
  random.shuffle(pairs);
  const out = Float64Array.from(data);
  for (let i = 0, at = 0; i < n; i++) for (let j = 0; j < i; j++) out[i * n + j] = out[j * n + i] = pairs[at++];
  return out;
}
