import { createHash } from 'node:crypto';

export type TypedArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array | BigInt64Array | BigUint64Array;

const KINDS = { Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array } as const;
type KindName = keyof typeof KINDS;

/** "MLRC", version, bytes of the JSON, bytes of the arrays, SHA-256 of both. */
const MAGIC = 0x4352_4c4d;
const VERSION = 1;
const HEAD_BYTES = 4 + 4 + 8 + 8 + 32;
const ALIGNMENT = 8;

/** Members whose key starts with this are ours; a user's own such key gets one more. */
const MARK = '$';

interface ArrayPlace {
  readonly kind: KindName;
  readonly at: number;
  readonly length: number;
}

/**
 * Writes a value as bytes: JSON for the structure, raw sections for typed arrays anywhere inside, so that numbers are never text.
 * Holds what JSON holds, typed arrays, Maps, bigints and non-finite numbers; undefined members are left out. Readable by {@link decodeRecord}.
 * @throws TypeError for functions, symbols and values that contain themselves
 */
export function encodeRecord(value: unknown): Uint8Array {
  const arrays: TypedArray[] = [];
  let at = 0;
  const open = new Set<object>();
  const pack = (item: unknown): unknown => {
    if (item === undefined) return undefined;
    if (typeof item === 'number') return Number.isFinite(item) && !Object.is(item, -0) ? item : { [`${MARK}number`]: Object.is(item, -0) ? '-0' : String(item) };
    if (typeof item === 'bigint') return { [`${MARK}bigint`]: String(item) };
    if (item === null || typeof item === 'string' || typeof item === 'boolean') return item;
    if (typeof item !== 'object') throw new TypeError(`a ${typeof item} cannot be stored`);
    const kind = kindOf(item);
    if (kind !== null) {
      const array = item as TypedArray;
      const place: ArrayPlace = { kind, at, length: array.length };
      arrays.push(array);
      at += Math.ceil(array.byteLength / ALIGNMENT) * ALIGNMENT;
      return { [`${MARK}array`]: place };
    }
    if (open.has(item)) throw new TypeError('a value that contains itself cannot be stored');
    open.add(item);
    let packed: unknown;
    if (Array.isArray(item)) packed = item.map((element) => pack(element) ?? null);
    else if (item instanceof Map) packed = { [`${MARK}map`]: [...item].map(([key, member]) => [pack(key) ?? null, pack(member) ?? null]) };
    else packed = Object.fromEntries(Object.entries(item).map(([key, member]) => [key.startsWith(MARK) ? MARK + key : key, pack(member)]));
    open.delete(item);
    return packed;
  };
  const json = new TextEncoder().encode(JSON.stringify(pack(value) ?? null));
  const arrayStart = Math.ceil((HEAD_BYTES + json.length) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(arrayStart + at);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setBigUint64(8, BigInt(json.length), true);
  view.setBigUint64(16, BigInt(at), true);
  bytes.set(json, HEAD_BYTES);
  let offset = arrayStart;
  for (const array of arrays) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), offset);
    offset += Math.ceil(array.byteLength / ALIGNMENT) * ALIGNMENT;
  }
  bytes.set(digest(bytes), HEAD_BYTES - 32);
  return bytes;
}

/**
 * Reads what {@link encodeRecord} wrote; null for anything else: another version, cut short, or a changed byte.
 * Typed arrays are copies, so they can be transferred and outlive `bytes`.
 */
export function decodeRecord(bytes: Uint8Array): { readonly value: unknown } | null {
  if (bytes.byteLength < HEAD_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== VERSION) return null;
  const jsonBytes = Number(view.getBigUint64(8, true));
  const arrayStart = Math.ceil((HEAD_BYTES + jsonBytes) / ALIGNMENT) * ALIGNMENT;
  if (arrayStart + Number(view.getBigUint64(16, true)) !== bytes.byteLength) return null;
  if (Buffer.compare(digest(bytes), bytes.subarray(HEAD_BYTES - 32, HEAD_BYTES)) !== 0) return null;
  const unpack = (item: unknown): unknown => {
    if (typeof item !== 'object' || item === null) return item;
    if (Array.isArray(item)) return item.map(unpack);
    const members = Object.entries(item);
    if (members.length === 1) {
      const [key, member] = members[0] as [string, unknown];
      if (key === `${MARK}number`) return Number(member);
      if (key === `${MARK}bigint`) return BigInt(member as string);
      if (key === `${MARK}map`) return new Map((member as readonly (readonly [unknown, unknown])[]).map(([name, inner]) => [unpack(name), unpack(inner)]));
      if (key === `${MARK}array`) {
        const { kind, at, length } = member as ArrayPlace;
        const from = bytes.byteOffset + arrayStart + at;
        return new KINDS[kind](bytes.buffer.slice(from, from + length * KINDS[kind].BYTES_PER_ELEMENT) as ArrayBuffer);
      }
    }
    return Object.fromEntries(members.map(([key, member]) => [key.startsWith(MARK) ? key.slice(1) : key, unpack(member)]));
  };
  return { value: unpack(JSON.parse(new TextDecoder().decode(bytes.subarray(HEAD_BYTES, HEAD_BYTES + jsonBytes)))) };
}

function kindOf(item: object): KindName | null {
  if (item instanceof Uint8Array) return 'Uint8Array';
  for (const [name, kind] of Object.entries(KINDS)) if (item instanceof kind) return name as KindName;
  return null;
}

/** Everything but the digest itself. */
function digest(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes.subarray(0, HEAD_BYTES - 32)).update(bytes.subarray(HEAD_BYTES)).digest();
}
