import { inflateRawSync } from 'node:zlib';
import { failure } from '../protocol/errors';
import { readRange, type OpenedFile } from './files';
import { MAX_ZIP_DIRECTORY_BYTES, MAX_ZIP_ENTRIES, MAX_ZIP_TAIL_BYTES } from './limits';

/** One entry of the central directory. */
export interface ZipEntry {
  readonly name: string;
  /** 0 = stored, 8 = deflated. */
  readonly method: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  /** Of the local header, from the file's start. */
  readonly headerOffset: number;
}

const END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50, CENTRAL = 0x02014b50, LOCAL = 0x04034b50;
const END_BYTES = 22, LOCATOR_BYTES = 20, END64_BYTES = 56, CENTRAL_BYTES = 46, LOCAL_BYTES = 30;
const U16 = 0xffff, U32 = 0xffff_ffff;

/** Whether a file's first four bytes are those of a zip archive. */
export function startsLikeZip(head: Uint8Array): boolean {
  return head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4;
}

/**
 * Reads the central directory of a zip archive (also ZIP64). Layout: APPNOTE.TXT of PKWARE, sections 4.3.12 to 4.3.16.
 * @throws checkpoint/zip-invalid, checkpoint/zip-limit
 */
export async function readZipDirectory(file: OpenedFile): Promise<ReadonlyMap<string, ZipEntry>> {
  const bad = (reason: string): never => {
    throw failure('checkpoint/zip-invalid', { file: file.path, reason });
  };
  const { count, size, offset } = await findDirectory(file, bad);
  if (count > MAX_ZIP_ENTRIES) throw failure('checkpoint/zip-limit', { file: file.path, what: 'the number of entries', actual: count, limit: MAX_ZIP_ENTRIES });
  if (size > MAX_ZIP_DIRECTORY_BYTES) throw failure('checkpoint/zip-limit', { file: file.path, what: 'the size of the directory in bytes', actual: size, limit: MAX_ZIP_DIRECTORY_BYTES });
  if (offset + size > file.size) bad('its directory reaches past the end; the file is probably cut short');
  const directory = await readRange(file, offset, size);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > size || directory.readUInt32LE(at) !== CENTRAL) bad(`entry ${i} of its directory is damaged`);
    const nameBytes = directory.readUInt16LE(at + 28);
    const extraBytes = directory.readUInt16LE(at + 30);
    const next = at + CENTRAL_BYTES + nameBytes + extraBytes + directory.readUInt16LE(at + 32);
    if (next > size) bad(`entry ${i} of its directory is damaged`);
    const name = directory.toString('utf8', at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
    if (directory.readUInt16LE(at + 8) & 1) bad(`entry "${name}" is encrypted`);
    const [bytes, compressedBytes, headerOffset] = wideNumbers(directory.subarray(at + CENTRAL_BYTES + nameBytes, at + CENTRAL_BYTES + nameBytes + extraBytes), [directory.readUInt32LE(at + 24), directory.readUInt32LE(at + 20), directory.readUInt32LE(at + 42)], bad);
    if (entries.has(name)) bad(`entry "${name}" is there twice`);
    entries.set(name, { name, method: directory.readUInt16LE(at + 10), compressedBytes, bytes, headerOffset });
    at = next;
  }
  return entries;
}

type Bad = (reason: string) => never;

async function findDirectory(file: OpenedFile, bad: Bad): Promise<{ count: number; size: number; offset: number }> {
  const tailBytes = Math.min(file.size, MAX_ZIP_TAIL_BYTES + LOCATOR_BYTES);
  const tail = await readRange(file, file.size - tailBytes, tailBytes);
  let at = tailBytes - END_BYTES;
  while (at >= 0 && !(tail.readUInt32LE(at) === END && at + END_BYTES + tail.readUInt16LE(at + 20) === tailBytes)) at--;
  if (at < 0) return bad('the end of the archive is missing; the file is probably cut short');
  const plain = { count: tail.readUInt16LE(at + 10), size: tail.readUInt32LE(at + 12), offset: tail.readUInt32LE(at + 16) };
  if (plain.count !== U16 && plain.size !== U32 && plain.offset !== U32) return plain;
  if (at < LOCATOR_BYTES || tail.readUInt32LE(at - LOCATOR_BYTES) !== LOCATOR64) return bad('the locator of its ZIP64 end is missing');
  const end64 = safe(tail.readBigUInt64LE(at - LOCATOR_BYTES + 8), bad);
  if (end64 + END64_BYTES > file.size) return bad('its ZIP64 end reaches past the end of the file');
  const record = await readRange(file, end64, END64_BYTES);
  if (record.readUInt32LE(0) !== END64) return bad('its ZIP64 end is damaged');
  return { count: safe(record.readBigUInt64LE(32), bad), size: safe(record.readBigUInt64LE(40), bad), offset: safe(record.readBigUInt64LE(48), bad) };
}

/** Replaces 32-bit numbers that are all ones by those of the ZIP64 extra field, in order. */
function wideNumbers(extra: Buffer, narrow: readonly [number, number, number], bad: Bad): [number, number, number] {
  if (!narrow.includes(U32)) return [...narrow];
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let from = at + 4;
    const wide = narrow.map((value) => {
      if (value !== U32) return value;
      if (from + 8 > extra.length) return bad('a ZIP64 field is damaged');
      from += 8;
      return safe(extra.readBigUInt64LE(from - 8), bad);
    });
    return [wide[0], wide[1], wide[2]];
  }
  return bad('a ZIP64 field is missing');
}

function safe(value: bigint, bad: Bad): number {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : bad('it has an impossible size');
}

/** Where an entry's bytes start in the file. The local header's own name and extra lengths count, because torch pads there to align data. */
export async function dataOffset(file: OpenedFile, entry: ZipEntry): Promise<number> {
  const bad: Bad = (reason) => {
    throw failure('checkpoint/zip-invalid', { file: file.path, reason });
  };
  if (entry.headerOffset + LOCAL_BYTES > file.size) bad(`entry "${entry.name}" lies past the end`);
  const header = await readRange(file, entry.headerOffset, LOCAL_BYTES);
  if (header.readUInt32LE(0) !== LOCAL) bad(`entry "${entry.name}" is damaged`);
  const start = entry.headerOffset + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (start + entry.compressedBytes > file.size) bad(`entry "${entry.name}" reaches past the end; the file is probably cut short`);
  return start;
}

/**
 * Reads a small entry whole.
 * @param limit bytes after inflating
 * @throws checkpoint/zip-limit, checkpoint/zip-invalid
 */
export async function readZipEntry(file: OpenedFile, entry: ZipEntry, limit: number): Promise<Buffer> {
  if (entry.method !== 0 && entry.method !== 8) throw failure('checkpoint/zip-invalid', { file: file.path, reason: `entry "${entry.name}" is compressed by the unknown method ${entry.method}` });
  const actual = Math.max(entry.bytes, entry.compressedBytes);
  if (actual > limit) throw failure('checkpoint/zip-limit', { file: file.path, what: `the size of "${entry.name}" in bytes`, actual, limit });
  const stored = await readRange(file, await dataOffset(file, entry), entry.compressedBytes);
  if (entry.method === 0) return stored;
  try {
    return inflateRawSync(stored, { maxOutputLength: Math.max(1, entry.bytes) });
  } catch (error) {
    throw failure('checkpoint/zip-invalid', { file: file.path, reason: `entry "${entry.name}" cannot be inflated` }, error);
  }
}
