import type { Dtype } from './dtypes';

/** Turns `count` packed little-endian elements into float32. */
type Decoder = (bytes: Uint8Array, out: Float32Array) => void;

/**
 * Decodes elements to float32; null for dtypes that are not real numbers of whole bytes (C64) .
 * Integers and float64 are rounded to the nearest float32, as a cast in NumPy or torch does.
 */
export function decoderOf(dtype: Dtype): Decoder | null {
  return DECODERS.get(dtype) ?? null;
}

/** Views bytes as another element type, copying only where the bytes are not aligned. */
function aligned(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  return bytes.byteOffset % size === 0 && bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : Uint8Array.from(bytes);
}

type Numbers = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;
type NumbersConstructor = { new (buffer: ArrayBuffer, offset: number, length: number): Numbers; readonly BYTES_PER_ELEMENT: number };

function direct(kind: NumbersConstructor): Decoder {
  return (bytes, out) => {
    const source = aligned(bytes, kind.BYTES_PER_ELEMENT);
    out.set(new kind(source.buffer, source.byteOffset, source.byteLength / kind.BYTES_PER_ELEMENT));
  };
}

function big(kind: typeof BigInt64Array | typeof BigUint64Array): Decoder {
  return (bytes, out) => {
    const source = aligned(bytes, 8);
    const values = new kind(source.buffer, source.byteOffset, source.byteLength / 8);
    for (let i = 0; i < values.length; i++) out[i] = Number(values[i]);
  };
}

function bfloat16(bytes: Uint8Array, out: Float32Array): void {
  const source = aligned(bytes, 2);
  const halves = new Uint16Array(source.buffer, source.byteOffset, source.byteLength / 2);
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
}

function float16(bytes: Uint8Array, out: Float32Array): void {
  const source = aligned(bytes, 2);
  const halves = new Uint16Array(source.buffer, source.byteOffset, source.byteLength / 2);
  halfTable ??= makeTable(65536, halfToFloat);
  const table = halfTable;
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]];
}

let halfTable: Float32Array | null = null;

function makeTable(size: number, valueOf: (code: number) => number): Float32Array {
  const table = new Float32Array(size);
  for (let code = 0; code < size; code++) table[code] = valueOf(code);
  return table;
}

/** IEEE 754 binary16 to a number. */
export function halfToFloat(code: number): number {
  const sign = code & 0x8000 ? -1 : 1;
  const exponent = (code >> 10) & 31;
  const mantissa = code & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** A small float with `exponentBits` and `mantissaBits`; special values are decided by the caller. */
function smallFloat(code: number, exponentBits: number, mantissaBits: number, bias: number): number {
  const sign = (code >> (exponentBits + mantissaBits)) & 1 ? -1 : 1;
  const exponent = (code >> mantissaBits) & (2 ** exponentBits - 1);
  const fraction = (code & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

/** 8-bit floats; FN: finite, NaN only at all ones; FNUZ: no negative zero, whose code is the NaN. */
const FLOAT8: ReadonlyMap<Dtype, (code: number) => number> = new Map<Dtype, (code: number) => number>([
  ['F8_E4M3', (code) => ((code & 0x7f) === 0x7f ? NaN : smallFloat(code, 4, 3, 7))],
  ['F8_E5M2', (code) => ((code & 0x7c) === 0x7c ? ((code & 3) === 0 ? (code & 0x80 ? -Infinity : Infinity) : NaN) : smallFloat(code, 5, 2, 15))],
  ['F8_E4M3FNUZ', (code) => (code === 0x80 ? NaN : smallFloat(code, 4, 3, 8))],
  ['F8_E5M2FNUZ', (code) => (code === 0x80 ? NaN : smallFloat(code, 5, 2, 16))],
  ['F8_E8M0', (code) => (code === 0xff ? NaN : 2 ** (code - 127))],
]);

function tableDecoder(valueOf: (code: number) => number): Decoder {
  let table: Float32Array | null = null;
  return (bytes, out) => {
    table ??= makeTable(256, valueOf);
    for (let i = 0; i < bytes.length; i++) out[i] = table[bytes[i]];
  };
}

/** Packed elements of fewer than 8 bits, lowest bits first. */
function packed(bits: number, valueOf: (code: number) => number): Decoder {
  const mask = 2 ** bits - 1;
  return (bytes, out) => {
    for (let i = 0; i < out.length; i++) {
      const bit = i * bits;
      const at = Math.floor(bit / 8);
      const pair = bytes[at] | ((bytes[at + 1] ?? 0) << 8);
      out[i] = valueOf((pair >> (bit % 8)) & mask);
    }
  };
}

const DECODERS: ReadonlyMap<Dtype, Decoder> = new Map<Dtype, Decoder>([
  ['F32', direct(Float32Array)], ['F64', direct(Float64Array)],
  ['I8', direct(Int8Array)], ['U8', direct(Uint8Array)], ['BOOL', direct(Uint8Array)],
  ['I16', direct(Int16Array)], ['U16', direct(Uint16Array)], ['I32', direct(Int32Array)], ['U32', direct(Uint32Array)],
  ['I64', big(BigInt64Array)], ['U64', big(BigUint64Array)],
  ['F16', float16], ['BF16', bfloat16],
  ...[...FLOAT8].map(([dtype, valueOf]): [Dtype, Decoder] => [dtype, tableDecoder(valueOf)]),
  ['F4', packed(4, (code) => smallFloat(code, 2, 1, 1))],
  ['F6_E2M3', packed(6, (code) => smallFloat(code, 2, 3, 1))],
  ['F6_E3M2', packed(6, (code) => smallFloat(code, 3, 2, 3))],
]);
