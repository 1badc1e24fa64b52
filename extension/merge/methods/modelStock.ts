import type { Block, Kernel } from '../engine/passTypes';
import { addDeltas, gramOf } from './common';
import type { MergeMethod } from './types';

interface StockParams { readonly clamp: boolean; readonly floor: number }

/** Ratio t = K c / (1 + (K − 1) c) for the mean cosine c; 0 where it has no finite value. */
export function stockRatio(gram: readonly (readonly number[])[], clamp: boolean, floor: number): { readonly t: number; readonly cosine: number } {
  const k = gram.length;
  let sum = 0;
  for (let i = 0; i < k; i++) for (let j = i + 1; j < k; j++) {
    const product = Math.max(Math.sqrt(gram[i][i]) * Math.sqrt(gram[j][j]), floor);
    sum += product === 0 ? 0 : Math.max(-1, Math.min(1, gram[i][j] / product));
  }
  const mean = sum / ((k * (k - 1)) / 2), cosine = clamp ? Math.max(0, mean) : mean, below = 1 + (k - 1) * cosine;
  return { t: Math.abs(below) < 1e-6 ? 0 : (k * cosine) / below, cosine: mean };
}

/** The same for each row of the last dimension. */
const rows: Kernel = ({ x, out, n, row, params, floats }: Block<StockParams>) => {
  const base = floats(x[0]), models = x.slice(1).map((at) => floats(at)), result = floats(out), k = models.length;
  for (let from = 0; from < n; from += row) {
    const squares = new Float64Array(k);
    let cosines = 0;
    for (let i = 0; i < k; i++) for (let e = from; e < from + row; e++) { const d = Math.fround(models[i][e] - base[e]); squares[i] += d * d; }
    for (let i = 0; i < k; i++) for (let j = i + 1; j < k; j++) {
      let dot = 0;
      for (let e = from; e < from + row; e++) dot += Math.fround(models[i][e] - base[e]) * Math.fround(models[j][e] - base[e]);
      const product = Math.max(Math.sqrt(squares[i]) * Math.sqrt(squares[j]), params.floor);
      cosines += product === 0 ? 0 : Math.max(-1, Math.min(1, dot / product));
    }
    const mean = cosines / ((k * (k - 1)) / 2), c = params.clamp ? Math.max(0, mean) : mean, below = 1 + (k - 1) * c, t = Math.abs(below) < 1e-6 ? 0 : (k * c) / below;
    for (let e = from; e < from + row; e++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += models[i][e] - base[e];
      result[e] = base[e] + (t / k) * sum;
    }
  }
};

/** Between the base and the average of the models, as far as their differences point the same way. */
export const modelStock: MergeMethod = {
  name: 'model_stock', title: 'Model Stock', formula: 'c = mean cos(τᵢ, τⱼ); t = Kc/(1+(K−1)c); θ = t·mean θᵢ + (1−t) θ₀', says: 'Trusts the average of several fine-tunes as far as they agree; unrelated ones leave the base.', source: 'Jang et al., arXiv 2403.19522 (K > 2 as in mergekit)',
  base: 'required', models: [2, null], baseIsModel: false,
  parameters: [{ name: 'filter_wise', type: 'boolean', scope: 'merge', default: false, says: 'A ratio for each row instead of the whole tensor.' }, { name: 'clamp', type: 'boolean', scope: 'merge', default: false, says: 'Take a negative mean cosine as 0 instead of moving away from the average.' }],
  *merge(task) {
    const clamp = task.flag('clamp'), floor = task.asMergekit ? 1e-6 : 0;
    if (task.flag('filter_wise')) return { kind: 'apply', kernel: 'modelStockRows', params: { clamp, floor } satisfies StockParams, rows: true };
    const { t, cosine } = stockRatio(yield* gramOf(task, true), clamp, floor);
    if (cosine < 0 && !clamp) task.warn('merge/stock-negative', 'tensors have differences with a negative mean cosine, so that the result moves away from their average (clamp: true prevents it)');
    return addDeltas(new Array<number>(task.models).fill(1), t / task.models);
  },
  kernels: { modelStockRows: rows },
};
