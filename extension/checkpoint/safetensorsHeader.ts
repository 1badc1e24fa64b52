import { isUtf8 } from 'node:buffer';
import { failure } from '../protocol/errors';
import { DTYPE_BITS, isDtype, type Dtype } from './dtypes';
import { JsonScanner, JsonSyntaxError } from './jsonScanner';
import { MAX_HEADER_DEPTH } from './limits';

type Count = number | bigint;

/** One tensor of a header; offsets count from the end of the header. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** Sorted by offset. */
  readonly entries: readonly HeaderEntry[];
  readonly metadata: ReadonlyMap<string, string>;
  /** Names that occur more than once; the last one counts, as in the reference. */
  readonly repeated: readonly string[];
}

interface RawEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly Count[];
  readonly start: Count;
  readonly end: Count;
}

const U64_MAX = 2n ** 64n - 1n;

/**
 * Parses and checks the JSON header of a safetensors file. Accepts and refuses what the reference library (safetensors 0.8, Rust) does,
 * including what its derived parser allows beyond the format's text: entries written as `[dtype, shape, offsets]`, a dtype as `{"F32": null}`,
 * `__metadata__: null`, repeated tensor names, unknown fields.
 * @param file for messages
 * @param dataBytes bytes of the file behind the header
 * @throws checkpoint/header-invalid, tensor-entry, duplicate-key, dtype-unknown, overlap, hole, offsets, size-mismatch, shape-overflow, partial-byte, past-end, trailing-bytes
 */
export function parseSafetensorsHeader(file: string, header: Buffer, dataBytes: number): SafetensorsHeader {
  if (!isUtf8(header)) throw failure('checkpoint/header-invalid', { file, at: 0, reason: 'it is not UTF-8 text' });
  try {
    const raw = scanHeader(file, new JsonScanner(header, MAX_HEADER_DEPTH));
    return { entries: checkLayout(file, [...raw.entries.values()], dataBytes), metadata: raw.metadata, repeated: [...raw.repeated] };
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw failure('checkpoint/header-invalid', { file, at: error.at, reason: error.reason }, error);
    throw error;
  }
}

interface ScannedHeader {
  readonly entries: ReadonlyMap<string, RawEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly repeated: ReadonlySet<string>;
}

function scanHeader(file: string, scanner: JsonScanner): ScannedHeader {
  const entries = new Map<string, RawEntry>();
  const metadata = new Map<string, string>();
  const repeated = new Set<string>();
  let metadataSeen = false;
  scanner.members(1, (name) => {
    if (name === '__metadata__') {
      if (metadataSeen) throw failure('checkpoint/duplicate-key', { file, tensor: '', key: name });
      metadataSeen = true;
      if (!scanner.literal('null')) scanner.members(2, (key) => metadata.set(key, scanner.string()));
      return;
    }
    if (entries.has(name)) repeated.add(name);
    entries.set(name, scanEntry(file, name, scanner));
  });
  scanner.end();
  return { entries, metadata, repeated };
}

function scanEntry(file: string, name: string, scanner: JsonScanner): RawEntry {
  let dtype: Dtype | null = null;
  let shape: readonly Count[] | null = null;
  let offsets: readonly Count[] | null = null;
  const bad = (reason: string): never => {
    throw failure('checkpoint/tensor-entry', { file, tensor: name, reason });
  };
  const field = (key: string): void => {
    if (key === 'dtype') {
      if (dtype !== null) throw failure('checkpoint/duplicate-key', { file, tensor: name, key });
      dtype = scanDtype(file, name, scanner);
    } else if (key === 'shape') {
      if (shape !== null) throw failure('checkpoint/duplicate-key', { file, tensor: name, key });
      shape = scanCounts(scanner);
    } else if (key === 'data_offsets') {
      if (offsets !== null) throw failure('checkpoint/duplicate-key', { file, tensor: name, key });
      offsets = scanCounts(scanner);
      if (offsets.length !== 2) bad(`data_offsets has ${offsets.length} numbers instead of 2`);
    } else scanner.skip(2);
  };
  const next = scanner.peek();
  if (next === 0x7b) scanner.members(2, field, FIELDS);
  else if (next === 0x5b) scanner.elements(2, (index) => (index < FIELDS.length ? field(FIELDS[index]) : bad('it is an array of more than 3 parts')));
  else bad('an object with dtype, shape and data_offsets was expected');
  const found = { dtype: dtype as Dtype | null, shape: shape as readonly Count[] | null, offsets: offsets as readonly Count[] | null };
  if (found.dtype === null || found.shape === null || found.offsets === null) return bad(`${found.dtype === null ? 'dtype' : found.shape === null ? 'shape' : 'data_offsets'} is missing`);
  return { name, dtype: found.dtype, shape: found.shape, start: found.offsets[0], end: found.offsets[1] };
}

/** Order of the fields where an entry is written as an array. */
const FIELDS = ['dtype', 'shape', 'data_offsets'] as const;

/** Met without making strings. */
const COMMON_DTYPES = ['BF16', 'F32', 'F16', 'I64'] as const;

function scanDtype(file: string, tensor: string, scanner: JsonScanner): Dtype {
  const common = scanner.word(COMMON_DTYPES);
  if (common !== null) return common;
  let text = '';
  if (scanner.peek() === 0x7b) {
    let count = 0;
    scanner.members(3, (key) => {
      text = key;
      if (++count > 1 || !scanner.literal('null')) throw failure('checkpoint/tensor-entry', { file, tensor, reason: 'dtype is not a text' });
    });
    if (count === 0) throw failure('checkpoint/tensor-entry', { file, tensor, reason: 'dtype is not a text' });
  } else text = scanner.string();
  if (!isDtype(text)) throw failure('checkpoint/dtype-unknown', { file, tensor, dtype: text, known: Object.keys(DTYPE_BITS).join(', ') });
  return text;
}

function scanCounts(scanner: JsonScanner): readonly Count[] {
  const counts: Count[] = [];
  scanner.elements(3, () => counts.push(scanner.unsigned()));
  return counts;
}

function checkLayout(file: string, raw: RawEntry[], dataBytes: number): readonly HeaderEntry[] {
  raw.sort((a, b) => compare(a.start, b.start) || compare(a.end, b.end));
  const entries: HeaderEntry[] = [];
  let previousEnd: Count = 0;
  for (const entry of raw) {
    const { name: tensor, dtype, start, end } = entry;
    if (compare(start, previousEnd) !== 0) {
      const args = { file, tensor, start: String(start), previousEnd: String(previousEnd) };
      throw compare(start, previousEnd) < 0 ? failure('checkpoint/overlap', args) : failure('checkpoint/hole', args);
    }
    if (compare(end, start) < 0) throw failure('checkpoint/offsets', { file, tensor, start: String(start), end: String(end) });
    const actual = typeof end === 'number' && typeof start === 'number' ? end - start : BigInt(end) - BigInt(start);
    const expected = tensorBytes(file, entry);
    if (compare(expected, actual) !== 0) throw failure('checkpoint/size-mismatch', { file, tensor, dtype, shape: shapeText(entry.shape), expected: String(expected), actual: String(actual) });
    if (compare(end, dataBytes) > 0) throw failure('checkpoint/past-end', { file, tensor, end: String(end), size: dataBytes });
    previousEnd = end;
    entries.push({ name: tensor, dtype, shape: entry.shape.every(isNumber) ? entry.shape : entry.shape.map(Number), start: Number(start), end: Number(end) });
  }
  if (compare(previousEnd, dataBytes) !== 0) throw failure('checkpoint/trailing-bytes', { file, expected: Number(previousEnd), actual: dataBytes });
  return entries;
}

/** Bytes of a tensor with the reference's order of overflow checks: `[2^63, 2, 0]` overflows, `[2^63, 0]` is empty. */
function tensorBytes(file: string, { name: tensor, dtype, shape }: RawEntry): Count {
  const bits = DTYPE_BITS[dtype];
  let elements = 1;
  for (const size of shape) elements *= Number(size);
  if (elements * bits <= Number.MAX_SAFE_INTEGER && shape.every(isNumber) && !shape.includes(0)) {
    if ((elements * bits) % 8 !== 0) throw failure('checkpoint/partial-byte', { file, tensor, dtype, shape: shapeText(shape) });
    return (elements * bits) / 8;
  }
  let exact = 1n;
  for (const size of shape) {
    exact *= BigInt(size);
    if (exact > U64_MAX) throw failure('checkpoint/shape-overflow', { file, tensor, shape: shapeText(shape) });
  }
  exact *= BigInt(bits);
  if (exact > U64_MAX) throw failure('checkpoint/shape-overflow', { file, tensor, shape: shapeText(shape) });
  if (exact % 8n !== 0n) throw failure('checkpoint/partial-byte', { file, tensor, dtype, shape: shapeText(shape) });
  return exact / 8n;
}

function isNumber(size: Count): size is number {
  return typeof size === 'number';
}

function compare(a: Count, b: Count): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A shape for messages, cut where it is absurdly long. */
function shapeText(shape: readonly Count[]): string {
  return `[${shape.slice(0, 16).join(', ')}${shape.length > 16 ? `, ... ${shape.length} sizes` : ''}]`;
}
