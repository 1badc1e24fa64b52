import { DTYPE_BITS } from '../../checkpoint/dtypes';
import { MAX_SAFETENSORS_HEADER_BYTES } from '../../checkpoint/limits';
import type { PlannedFile, PlannedTensor } from './types';

/** 5 GB, as Hugging Face's libraries split. */
export const SHARD_BYTES = 5_000_000_000;

/** The index beside several files. */
export const INDEX_NAME = 'model.safetensors.index.json';

/**
 * Places tensors in files: widest elements first, so that all lie aligned, otherwise in the order given; a new file where one would grow beyond
 * `shardBytes`. One file is called model.safetensors.
 */
export function layOutFiles(tensors: readonly PlannedTensor[], shardBytes: number, metadata: Readonly<Record<string, string>>): readonly PlannedFile[] {
  const ordered = tensors.map((tensor, i) => ({ tensor, i })).sort((a, b) => DTYPE_BITS[b.tensor.dtype] - DTYPE_BITS[a.tensor.dtype] || a.i - b.i).map(({ tensor }) => tensor);
  const groups: PlannedTensor[][] = [];
  let filled = Infinity;
  for (const tensor of ordered) {
    if (filled + tensor.bytes > shardBytes) { groups.push([]); filled = 0; }
    groups[groups.length - 1].push(tensor);
    filled += tensor.bytes;
  }
  const number = (i: number): string => String(i).padStart(5, '0');
  return groups.map((group, i) => fileOf(groups.length === 1 ? 'model.safetensors' : `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`, group, metadata));
}

function fileOf(name: string, group: readonly PlannedTensor[], metadata: Readonly<Record<string, string>>): PlannedFile {
  const parts = [`"__metadata__":${JSON.stringify(metadata)}`];
  let at = 0;
  const places = group.map((tensor) => {
    const start = at;
    at += tensor.bytes;
    parts.push(`${JSON.stringify(tensor.name)}:{"dtype":"${tensor.dtype}","shape":[${tensor.shape.join(',')}],"data_offsets":[${start},${at}]}`);
    return { tensor, start };
  });
  const json = new TextEncoder().encode(`{${parts.join(',')}}`), length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_SAFETENSORS_HEADER_BYTES) throw new RangeError(`the header would take ${length} bytes`);
  const head = new Uint8Array(8 + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(json, 8);
  return { name, head, bytes: head.length + at, tensors: places.map(({ tensor, start }) => ({ tensor, offset: head.length + start })) };
}

/** Text of the index; null for a single file. */
export function indexText(files: readonly PlannedFile[]): string | null {
  if (files.length < 2) return null;
  const map = Object.fromEntries(files.flatMap((file) => file.tensors.map(({ tensor }) => [tensor.name, file.name] as const)));
  const total = files.reduce((sum, file) => sum + file.tensors.reduce((bytes, { tensor }) => bytes + tensor.bytes, 0), 0);
  return `${JSON.stringify({ metadata: { total_size: total }, weight_map: map }, null, 2)}\n`;
}
