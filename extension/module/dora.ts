import type { LinearSpec } from '../architecture/spec';
import { matmulTransposed } from '../numerics/gemm';

interface Update {
  /** `[rank, in]` */
  readonly a: Float32Array;
  /** `[out, rank]` */
  readonly b: Float32Array;
  readonly rank: number;
}

/** Rows of a weight that are multiplied at once. */
const ROWS = 256;

/** Length of each output row of W + scaling * B A `[out]` (DoRA, arXiv 2402.09353, eq. 5), sums in float64. `weight` lies as the spec says; null: of W alone. */
export async function changedRowNorms(weight: Float32Array, { inWidth, outWidth, layout }: Pick<LinearSpec, 'inWidth' | 'outWidth' | 'layout'>, update: Update | null, scaling: number): Promise<Float64Array> {
  const norms = new Float64Array(outWidth), turned = update ? transposed(update.a, update.rank, inWidth) : null;
  for (let from = 0; from < outWidth; from += ROWS) {
    const rows = Math.min(ROWS, outWidth - from);
    const change = update && turned ? matmulTransposed(update.b.slice(from * update.rank, (from + rows) * update.rank), turned, rows, inWidth, update.rank) : null;
    for (let o = 0; o < rows; o++) {
      let sum = 0;
      for (let i = 0; i < inWidth; i++) {
        const w = (layout === 'outIn' ? weight[(from + o) * inWidth + i] : weight[i * outWidth + from + o]) + (change ? scaling * change[o * inWidth + i] : 0);
        sum += w * w;
      }
      norms[from + o] = Math.sqrt(sum);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return norms;
}

/** scaling * B A `[out, in]`. */
export async function denseUpdate(update: Update & { readonly inWidth: number; readonly outWidth: number }, scaling: number): Promise<Float32Array> {
  const { a, b, rank, inWidth, outWidth } = update, turned = transposed(a, rank, inWidth), out = new Float32Array(outWidth * inWidth);
  for (let from = 0; from < outWidth; from += ROWS) {
    const rows = Math.min(ROWS, outWidth - from);
    out.set(matmulTransposed(b.slice(from * rank, (from + rows) * rank), turned, rows, inWidth, rank).map((x) => scaling * x), from * inWidth);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return out;
}

/** m / ||W + dW|| * (W + dW) - W `[out, in]`, row by row, for a dense `update` `[out, in]`. */
export function doraDelta(weight: Float32Array, { inWidth, outWidth, layout }: Pick<LinearSpec, 'inWidth' | 'outWidth' | 'layout'>, update: Float32Array, magnitude: Float32Array): Float32Array {
  const out = new Float32Array(update.length);
  for (let o = 0; o < outWidth; o++) {
    let sum = 0;
    const at = (i: number): number => (layout === 'outIn' ? weight[o * inWidth + i] : weight[i * outWidth + o]);
    for (let i = 0; i < inWidth; i++) sum += (at(i) + update[o * inWidth + i]) ** 2;
    const c = magnitude[o] / Math.sqrt(sum);
    for (let i = 0; i < inWidth; i++) out[o * inWidth + i] = c * (at(i) + update[o * inWidth + i]) - at(i);
  }
  return out;
}

/** `[rows, columns]` to `[columns, rows]`. */
export function transposed(m: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(m.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = m[r * columns + c];
  return out;
}
