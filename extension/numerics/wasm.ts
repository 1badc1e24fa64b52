/** Pieces of WebAssembly's binary format (core specification 2.0, chapter 5) for the kernels that are assembled here. */

export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;
export const EMPTY_BLOCK = 0x40;
export const LOOP = 0x03;
export const END = 0x0b;
export const BRANCH_IF = 0x0d;
/** Operations on i32. */
export const ADD = 0x6a;
export const SUB = 0x6b;
export const SHIFT_LEFT = 0x74;
export const LESS_UNSIGNED = 0x49;

export function leb(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
}
/** Signed encoding of a small non-negative i32 constant. */
export const constant = (value: number): number[] => [0x41, ...(value < 64 ? [value] : [(value & 127) | 128, value >>> 7])];
export const get = (local: number): number[] => [0x20, local];
export const set = (local: number): number[] => [0x21, local];
export const tee = (local: number): number[] => [0x22, local];

const section = (id: number, bytes: readonly number[]): number[] => [id, ...leb(bytes.length), ...bytes];
const text = (name: string): number[] => [name.length, ...[...name].map((c) => c.charCodeAt(0))];

/** A module of one function `run` of `parameters` i32 and its `memory`; `body` is local declarations and code. */
export function moduleBytes(parameters: number, body: readonly number[], memoryBytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, parameters, ...new Array<number>(parameters).fill(I32), 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, ...leb(Math.ceil(memoryBytes / 65536))]),
    ...section(7, [2, ...text('run'), 0, 0, ...text('memory'), 2, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}
