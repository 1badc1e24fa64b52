import { promises as fs } from 'node:fs';
import * as path from 'node:path';
import { failure, ModulensError } from '../protocol/errors';
import { byteCount, DTYPE_BITS, elementCount, type Dtype } from './dtypes';
import { asReadFailure, errorCode, statOrNull, stampFile, withFile, type OpenedFile } from './files';
import { resolveInside } from './insidePath';
import { MAX_ONNX_DECODED_BYTES, MAX_ONNX_GRAPH_BYTES, MAX_ONNX_TENSORS, MAX_RANK } from './limits';
import { dtypeOfOnnx } from './onnxDtypes';
import { decoding } from './onnxProto';
import { GRAPH_FIELD, GRAPH_SCHEMA, MODEL_FIELD, MODEL_SCHEMA, TENSOR_FIELD, TENSOR_SCHEMA } from './onnxSchema';
import { ONNX_DATA_LOCATION, type OnnxGraph, type OnnxModel, type OnnxTensor } from './onnxTypes';
import { decodeMessage } from './protobuf';
import { ProtobufFile } from './protobufFile';
import type { WeightsFile } from './safetensorsFile';
import type { FileStamp, TensorInfo, TensorStorage } from './types';

/** An initialiser without its data. */
export interface OnnxInitializer {
  /** Without `rawData`, `floatData` and `doubleData`, whose bytes stay in the file. */
  readonly tensor: OnnxTensor;
  /** Where these bytes are; null when the data is external, stored otherwise, or empty. */
  readonly range: { readonly offset: number; readonly bytes: number } | null;
}

export interface OnnxScan {
  /** The whole model; `graph.initializer` is empty, see `initializers`. */
  readonly model: OnnxModel;
  readonly initializers: readonly OnnxInitializer[];
}

/**
 * Reads an ONNX file of any size without the data of its initialisers.
 * @throws checkpoint/onnx-invalid, checkpoint/onnx-limit
 */
export async function scanOnnxModel(file: OpenedFile): Promise<OnnxScan> {
  const walker = new ProtobufFile(file);
  const modelParts: Uint8Array[] = [];
  const graphParts: Uint8Array[] = [];
  const initializers: OnnxInitializer[] = [];
  let kept = 0;
  const keep = async (from: number, to: number): Promise<Uint8Array> => {
    kept += to - from;
    if (kept > MAX_ONNX_GRAPH_BYTES) throw failure('checkpoint/onnx-limit', { file: file.path, what: 'the graph without its initialisers', actual: kept, limit: MAX_ONNX_GRAPH_BYTES });
    return Uint8Array.from(await walker.bytes(from, to));
  };
  let graphs = 0;
  try {
    for await (const field of walker.fields(0, file.size)) {
      if (field.id !== MODEL_FIELD.graph || field.wire !== 2) {
        modelParts.push(await keep(field.start, field.end));
        continue;
      }
      graphs++;
      for await (const inner of walker.fields(field.valueStart, field.end)) {
        if (inner.id !== GRAPH_FIELD.initializer || inner.wire !== 2) graphParts.push(await keep(inner.start, inner.end));
        else {
          if (initializers.length >= MAX_ONNX_TENSORS) throw failure('checkpoint/onnx-limit', { file: file.path, what: 'the number of initialisers', actual: initializers.length + 1, limit: MAX_ONNX_TENSORS });
          initializers.push(await scanTensor(walker, inner.valueStart, inner.end, keep));
        }
      }
    }
  } catch (error) {
    if (error instanceof ModulensError || errorCode(error) !== '') throw error;
    throw failure('checkpoint/onnx-invalid', { file: file.path, reason: error instanceof Error ? error.message : String(error) }, error);
  }
  if (graphs === 0) throw failure('checkpoint/onnx-invalid', { file: file.path, reason: 'it holds no graph' });
  return decoding(file.path, () => ({
    model: { ...(decodeMessage(MODEL_SCHEMA, Buffer.concat(modelParts)) as unknown as OnnxModel), graph: decodeMessage(GRAPH_SCHEMA, Buffer.concat(graphParts)) as unknown as OnnxGraph },
    initializers,
  }));
}

async function scanTensor(walker: ProtobufFile, from: number, to: number, keep: (from: number, to: number) => Promise<Uint8Array>): Promise<OnnxInitializer> {
  const parts: Uint8Array[] = [];
  const inPlace: ReadonlySet<number> = new Set([TENSOR_FIELD.rawData, TENSOR_FIELD.floatData, TENSOR_FIELD.doubleData]);
  let range: OnnxInitializer['range'] = null;
  for await (const field of walker.fields(from, to)) {
    // Packed runs of floats are the bytes of the numbers; the rare forms in several pieces are kept and decoded.
    if (inPlace.has(field.id) && field.wire === 2 && range === null) range = { offset: field.valueStart, bytes: field.end - field.valueStart };
    else {
      if (field.end - field.start > MAX_ONNX_DECODED_BYTES) throw failure('checkpoint/onnx-limit', { file: walker.file.path, what: 'one initialiser that is not stored as raw bytes', actual: field.end - field.start, limit: MAX_ONNX_DECODED_BYTES });
      parts.push(await keep(field.start, field.end));
    }
  }
  return { tensor: decodeMessage(TENSOR_SCHEMA, Buffer.concat(parts)) as unknown as OnnxTensor, range };
}

/**
 * Lists the initialisers of an ONNX model: in the file or in data files beside it.
 * @throws checkpoint/onnx-invalid, onnx-limit, onnx-path for data outside the folder, onnx-data-missing, size-mismatch, past-end
 */
export async function readOnnxFile(file: string): Promise<WeightsFile> {
  return withFile(file, async (opened) => {
    const { model, initializers } = await scanOnnxModel(opened);
    const data = new DataFiles(file);
    const tensors: TensorInfo[] = [];
    const skipped: string[] = [];
    let decodedBytes = 0;
    for (const initializer of initializers) {
      const info = await tensorInfo(opened, initializer, data);
      if (info === null) {
        skipped.push(initializer.tensor.name ?? '');
        continue;
      }
      if (info.storage.kind === 'memory') decodedBytes += info.bytes;
      if (decodedBytes > MAX_ONNX_DECODED_BYTES) throw failure('checkpoint/onnx-limit', { file, what: 'the values that are not stored as raw bytes', actual: decodedBytes, limit: MAX_ONNX_DECODED_BYTES });
      tensors.push(info);
    }
    const remarks = skipped.length === 0 ? [] : [`${skipped.length} initialisers hold texts or packed integers and are not listed, "${skipped[0]}" first.`];
    const metadata = new Map((model.metadataProps ?? []).map(({ key, value }) => [key ?? '', value ?? '']));
    return { tensors, metadata, stamps: [opened.stamp, ...data.stamps()], remarks };
  });
}

async function tensorInfo(file: OpenedFile, { tensor, range }: OnnxInitializer, data: DataFiles): Promise<TensorInfo | null> {
  const name = tensor.name ?? '';
  const dtype = dtypeOfOnnx(tensor.dataType ?? 0);
  if (dtype === null) return null;
  if (tensor.dims.length > MAX_RANK || !tensor.dims.every((size) => typeof size === 'number' && size >= 0)) throw failure('checkpoint/tensor-entry', { file: file.path, tensor: name, reason: 'its dims are not valid' });
  const shape = tensor.dims.map(Number);
  if (!Number.isSafeInteger(elementCount(shape) * DTYPE_BITS[dtype])) throw failure('checkpoint/shape-overflow', { file: file.path, tensor: name, shape: `[${shape.join(', ')}]` });
  const bytes = Math.ceil(byteCount(dtype, shape));
  const base = { name, dtype, shape, bytes, file: file.path, realFile: file.realPath };
  if (tensor.dataLocation === ONNX_DATA_LOCATION.external) return { ...base, ...(await data.place(name, tensor, bytes)), storage: PLAIN, inPlace: true };
  if (range !== null || bytes === 0) {
    if ((range?.bytes ?? 0) !== bytes) throw failure('checkpoint/size-mismatch', { file: file.path, tensor: name, dtype, shape: `[${shape.join(', ')}]`, expected: String(bytes), actual: String(range?.bytes ?? 0) });
    return { ...base, offset: range?.offset ?? 0, storage: PLAIN, inPlace: true };
  }
  const decoded = listedValues(dtype, tensor);
  if (decoded.byteLength !== bytes) throw failure('checkpoint/size-mismatch', { file: file.path, tensor: name, dtype, shape: `[${shape.join(', ')}]`, expected: String(bytes), actual: String(decoded.byteLength) });
  return { ...base, offset: 0, storage: { kind: 'memory', data: decoded }, inPlace: false };
}

const PLAIN: TensorStorage = { kind: 'plain' };

/** Values that stand in the message one by one; int32_data also carries narrow types and the bits of 16- and 8-bit floats. */
function listedValues(dtype: Dtype, tensor: OnnxTensor): Uint8Array {
  const bits = DTYPE_BITS[dtype];
  const list: readonly (number | bigint)[] = tensor.int64Data ?? tensor.uint64Data ?? tensor.int32Data ?? tensor.doubleData ?? tensor.floatData ?? [];
  const out = new Uint8Array((list.length * bits) / 8);
  const view = new DataView(out.buffer);
  list.forEach((value, i) => {
    if (tensor.floatData !== undefined) view.setFloat32(i * 4, Number(value), true);
    else if (tensor.doubleData !== undefined) view.setFloat64(i * 8, Number(value), true);
    else if (bits === 64) view.setBigUint64(i * 8, BigInt.asUintN(64, BigInt(value)), true);
    else if (bits === 32) view.setUint32(i * 4, Number(BigInt.asUintN(32, BigInt(value))), true);
    else if (bits === 16) view.setUint16(i * 2, Number(value) & 0xffff, true);
    else if (bits === 8) out[i] = Number(value) & 0xff;
  });
  return out;
}

/** The external data files of one model, each looked at once. */
class DataFiles {
  private readonly known = new Map<string, { readonly realFile: string; readonly stamp: FileStamp }>();

  constructor(private readonly model: string) {}

  stamps(): readonly FileStamp[] {
    return [...this.known.values()].map(({ stamp }) => stamp);
  }

  async place(name: string, tensor: OnnxTensor, bytes: number): Promise<Pick<TensorInfo, 'file' | 'realFile' | 'offset'>> {
    const entries = new Map((tensor.externalData ?? []).map(({ key, value }) => [key ?? '', value ?? '']));
    const target = entries.get('location') ?? '';
    const file = resolveInside(path.dirname(this.model), target);
    if (file === null) throw failure('checkpoint/onnx-path', { file: this.model, tensor: name, target });
    const offset = Number(entries.get('offset') ?? 0);
    const length = Number(entries.get('length') ?? bytes);
    if (!Number.isSafeInteger(offset) || offset < 0 || length !== bytes) throw failure('checkpoint/size-mismatch', { file: this.model, tensor: name, dtype: String(dtypeOfOnnx(tensor.dataType ?? 0)), shape: `[${tensor.dims.join(', ')}]`, expected: String(bytes), actual: String(length) });
    const { realFile, stamp } = await this.open(name, file, target);
    if (offset + bytes > stamp.size) throw failure('checkpoint/past-end', { file, tensor: name, end: String(offset + bytes), size: stamp.size });
    return { file, realFile, offset };
  }

  private async open(tensor: string, file: string, target: string): Promise<{ readonly realFile: string; readonly stamp: FileStamp }> {
    const known = this.known.get(file);
    if (known !== undefined) return known;
    const stats = await statOrNull(file);
    if (stats === null) throw failure('checkpoint/onnx-data-missing', { file: this.model, tensor, target });
    if (!stats.isFile()) throw failure('checkpoint/not-a-file', { path: file });
    try {
      const opened = { realFile: await fs.realpath(file), stamp: await stampFile(file) };
      this.known.set(file, opened);
      return opened;
    } catch (error) {
      throw asReadFailure(file, error);
    }
  }
}
