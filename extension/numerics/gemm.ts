import { simdKernel, TILE_COLUMNS, TILE_ROWS } from './simdKernel';
import type { SimdKernel } from './simdKernel';
import { finish } from './steps';
import type { Steps } from './steps';

/** C[m, n] = A[m, k] · B[n, k]ᵀ, row-major float32. */
export type MatmulTransposed = (a: Float32Array, b: Float32Array, m: number, n: number, k: number) => Float32Array;

/** Blocks of the product: packed A, packed B and the block of C fit a second-level cache together. */
const BLOCK_ROWS = 256;
const BLOCK_COLUMNS = 256;
/** Products are summed in float32 over runs of this many terms, runs in order: the rounding of a pairwise sum, the same for any m and n. */
const BLOCK_DEPTH = 256;

const A_AT = 0;
const B_AT = A_AT + BLOCK_ROWS * BLOCK_DEPTH;
const C_AT = B_AT + BLOCK_COLUMNS * BLOCK_DEPTH;
const FLOATS = C_AT + BLOCK_ROWS * BLOCK_COLUMNS;

let kernel: SimdKernel | null | undefined;

/**
 * `A·Bᵀ` in float32. One thread, WebAssembly SIMD where there is any and plain JavaScript otherwise, with the same bits from
 * both and on every machine.
 */
export function matmulTransposed(a: Float32Array, b: Float32Array, m: number, n: number, k: number): Float32Array {
  return finish(matmulTransposedSteps(a, b, m, n, k));
}

/** `matmulTransposed` in steps. */
export function* matmulTransposedSteps(a: Float32Array, b: Float32Array, m: number, n: number, k: number): Steps<Float32Array> {
  check(a, b, m, n, k);
  const out = new Float32Array(m * n);
  yield* multiply(a, b, m, n, k, out, false);
  return out;
}

/** `A·Aᵀ` `[m, m]` in float32: half the work, exactly symmetric, the same bits as `matmulTransposed(a, a)`. */
export function gram(a: Float32Array, m: number, k: number): Float32Array {
  return finish(gramSteps(a, m, k));
}

/** `gram` in steps. */
export function* gramSteps(a: Float32Array, m: number, k: number): Steps<Float32Array> {
  check(a, a, m, m, k);
  const out = new Float32Array(m * m);
  yield* multiply(a, a, m, m, k, out, true);
  const tile = 64;
  for (let i0 = 0; i0 < m; i0 += tile) {
    for (let j0 = 0; j0 <= i0; j0 += tile) {
      for (let i = i0; i < Math.min(m, i0 + tile); i++) for (let j = j0; j < Math.min(i, j0 + tile); j++) out[j * m + i] = out[i * m + j];
    }
    yield;
  }
  return out;
}

/** The same product without WebAssembly; only for machines that lack it and for tests. */
export function matmulTransposedPlain(a: Float32Array, b: Float32Array, m: number, n: number, k: number): Float32Array {
  check(a, b, m, n, k);
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[i * n + j] = dot(a, i * k, b, j * k, k);
  return out;
}

function check(a: Float32Array, b: Float32Array, m: number, n: number, k: number): void {
  if (a.length !== m * k || b.length !== n * k) throw new RangeError(`a product of ${m} x ${k} and ${n} x ${k} got ${a.length} and ${b.length} numbers`);
}

function dot(a: Float32Array, aAt: number, b: Float32Array, bAt: number, k: number): number {
  let total = 0;
  for (let c0 = 0; c0 < k; c0 += BLOCK_DEPTH) {
    let sum = 0;
    for (let c = c0; c < Math.min(k, c0 + BLOCK_DEPTH); c++) sum = Math.fround(sum + Math.fround(a[aAt + c] * b[bAt + c]));
    total = Math.fround(total + sum);
  }
  return total;
}

/** Fills `out`; with `lower`, blocks entirely above the diagonal are left out. */
function* multiply(a: Float32Array, b: Float32Array, m: number, n: number, k: number, out: Float32Array, lower: boolean): Steps<void> {
  if (kernel === undefined) kernel = simdKernel(FLOATS);
  if (kernel === null) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < (lower ? i + 1 : n); j++) out[i * n + j] = dot(a, i * k, b, j * k, k);
      yield;
    }
    return;
  }
  for (let j0 = 0; j0 < n; j0 += BLOCK_COLUMNS) {
    const columns = Math.min(BLOCK_COLUMNS, n - j0);
    for (let i0 = 0; i0 < m; i0 += BLOCK_ROWS) {
      if (lower && i0 + BLOCK_ROWS <= j0) continue;
      block(kernel, a, b, k, i0, Math.min(BLOCK_ROWS, m - i0), j0, columns);
      for (let r = 0, from = C_AT; r < Math.min(BLOCK_ROWS, m - i0); r++, from += BLOCK_COLUMNS) out.set(kernel.memory.subarray(from, from + columns), (i0 + r) * n + j0);
      yield;
    }
  }
}

function block({ run, memory }: SimdKernel, a: Float32Array, b: Float32Array, k: number, i0: number, rows: number, j0: number, columns: number): void {
  memory.fill(0, C_AT, FLOATS);
  const panels = Math.ceil(columns / TILE_COLUMNS);
  for (let c0 = 0; c0 < k; c0 += BLOCK_DEPTH) {
    const depth = Math.min(BLOCK_DEPTH, k - c0);
    pack(memory, A_AT, a, i0, rows, c0, depth, k, TILE_ROWS);
    pack(memory, B_AT, b, j0, columns, c0, depth, k, TILE_COLUMNS);
    for (let r = 0; r < rows; r += TILE_ROWS) run(4 * (A_AT + r * depth), 4 * B_AT, 4 * (C_AT + r * BLOCK_COLUMNS), depth, 4 * BLOCK_COLUMNS, panels);
  }
}

/** Copies rows into panels of `width` rows, `[panel][depth, width]`, rows that are missing as zeros. */
function pack(memory: Float32Array, at: number, source: Float32Array, row0: number, rows: number, c0: number, depth: number, k: number, width: number): void {
  let to = at;
  for (let r0 = 0; r0 < rows; r0 += width) {
    const present = Math.min(width, rows - r0);
    const from = (row0 + r0) * k + c0;
    for (let c = 0; c < depth; c++) {
      for (let r = 0, read = from + c; r < present; r++, read += k) memory[to++] = source[read];
      for (let r = present; r < width; r++) memory[to++] = 0;
    }
  }
}
