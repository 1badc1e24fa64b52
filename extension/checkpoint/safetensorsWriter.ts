import { failure } from '../protocol/errors';
import { AtomicFile } from './atomicFile';
import { byteCount, DTYPE_BITS, type Dtype } from './dtypes';
import { MAX_SAFETENSORS_HEADER_BYTES } from './limits';

/** A tensor to write, before its data is there. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

type TypedData = Uint8Array | Float32Array | Float64Array | Int8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

/** A tensor with its bytes: at once, made when its turn comes, or in pieces. */
export interface TensorData extends TensorSpec {
  readonly data: TypedData | (() => Promise<TypedData>) | AsyncIterable<TypedData>;
}

interface Place {
  readonly spec: TensorSpec;
  readonly start: number;
  readonly end: number;
}

/** The order of the reference writer: widest elements first, so that all lie aligned, then by name. */
function inOrder<T extends TensorSpec>(specs: readonly T[]): readonly T[] {
  return [...specs].sort((a, b) => DTYPE_BITS[b.dtype] - DTYPE_BITS[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/**
 * The first bytes of a safetensors file: length, header, blanks up to a multiple of 8.
 * @throws RangeError for a repeated name or a header beyond the format's limit
 */
function layOut(specs: readonly TensorSpec[], metadata: ReadonlyMap<string, string>): { readonly head: Uint8Array; readonly places: ReadonlyMap<string, Place>; readonly size: number } {
  const places = new Map<string, Place>();
  const parts: string[] = [];
  if (metadata.size > 0) parts.push(`"__metadata__":{${[...metadata].map(([key, value]) => `${quote(key)}:${quote(value)}`).join(',')}}`);
  let at = 0;
  for (const spec of inOrder(specs)) {
    if (places.has(spec.name) || spec.name === '__metadata__') throw new RangeError(`a safetensors file cannot hold two tensors called "${spec.name}"`);
    const end = at + byteCount(spec.dtype, spec.shape);
    if (!Number.isSafeInteger(end)) throw new RangeError(`tensor "${spec.name}" does not fill whole bytes or is too large`);
    places.set(spec.name, { spec, start: at, end });
    parts.push(`${quote(spec.name)}:{"dtype":"${spec.dtype}","shape":[${spec.shape.join(',')}],"data_offsets":[${at},${end}]}`);
    at = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_SAFETENSORS_HEADER_BYTES) throw new RangeError(`the header would take ${length} bytes`);
  const head = new Uint8Array(8 + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(json, 8);
  return { head, places, size: head.length + at };
}

/** JSON text of a string; half surrogate pairs, which the format cannot hold, become the replacement character. */
function quote(text: string): string {
  return JSON.stringify(new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text)));
}

function bytesOf(data: TypedData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A whole safetensors file in memory, for small ones. @throws RangeError for a repeated name or data of another size than its shape says */
export function safetensorsBytes(tensors: readonly (TensorSpec & { readonly data: TypedData })[], metadata: ReadonlyMap<string, string> = new Map()): Uint8Array {
  const { head, places, size } = layOut(tensors, metadata), out = new Uint8Array(size);
  out.set(head);
  for (const { name, data } of tensors) {
    const place = places.get(name);
    if (place === undefined || place.end - place.start !== data.byteLength) throw new RangeError(`tensor "${name}" has ${data.byteLength} bytes, which is not what its shape says`);
    out.set(bytesOf(data), head.length + place.start);
  }
  return out;
}

/** A safetensors file whose shapes are known and whose data arrives in pieces, in any order. It appears under its name when finished, never half. */
export class SafetensorsStreamWriter {
  private readonly missing = new Map<string, number>();

  private constructor(private readonly file: AtomicFile, private readonly headBytes: number, private readonly places: ReadonlyMap<string, Place>) {
    for (const [name, { start, end }] of places) this.missing.set(name, end - start);
  }

  /** @throws output/disk-full, output/write-failed */
  static async create(target: string, specs: readonly TensorSpec[], metadata: ReadonlyMap<string, string> = new Map()): Promise<SafetensorsStreamWriter> {
    const { head, places, size } = layOut(specs, metadata);
    const file = await AtomicFile.create(target);
    await file.resize(size);
    await file.write(head, 0);
    return new SafetensorsStreamWriter(file, head.length, places);
  }

  /**
   * Writes a piece of a tensor. Pieces must not overlap; `finish` checks that they add up.
   * @param element index of the first element, row-major
   */
  async write(name: string, element: number, data: TypedData): Promise<void> {
    const place = this.places.get(name);
    if (place === undefined) throw new RangeError(`there is no tensor "${name}" in this file`);
    const from = place.start + (element * DTYPE_BITS[place.spec.dtype]) / 8;
    if (!Number.isInteger(from) || from < place.start || from + data.byteLength > place.end) throw new RangeError(`elements from ${element}, ${data.byteLength} bytes, do not fit into tensor "${name}"`);
    await this.file.write(bytesOf(data), this.headBytes + from);
    this.missing.set(name, (this.missing.get(name) ?? 0) - data.byteLength);
  }

  /** Writes whole rows: `row` counts along the first dimension. */
  async writeRows(name: string, row: number, data: TypedData): Promise<void> {
    const shape = this.places.get(name)?.spec.shape ?? [];
    await this.write(name, row * shape.slice(1).reduce((product, size) => product * size, 1), data);
  }

  /** Puts the file under its name. @throws output/write-failed when a tensor has not been written completely */
  async finish(): Promise<void> {
    for (const [name, bytes] of this.missing) {
      if (bytes === 0) continue;
      await this.abort();
      throw failure('output/write-failed', { path: this.file.target, reason: `tensor "${name}" ${bytes > 0 ? `lacks ${bytes} bytes` : 'was written twice'}` });
    }
    await this.file.finish();
  }

  /** Gives up and removes what was written. */
  async abort(): Promise<void> {
    await this.file.abort();
  }
}

/**
 * Writes a safetensors file tensor by tensor; each tensor's data is asked for only when its turn comes.
 * @throws output/disk-full, output/write-failed; nothing is left behind
 */
export async function writeSafetensors(target: string, tensors: readonly TensorData[], metadata: ReadonlyMap<string, string> = new Map()): Promise<void> {
  const writer = await SafetensorsStreamWriter.create(target, tensors, metadata);
  try {
    for (const { name, dtype, data } of inOrder(tensors)) {
      if (typeof data === 'function' || !(Symbol.asyncIterator in data)) {
        await writer.write(name, 0, typeof data === 'function' ? await data() : data);
        continue;
      }
      let element = 0;
      for await (const piece of data) {
        await writer.write(name, element, piece);
        element += (piece.byteLength * 8) / DTYPE_BITS[dtype];
      }
    }
    await writer.finish();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
