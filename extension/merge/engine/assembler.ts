import { ADD, BRANCH_IF, EMPTY_BLOCK, END, get, I32, leb, LESS_UNSIGNED, LOOP, set, V128 } from '../../numerics/wasm';

/** What the merge kernels need of WebAssembly beyond `numerics/wasm`: modules of several functions, and vector operations by name. */

export const F32 = 0x7d;
export const F64 = 0x7c;

/** Code: bytes of instructions. */
export type Code = readonly number[];

/** A function of the module. Parameters are the first locals. */
export interface FunctionSpec {
  readonly name: string;
  readonly parameters: readonly number[];
  readonly result?: number;
  readonly locals: readonly number[];
  readonly code: Code;
}

const op = (code: number, ...rest: readonly number[]): Code => [0xfd, ...leb(code), ...rest];
const VECTOR = {
  not: 0x4d, and: 0x4e, andNot: 0x4f, or: 0x50, xor: 0x51, bitselect: 0x52,
  floatEqual: 0x41, floatLess: 0x43, floatMore: 0x44, floatAtLeast: 0x46,
  intLess: 0x39, intLessUnsigned: 0x3a, intMore: 0x3b, intAtLeast: 0x3f, intEqual: 0x37,
  intAdd: 0xae, intSub: 0xb1, intMul: 0xb5, intMax: 0xb8, shiftLeft: 0xab, shiftRight: 0xad,
  narrow: 0x86, multiplyLowHalves: 0xde, multiplyHighHalves: 0xdf,
  floatAbs: 0xe0, floatAdd: 0xe4, floatSub: 0xe5, floatMul: 0xe6, floatDiv: 0xe7, intToFloat: 0xfa,
  doubleAdd: 0xf0, doubleMul: 0xf2, promoteLow: 0x5f, splatInt: 0x11, splatFloat: 0x13, anyTrue: 0x53,
} as const;
/** One vector instruction without operands of its own. */
export const v = (name: keyof typeof VECTOR): Code => op(VECTOR[name]);
export const loadVector = (offset = 0): Code => op(0x00, 0, ...leb(offset));
export const storeVector = (offset = 0): Code => op(0x0b, 0, ...leb(offset));
/** Four unsigned 16-bit values, widened. */
export const loadHalves = (offset = 0): Code => op(0x04, 0, ...leb(offset));
export const laneInt = (lane: number): Code => op(0x1b, lane);
export const laneDouble = (lane: number): Code => op(0x21, lane);
/** Bytes of two vectors, picked by number. */
export const shuffle = (...lanes: readonly number[]): Code => op(0x0d, ...lanes);
/** The same 32-bit word in all four lanes. */
export const words = (word: number): Code => op(0x0c, ...Array.from({ length: 16 }, (_, i) => (word >>> (8 * (i % 4))) & 255));
/** Words 0, 1, 2, 3. */
export const countingWords: Code = op(0x0c, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0);

/** i32.const of any value. */
export function int(value: number): Code {
  const bytes = [0x41];
  for (let rest = value | 0; ; rest >>= 7) {
    if ((rest >= 0 && rest < 64) || (rest < 0 && rest >= -64)) return [...bytes, rest & 127];
    bytes.push((rest & 127) | 128);
  }
}

/** Repeats `body` while local `at` is below local `end`, `at` growing by `step`; at least once. */
export function loop(at: number, end: number, step: number, body: Code): Code {
  return [LOOP, EMPTY_BLOCK, ...body, ...get(at), ...int(step), ADD, ...set(at), ...get(at), ...get(end), LESS_UNSIGNED, BRANCH_IF, 0, END];
}

const section = (id: number, bytes: Code): Code => [id, ...leb(bytes.length), ...bytes];
const text = (name: string): Code => [name.length, ...[...name].map((c) => c.charCodeAt(0))];
const list = (items: readonly Code[]): Code => [...leb(items.length), ...items.flat()];

/** A module that exports its functions by name and its memory, which starts with one page and may grow. */
export function assemble(functions: readonly FunctionSpec[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, list(functions.map((f) => [0x60, ...list(f.parameters.map((p) => [p])), ...(f.result === undefined ? [0] : [1, f.result])]))),
    ...section(3, list(functions.map((_, i) => leb(i)))),
    ...section(5, [1, 0, 1]),
    ...section(7, list([...functions.map((f, i) => [...text(f.name), 0, ...leb(i)]), [...text('memory'), 2, 0]])),
    ...section(10, list(functions.map((f) => {
      const body = [...list(f.locals.map((type) => [1, type])), ...f.code, END];
      return [...leb(body.length), ...body];
    }))),
  ]);
}

export { I32, V128 };
