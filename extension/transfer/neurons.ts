import { standardisedColumns } from '../numerics/correlation';
import { matmulTransposedSteps } from '../numerics/gemm';
import { optimalAssignmentSteps } from '../numerics/optimalAssignment';
import { Random } from '../numerics/random';
import { finishInTurns } from '../numerics/steps';
import type { PairedRows } from './statistics';

/** One-to-one pairs of units of two bases. */
export interface UnitMatch {
  /** Source unit of each target unit, -1: none. */
  readonly from: Int32Array;
  /** Mean |correlation| of the pairs, and the same where the tokens of one side are shuffled before matching: what selection alone reaches. */
  readonly score: number;
  readonly nullScore: number;
}

/** Correlations `[toWidth, fromWidth]` of units over paired rows, float32. */
export async function unitCorrelations(rows: PairedRows, toWidth: number, fromWidth: number, order?: Int32Array, signal?: AbortSignal): Promise<Float32Array> {
  const source = order ? reordered(rows.from, fromWidth, order) : rows.from;
  return finishInTurns(matmulTransposedSteps(standardisedColumns(rows.to, rows.n, toWidth), standardisedColumns(source, rows.n, fromWidth), toWidth, fromWidth, rows.n), signal);
}

/** Units of the target with units of the source by largest |correlation|. */
export async function matchUnits(rows: PairedRows, toWidth: number, fromWidth: number, seed: number, withNull: boolean, signal?: AbortSignal): Promise<UnitMatch> {
  const find = async (order?: Int32Array): Promise<{ readonly from: Int32Array; readonly score: number }> => {
    const correlations = await unitCorrelations(rows, toWidth, fromWidth, order, signal);
    for (let i = 0; i < correlations.length; i++) correlations[i] = Math.abs(correlations[i]);
    const { columns, score } = await finishInTurns(optimalAssignmentSteps(correlations, toWidth, fromWidth), signal);
    return { from: columns, score: score / Math.max(1, Math.min(toWidth, fromWidth)) };
  };
  const found = await find();
  return { ...found, nullScore: withNull ? (await find(new Random(seed, 'shuffled units').permutation(rows.n))).score : NaN };
}

/** Correlation and standard deviations of chosen pairs of columns. */
export interface PairMoments {
  readonly correlation: Float64Array;
  readonly sdTo: Float64Array;
  readonly sdFrom: Float64Array;
  /** Least-squares factors that give the source column from the target column without an intercept, and the target column from the source column with one. */
  readonly factorIn: Float64Array;
  readonly factorOut: Float64Array;
}

/** Moments of target column j with source column `from[j]` over paired rows, float64. */
export function pairMoments(rows: PairedRows, toWidth: number, fromWidth: number, from: Int32Array, order?: Int32Array): PairMoments {
  const { n } = rows, correlation = new Float64Array(toWidth), sdTo = new Float64Array(toWidth), sdFrom = new Float64Array(toWidth), factorIn = new Float64Array(toWidth), factorOut = new Float64Array(toWidth);
  for (let j = 0; j < toWidth; j++) {
    const g = from[j];
    if (g < 0) continue;
    let a = 0, b = 0;
    for (let t = 0; t < n; t++) {
      a += rows.to[t * toWidth + j];
      b += rows.from[t * fromWidth + g];
    }
    a /= n;
    b /= n;
    let aa = 0, bb = 0, ab = 0;
    for (let t = 0; t < n; t++) {
      const x = rows.to[t * toWidth + j] - a, y = rows.from[(order ? order[t] : t) * fromWidth + g] - b;
      aa += x * x;
      bb += y * y;
      ab += x * y;
    }
    sdTo[j] = Math.sqrt(aa / n);
    sdFrom[j] = Math.sqrt(bb / n);
    correlation[j] = aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
    const raw = aa + n * a * a;
    factorIn[j] = raw > 0 ? (ab + n * a * b) / raw : 0;
    factorOut[j] = bb > 0 ? ab / bb : 0;
  }
  return { correlation, sdTo, sdFrom, factorIn, factorOut };
}

/** Rows in another order. */
export function reordered(x: Float32Array, width: number, order: Int32Array): Float32Array {
  const out = new Float32Array(x.length);
  order.forEach((from, to) => { out.set(x.subarray(from * width, (from + 1) * width), to * width); });
  return out;
}
