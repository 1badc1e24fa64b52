import type { MapKind } from '../protocol/transfer';
import { RIDGE_RHOS } from '../numerics/cholesky';
import { asColumns, type Asked, assignedFit, type Fit, judgedDirections, type MapSums, type PreparedGroup, procrustesFit, ridgeFit, ridgeTriangle, scaledPolar } from './fit';
import { block } from './matrices';
import { pairMoments, type UnitMatch } from './neurons';
import type { GroupStatistics } from './statistics';
import type { TransferTools } from './types';

/** One side of a site, mapped. */
export interface MappedSide {
  /** Input side: A' `[rank, in]`; output side: B' `[out, rank]`. */
  readonly factor: Float32Array;
  readonly kind: MapKind;
  readonly rho: number | null;
  readonly scale: number;
  readonly r2: number;
  readonly r2Null: number;
  readonly coverage: number;
}

/** How a side may be mapped: `dense` by Procrustes or ridge, by head, or unit by unit. */
export type SideRule =
  | { readonly kind: 'dense' }
  | { readonly kind: 'heads'; readonly from: Int32Array; readonly width: { readonly to: number; readonly from: number } }
  | {
    readonly kind: 'units'; readonly match: UnitMatch;
    /** Factors by the ratio of standard deviations, where false by least squares: a weak pair then carries little. */
    readonly deviations: boolean;
    /** Try ridge regression over all units too. */
    readonly ridge: boolean;
  };

interface Chosen {
  readonly fit: Fit;
  readonly r2: number;
  readonly r2Null: number;
  readonly actual: Float32Array;
}

/** A map to try: a kind, and a strength for ridge. */
interface Trial {
  readonly kind: MapKind;
  readonly rho: number | null;
}

/** Where a map explains this much, no other is tried: what is left is rounding. */
const EXACT = 1 - 1e-5;

/**
 * Tries the maps that the rule allows, simplest first, and keeps the one that explains most on held-out tokens; the first of equals. Strengths of ridge
 * go from strong to weak as long as that helps.
 */
async function choose(group: PreparedGroup, rule: SideRule, asked: Asked, tools: TransferTools): Promise<Chosen> {
  const { judge } = group, actual = judge.actual(asked.wanted, asked.w);
  let best: Fit | null = null, r2 = -Infinity, lastRidge = -Infinity;
  for (const trial of trialsOf(rule)) {
    if (trial.kind === 'ridge' && trial.rho !== RIDGE_RHOS[RIDGE_RHOS.length - 1] && lastRidge === -Infinity) continue;
    const fit = await fitOf(group, rule, asked, trial, false, tools);
    await tools.turn();
    const score = fit ? judge.score(fit.image, actual, asked.w, false) : -Infinity;
    if (fit && score > r2) {
      best = fit;
      r2 = score;
    }
    if (r2 > EXACT) break;
    if (trial.kind === 'ridge') {
      if (score < lastRidge) break;
      lastRidge = score;
    }
  }
  // The null fits the same kind of map, at the same strength, on pairs that mean nothing.
  const kept = best ?? emptyFit(group, asked), nothing = best ? await fitOf(group, rule, { ...asked, carried: new Float64Array(), c: 0 }, best, true, tools) : null;
  return { fit: kept, r2: best ? r2 : 0, r2Null: nothing ? judge.score(nothing.image, actual, asked.w, true) : 0, actual };
}

/** Nothing could be fitted: nothing is carried. */
function emptyFit({ judge }: PreparedGroup, { w, c }: Asked): Fit {
  return { kind: 'ridge', rho: null, scale: 1, image: new Float64Array(judge.p * w), carried: new Float64Array(judge.o * c) };
}

function trialsOf(rule: SideRule): readonly Trial[] {
  const ridge = [...RIDGE_RHOS].reverse().map((rho): Trial => ({ kind: 'ridge', rho })), assignment: Trial = { kind: 'signed-assignment', rho: null };
  if (rule.kind === 'units') return rule.ridge ? [assignment, ...ridge] : [assignment];
  return [assignment, { kind: 'procrustes', rho: null }, ...ridge];
}

/** One map of a kind; null where it cannot be made, or (one to one between dimensions that are no neurons) does not hold anyway. */
async function fitOf(group: PreparedGroup, rule: SideRule, asked: Asked, trial: Trial, shuffled: boolean, tools: TransferTools): Promise<Fit | null> {
  if (rule.kind === 'heads') return headFit(group, rule, asked, trial, shuffled, tools);
  if (rule.kind === 'units' && trial.kind === 'signed-assignment') return unitFit(group.statistics, rule.match, rule.deviations, asked, shuffled, tools);
  const sums = group.mapSums(shuffled);
  if (trial.kind === 'signed-assignment') return axisFit(sums, group.axisMatch(), asked);
  if (trial.kind === 'procrustes') return procrustesFit(sums, await group.polar(shuffled), asked);
  const triangle = await group.triangle(trial.rho ?? 0);
  return triangle ? ridgeFit(sums, triangle, trial.rho ?? 0, asked, tools.signal) : null;
}

/** The same by blocks of matched heads: outputs of a head are made from those of its partner alone. */
async function headFit(group: PreparedGroup, rule: Extract<SideRule, { readonly kind: 'heads' }>, asked: Asked, trial: Trial, shuffled: boolean, tools: TransferTools): Promise<Fit | null> {
  const sums = group.mapSums(shuffled), { width } = rule, { w, c } = asked, image = new Float64Array(sums.p * w), carried = new Float64Array(sums.o * c), matched = rule.from.filter((g) => g >= 0).length;
  let scale = 0;
  for (const [h, g] of rule.from.entries()) {
    if (g < 0) continue;
    const rows = [g * width.from, (g + 1) * width.from] as const, cols = [h * width.to, (h + 1) * width.to] as const;
    const part: MapSums = { p: width.from, o: width.to, gram: block(sums.gram, sums.p, rows, rows), cross: block(sums.cross, sums.o, rows, cols) };
    const ask: Asked = { w, wanted: asked.wanted ? asked.wanted.slice(cols[0] * w, cols[1] * w) : unit(width.to, w, cols[0]), c, carried: asked.carried.slice(rows[0] * c, rows[1] * c) };
    let fit: Fit | null = null;
    if (trial.kind === 'signed-assignment') {
      const match = group.axisMatch(rows, cols);
      // All heads or none: a site has one kind of map.
      if (!match) return null;
      fit = axisFit(part, match, ask);
    } else if (trial.kind === 'procrustes') fit = procrustesFit(part, await scaledPolar(part, tools), ask);
    else {
      const triangle = await ridgeTriangle(part, trial.rho ?? 0, tools.signal);
      // A dead head has no regression; its outputs get nothing.
      fit = triangle ? await ridgeFit(part, triangle, trial.rho ?? 0, ask, tools.signal) : null;
    }
    if (!fit) continue;
    scale += fit.scale / matched;
    for (let i = 0, at = rows[0] * w; i < fit.image.length; i++) image[at + i] += fit.image[i];
    carried.set(fit.carried, cols[0] * c);
    await tools.turn();
  }
  return { kind: trial.kind, rho: trial.rho, scale, image, carried };
}

/** One dimension from one dimension, with the least-squares factor from the sums. */
function axisFit({ p, o, gram, cross }: MapSums, match: Int32Array | null, asked: Asked): Fit | null {
  return match ? assignedFit('signed-assignment', match, Float64Array.from(match, (i, j) => (i >= 0 && gram[i * p + i] > 0 ? cross[i * o + j] / gram[i * p + i] : 0)), p, o, asked) : null;
}

/** Rows of the identity that a head's outputs are: `[height, w]`. */
function unit(height: number, w: number, from: number): Float64Array {
  const out = new Float64Array(height * w);
  for (let i = 0; i < height; i++) out[i * w + from + i] = 1;
  return out;
}

/** Unit by unit, sign included. */
function unitFit(group: GroupStatistics, match: UnitMatch, deviations: boolean, asked: Asked, shuffled: boolean, tools: TransferTools): Fit {
  const { samples, fromWidth, toWidth } = group;
  if (!samples) throw new Error(`${group.group}: no samples were collected`);
  const moments = pairMoments(samples, toWidth, fromWidth, match.from, shuffled ? tools.order(samples.n) : undefined);
  const ratio = (over: Float64Array, under: Float64Array): Float64Array => moments.correlation.map((c, j) => (under[j] > 0 ? (Math.sign(c) * over[j]) / under[j] : 0));
  if (!group.group.startsWith('in:')) return assignedFit('signed-assignment', match.from, deviations ? ratio(moments.sdTo, moments.sdFrom) : moments.factorOut, fromWidth, toWidth, asked);
  const inverse = new Int32Array(fromWidth).fill(-1), factors = new Float64Array(fromWidth), given = deviations ? ratio(moments.sdFrom, moments.sdTo) : moments.factorIn;
  match.from.forEach((g, j) => {
    if (g < 0) return;
    inverse[g] = j;
    factors[g] = given[j];
  });
  return assignedFit('signed-assignment', inverse, factors, toWidth, fromWidth, asked);
}

/** The input side: A' = A M^T, judged on the bottleneck activations that the module itself reads. */
export async function mapInput(group: PreparedGroup, rule: SideRule, a: Float32Array, rank: number, tools: TransferTools): Promise<MappedSide> {
  const { fit, r2, r2Null, actual } = await choose(group, rule, { wanted: asColumns(a, rank), w: rank, carried: new Float64Array(), c: 0 }, tools), p = group.statistics.toWidth, factor = new Float32Array(rank * p);
  for (let i = 0; i < p; i++) for (let k = 0; k < rank; k++) factor[k * p + i] = fit.image[i * rank + k];
  return { factor, kind: fit.kind, rho: fit.rho, scale: fit.scale, r2, r2Null, coverage: group.judge.activity(fit.image, actual, rank) };
}

/** The output side: B' = M^T B, judged on all outputs (on random directions where they are many). */
export async function mapOutput(group: PreparedGroup, rule: SideRule, b: Float32Array, rank: number, tools: TransferTools): Promise<MappedSide> {
  const { judge } = group, { directions, w } = judgedDirections(judge.o, tools.seed), { fit, r2, r2Null } = await choose(group, rule, { wanted: directions, w, carried: Float64Array.from(b), c: rank }, tools);
  const size = (x: ArrayLike<number>): number => { let sum = 0; for (let i = 0; i < x.length; i++) sum += x[i] ** 2; return Math.sqrt(sum); };
  const spread = size(judge.predictor) / Math.max(size(judge.outcome), Number.MIN_VALUE), before = size(b);
  return { factor: Float32Array.from(fit.carried), kind: fit.kind, rho: fit.rho, scale: fit.scale, r2, r2Null, coverage: before > 0 ? Math.min(1, (size(fit.carried) / before) * spread) : 0 };
}
