import { setImmediate as nextTick } from 'node:timers/promises';
import { failure } from '../protocol/errors';
import { decoderOf } from './decode';
import { DTYPE_BITS, elementCount } from './dtypes';
import { readInto, readRange, readRangeNow, withFile, type OpenedFile } from './files';
import { MAX_DECODED_BYTES, READ_CHUNK_BYTES } from './limits';
import { readStoredElements } from './stridedTensor';
import type { TensorInfo } from './types';

/**
 * Reads a whole tensor as float32, row-major.
 * @throws checkpoint/tensor-too-large, checkpoint/dtype-not-readable, checkpoint/changed when the file became shorter
 */
export async function readTensor(tensor: TensorInfo): Promise<Float32Array> {
  return readElements(tensor, 0, elementCount(tensor.shape));
}

/**
 * Reads rows `[from, to)` along the first dimension as float32 `[to - from, ...]`; only their bytes are read where the tensor lies in one piece.
 * @throws RangeError where the rows do not exist, and what {@link readTensor} throws
 */
export async function readTensorRows(tensor: TensorInfo, from: number, to: number): Promise<Float32Array> {
  const rows = tensor.shape[0] ?? 1;
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > rows) throw new RangeError(`rows ${from} to ${to} of ${rows}`);
  const width = elementCount(tensor.shape.slice(1));
  return readElements(tensor, from * width, (to - from) * width);
}

/** Bytes between two rows that are read along rather than asked for again, and bytes of one request. */
const ROW_GAP_BYTES = 8 << 10;
const ROW_RUN_BYTES = 256 << 10;
/** Milliseconds of requests after which others get a turn. */
const ROW_TURN = 10;

/** Reads single rows, ascending, of a matrix that is stored plainly: `[rows.length, width]`. The file is opened once. */
export async function readTensorRowSet(tensor: TensorInfo, rows: readonly number[]): Promise<Float32Array> {
  const [height, width] = tensor.shape, bits = DTYPE_BITS[tensor.dtype], decode = decoderOf(tensor.dtype);
  if (decode === null || (width * bits) % 8 !== 0) throw failure('checkpoint/dtype-not-readable', { file: tensor.file, tensor: tensor.name, dtype: tensor.dtype });
  if (tensor.storage.kind !== 'plain') throw new RangeError(`${tensor.name} is not stored plainly`);
  if (rows.some((row, i) => !Number.isInteger(row) || row < 0 || row >= height || (i > 0 && row <= rows[i - 1]))) throw new RangeError(`rows of ${tensor.name} must ascend from 0 to ${height - 1}`);
  const out = new Float32Array(rows.length * width), rowBytes = (width * bits) / 8, gap = 1 + Math.floor(ROW_GAP_BYTES / rowBytes), most = Math.max(1, Math.floor(ROW_RUN_BYTES / rowBytes));
  await withFile(tensor.realFile, async (opened) => {
    const file = named(opened, tensor);
    let turn = performance.now() + ROW_TURN;
    for (let i = 0; i < rows.length;) {
      if (performance.now() > turn) {
        await nextTick();
        turn = performance.now() + ROW_TURN;
      }
      let j = i;
      while (j + 1 < rows.length && rows[j + 1] - rows[j] <= gap && rows[j + 1] - rows[i] < most) j++;
      const bytes = readRangeNow(file, tensor.offset + rows[i] * rowBytes, (rows[j] - rows[i] + 1) * rowBytes);
      for (let k = i; k <= j; k++) decode(bytes.subarray((rows[k] - rows[i]) * rowBytes, (rows[k] - rows[i] + 1) * rowBytes), out.subarray(k * width, (k + 1) * width));
      i = j + 1;
    }
  });
  return out;
}

/**
 * Reads the elements as stored bytes, row-major and contiguous, little endian.
 * @throws checkpoint/tensor-too-large, checkpoint/changed
 */
export async function readRaw(tensor: TensorInfo): Promise<Uint8Array> {
  if (tensor.bytes > MAX_DECODED_BYTES) throw failure('checkpoint/tensor-too-large', { file: tensor.file, tensor: tensor.name, bytes: tensor.bytes, limit: MAX_DECODED_BYTES });
  if (tensor.bytes === 0) return new Uint8Array(0);
  if (tensor.storage.kind !== 'plain') return readStoredElements(tensor);
  return withFile(tensor.realFile, (file) => readRange(named(file, tensor), tensor.offset, tensor.bytes));
}

async function readElements(tensor: TensorInfo, first: number, count: number): Promise<Float32Array> {
  if (count * 4 > MAX_DECODED_BYTES) throw failure('checkpoint/tensor-too-large', { file: tensor.file, tensor: tensor.name, bytes: count * 4, limit: MAX_DECODED_BYTES });
  const decode = decoderOf(tensor.dtype);
  if (decode === null) throw failure('checkpoint/dtype-not-readable', { file: tensor.file, tensor: tensor.name, dtype: tensor.dtype });
  const out = new Float32Array(count);
  if (count === 0) return out;
  const bits = DTYPE_BITS[tensor.dtype];
  if (tensor.storage.kind !== 'plain') {
    decode((await readStoredElements(tensor)).subarray((first * bits) / 8, ((first + count) * bits) / 8), out);
    return out;
  }
  if ((first * bits) % 8 !== 0 || (count * bits) % 8 !== 0) throw failure('checkpoint/dtype-not-readable', { file: tensor.file, tensor: tensor.name, dtype: tensor.dtype });
  await withFile(tensor.realFile, async (opened) => {
    const file = named(opened, tensor);
    const start = tensor.offset + (first * bits) / 8;
    if (tensor.dtype === 'F32') return readInto(file, new Uint8Array(out.buffer), start);
    // READ_CHUNK_BYTES x 8 bits is a multiple of every element size but 6 bits, hence the 3.
    const chunkElements = Math.floor((READ_CHUNK_BYTES * 8) / (bits * 24)) * 24;
    for (let done = 0; done < count; done += chunkElements) {
      const elements = Math.min(chunkElements, count - done);
      decode(await readRange(file, start + (done * bits) / 8, (elements * bits) / 8), out.subarray(done, done + elements));
    }
  });
  return out;
}

/** The file under the name that the user knows, for messages. */
function named(file: OpenedFile, tensor: TensorInfo): OpenedFile {
  return { ...file, path: tensor.file };
}
