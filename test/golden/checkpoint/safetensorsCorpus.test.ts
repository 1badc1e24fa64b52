import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensorsFile, type WeightsFile } from '../../../extension/checkpoint/safetensorsFile';
import { ModulensError } from '../../../extension/protocol/errors';
import corpus from './safetensorsCorpus.json';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'corpus-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function open(base64: string): Promise<WeightsFile | ModulensError> {
  const file = path.join(folder, 'case.safetensors');
  writeFileSync(file, Buffer.from(base64, 'base64'));
  return readSafetensorsFile(file).catch((error: unknown) => {
    if (error instanceof ModulensError) return error;
    throw error;
  });
}

test('every file gets the verdict of the reference library, and refusals are typed failures of the input', async () => {
  const wrong: string[] = [];
  for (const item of corpus.cases) {
    const result = await open(item.bytes);
    if (result instanceof ModulensError) {
      if (item.accepted) wrong.push(`${item.name}: refused (${result.message}), the reference accepts`);
      else if (!result.code.startsWith('checkpoint/') || result.exit !== 3 || !result.message.includes('case.safetensors')) wrong.push(`${item.name}: ${result.code} ${result.message}`);
    } else if (!item.accepted) wrong.push(`${item.name}: accepted, the reference says ${item.reason}`);
    else {
      const ours = result.tensors.map(({ name, dtype, shape }) => JSON.stringify([name, dtype, shape])).sort();
      const theirs = item.tensors.map((tensor) => JSON.stringify(tensor)).sort();
      if (ours.join() !== theirs.join()) wrong.push(`${item.name}: ${ours.join()} instead of ${theirs.join()}`);
    }
  }
  expect(corpus.cases.length).toBeGreaterThan(700);
  expect(wrong).toEqual([]);
});

test.each([
  ['seven bytes', 'checkpoint/truncated'],
  ['length past the end', 'checkpoint/truncated'],
  ['length of 100,000,001', 'checkpoint/header-too-long'],
  ['length of 2^64 - 1', 'checkpoint/header-too-long'],
  ['no tensors, one byte of data', 'checkpoint/trailing-bytes'],
  ['data longer', 'checkpoint/trailing-bytes'],
  ['data cut', 'checkpoint/past-end'],
  ['not UTF-8', 'checkpoint/header-invalid'],
  ['two tensors: overlap', 'checkpoint/overlap'],
  ['two tensors: hole', 'checkpoint/hole'],
  ['reversed', 'checkpoint/hole'],
  ['too few bytes', 'checkpoint/size-mismatch'],
  ['shape of 2^32 squared', 'checkpoint/shape-overflow'],
  ['field twice: dtype', 'checkpoint/duplicate-key'],
  ['metadata twice', 'checkpoint/duplicate-key'],
  ['dtype: unknown', 'checkpoint/dtype-unknown'],
  ['shape missing', 'checkpoint/tensor-entry'],
  ['dtype F4, three elements', 'checkpoint/partial-byte'],
])('%s is %s', async (name, code) => {
  const item = corpus.cases.find((candidate) => candidate.name === name);
  expect(item).toBeDefined();
  expect(((await open(item?.bytes ?? '')) as ModulensError).code).toBe(code);
});
