import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPytorchFile } from '../../../extension/checkpoint/pytorchFile';
import { readRaw, readTensor, readTensorRows } from '../../../extension/checkpoint/readTensor';
import { ModulensError } from '../../../extension/protocol/errors';
import golden from './pytorchGolden.json';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'pytorch-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(base64: string): string {
  const file = path.join(folder, 'case.bin');
  writeFileSync(file, Buffer.from(base64, 'base64'));
  return file;
}

test.each(golden.files.filter(({ error }) => error === null))('$name: as torch reads it', async ({ bytes, tensors }) => {
  const weights = await readPytorchFile(write(bytes));
  expect(weights.tensors.map(({ name, dtype, shape }) => [name, dtype, [...shape]])).toEqual(tensors.map(([name, dtype, shape]) => [name, dtype, shape]));
  for (const [i, [, , , values]] of tensors.entries()) {
    const expected = Float32Array.from(values as readonly (number | string)[], (value) => (typeof value === 'number' ? value : Number(value.replace('inf', 'Infinity'))));
    const tensor = weights.tensors[i];
    expect(await readTensor(tensor)).toEqual(expected);
    expect((await readRaw(tensor)).byteLength).toBe(tensor.bytes);
    const rows = tensor.shape[0] ?? 0;
    if (rows > 1) expect(await readTensorRows(tensor, 1, rows)).toEqual(expected.subarray(expected.length / rows));
  }
});

test.each(golden.files.filter(({ error }) => error !== null))('$name: $error', async ({ bytes, error, global }) => {
  const refusal: unknown = await readPytorchFile(write(bytes)).catch((thrown: unknown) => thrown);
  expect(refusal).toBeInstanceOf(ModulensError);
  expect((refusal as ModulensError).code).toBe(error);
  expect((refusal as ModulensError).exit).toBe(3);
  if (global !== null) expect((refusal as ModulensError).args.name).toBe(global);
});

test('stored contiguous tensors can be used in place, compressed and transposed ones cannot', async () => {
  const stored = await readPytorchFile(write(golden.files.find(({ name }) => name === 'views')?.bytes ?? ''));
  const inPlace = new Map(stored.tensors.map((tensor) => [tensor.name, tensor.inPlace]));
  expect([...inPlace]).toEqual([['whole', true], ['transposed', false], ['slice', true], ['columns', false], ['step', false], ['expanded', false], ['permuted', false], ['half', false]]);
  const packed = await readPytorchFile(write(golden.files.find(({ name }) => name === 'views, compressed')?.bytes ?? ''));
  expect(packed.tensors.some((tensor) => tensor.inPlace)).toBe(false);
});
