import fs from 'node:fs';
import { failure } from '../protocol/errors';

/** Bytes [offset, offset + length) of a file, at once; for small weights that go inline. */
export function readFileRange(file: string, offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length), handle = fs.openSync(file, 'r');
  try {
    for (let at = 0; at < length;) {
      const n = fs.readSync(handle, out, at, length - at, offset + at);
      if (n === 0) throw failure('checkpoint/changed', { path: file });
      at += n;
    }
    return out;
  } finally {
    fs.closeSync(handle);
  }
}
