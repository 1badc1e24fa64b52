import { Reader, Writer } from 'protobufjs/minimal.js';
import { MAX_ONNX_DEPTH } from './limits';
import type { FieldKind, FieldSchema, MessageSchema } from './onnxSchema';

/** A decoded message: keys come from the schema only. `unknown` holds whole fields that the schema does not list. */
export type Message = Record<string, unknown> & { unknown?: Uint8Array[] };

const VARINT = 0, FIXED64 = 1, DELIMITED = 2, FIXED32 = 5;

/**
 * Decodes protobuf bytes by a schema. Byte fields are views of `bytes`.
 * @throws Error or RangeError for bytes that are not such a message
 */
export function decodeMessage(schema: MessageSchema, bytes: Uint8Array): Message {
  const message: Message = {};
  readInto(schema, new Reader(bytes), bytes.length, message, 0);
  return message;
}

function readInto(schema: MessageSchema, reader: Reader, end: number, message: Message, depth: number): void {
  if (depth > MAX_ONNX_DEPTH) throw new RangeError('messages are nested too deeply');
  for (const field of schema.values()) if (field.always) message[field.key] ??= [];
  while (reader.pos < end) {
    const start = reader.pos;
    const tag = reader.uint32();
    const wire = tag & 7;
    const field = schema.get(tag >>> 3);
    if (field === undefined || !fits(field, wire)) {
      reader.skipType(wire, 0, tag >>> 3);
      (message.unknown ??= []).push(reader.buf.subarray(start, reader.pos));
    } else readField(field, wire, reader, message, depth);
    if (reader.pos > end) throw new RangeError('a field is longer than the message around it');
  }
}

function fits(field: FieldSchema, wire: number): boolean {
  return wire === wireOf(field.kind) || (wire === DELIMITED && field.repeated && isNumber(field.kind));
}

function readField(field: FieldSchema, wire: number, reader: Reader, message: Message, depth: number): void {
  if (!field.repeated) {
    message[field.key] = readValue(field.kind, reader, message[field.key], depth);
    return;
  }
  const list = (message[field.key] ??= []) as unknown[];
  if (wire !== DELIMITED || !isNumber(field.kind)) {
    list.push(readValue(field.kind, reader, undefined, depth));
    return;
  }
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) throw new RangeError('a packed field is longer than the message');
  while (reader.pos < end) list.push(readValue(field.kind, reader, undefined, depth));
}

function readValue(kind: FieldKind, reader: Reader, before: unknown, depth: number): unknown {
  switch (kind) {
    case 'string': return reader.string();
    case 'bytes': return reader.bytes();
    case 'enum': return reader.int32();
    case 'float': return reader.float();
    case 'double': return reader.double();
    case 'int': return integer(reader.int64(), true);
    case 'uint': return integer(reader.uint64(), false);
    default: {
      const end = reader.uint32() + reader.pos;
      if (end > reader.len) throw new RangeError('a message is longer than the one around it');
      const message = (before ?? {}) as Message;
      readInto(kind(), reader, end, message, depth + 1);
      return message;
    }
  }
}

interface Halves {
  readonly low: number;
  readonly high: number;
}

/** protobufjs gives 64-bit integers as two halves. */
function integer(value: Halves | number, signed: boolean): number | bigint {
  if (typeof value === 'number') return value;
  const exact = (BigInt(signed ? value.high : value.high >>> 0) << 32n) | BigInt(value.low >>> 0);
  return exact >= BigInt(Number.MIN_SAFE_INTEGER) && exact <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(exact) : exact;
}

function halves(value: number | bigint): Halves & { readonly unsigned: boolean } {
  const exact = BigInt.asUintN(64, BigInt(value));
  return { low: Number(exact & 0xffffffffn) | 0, high: Number(exact >> 32n) | 0, unsigned: false };
}

/** Encodes a message; fields go out in the order of the schema, then the unknown ones. Undefined fields are left out. */
export function encodeMessage(schema: MessageSchema, message: object): Uint8Array {
  const writer = new Writer();
  write(schema, writer, message as Message);
  return writer.finish();
}

function write(schema: MessageSchema, writer: Writer, message: Message): void {
  for (const [id, field] of schema) {
    const value = message[field.key];
    if (value === undefined || value === null) continue;
    if (!field.repeated) {
      writeValue(writer.uint32(tagOf(id, wireOf(field.kind))), field.kind, value);
      continue;
    }
    const list = value as readonly unknown[];
    if (list.length === 0) continue;
    if (field.packed) {
      writer.uint32(tagOf(id, DELIMITED)).fork();
      for (const item of list) writeValue(writer, field.kind, item);
      writer.ldelim();
    } else for (const item of list) writeValue(writer.uint32(tagOf(id, wireOf(field.kind))), field.kind, item);
  }
  for (const raw of message.unknown ?? []) writer.raw(raw);
}

function writeValue(writer: Writer, kind: FieldKind, value: unknown): void {
  switch (kind) {
    case 'string': writer.string(value as string); break;
    case 'bytes': writer.bytes(value as Uint8Array); break;
    case 'enum': writer.int32(value as number); break;
    case 'float': writer.float(value as number); break;
    case 'double': writer.double(value as number); break;
    case 'int': case 'uint': writer.int64(halves(value as number | bigint)); break;
    default:
      write(kind(), writer.fork(), value as Message);
      writer.ldelim();
  }
}

function tagOf(id: number, wire: number): number {
  return ((id << 3) | wire) >>> 0;
}

function isNumber(kind: FieldKind): boolean {
  return wireOf(kind) !== DELIMITED;
}

function wireOf(kind: FieldKind): number {
  switch (kind) {
    case 'int': case 'uint': case 'enum': return VARINT;
    case 'double': return FIXED64;
    case 'float': return FIXED32;
    default: return DELIMITED;
  }
}
