import { ADD, BRANCH_IF, constant, EMPTY_BLOCK, END, get, I32, leb, LESS_UNSIGNED, LOOP, moduleBytes, set, SHIFT_LEFT, SUB, tee, V128 } from './wasm';

/**
 * A WebAssembly SIMD kernel for `A·Bᵀ`, assembled here because V8 does not vectorise JavaScript: about ten times as fast,
 * and, as WebAssembly has no fused multiply-add outside relaxed SIMD, the same bits on every machine.
 */

/** Rows and columns of the tile that the kernel keeps in registers. */
export const TILE_ROWS = 4;
export const TILE_COLUMNS = 8;

/**
 * `c[4, 8 panels] += a · b`: `a` is packed `[depth, 4]`, `b` is packed `[panels][depth, 8]`, `c` has rows `rowBytes` apart; all
 * are byte addresses in the module's memory. depth and panels are at least 1.
 */
export type TileKernel = (a: number, b: number, c: number, depth: number, rowBytes: number, panels: number) => void;

export interface SimdKernel {
  readonly run: TileKernel;
  readonly memory: Float32Array;
}

const load = (offset: number): number[] => [0xfd, 0x00, 4, ...leb(offset)];
const splat = (offset: number): number[] => [0xfd, 0x09, 2, ...leb(offset)];
const store = (offset: number): number[] => [0xfd, 0x0b, 4, ...leb(offset)];
const zero = (): number[] => [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
const addFloats = (): number[] => [0xfd, 0xe4, 0x01];
const multiplyFloats = (): number[] => [0xfd, 0xe6, 0x01];

/** Parameters, then locals: address in a, its end, row address in c, eight sums, two columns of b, one splatted a. */
const P = { a: 0, b: 1, c: 2, depth: 3, rowBytes: 4, panels: 5, at: 6, end: 7, row: 8, sums: 9, left: 17, right: 18, value: 19 } as const;

function kernelBody(): number[] {
  const rows = Array.from({ length: TILE_ROWS }, (_, r) => r);
  const sums = Array.from({ length: 2 * TILE_ROWS }, (_, s) => P.sums + s);
  const step = rows.flatMap((r) => [
    ...get(P.at), ...splat(4 * r), ...set(P.value),
    ...[P.left, P.right].flatMap((half, h) => [...get(P.sums + 2 * r + h), ...get(P.value), ...get(half), ...multiplyFloats(), ...addFloats(), ...set(P.sums + 2 * r + h)]),
  ]);
  const write = rows.flatMap((r) => [
    ...[0, 1].flatMap((h) => [...get(P.row), ...get(P.row), ...load(16 * h), ...get(P.sums + 2 * r + h), ...addFloats(), ...store(16 * h)]),
    ...get(P.row), ...get(P.rowBytes), ADD, ...set(P.row),
  ]);
  return [
    ...get(P.a), ...get(P.depth), ...constant(4), SHIFT_LEFT, ADD, ...set(P.end),
    LOOP, EMPTY_BLOCK,
    ...sums.flatMap((s) => [...zero(), ...set(s)]),
    ...get(P.a), ...set(P.at),
    LOOP, EMPTY_BLOCK,
    ...get(P.b), ...load(0), ...set(P.left), ...get(P.b), ...load(16), ...set(P.right),
    ...step,
    ...get(P.b), ...constant(32), ADD, ...set(P.b),
    ...get(P.at), ...constant(16), ADD, ...tee(P.at), ...get(P.end), LESS_UNSIGNED, BRANCH_IF, 0,
    END,
    ...get(P.c), ...set(P.row),
    ...write,
    ...get(P.c), ...constant(32), ADD, ...set(P.c),
    ...get(P.panels), ...constant(1), SUB, ...tee(P.panels), BRANCH_IF, 0,
    END,
    END,
  ];
}

/** An instance with at least `floats` float32 of memory; null where the machine has no WebAssembly SIMD. */
export function simdKernel(floats: number): SimdKernel | null {
  if (typeof WebAssembly === 'undefined') return null;
  const bytes = moduleBytes(6, [3, 3, I32, 8, V128, 3, V128, ...kernelBody()], 4 * floats);
  if (!WebAssembly.validate(bytes)) return null;
  const { run, memory } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as { readonly run: TileKernel; readonly memory: WebAssembly.Memory };
  return { run, memory: new Float32Array(memory.buffer) };
}
