import { promises as fs } from 'node:fs';
import { elementCount } from './dtypes';

/** Elements that are read from a NumPy file at most. */
const LIMIT = 64 << 20;

/** Numbers of a NumPy `.npy` file (format 1 to 3), row-major. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const READERS: Readonly<Record<string, readonly [number, (view: DataView, at: number) => number]>> = {
  '|u1': [1, (v, at) => v.getUint8(at)], '|i1': [1, (v, at) => v.getInt8(at)], '|b1': [1, (v, at) => v.getUint8(at)],
  '<u2': [2, (v, at) => v.getUint16(at, true)], '<i2': [2, (v, at) => v.getInt16(at, true)],
  '<u4': [4, (v, at) => v.getUint32(at, true)], '<i4': [4, (v, at) => v.getInt32(at, true)],
  '<u8': [8, (v, at) => Number(v.getBigUint64(at, true))], '<i8': [8, (v, at) => Number(v.getBigInt64(at, true))],
  '<f4': [4, (v, at) => v.getFloat32(at, true)], '<f8': [8, (v, at) => v.getFloat64(at, true)],
};

/**
 * Reads a NumPy array of numbers (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). Arrays of objects, which would be
 * pickles, are refused.
 * @throws Error that says what is wrong, for the caller to name the file
 */
export async function readNpy(file: string): Promise<NpyArray> {
  const bytes = await fs.readFile(file), view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || bytes.toString('latin1', 0, 6) !== '\x93NUMPY') throw new Error('it does not begin as a NumPy file does');
  const long = bytes[6] >= 2, start = long ? 12 : 10, length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  if (start + length > bytes.length) throw new Error('its header is cut off');
  const header = bytes.toString('utf8', start, start + length);
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1], order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1], dims = /'shape'\s*:\s*\(([^)]*)\)/.exec(header)?.[1];
  if (descr === undefined || order === undefined || dims === undefined) throw new Error('its header names no type, order and shape');
  if (order === 'True') throw new Error('it is stored column by column; save numpy.ascontiguousarray of it');
  const reader = READERS[descr];
  if (!reader) throw new Error(`its type ${descr} is not a plain number`);
  const shape = dims.split(',').map((dim) => dim.trim()).filter((dim) => dim !== '').map(Number), [width, get] = reader;
  if (shape.some((dim) => !Number.isInteger(dim) || dim < 0)) throw new Error(`its shape (${dims}) is not one`);
  const count = elementCount(shape);
  if (count > LIMIT) throw new Error(`it holds ${count} numbers, more than the ${LIMIT} that are read`);
  if (start + length + count * width > bytes.length) throw new Error(`it should hold ${count} numbers and is too short`);
  return { shape, data: Float64Array.from({ length: count }, (_, i) => get(view, start + length + i * width)) };
}
