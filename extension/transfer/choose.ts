import type { MapKind } from '../protocol/transfer';
import { asColumns, type Asked, assignedFit, type Fit, Judge, judgedDirections, mapSums, type MapSums, orient, procrustesFit, ridgeFits } from './fit';
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

/** Fits every map that the rule allows and keeps the one that explains most on held-out tokens; the first of equals. */
async function choose(group: GroupStatistics, rule: SideRule, asked: Asked, tools: TransferTools): Promise<{ readonly fit: Fit; readonly r2: number; readonly r2Null: number; readonly judge: Judge }> {
  const judge = new Judge(group, tools.seed), fits = await allFits(group, rule, asked, false, null, tools);
  let best = fits[0], r2 = -Infinity;
  for (const fit of fits) {
    const score = judge.score(fit.image, asked.wanted, asked.w, false);
    if (score > r2) {
      best = fit;
      r2 = score;
    }
    await tools.turn();
  }
  // The null fits the same kind of map, at the same strength, on pairs that mean nothing.
  const [nothing] = await allFits(group, rule, { ...asked, carried: new Float64Array(), c: 0 }, true, best, tools);
  return { fit: best, r2, r2Null: nothing ? judge.score(nothing.image, asked.wanted, asked.w, true) : 0, judge };
}

async function allFits(group: GroupStatistics, rule: SideRule, asked: Asked, shuffled: boolean, only: Fit | null, tools: TransferTools): Promise<readonly Fit[]> {
  const allowed = (kind: MapKind): boolean => only === null || only.kind === kind, rhos = only?.rho === null || only === null ? undefined : [only.rho], out: Fit[] = [];
  if (rule.kind === 'units') {
    if (allowed('signed-assignment')) out.push(unitFit(group, rule.match, rule.deviations, asked, shuffled, tools));
    if (rule.ridge && allowed('ridge')) out.push(...(await ridgeFits(mapSums(group, shuffled), asked, tools.signal, rhos)));
    return out;
  }
  const sums = mapSums(group, shuffled);
  if (rule.kind === 'dense') {
    if (allowed('procrustes')) out.push(await procrustesFit(sums, asked, tools));
    if (allowed('ridge')) out.push(...(await ridgeFits(sums, asked, tools.signal, rhos)));
    return out;
  }
  const parts: { readonly fits: readonly Fit[]; readonly g: number; readonly h: number }[] = [], { width } = rule;
  for (const [h, g] of rule.from.entries()) {
    if (g < 0) continue;
    const rows = [g * width.from, (g + 1) * width.from] as const, cols = [h * width.to, (h + 1) * width.to] as const;
    const part: MapSums = { p: width.from, o: width.to, gram: block(sums.gram, sums.p, rows, rows), cross: block(sums.cross, sums.o, rows, cols) };
    const ask: Asked = { w: asked.w, wanted: asked.wanted.slice(cols[0] * asked.w, cols[1] * asked.w), c: asked.c, carried: asked.carried.slice(rows[0] * asked.c, rows[1] * asked.c) };
    parts.push({ g, h, fits: [...(allowed('procrustes') ? [await procrustesFit(part, ask, tools)] : []), ...(allowed('ridge') ? await ridgeFits(part, ask, tools.signal, rhos) : [])] });
    await tools.turn();
  }
  for (const { kind, rho } of parts[0]?.fits ?? []) {
    const chosen = parts.map(({ g, h, fits }) => ({ g, h, fit: fits.find((f) => f.kind === kind && f.rho === rho) }));
    const image = new Float64Array(sums.p * asked.w), carried = new Float64Array(sums.o * asked.c);
    let scale = 0;
    // A dead head has no regression; its outputs get nothing.
    for (const { g, h, fit } of chosen) {
      if (!fit) continue;
      scale += fit.scale / chosen.length;
      for (let i = 0, at = g * width.from * asked.w; i < fit.image.length; i++) image[at + i] += fit.image[i];
      carried.set(fit.carried, h * width.to * asked.c);
    }
    out.push({ kind, rho, scale, image, carried });
  }
  return out.length > 0 ? out : [{ kind: 'procrustes', rho: null, scale: 1, image: new Float64Array(sums.p * asked.w), carried: new Float64Array(sums.o * asked.c) }];
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
export async function mapInput(group: GroupStatistics, rule: SideRule, a: Float32Array, rank: number, tools: TransferTools): Promise<MappedSide> {
  const wanted = asColumns(a, rank), { fit, r2, r2Null, judge } = await choose(group, rule, { wanted, w: rank, carried: new Float64Array(), c: 0 }, tools);
  const p = group.toWidth, factor = new Float32Array(rank * p);
  for (let i = 0; i < p; i++) for (let k = 0; k < rank; k++) factor[k * p + i] = fit.image[i * rank + k];
  // A scaled orthogonal map carries sizes as they are; what it loses is the directions.
  return { factor, kind: fit.kind, rho: fit.rho, scale: fit.scale, r2, r2Null, coverage: judge.activity(fit.image, wanted, rank) };
}

/** The output side: B' = M^T B, judged on all outputs (on random directions where they are many). */
export async function mapOutput(group: GroupStatistics, rule: SideRule, b: Float32Array, rank: number, tools: TransferTools): Promise<MappedSide> {
  const { o, p } = orient(group, group.heldOut), { directions, w } = judgedDirections(o, tools.seed);
  const { fit, r2, r2Null, judge } = await choose(group, rule, { wanted: directions, w, carried: Float64Array.from(b), c: rank }, tools);
  const size = (x: ArrayLike<number>): number => { let sum = 0; for (let i = 0; i < x.length; i++) sum += x[i] ** 2; return Math.sqrt(sum); };
  const spread = size(judge.predictor) / Math.max(size(judge.outcome), Number.MIN_VALUE), before = size(b);
  const coverage = before > 0 && p > 0 ? Math.min(1, (size(fit.carried) / before) * spread) : 0;
  return { factor: Float32Array.from(fit.carried), kind: fit.kind, rho: fit.rho, scale: fit.scale, r2, r2Null, coverage };
}
