import type { Steps } from './steps';
import { ADD, BRANCH_IF, constant, EMPTY_BLOCK, END, get, I32, I64, LESS_UNSIGNED, LOOP, moduleBytes, set, SUB, tee } from './wasm';

/** Bits of a row are padded with zeros to whole steps of the kernel, two words of 64 bits. */
const STEP_BYTES = 16;

/** Bytes of one row of `columns` bits, lowest bit first, with its padding. */
export function bitRowBytes(columns: number): number {
  return STEP_BYTES * Math.ceil(columns / (8 * STEP_BYTES));
}

/** Whether a bit of a matrix with rows of `bitRowBytes` bytes is set. */
export function bitAt(bits: Uint8Array, rowBytes: number, row: number, column: number): number {
  return (bits[row * rowBytes + (column >> 3)] >> (column & 7)) & 1;
}

const POPULATION = Uint8Array.from({ length: 256 }, (_, byte) => { let n = 0; for (let x = byte; x > 0; x &= x - 1) n++; return n; });

/** Set bits in all. */
export function bitCount(bits: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < bits.length; i++) count += POPULATION[bits[i]];
  return count;
}

/** One count of pairs: what those share who work on it, be it one thread or several (then all arrays lie in shared memory). */
export interface PairCount {
  /** Bit matrix, `rows` rows of `stride` bytes. */
  readonly bits: Uint8Array;
  readonly rows: number;
  readonly stride: number;
  /** `[rows, rows]` */
  readonly out: Float32Array;
  /** The strip of STRIP rows that is to be taken next `[1]`. */
  readonly next: Int32Array;
}

/**
 * How many columns are set in both rows, for each pair of the `rows` rows of a bit matrix `[rows, columns]` packed in rows of
 * `bitRowBytes(columns)` bytes: `[rows, rows]`, symmetric, the diagonal counts a row's own bits. Exact for fewer than 2^24 columns.
 * 64 products in one instruction: some ten times as fast as the same product in floats.
 */
export function* pairCountsSteps(bits: Uint8Array, rows: number, columns: number, out: Float32Array = new Float32Array(rows * rows)): Steps<Float32Array> {
  const count = pairCount(bits, rows, columns, out);
  yield* takeStrips(new WebAssembly.Instance(pairKernel()).exports as unknown as PairKernel, count);
  return count.out;
}

/** The parts of a count, in memory that threads share if `out` is. */
export function pairCount(bits: Uint8Array, rows: number, columns: number, out: Float32Array): PairCount {
  const stride = bitRowBytes(columns);
  if (bits.length !== rows * stride) throw new RangeError(`${bits.length} bytes for ${rows} rows of ${stride}`);
  if (out.length !== rows * rows) throw new RangeError(`${out.length} counts for ${rows} rows`);
  const isShared = out.buffer instanceof SharedArrayBuffer;
  const own = isShared ? new Uint8Array(new SharedArrayBuffer(bits.length)) : bits;
  if (isShared) own.set(bits);
  return { bits: own, rows, stride, out, next: new Int32Array(isShared ? new SharedArrayBuffer(4) : new ArrayBuffer(4)) };
}

/**
 * Takes strips of rows until none is left: counts a strip's pairs with the rows from its first one on, and mirrors them. Others may take
 * strips of the same count at the same time. Uses nothing but its arguments, because helper threads get it as text.
 */
export function* takeStrips({ run, memory }: PairKernel, { bits, rows, stride, out, next }: PairCount): Steps<void> {
  const strip = 16, page = 65536;
  // An odd number of rows gets a row of zeros.
  const even = rows + (rows & 1), start = even * stride, missing = start + 2 * 4 * even - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / page));
  new Uint8Array(memory.buffer).set(bits);
  const result = new Float32Array(memory.buffer, start, 2 * even);
  for (;;) {
    const first = strip * Atomics.add(next, 0, 1), last = Math.min(rows, first + strip);
    if (first >= rows) return;
    for (let row = first; row < last; row += 2) {
      const left = even - row;
      run(row * stride, row * stride, start, stride, 4 * left, left >> 1);
      out.set(result.subarray(0, rows - row), row * rows + row);
      if (row + 1 < rows) out.set(result.subarray(left + 1, left + rows - row), (row + 1) * rows + row + 1);
    }
    // A strip is a line of the cache wide: what is written down the columns stays in it.
    for (let column = first + 1; column < rows; column++) {
      const end = Math.min(last, column);
      for (let row = first, to = column * rows + first; row < end; row++, to++) out[to] = out[row * rows + column];
    }
    yield;
  }
}

/** `out[0, c]`, `out[1, c]` = common bits of the two rows at `left` with row c at `right`, for 2 x `pairs` rows; all are byte addresses. */
type Kernel = (left: number, right: number, out: number, stride: number, outBytes: number, pairs: number) => void;

const P = { left: 0, right: 1, out: 2, stride: 3, outBytes: 4, pairs: 5, at: 6, end: 7, other: 8, below: 9, a0: 10, a1: 11, b0: 12, b1: 13, sums: 14 } as const;
const load = (offset: number): number[] => [0x29, 3, offset];
const AND = 0x83, POPULATION_COUNT = 0x7b, ADD_LONG = 0x7c, TO_FLOAT = 0xb5;
const zero = [0x42, 0];
const store = (offset: number): number[] => [0x38, 2, offset];

function kernelBody(): number[] {
  const sum = (a: 0 | 1, b: 0 | 1): number => P.sums + 2 * a + b;
  const both = [0, 1] as const;
  const add = (a: 0 | 1, b: 0 | 1): number[] => [...get(sum(a, b)), ...get(a === 0 ? P.a0 : P.a1), ...get(b === 0 ? P.b0 : P.b1), AND, POPULATION_COUNT, ADD_LONG, ...set(sum(a, b))];
  const word = (offset: number): number[] => [
    ...get(P.at), ...load(offset), ...set(P.a0), ...get(P.below), ...load(offset), ...set(P.a1),
    ...get(P.right), ...load(offset), ...set(P.b0), ...get(P.other), ...load(offset), ...set(P.b1),
    ...both.flatMap((a) => both.flatMap((b) => add(a, b))),
  ];
  const advance = (pointer: number): number[] => [...get(pointer), ...constant(STEP_BYTES), ADD, ...set(pointer)];
  return [
    2, 4, I32, 8, I64,
    ...get(P.left), ...get(P.stride), ADD, ...set(P.end),
    LOOP, EMPTY_BLOCK,
    ...both.flatMap((a) => both.flatMap((b) => [...zero, ...set(sum(a, b))])),
    ...get(P.left), ...set(P.at), ...get(P.end), ...set(P.below),
    ...get(P.right), ...get(P.stride), ADD, ...set(P.other),
    LOOP, EMPTY_BLOCK,
    ...word(0), ...word(8),
    ...advance(P.right), ...advance(P.other), ...advance(P.below),
    ...get(P.at), ...constant(STEP_BYTES), ADD, ...tee(P.at), ...get(P.end), LESS_UNSIGNED, BRANCH_IF, 0,
    END,
    // `right` now lies at the second column: one row further is the next pair.
    ...get(P.other), ...set(P.right),
    ...both.flatMap((a) => both.flatMap((b) => [...get(P.out), ...(a === 1 ? [...get(P.outBytes), ADD] : []), ...get(sum(a, b)), TO_FLOAT, ...store(4 * b)])),
    ...get(P.out), ...constant(8), ADD, ...set(P.out),
    ...get(P.pairs), ...constant(1), SUB, ...tee(P.pairs), BRANCH_IF, 0,
    END,
    END,
  ];
}

/** An instance of the kernel: its memory, all zero at first, holds the rows and a pair's results. */
export interface PairKernel {
  readonly run: Kernel;
  readonly memory: WebAssembly.Memory;
}

/** Compiled once: code that has run often is compiled better. */
let compiled: WebAssembly.Module | undefined;

/** The kernel to instantiate; each thread needs an instance of its own. */
export function pairKernel(): WebAssembly.Module {
  return (compiled ??= new WebAssembly.Module(moduleBytes(6, kernelBody(), 65536)));
}
