import { Random } from '../../numerics/random';
import type { MergeParameter } from '../../protocol/merge';
import { MOST_VOTERS } from '../engine/kernels';
import { type Block, BLOCK_ELEMENTS, type Kernel, type Statistics, type StatisticsPass, type TensorJob } from '../engine/passTypes';
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
  /** Up to so many models vote in registers. */
  readonly mostVoters: number;
}

const kernel: Kernel = (block: Block<TaskParams>) => {
  const { wasm, x, out, n, padded, params, values, counts, index, row, first, temporary, floats, words } = block, { mode, rank, weights, thinning } = params, models = x.length - 1;
  if (mode === 'rank' && rank) {
    rank.series.forEach((series, q) => {
      const d = x[series + 1], padding = padded - n;
      if (rank.kind === 'histogram') wasm.histogram(d, n, counts + 4 * (q << rank.width), rank.shift, rank.prefixes[q], rank.width);
      // The padding holds zeros.
      else if (rank.kind === 'equal') values[q] = wasm.countEqual(d, padded, rank.bits[q]) - (rank.bits[q] === 0 ? padding : 0);
      else {
        const at = rank.perBlock ? temporary(0) : counts + 4 * q * (rank.slots + 1), slots = new Uint32Array(wasm.memory.buffer, at, rank.slots + 1);
        if (rank.perBlock) slots.fill(0);
        slots[rank.slots] += wasm.window(d, padded, at, rank.low[q], rank.high[q], rank.shift);
        if (rank.low[q] === 0) slots[0] -= padding;
        if (rank.perBlock) values.set(slots, q * (rank.slots + 1));
      }
    });
    return;
  }
  /** Bits between which a band keeps magnitudes in this block; a cut that goes through the block's equals is made in place. */
  const edges = (d: number, { low, high, cuts }: Band): readonly [number, number] => {
    let from = low, to = high;
    for (const cut of cuts) {
      const first = cut.before[index], last = cut.before[index + 1];
      if (last === first || (cut.from <= first && cut.to >= last)) continue;
      if (cut.bits === 0) continue;
      if ((first >= cut.to || last <= cut.from) && cut.bits === low) from = low + 1;
      else if ((first >= cut.to || last <= cut.from) && cut.bits === high - 1) to = high - 1;
      else {
        const magnitudes = words(d), result = floats(d);
        for (let i = 0, number = first; i < n; i++) if ((magnitudes[i] & 0x7fffffff) === cut.bits) { if (number < cut.from || number >= cut.to) result[i] = 0; number++; }
      }
    }
    return [from, to];
  };
  const thin = (k: number, d: number, scratch: number): void => {
    const how = thinning[k];
    if (how.kind === 'none') floats(d).fill(0);
    else if (how.kind === 'random') {
      wasm.random(scratch, padded, first / 4, how.stream[0], how.stream[1], how.stream[2], how.stream[3]);
      wasm.keepBelow(d, d, scratch, padded, how.limit);
    } else if (how.kind === 'band') {
      const [low, high] = edges(d, how.band);
      wasm.keepBand(d, d, padded, low, high);
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
      values[2 * k] = wasm.sumAbs(x[k + 1], padded);
      thin(k, x[k + 1], temporary(0));
      values[2 * k + 1] = wasm.sumAbs(x[k + 1], padded);
    }
    return;
  }
  const scratch = temporary(0);
  if (!params.elect) {
    const sum = temporary(1);
    for (let k = 0; k < models; k++) {
      const c = weights[k] * params.scales[k];
      if (k > 0 && c === 0) continue;
      thin(k, x[k + 1], scratch);
      if (k === 0) wasm.scale(sum, x[1], padded, c);
      else wasm.addScaled(sum, x[k + 1], padded, c);
    }
    const total = weights.reduce((a, b) => a + b, 0);
    wasm.plusScaled(out, x[0], sum, padded, params.lambda / (params.normalize && Math.abs(total) >= 1e-8 ? total : 1));
    return;
  }
  if (models <= params.mostVoters) {
    const each = thinning.flatMap((how, k) => {
      const d = x[k + 1], all = [0, 0x7fffffff] as const;
      const [low, high] = how.kind === 'band' ? edges(d, how.band) : all;
      if (how.kind !== 'band') thin(k, d, scratch);
      return [d, low, high, weights[k] * params.scales[k], weights[k]];
    });
    wasm[`vote${models}`](out, x[0], padded, params.normalize ? -1 : 0, params.lambda, ...each);
    return;
  }
  // A vote on signs: all weighted differences are needed twice.
  const sum = temporary(1), divisor = temporary(2);
  for (let k = 0; k < models; k++) {
    thin(k, x[k + 1], scratch);
    wasm.scale(x[k + 1], x[k + 1], padded, weights[k] * params.scales[k]);
    if (k === 0) wasm.scale(out, x[1], padded, 1);
    else wasm.addScaled(out, x[k + 1], padded, 1);
  }
  new Float32Array(wasm.memory.buffer, sum, padded).fill(0);
  new Float32Array(wasm.memory.buffer, divisor, padded).fill(0);
  for (let k = 0; k < models; k++) wasm.elect(sum, divisor, out, x[k + 1], padded, weights[k]);
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
  const shared = { rank: null, weights, scales: weights.map(() => 1), elect, normalize: normalized, lambda, mostVoters: MOST_VOTERS };
  const thinning = yield* thinningOf(task, rule, density);
  let scales: readonly number[] = shared.scales;
  const rows = rule.kind === 'ranked';
  if (thins && task.flag('rescale')) {
    if (rule.kind === 'random' && !task.asMergekit) scales = density.map((d) => (d > 0 && d < 1 ? 1 / d : 1));
    else if (!(rule.kind === 'ranked' && !task.asMergekit)) {
      const params: TaskParams = { ...shared, mode: 'sums', thinning };
      const sums = sumBlocks(yield { kind: 'statistics', kernel: 'taskVectors', params, values: 2 * models, temporaries: 1, rows, deltas: true }, 2 * models);
      scales = model.map((k) => (sums[2 * k] < 1e-7 || sums[2 * k + 1] < 1e-7 ? 1 : sums[2 * k] / sums[2 * k + 1]));
    }
  }
  const params: TaskParams = { ...shared, mode: 'apply', thinning, scales };
  if (elements === 0) return copy(0);
  return { kind: 'apply', kernel: 'taskVectors', params, temporaries: 3, rows, deltas: true };
}

function* thinningOf(task: MergeTask, rule: ThinningRule, density: readonly number[]): Generator<StatisticsPass, readonly Thinning[], Statistics> {
  const whole = (d: number): Thinning | null => (d >= 1 ? { kind: 'all' } : d <= 0 ? { kind: 'none' } : null);
  if (rule.kind === 'none') return density.map((): Thinning => ({ kind: 'all' }));
  if (rule.kind === 'ranks') {
    const cut = density.flatMap((d, series) => (whole(d) ? [] : [{ series, ...rule.of(task, series) }])), wanted = cut.filter(({ keep }) => keep > 0);
    const found = wanted.length === 0 ? [] : yield* bands((rank) => {
      const params: TaskParams = { mode: 'rank', rank, thinning: [], weights: [], scales: [], elect: false, normalize: false, lambda: 1, mostVoters: 0 };
      return { kernel: 'taskVectors', params, temporaries: 1, deltas: true };
    }, wanted, { elements: task.elements, blocks: Math.ceil(task.elements / BLOCK_ELEMENTS) });
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
