import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readTensor } from '../../../extension/checkpoint/readTensor';
import { ModulensError } from '../../../extension/protocol/errors';
import golden from './onnxGolden.json';

let root = '';
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), 'onnx-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function write(parts: readonly (readonly string[])[]): string {
  const folder = mkdtempSync(path.join(root, 'case-'));
  for (const [name, bytes] of parts) writeFileSync(path.join(folder, name), Buffer.from(bytes, 'base64'));
  return path.join(folder, 'm.onnx');
}

test.each(golden.files.filter(({ error }) => error === null))('$name: as the onnx package reads it', async ({ parts, tensors }) => {
  const checkpoint = await openCheckpoint(write(parts));
  expect(checkpoint.format).toBe('onnx');
  expect(checkpoint.metadata.get('made by')).toBe('golden');
  const ours = [...checkpoint.tensors.values()];
  expect(ours.map(({ name, dtype, shape }) => [name, dtype, [...shape]])).toEqual(tensors.map(([name, dtype, shape]) => [name, dtype, shape]));
  for (const [i, [, , , values]] of tensors.entries()) expect(await readTensor(ours[i])).toEqual(Float32Array.from(values as readonly number[]));
});

test.each(golden.files.filter(({ error }) => error !== null))('$name: $error', async ({ parts, error }) => {
  const refusal: unknown = await openCheckpoint(write(parts)).catch((thrown: unknown) => thrown);
  expect(refusal).toBeInstanceOf(ModulensError);
  expect((refusal as ModulensError).code).toBe(error);
});

test('the ONNX twin of a real model holds the safetensors twin\'s weights in place', async () => {
  const folder = path.join(__dirname, '../../fixtures/stories260k');
  const twin = await openCheckpoint(path.join(folder, 'model.onnx'));
  const original = await openCheckpoint(folder);
  const name = 'model.embed_tokens.weight';
  const [a, b] = [twin.tensors.get(name), original.tensors.get(name)];
  expect(a?.inPlace).toBe(true);
  if (a === undefined || b === undefined) throw new Error('the embedding is missing');
  expect(Buffer.compare(Buffer.from((await readTensor(a)).buffer), Buffer.from((await readTensor(b)).buffer))).toBe(0);
});
