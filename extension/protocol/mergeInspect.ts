import type { DocumentHead } from './documents';
import type { Score } from './score';

/** What a tensor belongs to, in the order in which pictures show it. */
export const INSPECT_PARTS = ['attention', 'ffn', 'norm', 'embedding', 'head', 'other'] as const;
export type InspectPart = (typeof INSPECT_PARTS)[number];

export interface MergeInspectRequest {
  /** Two or more checkpoints, or two or more PEFT folders. */
  readonly models: readonly string[];
  /** Checkpoint that differences are taken from; null: the models are compared as they are. Modules need none: they are differences. */
  readonly base: string | null;
  /** Weight of each model for what rounding would undo; 1/K by default. */
  readonly weight?: number;
}

/** A model as the inspector shows it. */
export interface InspectModel {
  readonly name: string;
  readonly path: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly dtype: string;
  /** LoRA: its rank. */
  readonly rank?: number;
}

/** Sums over the elements of a part, for one model's difference from the base. They add up over parts and layers. */
export interface DeltaSums {
  /** ‖τ‖² */
  readonly square: number;
  /** ‖θ₀‖² of the same elements. */
  readonly baseSquare: number;
  readonly elements: number;
  /** Elements that differ from the base at all. */
  readonly changed: number;
  /** Of them, those that one rounding of θ₀ + wτ to the result's dtype puts back to θ₀. */
  readonly lost: number;
}

/**
 * Sums over the rows of a part, for the differences a and b of one pair. A row is a vector along a tensor's last dimension. Turning the signs of
 * whole rows of b at random gives differences of the same sizes and shapes that have nothing to do with a: the null of both figures.
 */
export interface PairSums {
  /** Σ a·b */
  readonly dot: number;
  /** Σ over rows of (a·b)²: variance of `dot` under the null. */
  readonly dotSquares: number;
  /** ‖a‖² and ‖b‖² */
  readonly squares: readonly [number, number];
  /** Elements where both differ from the base with equal, and with opposite signs. */
  readonly agree: number;
  readonly disagree: number;
  /** Σ over rows of (agree − disagree)² */
  readonly balanceSquares: number;
  /** Rows in which both differ. */
  readonly rows: number;
}

/** A part of one layer (`layer` null: outside of the layers). */
export interface InspectCell {
  readonly layer: number | null;
  readonly part: InspectPart;
  readonly tensors: number;
  /** One for each model. */
  readonly deltas: readonly DeltaSums[];
  /** One for each pair, in the order (0,1), (0,2), ..., (1,2), ... */
  readonly pairs: readonly PairSums[];
  /** LoRA, one for each pair: how far the spaces that both read from and write to are the same. */
  readonly overlaps?: readonly { readonly read: Score; readonly write: Score }[];
  /** LoRA, one for each pair: cosine of the factors A as they lie in the files; near 1 for modules that started from the same A. */
  readonly factorCosine?: readonly (number | null)[];
}

/** Whether and how far the inputs fit on each other. */
export interface InspectAlignment {
  readonly tensors: number;
  /** Tensors that all have, with one shape. */
  readonly aligned: number;
  /** At most a handful of names each. */
  readonly missing: readonly { readonly model: number; readonly count: number; readonly names: readonly string[] }[];
  readonly shapes: readonly { readonly tensor: string; readonly model: number; readonly shape: readonly number[]; readonly expected: readonly number[] }[];
  /** Null: no tokenizers to compare. */
  readonly vocabularies: 'identical' | 'different' | null;
  /** Rows of the embedding, one for each model; null without one. */
  readonly vocabularyRows: readonly (number | null)[];
  /** Whether the head is the embedding; null where it cannot be told. */
  readonly tiedHeads: readonly (boolean | null)[];
}

/** How models lie to each other, before anything is merged. */
export interface MergeInspectDocument extends DocumentHead {
  readonly kind: 'merge-inspect';
  readonly what: 'checkpoints' | 'modules';
  readonly base: InspectModel | null;
  readonly models: readonly InspectModel[];
  readonly layers: number;
  /** Those that occur, in the order of `INSPECT_PARTS`. */
  readonly parts: readonly InspectPart[];
  readonly cells: readonly InspectCell[];
  readonly alignment: InspectAlignment;
  /** dtype that a merge would write. */
  readonly dtype: string;
  /** Weight for which `lost` was counted. */
  readonly weight: number;
  readonly bytesRead: number;
}

/** Pairs of K models in the order of `InspectCell.pairs`. */
export function pairsOf(models: number): readonly (readonly [number, number])[] {
  return Array.from({ length: models }, (_, i) => i).flatMap((i) => Array.from({ length: models - i - 1 }, (_, d) => [i, i + 1 + d] as const));
}

export const NO_DELTA: DeltaSums = { square: 0, baseSquare: 0, elements: 0, changed: 0, lost: 0 };
export const NO_PAIR: PairSums = { dot: 0, dotSquares: 0, squares: [0, 0], agree: 0, disagree: 0, balanceSquares: 0, rows: 0 };

export function addDeltas(a: DeltaSums, b: DeltaSums): DeltaSums {
  return { square: a.square + b.square, baseSquare: a.baseSquare + b.baseSquare, elements: a.elements + b.elements, changed: a.changed + b.changed, lost: a.lost + b.lost };
}

export function addPairs(a: PairSums, b: PairSums): PairSums {
  return { dot: a.dot + b.dot, dotSquares: a.dotSquares + b.dotSquares, squares: [a.squares[0] + b.squares[0], a.squares[1] + b.squares[1]], agree: a.agree + b.agree, disagree: a.disagree + b.disagree, balanceSquares: a.balanceSquares + b.balanceSquares, rows: a.rows + b.rows };
}

/** ‖τ‖ / ‖θ₀‖; null where the base is zero or not there. */
export function relativeDelta({ square, baseSquare }: DeltaSums): number | null {
  return baseSquare > 0 ? Math.sqrt(square / baseSquare) : null;
}

/** Share of the changed elements that rounding undoes; null where nothing changed. */
export function lostShare({ changed, lost }: DeltaSums): number | null {
  return changed > 0 ? lost / changed : null;
}

const NULL_KIND = 'signs of whole rows turned at random';

/** Cosine of two differences against rows with random signs (mean 0, exact variance). Two-sided. */
export function cosineScore({ dot, dotSquares, squares: [aa, bb], rows }: PairSums): Score {
  const scale = Math.sqrt(aa) * Math.sqrt(bb);
  const none = scale === 0 ? 'one of the two does not differ from the base here' : undefined;
  return scored(none === undefined ? dot / scale : null, 0, none === undefined ? Math.sqrt(dotSquares) / scale : null, rows, 'cosine', none);
}

/** Share of elements whose signs are opposite, among those that both change; against rows with random signs (mean 0.5). Two-sided. */
export function conflictScore({ agree, disagree, balanceSquares, rows }: PairSums): Score {
  const both = agree + disagree;
  const none = both === 0 ? 'no element is changed by both' : undefined;
  return scored(both > 0 ? disagree / both : null, 0.5, both > 0 ? Math.sqrt(balanceSquares) / (2 * both) : null, rows, 'share', none);
}

function scored(value: number | null, middle: number, sd: number | null, rows: number, unit: string, why: string | undefined): Score {
  const z = value === null || sd === null || sd === 0 ? null : (value - middle) / sd;
  // With one row the null has two values only, both as extreme as the figure.
  const p = z === null || rows < LEAST_ROWS ? null : twoSided(Math.abs(z));
  const base = { value, null: value === null ? null : middle, nullSd: sd, nullDraws: 0, z, p, n: rows, nOf: 'rows', unit, direction: value !== null && value < middle ? 'less' : 'greater', nullKind: NULL_KIND } as const;
  const nullInterval = sd === null ? {} : { nullInterval: [middle - 1.96 * sd, middle + 1.96 * sd] as const };
  return { ...base, ...nullInterval, ...(why === undefined ? (p === null ? { why: 'too few rows for a null' } : {}) : { why }) };
}

/** Fewer rows give no usable normal approximation. */
const LEAST_ROWS = 8;

/** 2 (1 − Φ(z)); Abramowitz and Stegun 7.1.26, error below 1.5e-7. */
function twoSided(z: number): number {
  const x = z / Math.SQRT2, t = 1 / (1 + 0.3275911 * x);
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x);
  return Math.max(0, Math.min(1, tail));
}
