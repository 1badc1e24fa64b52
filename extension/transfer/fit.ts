import { RIDGE_RHOS, choleskySolveSteps, choleskySteps } from '../numerics/cholesky';
import { Random } from '../numerics/random';
import { finishInTurns } from '../numerics/steps';
import type { MapKind } from '../protocol/transfer';
import { columns, multiply, transpose, transposedProduct } from './matrices';
import type { GroupStatistics, PairedRows } from './statistics';
import type { TransferTools } from './types';

/** Sums of one map to be fitted: predictor `[tokens, p]`, outcome `[tokens, o]`. */
export interface MapSums {
  readonly p: number;
  readonly o: number;
  readonly gram: Float64Array;
  readonly cross: Float64Array;
}

/** A linear map M `[p, o]` from predictor to outcome, as what it makes of the columns that matter. */
export interface Fit {
  readonly kind: MapKind;
  readonly rho: number | null;
  /** Factor on an orthogonal map; 1 for others. */
  readonly scale: number;
  /** M times `wanted` `[p, w]`. */
  readonly image: Float64Array;
  /** M^T times `carried` `[o, c]`. */
  readonly carried: Float64Array;
}

/** What is asked of the maps: M times `wanted` `[o, w]`, and M^T times `carried` `[p, c]`. */
export interface Asked {
  readonly wanted: Float64Array;
  readonly w: number;
  readonly carried: Float64Array;
  readonly c: number;
}

/**
 * Orthogonal Procrustes with the least-squares factor: M = s U V^T from the singular vectors of the cross products, s = tr(C^T U V^T) / |P U V^T|^2,
 * which is sum(S) / |P|^2 where no direction is lost; transports without the factor (arXiv 2602.12952) fail where the bases differ in size.
 */
export async function procrustesFit(sums: MapSums, asked: Asked, tools: TransferTools): Promise<Fit> {
  const { p, o, gram, cross } = sums, { factor } = await tools.polar(cross, p, o);
  let overlap = 0, square = 0;
  for (let i = 0; i < cross.length; i++) overlap += cross[i] * factor[i];
  if (p <= o) for (let i = 0; i < p; i++) square += gram[i * p + i];
  else {
    const seen = multiply(gram, factor, p, p, o);
    for (let i = 0; i < seen.length; i++) square += seen[i] * factor[i];
  }
  const scale = square > 0 ? overlap / square : 0, scaled = factor.map((x) => x * scale);
  return { kind: 'procrustes', rho: null, scale, image: multiply(scaled, asked.wanted, p, o, asked.w), carried: transposedProduct(scaled, asked.carried, p, o, asked.c) };
}

/** Ridge regression at every strength: M = (G + rho tr(G) / p I)^-1 C. A strength at which G is not positive definite is left out. */
export async function ridgeFits(sums: MapSums, asked: Asked, signal?: AbortSignal, rhos: readonly number[] = RIDGE_RHOS): Promise<readonly Fit[]> {
  const { p, o, gram, cross } = sums, out: Fit[] = [];
  let trace = 0;
  for (let i = 0; i < p; i++) trace += gram[i * p + i];
  if (!(trace > 0)) return out;
  const target = columns(multiply(cross, asked.wanted, p, o, asked.w), asked.w, asked.carried, asked.c, p);
  for (const rho of rhos) {
    const l = await finishInTurns(choleskySteps(gram, p, (rho * trace) / p), signal);
    if (!l) continue;
    const solved = await finishInTurns(choleskySolveSteps(l, target, p, asked.w + asked.c), signal), image = new Float64Array(p * asked.w), right = new Float64Array(p * asked.c);
    for (let i = 0; i < p; i++) {
      image.set(solved.subarray(i * (asked.w + asked.c), i * (asked.w + asked.c) + asked.w), i * asked.w);
      right.set(solved.subarray(i * (asked.w + asked.c) + asked.w, (i + 1) * (asked.w + asked.c)), i * asked.c);
    }
    out.push({ kind: 'ridge', rho, scale: 1, image, carried: transposedProduct(cross, right, p, o, asked.c) });
  }
  return out;
}

/** One predictor for each outcome with its factor: what assignments give. Outcomes without a predictor stay 0. */
export function assignedFit(kind: MapKind, from: Int32Array, factors: Float64Array, p: number, o: number, asked: Asked): Fit {
  const image = new Float64Array(p * asked.w), carried = new Float64Array(o * asked.c);
  for (let j = 0; j < o; j++) {
    const i = from[j];
    if (i < 0) continue;
    for (let k = 0; k < asked.w; k++) image[i * asked.w + k] += factors[j] * asked.wanted[j * asked.w + k];
    for (let k = 0; k < asked.c; k++) carried[j * asked.c + k] = factors[j] * asked.carried[i * asked.c + k];
  }
  return { kind, rho: null, scale: 1, image, carried };
}

/** Share of the variance of `actual` `[n, w]` (about its own column means) that `predicted` explains; below 0 where it does harm. */
export function explained(predicted: Float64Array, actual: Float64Array, n: number, w: number): number {
  const mean = new Float64Array(w);
  for (let t = 0; t < n; t++) for (let j = 0; j < w; j++) mean[j] += actual[t * w + j] / n;
  let error = 0, total = 0;
  for (let t = 0, at = 0; t < n; t++) for (let j = 0; j < w; j++, at++) {
    error += (actual[at] - predicted[at]) ** 2;
    total += (actual[at] - mean[j]) ** 2;
  }
  return total > 0 ? 1 - error / total : 0;
}

/** Outcomes wider than this are judged on so many random directions: unbiased, and a tenth of the arithmetic. */
const JUDGED_DIRECTIONS = 128;

/** Directions of the outcome `[o, w]` on which a map is judged: all of them, or random signs over the root of their number. */
export function judgedDirections(o: number, seed: number): { readonly directions: Float64Array; readonly w: number } {
  const w = Math.min(o, JUDGED_DIRECTIONS), directions = new Float64Array(o * w);
  if (w === o) for (let i = 0; i < o; i++) directions[i * o + i] = 1;
  else {
    const random = new Random(seed, 'judged directions', o), size = 1 / Math.sqrt(w);
    for (let i = 0; i < directions.length; i++) directions[i] = random.uint32() & 1 ? size : -size;
  }
  return { directions, w };
}

/** Predictor and outcome rows of a group: an `in:` group is predicted from the target base, an `out:` group from the source base. */
export function orient(group: GroupStatistics, rows: PairedRows): { readonly predictor: Float32Array; readonly outcome: Float32Array; readonly p: number; readonly o: number } {
  return group.group.startsWith('in:')
    ? { predictor: rows.to, outcome: rows.from, p: group.toWidth, o: group.fromWidth }
    : { predictor: rows.from, outcome: rows.to, p: group.fromWidth, o: group.toWidth };
}

/**
 * The sums of a group, with pairs as they are or shuffled. Outputs are centred: an update adds a difference to them, to which a mean means nothing.
 * Inputs are not: what a module reads holds the mean too, and a LoRA has no bias that could take it up.
 */
export function mapSums(group: GroupStatistics, shuffled: boolean): MapSums {
  const { products, tokens, predictorSum, outcomeSum } = group;
  if (!products) throw new Error(`${group.group}: no sums were collected`);
  const p = predictorSum.length, o = outcomeSum.length, gram = Float64Array.from(products.gram), cross = Float64Array.from(shuffled ? products.crossShuffled : products.cross);
  if (isCentred(group)) {
    for (let i = 0; i < p; i++) {
      for (let j = 0; j < p; j++) gram[i * p + j] -= (predictorSum[i] * predictorSum[j]) / tokens;
      for (let j = 0; j < o; j++) cross[i * o + j] -= (predictorSum[i] * outcomeSum[j]) / tokens;
    }
  }
  return { p, o, gram, cross };
}

function isCentred({ group, tokens }: GroupStatistics): boolean {
  return !group.startsWith('in:') && tokens > 0;
}

/** Held-out rows of a group ready for judging: centred by the fit tokens' means where the group's sums are. */
export class Judge {
  readonly n: number;
  readonly p: number;
  readonly o: number;
  readonly predictor: Float64Array;
  readonly outcome: Float64Array;
  private readonly order: Int32Array;

  constructor(group: GroupStatistics, seed: number) {
    const { predictor, outcome, p, o } = orient(group, group.heldOut), { predictorSum, outcomeSum, tokens } = group;
    this.n = group.heldOut.n;
    this.p = p;
    this.o = o;
    this.predictor = Float64Array.from(predictor);
    this.outcome = Float64Array.from(outcome);
    if (isCentred(group)) {
      for (let t = 0; t < this.n; t++) for (let j = 0; j < p; j++) this.predictor[t * p + j] -= predictorSum[j] / tokens;
      for (let t = 0; t < this.n; t++) for (let j = 0; j < o; j++) this.outcome[t * o + j] -= outcomeSum[j] / tokens;
    }
    this.order = new Random(seed, 'shuffled held-out pairs').permutation(this.n);
  }

  /** Held-out share of variance of `outcome wanted` that `predictor image` explains; with shuffled pairs for the null. */
  score(image: Float64Array, wanted: Float64Array, w: number, shuffled: boolean): number {
    const actual = multiply(this.outcome, wanted, this.n, this.o, w);
    return explained(multiply(this.predictor, image, this.n, this.p, w), shuffled ? reorder(actual, w, this.order) : actual, this.n, w);
  }

  /** Root of the sum of squares of `predictor image` over that of `outcome wanted`, at most 1: what of the activity arrives. */
  activity(image: Float64Array, wanted: Float64Array, w: number): number {
    const size = (x: Float64Array): number => x.reduce((sum, value) => sum + value * value, 0);
    const source = size(multiply(this.outcome, wanted, this.n, this.o, w));
    return source > 0 ? Math.min(1, Math.sqrt(size(multiply(this.predictor, image, this.n, this.p, w)) / source)) : 0;
  }
}

function reorder(x: Float64Array, w: number, order: Int32Array): Float64Array {
  const out = new Float64Array(x.length);
  order.forEach((from, to) => { out.set(x.subarray(from * w, (from + 1) * w), to * w); });
  return out;
}

/** `[rank, in]` as columns `[in, rank]`, float64. */
export function asColumns(a: Float32Array, rank: number): Float64Array {
  return transpose(Float64Array.from(a), rank, a.length / rank);
}
