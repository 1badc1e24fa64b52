import type { Dtype } from '../../checkpoint/dtypes';
import { addDeltas, addPairs, type DeltaSums, NO_DELTA, NO_PAIR, type PairSums } from '../../protocol/mergeInspect';
import { rounderFor } from './rounding';

/** Sums of a tensor, or of several: one entry for each model, one for each pair. */
export interface Sums {
  readonly deltas: readonly DeltaSums[];
  readonly pairs: readonly PairSums[];
}

export function noSums(models: number): Sums {
  return { deltas: Array.from({ length: models }, () => NO_DELTA), pairs: Array.from({ length: (models * (models - 1)) / 2 }, () => NO_PAIR) };
}

export function addSums(a: Sums, b: Sums): Sums {
  return { deltas: a.deltas.map((sums, i) => addDeltas(sums, b.deltas[i])), pairs: a.pairs.map((sums, i) => addPairs(sums, b.pairs[i])) };
}

/** How differences are counted. */
export interface SumOptions {
  /** Elements of a row. */
  readonly row: number;
  /** Weight of a model in the merge, for what rounding undoes. */
  readonly weight: number;
  /** dtype of the result. */
  readonly dtype: Dtype;
}

/**
 * Sums over whole rows of values `[rows, row]`: differences of each model from the base, or the models' own values without one. Sums are float64 in
 * the order of elements, so that they do not depend on how a tensor is cut into pieces of whole rows by more than their last bits.
 */
export function sumRows(base: Float32Array | null, models: readonly Float32Array[], { row, weight, dtype }: SumOptions): Sums {
  const count = models.length, elements = models[0].length, rounded = base ? rounderFor(dtype) : null;
  const square = new Float64Array(count), changed = new Float64Array(count), lost = new Float64Array(count);
  let baseSquare = 0;
  if (base) for (let e = 0; e < elements; e++) baseSquare += base[e] * base[e];
  const deltas = models.map((model, m) => {
    const delta = base ? new Float32Array(elements) : model;
    for (let e = 0; e < elements; e++) {
      if (base) delta[e] = model[e] - base[e];
      const d = delta[e];
      if (d === 0) continue;
      square[m] += d * d;
      changed[m]++;
      if (base && rounded && rounded(base[e] + weight * d) === base[e]) lost[m]++;
    }
    return delta;
  });
  const pairs: PairSums[] = [];
  for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) pairs.push(pairRows(deltas[i], deltas[j], row));
  return { deltas: models.map((_, m) => ({ square: square[m], baseSquare, elements, changed: changed[m], lost: lost[m] })), pairs };
}

function pairRows(a: Float32Array, b: Float32Array, row: number): PairSums {
  let dot = 0, dotSquares = 0, aa = 0, bb = 0, agree = 0, disagree = 0, balanceSquares = 0, rows = 0;
  for (let from = 0; from < a.length; from += row) {
    let rowDot = 0, rowA = 0, rowB = 0, same = 0, opposite = 0;
    for (let e = from; e < from + row; e++) {
      const x = a[e], y = b[e];
      rowDot += x * y;
      rowA += x * x;
      rowB += y * y;
      if ((x > 0 && y > 0) || (x < 0 && y < 0)) same++;
      else if (x !== 0 && y !== 0) opposite++;
    }
    dot += rowDot;
    dotSquares += rowDot * rowDot;
    aa += rowA;
    bb += rowB;
    agree += same;
    disagree += opposite;
    balanceSquares += (same - opposite) ** 2;
    if (rowA > 0 && rowB > 0) rows++;
  }
  return { dot, dotSquares, squares: [aa, bb], agree, disagree, balanceSquares, rows };
}
