import type { HeadSliceHook } from '../graph/stages';
import { floats, type HostTensor } from '../graph/hostTensor';
import type { HeadFactors } from './parts';

/** Low-rank updates of the decoder, for graphs that run it in slices and for single rows. */
export interface AttachedHead {
  readonly hook: HeadSliceHook;
  /** Inputs of the slice of rows [from, to). */
  feeds(from: number, to: number): Readonly<Record<string, HostTensor>>;
  /** Row `id` of the decoder with every update in it. */
  row(id: number, row: Float32Array): Float32Array;
}

export function attachHead(updates: readonly HeadFactors[]): AttachedHead {
  return {
    hook: (b, x, logits, [from, to]) => updates.reduce((out, { id, rank, inWidth }) => {
      const inner = b.gemm(x, b.input(`${id}a`, 'float32', [rank, inWidth]), { transposed: true, width: rank });
      const update = b.gemm(inner, b.input(`${id}b`, 'float32', [to - from, rank]), { transposed: true, width: to - from });
      return b.add(out, b.mul(update, b.input(`${id}strength`, 'float32', [1])));
    }, logits),
    feeds: (from, to) => Object.fromEntries(updates.flatMap(({ id, a, b, rank, inWidth, scaling }) => [
      [`${id}a`, floats([rank, inWidth], a)], [`${id}b`, floats([to - from, rank], b.subarray(from * rank, to * rank))], [`${id}strength`, floats([1], Float32Array.of(scaling))],
    ] as const)),
    row: (id, row) => {
      const out = Float32Array.from(row);
      for (const { a, b, rank, inWidth, scaling } of updates) {
        for (let i = 0; i < inWidth; i++) {
          let sum = 0;
          for (let r = 0; r < rank; r++) sum += b[id * rank + r] * a[r * inWidth + i];
          out[i] += scaling * sum;
        }
      }
      return out;
    },
  };
}
