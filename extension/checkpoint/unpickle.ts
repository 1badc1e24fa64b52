import { MAX_PICKLE_OBJECTS } from './limits';

/** A pickle that is not well-formed or uses what weights do not need. */
export class PickleError extends Error {}

/** A pickle that names a global outside the allow-list. */
export class PickleGlobalError extends Error {
  constructor(readonly global: string) {
    super(global);
  }
}

/** A name that a pickle refers to; never looked up, never run. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** What the caller supplies: which globals may be named, what a call of one makes, what a persistent id stands for. */
export interface PickleHandlers {
  allows(name: string): boolean;
  call(name: string, args: readonly unknown[]): unknown;
  persistent(id: unknown): unknown;
}

/** Python's dict: keys may be anything, so it is a Map. */
export type PickleDict = Map<unknown, unknown>;

const MARK = Symbol('mark');

/**
 * Reads a pickle (protocols 2 to 5) with the operations that torch.save emits for weights. Nothing is imported or run: a global is only a name that
 * `handlers` must allow, and calling one is a function of ours. Opcodes: Python's pickletools.
 * @throws PickleError, PickleGlobalError
 */
export function unpickle(bytes: Buffer, handlers: PickleHandlers): unknown {
  return new Unpickler(bytes, handlers).run();
}

class Unpickler {
  private at = 0;
  private made = 0;
  private readonly stack: unknown[] = [];
  private readonly memo = new Map<number, unknown>();

  constructor(private readonly bytes: Buffer, private readonly handlers: PickleHandlers) {}

  run(): unknown {
    for (; ;) {
      const op = this.take(1)[0];
      if (op === 0x2e) return this.pop();
      if (++this.made > MAX_PICKLE_OBJECTS) throw new PickleError('it makes too many objects');
      this.step(op);
    }
  }

  private take(count: number): Buffer {
    if (this.at + count > this.bytes.length) throw new PickleError('it ends too early');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleError('it ends inside a line');
    const text = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return text;
  }

  private pop(): unknown {
    if (this.stack.length === 0 || this.stack[this.stack.length - 1] === MARK) throw new PickleError('it takes more than it has put on its stack');
    return this.stack.pop();
  }

  private popMark(): unknown[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) throw new PickleError('a mark is missing on its stack');
    const items = this.stack.splice(mark + 1);
    this.stack.pop();
    return items;
  }

  private top(): unknown {
    if (this.stack.length === 0) throw new PickleError('its stack is empty');
    return this.stack[this.stack.length - 1];
  }

  private length8(): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(this.bytes.length)) throw new PickleError('it ends too early');
    return Number(value);
  }

  private text(count: number): string {
    return this.take(count).toString('utf8');
  }

  private step(op: number): void {
    const push = (value: unknown): void => void this.stack.push(value);
    switch (op) {
      case 0x80: return this.protocol(this.take(1)[0]);
      case 0x95: return void this.take(8); // FRAME: only a hint for buffering
      case 0x28: return push(MARK);
      case 0x30: return void this.pop();
      case 0x31: return void this.popMark();
      case 0x4e: return push(null);
      case 0x88: return push(true);
      case 0x89: return push(false);
      case 0x4b: return push(this.take(1)[0]);
      case 0x4d: return push(this.take(2).readUInt16LE());
      case 0x4a: return push(this.take(4).readInt32LE());
      case 0x8a: return push(signed(this.take(this.take(1)[0])));
      case 0x8b: return push(signed(this.take(this.smallLength(this.take(4).readInt32LE()))));
      case 0x47: return push(this.take(8).readDoubleBE());
      case 0x58: return push(this.text(this.take(4).readUInt32LE()));
      case 0x8c: return push(this.text(this.take(1)[0]));
      case 0x8d: return push(this.text(this.length8()));
      case 0x43: return push(Uint8Array.from(this.take(this.take(1)[0])));
      case 0x42: return push(Uint8Array.from(this.take(this.take(4).readUInt32LE())));
      case 0x8e: return push(Uint8Array.from(this.take(this.length8())));
      case 0x7d: return push(new Map());
      case 0x5d: return push([]);
      case 0x29: return push([]);
      case 0x8f: return push(new Set());
      case 0x74: return push(this.popMark());
      case 0x6c: return push(this.popMark());
      case 0x64: return push(this.dict(this.popMark()));
      case 0x85: return push([this.pop()]);
      case 0x86: return push(this.popTuple(2));
      case 0x87: return push(this.popTuple(3));
      case 0x61: return this.append([this.pop()]);
      case 0x65: return this.append(this.popMark());
      case 0x73: return this.setItems(this.popTuple(2));
      case 0x75: return this.setItems(this.popMark());
      case 0x90: return this.addItems(this.popMark());
      case 0x63: return push(this.global(this.line(), this.line()));
      case 0x93: return push(this.stackGlobal());
      case 0x52: case 0x81: return this.reduce();
      case 0x62: return this.build();
      case 0x51: return push(this.handlers.persistent(this.pop()));
      case 0x71: return void this.memo.set(this.take(1)[0], this.top());
      case 0x72: return void this.memo.set(this.take(4).readUInt32LE(), this.top());
      case 0x94: return void this.memo.set(this.memo.size, this.top());
      case 0x68: return push(this.recall(this.take(1)[0]));
      case 0x6a: return push(this.recall(this.take(4).readUInt32LE()));
      default: throw new PickleError(`it uses the operation 0x${op.toString(16).padStart(2, '0')}, which weights do not need`);
    }
  }

  private protocol(version: number): void {
    if (version < 2 || version > 5) throw new PickleError(`its protocol is ${version}; 2 to 5 are read`);
  }

  private smallLength(count: number): number {
    if (count < 0 || count > 1024) throw new PickleError('it holds an integer of absurd size');
    return count;
  }

  private popTuple(count: number): unknown[] {
    const items = new Array<unknown>(count);
    for (let i = count - 1; i >= 0; i--) items[i] = this.pop();
    return items;
  }

  private recall(index: number): unknown {
    if (!this.memo.has(index)) throw new PickleError('it refers to an object that it has not made');
    return this.memo.get(index);
  }

  private dict(items: readonly unknown[]): PickleDict {
    const dict: PickleDict = new Map();
    if (items.length % 2 !== 0) throw new PickleError('a dictionary has a key without a value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
    return dict;
  }

  private append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw new PickleError('it appends to something that is not a list');
    for (const item of items) list.push(item);
  }

  private setItems(items: readonly unknown[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) throw new PickleError('it sets an item of something that is not a dictionary');
    for (const [key, value] of this.dict(items)) dict.set(key, value);
  }

  private addItems(items: readonly unknown[]): void {
    const set = this.top();
    if (!(set instanceof Set)) throw new PickleError('it adds to something that is not a set');
    for (const item of items) set.add(item);
  }

  private global(module: string, name: string): PickleGlobal {
    const full = `${module}.${name}`;
    if (!this.handlers.allows(full)) throw new PickleGlobalError(full);
    return new PickleGlobal(full);
  }

  private stackGlobal(): PickleGlobal {
    const [module, name] = this.popTuple(2);
    if (typeof module !== 'string' || typeof name !== 'string') throw new PickleError('a global is not named by texts');
    return this.global(module, name);
  }

  private reduce(): void {
    const [callable, args] = this.popTuple(2);
    if (!(callable instanceof PickleGlobal) || !Array.isArray(args)) throw new PickleError('it calls something that is not a global');
    this.stack.push(this.handlers.call(callable.name, args));
  }

  /** State of an object. Only dictionaries carry any in weights (`_metadata` of a state dict), and it holds no weights. */
  private build(): void {
    this.pop();
    if (!(this.top() instanceof Map)) throw new PickleError('it sets the state of something that is not a dictionary');
  }
}

function signed(bytes: Buffer): number | bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  if (bytes.length > 0 && bytes[bytes.length - 1] & 0x80) value -= 1n << BigInt(8 * bytes.length);
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
