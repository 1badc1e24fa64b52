import { choleskySolveSteps, choleskySteps } from '../numerics/cholesky';
import { matmulTransposed } from '../numerics/gemm';
import { optimalAssignment } from '../numerics/optimalAssignment';
import { Random } from '../numerics/random';
import { finishInTurns } from '../numerics/steps';
import type { MapKind } from '../protocol/transfer';
import { columns, multiply, transpose, transposedProduct } from './matrices';
import { reordered } from './neurons';
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

/** What is asked of the maps: M times `wanted` `[o, w]` (null: M itself, w = o), and M^T times `carried` `[p, c]`. */
export interface Asked {
  readonly wanted: Float64Array | null;
  readonly w: number;
  readonly carried: Float64Array;
  readonly c: number;
}

/**
 * Orthogonal Procrustes with the least-squares factor: M = s U V^T from the singular vectors of the cross products, s = tr(C^T U V^T) / |P U V^T|^2,
 * which is sum(S) / |P|^2 where no direction is lost; transports without the factor (arXiv 2602.12952) fail where the bases differ in size.
 */
export async function scaledPolar({ p, o, gram, cross }: MapSums, tools: TransferTools, support: Float64Array | null = null): Promise<{ readonly factor: Float64Array; readonly scale: number }> {
  const weight = support?.length === cross.length ? (SUPPORT_WEIGHT * norm(cross)) / Math.max(norm(support), Number.MIN_VALUE) : 0;
  const { factor } = await tools.polar(support && weight > 0 ? cross.map((x, i) => x + weight * support[i]) : cross, p, o);
  let overlap = 0, square = 0;
  for (let i = 0; i < cross.length; i++) overlap += cross[i] * factor[i];
  if (p <= o) for (let i = 0; i < p; i++) square += gram[i * p + i];
  else {
    const seen = multiply(gram, factor, p, p, o);
    for (let i = 0; i < seen.length; i++) square += seen[i] * factor[i];
  }
  const scale = square > 0 ? overlap / square : 0;
  return { factor: factor.map((x) => x * scale), scale };
}

/** Weight of a group's support: enough to decide directions that its own activations hardly use, too little to move the others. */
const SUPPORT_WEIGHT = 1e-3;

function norm(x: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  return Math.sqrt(sum);
}

/** What a scaled orthogonal map makes of what is asked. */
export function procrustesFit({ p, o }: MapSums, { factor, scale }: { readonly factor: Float64Array; readonly scale: number }, asked: Asked): Fit {
  return { kind: 'procrustes', rho: null, scale, image: asked.wanted ? multiply(factor, asked.wanted, p, o, asked.w) : factor, carried: transposedProduct(factor, asked.carried, p, o, asked.c) };
}

/** Lower triangle of G + rho tr(G) / p I; null where that is not positive definite. */
export function ridgeTriangle({ p, gram }: MapSums, rho: number, signal?: AbortSignal): Promise<Float64Array | null> {
  let trace = 0;
  for (let i = 0; i < p; i++) trace += gram[i * p + i];
  return trace > 0 ? finishInTurns(choleskySteps(gram, p, (rho * trace) / p), signal) : Promise.resolve(null);
}

/** Ridge regression, M = (G + rho tr(G) / p I)^-1 C, from the triangle of the left factor. */
export async function ridgeFit({ p, o, cross }: MapSums, triangle: Float64Array, rho: number, asked: Asked, signal?: AbortSignal): Promise<Fit> {
  const { w, c } = asked, target = columns(asked.wanted ? multiply(cross, asked.wanted, p, o, w) : cross, w, asked.carried, c, p);
  const solved = await finishInTurns(choleskySolveSteps(triangle, target, p, w + c), signal), image = new Float64Array(p * w), right = new Float64Array(p * c);
  for (let i = 0; i < p; i++) {
    image.set(solved.subarray(i * (w + c), i * (w + c) + w), i * w);
    right.set(solved.subarray(i * (w + c) + w, (i + 1) * (w + c)), i * c);
  }
  return { kind: 'ridge', rho, scale: 1, image, carried: transposedProduct(cross, right, p, o, c) };
}

/** One predictor for each outcome with its factor: what assignments give. Outcomes without a predictor stay 0. */
export function assignedFit(kind: MapKind, from: Int32Array, factors: Float64Array, p: number, o: number, asked: Asked): Fit {
  const image = new Float64Array(p * asked.w), carried = new Float64Array(o * asked.c);
  for (let j = 0; j < o; j++) {
    const i = from[j];
    if (i < 0) continue;
    for (let k = 0; k < asked.w; k++) image[i * asked.w + k] += factors[j] * (asked.wanted ? asked.wanted[j * asked.w + k] : j === k ? 1 : 0);
    for (let k = 0; k < asked.c; k++) carried[j * asked.c + k] = factors[j] * asked.carried[i * asked.c + k];
  }
  return { kind, rho: null, scale: 1, image, carried };
}

/** Share of the variance of `actual` `[n, w]` (about its own column means) that `predicted` explains; below 0 where it does harm. */
export function explained(predicted: ArrayLike<number>, actual: ArrayLike<number>, n: number, w: number): number {
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
const JUDGED_DIRECTIONS = 64;

/** Directions of the outcome `[o, w]` on which a map is judged: null for all of them, else random signs over the root of their number. */
export function judgedDirections(o: number, seed: number): { readonly directions: Float64Array | null; readonly w: number } {
  if (o <= JUDGED_DIRECTIONS) return { directions: null, w: o };
  const w = JUDGED_DIRECTIONS, directions = new Float64Array(o * w), random = new Random(seed, 'judged directions', o), size = 1 / Math.sqrt(w);
  for (let i = 0; i < directions.length; i++) directions[i] = random.uint32() & 1 ? size : -size;
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

/** Held-out rows of a group ready for judging: centred by the fit tokens' means where the group's sums are. Products in float32: shares of variance need no more. */
export class Judge {
  readonly n: number;
  readonly p: number;
  readonly o: number;
  readonly predictor: Float32Array;
  readonly outcome: Float32Array;
  private readonly order: Int32Array;

  constructor(group: GroupStatistics, seed: number) {
    const { predictor, outcome, p, o } = orient(group, group.heldOut), { predictorSum, outcomeSum, tokens } = group, centred = isCentred(group);
    this.n = group.heldOut.n;
    this.p = p;
    this.o = o;
    this.predictor = centred ? shifted(predictor, p, predictorSum, tokens) : predictor;
    this.outcome = centred ? shifted(outcome, o, outcomeSum, tokens) : outcome;
    this.order = new Random(seed, 'shuffled held-out pairs').permutation(this.n);
  }

  /** Outcome times `wanted` `[o, w]`; null directions: the outcome itself. */
  actual(wanted: Float64Array | null, w: number): Float32Array {
    return wanted === null ? this.outcome : product(this.outcome, wanted, this.n, this.o, w);
  }

  /** Held-out share of variance of `actual` `[n, w]` that `predictor image` explains; with shuffled pairs for the null. */
  score(image: Float64Array, actual: Float32Array, w: number, shuffled: boolean): number {
    return explained(product(this.predictor, image, this.n, this.p, w), shuffled ? reordered(actual, w, this.order) : actual, this.n, w);
  }

  /** Root of the sum of squares of `predictor image` over that of `actual`, at most 1: what of the activity arrives. */
  activity(image: Float64Array, actual: Float32Array, w: number): number {
    const size = (x: Float32Array): number => x.reduce((sum, value) => sum + value * value, 0), source = size(actual);
    return source > 0 ? Math.min(1, Math.sqrt(size(product(this.predictor, image, this.n, this.p, w)) / source)) : 0;
  }
}

function product(x: Float32Array, m: Float64Array, n: number, k: number, w: number): Float32Array {
  return matmulTransposed(x, Float32Array.from(transpose(m, k, w)), n, w, k);
}

function shifted(x: Float32Array, width: number, sum: Float64Array, tokens: number): Float32Array {
  const out = new Float32Array(x.length), n = x.length / Math.max(1, width);
  for (let t = 0, at = 0; t < n; t++) for (let j = 0; j < width; j++, at++) out[at] = x[at] - sum[j] / tokens;
  return out;
}

/** Mean best |correlation| of single dimensions above which bases count as sharing their axes. */
const SHARED_AXES = 0.95;

/** A group with everything that several sites' fits on it share: sums, factors of its Gram matrix, its held-out rows. */
export class PreparedGroup {
  readonly judge: Judge;
  private readonly sums = new Map<boolean, MapSums>();
  private readonly polars = new Map<boolean, Promise<{ readonly factor: Float64Array; readonly scale: number }>>();
  private readonly triangles = new Map<number, Promise<Float64Array | null>>();

  /** `support`: a group of the same basis on both bases. Directions that this group's activations leave open turn as they do there. */
  constructor(readonly statistics: GroupStatistics, private readonly tools: TransferTools, private readonly support: GroupStatistics | null = null) {
    this.judge = new Judge(statistics, tools.seed);
  }

  mapSums(shuffled: boolean): MapSums {
    let found = this.sums.get(shuffled);
    if (!found) this.sums.set(shuffled, (found = mapSums(this.statistics, shuffled)));
    return found;
  }

  polar(shuffled: boolean): Promise<{ readonly factor: Float64Array; readonly scale: number }> {
    let found = this.polars.get(shuffled);
    if (!found) this.polars.set(shuffled, (found = scaledPolar(this.mapSums(shuffled), this.tools, this.support?.products ? mapSums(this.support, shuffled).cross : null)));
    return found;
  }

  /**
   * Predictor dimension of each outcome dimension by largest |correlation|, where the bases share their axes (each outcome dimension has a predictor that
   * it hardly differs from); null elsewhere. Then directions that the texts leave out are carried too, which no rotation fitted on them can do.
   */
  axisMatch(rows: readonly [number, number] = [0, this.judge.p], cols: readonly [number, number] = [0, this.judge.o]): Int32Array | null {
    const { predictorSum, outcomeSum, outcomeSquares, tokens, products } = this.statistics, h = rows[1] - rows[0], w = cols[1] - cols[0], { p, o } = this.judge;
    if (!products || tokens === 0) return null;
    const likeness = new Float64Array(w * h);
    let alike = 0, live = 0;
    for (let j = 0; j < w; j++) {
      const b = cols[0] + j, spreadB = outcomeSquares[b] - outcomeSum[b] ** 2 / tokens;
      let most = 0;
      for (let i = 0; i < h; i++) {
        const a = rows[0] + i, spreadA = products.gram[a * p + a] - predictorSum[a] ** 2 / tokens, scale = Math.sqrt(Math.max(0, spreadA * spreadB));
        const c = scale > 0 ? Math.abs(products.cross[a * o + b] - (predictorSum[a] * outcomeSum[b]) / tokens) / scale : 0;
        likeness[j * h + i] = c;
        if (c > most) most = c;
      }
      if (spreadB > 0) {
        live++;
        alike += most;
      }
    }
    return live > 0 && alike / live > SHARED_AXES ? optimalAssignment(likeness, w, h).columns : null;
  }

  /** The triangle of the Gram matrix, which does not change when pairs are shuffled. */
  triangle(rho: number): Promise<Float64Array | null> {
    let found = this.triangles.get(rho);
    if (!found) this.triangles.set(rho, (found = ridgeTriangle(this.mapSums(false), rho, this.tools.signal)));
    return found;
  }
}

/** `[rank, in]` as columns `[in, rank]`, float64. */
export function asColumns(a: Float32Array, rank: number): Float64Array {
  return transpose(Float64Array.from(a), rank, a.length / rank);
}
