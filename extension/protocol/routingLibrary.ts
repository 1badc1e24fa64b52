import type { DocumentHead, JsonArray, Notice } from './documents';
import type { Score } from './score';

/** By what adapters are compared. */
export const LIBRARY_SIMILARITIES = ['update', 'parameters', 'direction'] as const;
export type LibrarySimilarityKind = (typeof LIBRARY_SIMILARITIES)[number];

/** What each comparison means, for menus and captions. */
export const SIMILARITY_SAYS: Readonly<Record<LibrarySimilarityKind, string>> = {
  update: 'Cosine of the updates B A. It does not depend on the basis in which factors happen to lie: right for adapters from anywhere.',
  parameters: 'Cosine of the factors A and B written one after the other, as MBC compares. It means something only for adapters that started from the same A; otherwise it may be noise.',
  direction: 'Mean |cos| of the directions that Arrow compares tokens with, over the linear maps that both change.',
};

/** How general knowledge is subtracted: not at all, as PEFT does factor by factor, or from the update itself. */
export const GEN_KNOW_SUBS = ['none', 'peft', 'update'] as const;
export type GenKnowSub = (typeof GEN_KNOW_SUBS)[number];

/** Second over first singular value above which an adapter's main direction is no safe fact (PEFT's power steps miss it from there on). */
export const HARDLY_DETERMINED = 0.9;

/** How far the direction can be trusted that tokens are compared with: an untrained adapter has none. */
export type DirectionTrust = 'determined' | 'hardly determined' | 'no update' | 'not here';

/** The trust badge of an adapter at a linear map, from its facts (NaN where it has no factors there). */
export function directionTrust(ratio: number, frobenius: number): DirectionTrust {
  return Number.isNaN(ratio) || Number.isNaN(frobenius) ? 'not here' : frobenius === 0 ? 'no update' : ratio > HARDLY_DETERMINED ? 'hardly determined' : 'determined';
}

/** Said wherever clusters of adapters are shown or applied. */
export const NOT_MBC = 'MBC trains one new adapter per cluster on the data of its tasks. Averaging the adapters of a cluster is not MBC, and is not what its results were measured with.';

/** Which library, on which base. */
export interface LibraryRequest {
  readonly path: string;
  /** Folder of adapters. */
  readonly modules: string;
  /** "0-5,11" */
  readonly layers?: string;
  /** By default what an Arrow set's settings say. */
  readonly genKnowSub?: GenKnowSub;
  /** By what adapters are grouped; `update` by default. */
  readonly by?: LibrarySimilarityKind;
  readonly seed?: number;
}

/** An adapter as a whole. */
export interface LibraryAdapter {
  readonly name: string;
  /** What its settings name as its base. */
  readonly base: string | null;
  readonly rank: number;
  readonly parameters: number;
  /** Linear maps that it changes, of those asked for. */
  readonly sites: number;
  /** Of them, those where its main direction is hardly determined. */
  readonly hardlyDetermined: number;
}

/** A linear map that at least one adapter changes. */
export interface LibrarySiteName {
  readonly id: string;
  readonly layer: number;
  /** `attention.q` */
  readonly module: string;
}

/** Facts of weights alone `[sites, adapters]`, NaN where an adapter has no factors at a site. */
export interface LibraryArrays<A> {
  readonly rank: A;
  readonly scaling: A;
  /** First singular value of the update, scaling included. */
  readonly sigma1: A;
  /** Second over first singular value; see `directionTrust`. */
  readonly ratio: A;
  /** Square of the first singular value over the sum of squares. */
  readonly energy: A;
  readonly stableRank: A;
  /** Frobenius norm of the update, scaling included. */
  readonly frobenius: A;
}

/** All pairs of adapters, by one comparison. */
export interface LibraryComparison<A> {
  readonly kind: LibrarySimilarityKind;
  /** `[N, N]`, 1 on the diagonal; null where `why` says that it cannot be. */
  readonly matrix: A | null;
  readonly why?: string;
  /** Linear maps that were compared. */
  readonly sites: number;
  /** What unrelated updates give: 0 for cosines; directions are compared without their sign, so that theirs is above 0. */
  readonly unrelated: number;
}

/** A grouping of the library. */
export interface LibraryGrouping {
  readonly clusters: number;
  /** Group of each adapter, numbered by the lowest adapter. */
  readonly labels: readonly number[];
  /** Mean silhouette; null below four adapters and where every adapter is its own group. */
  readonly silhouette: Score | null;
}

/** One joining of the tree: leaves are 0 .. N-1, the i-th joining is node N + i. */
export interface LibraryJoining {
  readonly left: number;
  readonly right: number;
  /** Mean distance (1 - similarity) between the leaves of the two groups. */
  readonly height: number;
}

/** Both ways to subtract general knowledge, side by side. */
export interface LibrarySubtraction {
  readonly general: readonly string[];
  readonly used: GenKnowSub;
  /** In whole sentences: what the two ways do. */
  readonly says: string;
  /** Why PEFT's way is not possible here. */
  readonly peftWhy?: string;
  /** Frobenius norm of each adapter's whole update before and after, and the cosine between the two ways' results. */
  readonly adapters: readonly { readonly name: string; readonly none: number; readonly peft: number | null; readonly update: number; readonly cosine: number | null }[];
}

/** What the weights of a library say; no text was run. */
export interface LibraryFactsOf<A> {
  readonly schema: 'modulens-library-1';
  readonly model: { readonly hash: string; readonly kind: string; readonly name: string };
  readonly library: string;
  readonly genKnowSub: GenKnowSub;
  readonly adapters: readonly LibraryAdapter[];
  readonly sites: readonly LibrarySiteName[];
  readonly facts: LibraryArrays<A>;
  readonly similarity: readonly LibraryComparison<A>[];
  /** Cosine of the updates layer by layer `[layers, N, N]`; null for libraries that are too large for it. */
  readonly byLayer: { readonly layers: readonly number[]; readonly matrices: A } | null;
  /** What was grouped by. */
  readonly by: LibrarySimilarityKind;
  /** An order in which similar adapters stand together, and its tree (average linkage). */
  readonly order: readonly number[];
  readonly joinings: readonly LibraryJoining[];
  /** Two groups, three, ... */
  readonly groupings: readonly LibraryGrouping[];
  /** `NOT_MBC` */
  readonly says: string;
  /** Null where the folder holds no general adapters. */
  readonly subtraction: LibrarySubtraction | null;
  /** Modules in the folder that are no experts, and why. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** For pages: numbers as typed arrays. */
export interface LibraryFacts extends LibraryFactsOf<Float32Array> {
  readonly warnings: readonly Notice[];
  readonly seconds: number;
}

/** How the adapters at one linear map lie to each other, `[E, E]` over the adapters that change it. */
export interface LibraryOverlapsOf<A> {
  readonly site: string;
  /** Indices into the library's adapters. */
  readonly adapters: readonly number[];
  /** Cosine of the updates as vectors. */
  readonly cosine: A;
  /** |cos| of the main input directions. */
  readonly direction: A;
  /** O-LoRA's overlap, sum of |A A'^T|: 0 where two adapters read nothing in common. */
  readonly readOverlap: A;
}
export type LibraryOverlaps = LibraryOverlapsOf<Float32Array>;

/** `modulens route --library-facts --json`. */
export interface LibraryDocument extends DocumentHead, LibraryFactsOf<JsonArray> {
  readonly kind: 'library';
  readonly seed: number;
  /** Of every site; null where they are too many to print (a warning says so). */
  readonly overlaps: readonly LibraryOverlapsOf<JsonArray>[] | null;
}
