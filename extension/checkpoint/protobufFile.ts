import { readRange, type OpenedFile } from './files';

/** One field of a message on disk. */
export interface FieldPlace {
  readonly id: number;
  /** 0 varint, 1 fixed 64, 2 delimited, 5 fixed 32 */
  readonly wire: number;
  /** Where its tag starts. */
  readonly start: number;
  /** Its value: for delimited fields without the length in front. */
  readonly valueStart: number;
  readonly end: number;
}

const WINDOW_BYTES = 1024 * 1024;

/** A tag and a length take at most this much. */
const MAX_FIELD_HEAD_BYTES = 20;

/** Walks the fields of protobuf messages in a file through a moving window, so that large values are passed over and never read. */
export class ProtobufFile {
  private window: Buffer = Buffer.alloc(0);
  private windowStart = 0;

  constructor(readonly file: OpenedFile) {}

  /** The fields of the message in `[from, to)`. @throws RangeError where the bytes are not a message */
  async *fields(from: number, to: number): AsyncGenerator<FieldPlace> {
    let at = from;
    while (at < to) {
      const start = at;
      const head = await this.bytes(at, Math.min(to, at + MAX_FIELD_HEAD_BYTES));
      const tag = varint(head, 0);
      const wire = tag.value & 7;
      const id = Math.floor(tag.value / 8);
      if (id === 0) throw new RangeError('a field has the number 0');
      let valueStart = at + tag.next;
      let end = valueStart;
      if (wire === 0) end += varint(head, tag.next).next - tag.next;
      else if (wire === 1) end += 8;
      else if (wire === 5) end += 4;
      else if (wire === 2) {
        const length = varint(head, tag.next);
        valueStart = at + length.next;
        end = valueStart + length.value;
      } else throw new RangeError(`a field has the unknown wire type ${wire}`);
      if (end > to) throw new RangeError('a field is longer than the message around it; the file is probably cut short');
      yield { id, wire, start, valueStart, end };
      at = end;
    }
  }

  /** Bytes `[from, to)` of the file; the caller bounds them. */
  async bytes(from: number, to: number): Promise<Buffer> {
    if (from >= this.windowStart && to <= this.windowStart + this.window.length) return this.window.subarray(from - this.windowStart, to - this.windowStart);
    if (to - from > WINDOW_BYTES) return readRange(this.file, from, to - from);
    this.window = await readRange(this.file, from, Math.min(WINDOW_BYTES, this.file.size - from));
    this.windowStart = from;
    return this.window.subarray(0, to - from);
  }
}

function varint(bytes: Uint8Array, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    if (from + i >= bytes.length) throw new RangeError('the message ends inside a number');
    const byte = bytes[from + i];
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) {
      // Negative numbers fill all ten bytes and cannot be lengths; as values they are passed over.
      return { value, next: from + i + 1 };
    }
  }
  throw new RangeError('a number is too long');
}
