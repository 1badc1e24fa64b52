import { Random } from '../../numerics/random';
import type { MergeParameter } from '../../protocol/merge';
import type { Block, Kernel, Statistics, StatisticsPass, TensorJob } from '../engine/passTypes';
import { addDeltas, copy, sumBlocks, WEIGHT } from './common';
import { type Band, bands, type RankRequest } from './select';
import type { MergeTask } from './types';

/**
 * The family of generalised task arithmetic: differences from a base are thinned out, weighted, perhaps put to a vote on signs, summed and added
 * to the base. Arithmetic is float32 whatever the inputs are.
 */

/** How one model's differences are thinned out. */
type Thinning =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'band'; readonly band: Band }
  | { readonly kind: 'random'; readonly stream: readonly number[]; readonly limit: number }
  | { readonly kind: 'ranked'; readonly stream: readonly number[]; readonly density: number; readonly epsilon: number; readonly ownRate: boolean };

interface TaskParams {
  readonly mode: 'rank' | 'sums' | 'apply';
  readonly rank: RankRequest | null;
  readonly thinning: readonly Thinning[];
  readonly weights: readonly number[];
  readonly scales: readonly number[];
  readonly elect: boolean;
  readonly normalize: boolean;
  readonly lambda: number;
}

const kernel: Kernel = (block: Block<TaskParams>) => {
  const { wasm, x, out, n, padded, params, values, counts, index, row, first, temporary, floats, words } = block, { mode, rank, weights, thinning } = params, models = x.length - 1;
  const difference = (k: number, to: number): void => { wasm.scaleDelta(to, x[k + 1], x[0], padded, 1); };
  if (mode === 'rank' && rank) {
    const at = new Map<number, number>();
    for (const series of rank.series) if (!at.has(series)) { at.set(series, temporary(at.size)); difference(series, temporary(at.size - 1)); }
    rank.series.forEach((series, q) => {
      const values_ = at.get(series) as number;
      if (rank.kind === 'histogram') wasm.histogram(values_, n, counts + 4 * (q << rank.width), rank.shift, rank.prefixes[q], rank.width);
      else {
        // The padding holds zeros.
        values[q] = wasm.countEqual(values_, padded, rank.bits[q]) - (rank.bits[q] === 0 ? padded - n : 0);
      }
    });
    return;
  }
  const thin = (k: number, d: number, scratch: number): void => {
    const how = thinning[k];
    if (how.kind === 'none') floats(d).fill(0);
    else if (how.kind === 'random') {
      wasm.random(scratch, padded, first / 4, how.stream[0], how.stream[1], how.stream[2], how.stream[3]);
      wasm.keepBelow(d, d, scratch, padded, how.limit);
    } else if (how.kind === 'band') {
      const cut = how.band.cuts.filter(({ bits, from, to, before }) => before[index + 1] > before[index] && !(from <= before[index] && to >= before[index + 1]) && bits >= 0);
      wasm.keepBand(d, d, padded, how.band.low, how.band.high);
      if (cut.length === 0) return;
      const magnitudes = words(d), result = floats(d);
      for (const { bits, from, to, before } of cut) {
        if (bits === 0) continue;
        for (let i = 0, number = before[index]; i < n; i++) if ((magnitudes[i] & 0x7fffffff) === bits) { if (number < from || number >= to) result[i] = 0; number++; }
      }
    } else if (how.kind === 'ranked') {
      const aligned = first - (first % 4), offset = first % 4;
      wasm.random(scratch, 16 * Math.ceil((n + offset) / 16), aligned / 4, how.stream[0], how.stream[1], how.stream[2], how.stream[3]);
      const drawn = new Uint32Array(wasm.memory.buffer, scratch, n + offset), magnitudes = words(d), result = floats(d), { density, epsilon, ownRate } = how;
      // Magnitude and position in one number: sorts like magnitude, then like position.
      const keys = new Float64Array(row), places = 2 ** 22;
      for (let from = 0; from < n; from += row) {
        for (let i = 0; i < row; i++) keys[i] = (magnitudes[from + i] & 0x7fffffff) * places + i;
        keys.sort();
        for (let r = 0; r < row; r++) {
          const i = from + (keys[r] % places), p = row === 1 ? density : density - epsilon + (2 * epsilon * r) / (row - 1);
          if (drawn[i + offset] >= p * 4294967296) result[i] = 0;
          else if (ownRate) result[i] /= p;
        }
      }
    }
  };
  if (mode === 'sums') {
    for (let k = 0; k < models; k++) {
      difference(k, temporary(0));
      values[2 * k] = wasm.sumAbs(temporary(0), padded);
      thin(k, temporary(0), temporary(1));
      values[2 * k + 1] = wasm.sumAbs(temporary(0), padded);
    }
    return;
  }
  const scratch = temporary(0), sum = temporary(1);
  if (!params.elect) {
    for (let k = 0; k < models; k++) {
      const c = weights[k] * params.scales[k];
      if (k > 0 && c === 0) continue;
      difference(k, out);
      thin(k, out, scratch);
      if (k === 0) wasm.scale(sum, out, padded, c);
      else wasm.addScaled(sum, out, padded, c);
    }
    const total = weights.reduce((a, b) => a + b, 0);
    wasm.plusScaled(out, x[0], sum, padded, params.lambda / (params.normalize && Math.abs(total) >= 1e-8 ? total : 1));
    return;
  }
  // A vote on signs: all weighted differences are needed twice.
  const divisor = temporary(2), weighted = (k: number): number => temporary(3 + k);
  for (let k = 0; k < models; k++) {
    difference(k, out);
    thin(k, out, scratch);
    wasm.scale(weighted(k), out, padded, weights[k] * params.scales[k]);
  }
  wasm.scale(out, weighted(0), padded, 1);
  for (let k = 1; k < models; k++) wasm.addScaled(out, weighted(k), padded, 1);
  new Float32Array(wasm.memory.buffer, sum, padded).fill(0);
  new Float32Array(wasm.memory.buffer, divisor, padded).fill(0);
  for (let k = 0; k < models; k++) wasm.elect(sum, divisor, out, weighted(k), padded, weights[k]);
  if (!params.normalize) new Float32Array(wasm.memory.buffer, divisor, padded).fill(1);
  wasm.consensus(out, x[0], sum, divisor, padded, params.lambda);
};

export const TASK_KERNELS = { taskVectors: kernel } as const;

export const LAMBDA: MergeParameter = { name: 'lambda', type: 'number', scope: 'merge', default: 1, says: 'Factor on the merged difference before it is added to the base.' };
const INT8_MASK: MergeParameter = { name: 'int8_mask', type: 'boolean', scope: 'merge', default: false, says: 'Has no effect here: masks take no memory.' };
export const normalize = (value: boolean): MergeParameter => ({ name: 'normalize', type: 'boolean', scope: 'merge', default: value, says: 'Divide by the sum of the weights that take part.' });
const rescale = (value: boolean): MergeParameter => ({ name: 'rescale', type: 'boolean', scope: 'merge', default: value, says: 'Make up for what was dropped.' });
const DENSITY: MergeParameter = { name: 'density', type: 'number', scope: 'model', default: 1, least: 0, most: 1, says: 'Share of the model\u2019s differences that is kept.' };

/** Settings of every method of the family, in the order of documentation. */
export const taskParameters = (byDefault: { readonly normalize: boolean; readonly rescale: boolean }, ...own: readonly MergeParameter[]): readonly MergeParameter[] => [WEIGHT, DENSITY, ...own, normalize(byDefault.normalize), LAMBDA, rescale(byDefault.rescale), INT8_MASK];

/** How a method thins out; ranks count from the largest difference. */
export type ThinningRule =
  | { readonly kind: 'none' }
  | { readonly kind: 'ranks'; readonly of: (task: MergeTask, model: number) => { readonly skip: number; readonly keep: number } }
  | { readonly kind: 'random' }
  | { readonly kind: 'ranked' };

/** Elements that a density leaves: at least one, unless the density is 0. */
export function keptCount(density: number, elements: number): number {
  return density <= 0 || elements === 0 ? 0 : Math.min(elements, Math.max(1, Math.floor(density * elements)));
}

/** Passes of a method of the family. */
export function* mergeTaskVectors(task: MergeTask, rule: ThinningRule, elect: boolean): TensorJob {
  const { models, elements } = task, model = Array.from({ length: models }, (_, k) => k);
  const weights = model.map((k) => task.of(k, 'weight')), lambda = task.number('lambda'), normalized = task.flag('normalize');
  if (models === 0 || lambda === 0 || weights.every((w) => w === 0)) return copy(0);
  const density = model.map((k) => (rule.kind === 'none' ? 1 : task.of(k, 'density')));
  const thins = density.some((d) => d < 1);
  if (!thins && models === 1 && lambda * (normalized ? 1 : weights[0]) === 1) return copy(1);
  if (!thins && !elect) {
    const total = weights.reduce((a, b) => a + b, 0);
    return addDeltas(weights, lambda / (normalized && Math.abs(total) >= 1e-8 ? total : 1));
  }
  const shared = { rank: null, weights, scales: weights.map(() => 1), elect, normalize: normalized, lambda };
  const thinning = yield* thinningOf(task, rule, density);
  let scales: readonly number[] = shared.scales;
  const rows = rule.kind === 'ranked';
  if (thins && task.flag('rescale')) {
    if (rule.kind === 'random' && !task.asMergekit) scales = density.map((d) => (d > 0 && d < 1 ? 1 / d : 1));
    else if (!(rule.kind === 'ranked' && !task.asMergekit)) {
      const params: TaskParams = { ...shared, mode: 'sums', thinning };
      const sums = sumBlocks(yield { kind: 'statistics', kernel: 'taskVectors', params, values: 2 * models, temporaries: 2, rows }, 2 * models);
      scales = model.map((k) => (sums[2 * k] < 1e-7 || sums[2 * k + 1] < 1e-7 ? 1 : sums[2 * k] / sums[2 * k + 1]));
    }
  }
  const params: TaskParams = { ...shared, mode: 'apply', thinning, scales };
  if (elements === 0) return copy(0);
  return { kind: 'apply', kernel: 'taskVectors', params, temporaries: 3 + (elect ? models : 0), rows };
}

function* thinningOf(task: MergeTask, rule: ThinningRule, density: readonly number[]): Generator<StatisticsPass, readonly Thinning[], Statistics> {
  const whole = (d: number): Thinning | null => (d >= 1 ? { kind: 'all' } : d <= 0 ? { kind: 'none' } : null);
  if (rule.kind === 'none') return density.map((): Thinning => ({ kind: 'all' }));
  if (rule.kind === 'ranks') {
    const cut = density.flatMap((d, series) => (whole(d) ? [] : [{ series, ...rule.of(task, series) }])), wanted = cut.filter(({ keep }) => keep > 0);
    const found = wanted.length === 0 ? [] : yield* bands((rank) => {
      const params: TaskParams = { mode: 'rank', rank, thinning: [], weights: [], scales: [], elect: false, normalize: false, lambda: 1 };
      return { kernel: 'taskVectors', params, temporaries: new Set(rank.series).size };
    }, wanted);
    return density.map((d, series): Thinning => {
      const at = wanted.findIndex((w) => w.series === series);
      return whole(d) ?? (at < 0 ? { kind: 'none' } : { kind: 'band', band: found[at] });
    });
  }
  return density.map((d, k): Thinning => {
    const { key, counter } = new Random(task.seed, 'merge', task.tensor, k).origin, stream = [...key, ...counter];
    if (rule.kind === 'random') return whole(d) ?? { kind: 'random', stream, limit: Math.min(0xffffffff, Math.round(d * 4294967296)) };
    return whole(d) ?? { kind: 'ranked', stream, density: d, epsilon: task.of(k, 'epsilon'), ownRate: task.flag('rescale') && !task.asMergekit };
  });
}
