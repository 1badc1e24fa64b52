import type { MergeParameter } from '../../protocol/merge';
import type { Block, CopyPass, Kernel, Statistics, StatisticsPass } from '../engine/passTypes';
import type { MergeTask } from './types';

/** result = Σ cₖ xₖ */
export interface CombineParams { readonly coefficients: readonly number[] }
/** result = x₀ + factor Σ cₖ (xₖ − x₀) */
export interface DeltasParams { readonly coefficients: readonly number[]; readonly factor: number }
/** Inner products of inputs, or of their differences from input 0. */
export interface GramParams { readonly deltas: boolean }

/** Kernels that several methods use. Sums run in float32 in the order of the inputs; the result is rounded once. */
export const COMMON_KERNELS: Readonly<Record<string, Kernel>> = {
  combine({ wasm, x, out, padded, params }: Block<CombineParams>) {
    params.coefficients.forEach((c, k) => {
      if (k === 0) wasm.scale(out, x[0], padded, c);
      else if (c !== 0) wasm.addScaled(out, x[k], padded, c);
    });
  },
  deltas({ wasm, x, out, padded, params, temporary }: Block<DeltasParams>) {
    const sum = temporary(0);
    params.coefficients.forEach((c, k) => {
      if (k === 0) wasm.scale(sum, x[1], padded, c);
      else if (c !== 0) wasm.addScaled(sum, x[k + 1], padded, c);
    });
    wasm.plusScaled(out, x[0], sum, padded, params.factor);
  },
  gram({ wasm, x, padded, params, values }: Block<GramParams>) {
    const vectors = params.deltas ? x.slice(1) : x;
    let at = 0;
    for (let i = 0; i < vectors.length; i++) for (let j = i; j < vectors.length; j++) values[at++] = wasm.dot(vectors[i], vectors[j], padded);
  },
};

/** The passes by name, with the common kernels. */
export const combine = (coefficients: readonly number[]) => ({ kind: 'apply', kernel: 'combine', params: { coefficients } satisfies CombineParams }) as const;
export const addDeltas = (coefficients: readonly number[], factor: number) => ({ kind: 'apply', kernel: 'deltas', params: { coefficients, factor } satisfies DeltasParams, temporaries: 1, deltas: true }) as const;
export const copy = (input: number): CopyPass => ({ kind: 'copy', input });

/** Sums figures over blocks, in block order. */
export function sumBlocks({ blocks }: Statistics, count: number): Float64Array {
  const sums = new Float64Array(count);
  for (const block of blocks) for (let i = 0; i < count; i++) sums[i] += block[i];
  return sums;
}

/** One statistics pass for the matrix of inner products `[count, count]`, float64; of the differences from the base where `deltas`. */
export function* gramOf(task: MergeTask, deltas: boolean): Generator<StatisticsPass, number[][], Statistics> {
  const count = deltas ? task.models : task.models + (task.hasBase ? 1 : 0);
  const found = yield { kind: 'statistics', kernel: 'gram', params: { deltas } satisfies GramParams, values: (count * (count + 1)) / 2, deltas };
  const sums = sumBlocks(found, (count * (count + 1)) / 2), gram = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  let at = 0;
  for (let i = 0; i < count; i++) for (let j = i; j < count; j++) gram[i][j] = gram[j][i] = sums[at++];
  return gram;
}

/** All inputs, the base first where there is one, kept as coefficients: one of them exactly is a copy. */
export function combineOrCopy(coefficients: readonly number[]): ReturnType<typeof combine> | CopyPass {
  const used = coefficients.flatMap((c, i) => (c === 0 ? [] : [i]));
  return used.length === 1 && coefficients[used[0]] === 1 ? copy(used[0]) : combine(coefficients);
}

export const WEIGHT: MergeParameter = { name: 'weight', type: 'number', scope: 'model', default: null, says: 'How much of the model enters the result.' };

/** Coefficients of spherical interpolation from a at t = 0 to b at t = 1, for the inner products aa, ab, bb. */
export function slerpCoefficients(t: number, aa: number, ab: number, bb: number, straightFrom: number, zeroAsMergekit = false): readonly [number, number] {
  const na = Math.sqrt(aa), nb = Math.sqrt(bb);
  // A vector without length has no direction: the way to it is straight.
  if (na === 0 || nb === 0) return zeroAsMergekit ? [Math.sin((1 - t) * Math.PI / 2), Math.sin(t * Math.PI / 2)] : [1 - t, t];
  const cosine = Math.max(-1, Math.min(1, ab / (na * nb)));
  if (Math.abs(cosine) > straightFrom) return [1 - t, t];
  const angle = Math.acos(cosine), sine = Math.sin(angle);
  return [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
}
