import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll } from 'vitest';
import { ModulensError } from '../../../extension/protocol/errors';

/** Committed small real checkpoints. */
export const FIXTURES = path.join(__dirname, '../../fixtures');

/** A folder that is removed after the file's tests. */
export function temporaryFolder(prefix = 'modulens test é-'): string {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The typed failure of a promise; anything else fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<ModulensError> {
  const result: unknown = await promise.then(() => 'no failure', (error: unknown) => error);
  if (result instanceof ModulensError) return result;
  throw new Error(`a typed failure was expected, got ${String(result)}`);
}

/** Writes a safetensors file from header text and data. */
export function writeRawSafetensors(file: string, header: string, data: Uint8Array = new Uint8Array(0)): void {
  const json = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(file, Buffer.concat([length, json, data]));
}

/** A header of float32 tensors `[1]` one after the other, and its data (0, 1, 2, ...). */
export function simpleSafetensors(file: string, names: readonly string[]): void {
  const header = names.map((name, i) => `${JSON.stringify(name)}:{"dtype":"F32","shape":[1],"data_offsets":[${i * 4},${i * 4 + 4}]}`).join(',');
  writeRawSafetensors(file, `{${header}}`, new Uint8Array(Float32Array.from(names, (_, i) => i).buffer));
}

/** A small deterministic generator for property tests (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
