import { inflateRawSync } from 'node:zlib';
import { failure } from '../protocol/errors';
import { DTYPE_BITS, elementCount } from './dtypes';
import { readRange, withFile } from './files';
import type { TensorInfo } from './types';

/** Reads a tensor that does not lie in one piece and returns its elements row-major and contiguous. */
export async function readStoredElements(tensor: TensorInfo): Promise<Uint8Array> {
  const { storage } = tensor;
  if (storage.kind === 'memory') return storage.data;
  if (storage.kind === 'plain') return withFile(tensor.realFile, (file) => readRange({ ...file, path: tensor.file }, tensor.offset, tensor.bytes));
  const size = DTYPE_BITS[tensor.dtype] / 8;
  if (storage.kind === 'strided') {
    const span = spanOf(tensor.shape, storage.strides) * size;
    const source = await withFile(tensor.realFile, (file) => readRange({ ...file, path: tensor.file }, tensor.offset, span));
    return gather(source, tensor.shape, storage.strides, size);
  }
  const deflated = await withFile(tensor.realFile, (file) => readRange({ ...file, path: tensor.file }, tensor.offset, storage.compressedBytes));
  return gather(inflate(tensor, deflated, storage.inflatedBytes).subarray(storage.elementOffset * size), tensor.shape, storage.strides, size);
}

function inflate(tensor: TensorInfo, deflated: Buffer, expected: number): Buffer {
  let inflated: Buffer;
  try {
    inflated = inflateRawSync(deflated, { maxOutputLength: Math.max(1, expected) });
  } catch (error) {
    throw failure('checkpoint/zip-invalid', { file: tensor.file, reason: `the compressed data of tensor "${tensor.name}" cannot be inflated` }, error);
  }
  if (inflated.length !== expected) throw failure('checkpoint/zip-invalid', { file: tensor.file, reason: `the data of tensor "${tensor.name}" has ${inflated.length} bytes instead of ${expected}` });
  return inflated;
}

/** Elements from the first to the last that a view touches. */
export function spanOf(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  let last = 0;
  for (let i = 0; i < shape.length; i++) last += (shape[i] - 1) * strides[i];
  return last + 1;
}

/** Whether a view's elements lie row-major without gaps. Sizes of 1 may have any stride. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i];
  }
  return true;
}

function gather(source: Uint8Array, shape: readonly number[], strides: readonly number[], size: number): Uint8Array {
  const count = elementCount(shape);
  if (isContiguous(shape, strides)) return source.subarray(0, count * size);
  const out = new Uint8Array(count * size);
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let element = 0; element < count; element++) {
    for (let byte = 0; byte < size; byte++) out[element * size + byte] = source[from * size + byte];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}
