import { pearson } from '../../numerics/correlation';
import { optimalAssignment } from '../../numerics/optimalAssignment';
import { Random } from '../../numerics/random';
import { paperLayers } from '../layers';
import { reordered } from '../neurons';
import type { PairedRows } from '../statistics';
import type { CarriedPart, TransferMethod } from '../types';

/**
 * One assignment as the released code makes it: Pearson correlation of target dimension with source dimension, sign kept (a dimension that runs the
 * other way is the worst match), then the one-to-one assignment of the largest sum. Source dimension of each target dimension.
 */
export function seedAssignment(rows: PairedRows, toWidth: number, fromWidth: number, order?: Int32Array): { readonly from: Int32Array; readonly score: number } {
  const source = order ? reordered(rows.from, fromWidth, order) : rows.from, { columns, score } = optimalAssignment(pearson(rows.to, source, rows.n, toWidth, fromWidth), toWidth, fromWidth);
  return { from: columns, score: score / toWidth };
}

/** Columns of A `[rank, in]` in the order of `from`. */
export function pruneColumns(a: Float32Array, rank: number, from: Int32Array): Float32Array {
  const width = a.length / rank, out = new Float32Array(rank * from.length);
  for (let k = 0; k < rank; k++) for (let j = 0; j < from.length; j++) out[k * from.length + j] = a[k * width + from[j]];
  return out;
}

/** Rows of B `[out, rank]` in the order of `from`. */
export function pruneRows(b: Float32Array, rank: number, from: Int32Array): Float32Array {
  const out = new Float32Array(from.length * rank);
  from.forEach((row, j) => { out.set(b.subarray(row * rank, (row + 1) * rank), j * rank); });
  return out;
}

/**
 * Prune and align exactly as released with arXiv 2403.18804: the assignment of the query map's inputs orders A's columns and, though it says nothing
 * about outputs, B's rows too; queries and values only; no signs, no scales, no heads. A baseline.
 */
export const seedExact: TransferMethod = {
  name: 'seed-exact', title: 'Prune and align, as released',
  says: 'The paper\u2019s released code step by step: dimensions of the two bases are matched by signed correlation at the query input, and that one order moves both sides of queries and values.',
  needs: { activations: true, pairing: 'index' },
  layerRules: ['paper'],
  layers: paperLayers,
  plan: ({ to, from: [{ part }] }) => {
    if (to.role !== 'q' && to.role !== 'v') return { drop: 'the released code carries queries and values only' };
    if (to.inWidth > part.inWidth) return { drop: `the target is wider (${to.inWidth}) than the source (${part.inWidth}), and the released code can only prune` };
    if (part.outWidth !== part.inWidth || to.outWidth !== to.inWidth) return { drop: `the released code moves outputs in the order found for inputs, and here ${part.inWidth} inputs meet ${part.outWidth} outputs on the source, ${to.inWidth} and ${to.outWidth} on the target` };
    return { rule: 'signed correlation of inputs orders both sides' };
  },
  wanted: () => [{ group: 'in:attention', kind: 'samples' }],
  run: async ({ pairs, statistics, tools }) => {
    const group = statistics?.get('in:attention'), samples = group?.samples;
    if (!group || !samples) return { parts: [], heads: [], dropped: [] };
    const { toWidth, fromWidth, heldOut } = group, { from } = seedAssignment(samples, toWidth, fromWidth), found = heldOut.n > 2 ? agreement(heldOut, toWidth, fromWidth, from) : null;
    await tools.turn();
    const order = new Random(tools.seed, 'shuffled samples').permutation(samples.n), nothing = seedAssignment(samples, toWidth, fromWidth, order).from;
    const nullR2 = heldOut.n > 2 ? agreement(heldOut, toWidth, fromWidth, nothing, new Random(tools.seed, 'shuffled held-out pairs').permutation(heldOut.n)) : null;
    const parts = pairs.map((pair): CarriedPart => {
      const { a, b, rank, scaling } = pair.from[0], share = (x: Float32Array, y: Float32Array): number => Math.sqrt(square(x) / Math.max(square(y), Number.MIN_VALUE)), newA = pruneColumns(a, rank, from), newB = pruneRows(b, rank, from);
      return {
        pair, rank, scaling, a: newA, b: newB,
        maps: { coverageIn: share(newA, a), coverageOut: share(newB, b), mapIn: 'permutation', mapOut: 'permutation', rhoIn: null, rhoOut: null, r2: found, r2Null: nullR2, r2In: found, r2Out: null, scaleIn: 1, scaleOut: 1, tokens: samples.n, heldOut: heldOut.n },
      };
    });
    return { parts, heads: [], dropped: [] };
  },
};

function square(x: Float32Array): number {
  return x.reduce((sum, value) => sum + value * value, 0);
}

/** Held-out share of the source inputs' variance that the matched target inputs explain as they are: the map has no scales. */
function agreement({ n, from: source, to: target }: PairedRows, toWidth: number, fromWidth: number, match: Int32Array, order?: Int32Array): number {
  let error = 0, total = 0;
  const partner = new Int32Array(fromWidth).fill(-1);
  match.forEach((g, j) => { partner[g] = j; });
  for (let i = 0; i < fromWidth; i++) {
    let mean = 0;
    for (let t = 0; t < n; t++) mean += source[t * fromWidth + i] / n;
    for (let t = 0; t < n; t++) {
      const y = source[(order ? order[t] : t) * fromWidth + i], x = partner[i] < 0 ? 0 : target[t * toWidth + partner[i]];
      error += (y - x) ** 2;
      total += (y - mean) ** 2;
    }
  }
  return total > 0 ? 1 - error / total : 0;
}
