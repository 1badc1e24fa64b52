import type { FileHandle } from 'node:fs/promises';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { expect, test, vi } from 'vitest';
import { AtomicFile, prepareOutput, removeTemporaryFiles, writeFileAtomic } from '../../../extension/checkpoint/atomicFile';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readRaw, readTensor } from '../../../extension/checkpoint/readTensor';
import { SafetensorsStreamWriter, writeSafetensors } from '../../../extension/checkpoint/safetensorsWriter';
import { failureOf, FIXTURES, temporaryFolder } from './testFiles';

const root = temporaryFolder();

test('a written file opens again with the same names, data and metadata', async () => {
  const file = path.join(root, 'deep/er/out.safetensors');
  async function* pieces(): AsyncGenerator<Float32Array> {
    yield Float32Array.of(1, 2);
    yield Float32Array.of(3);
  }
  await writeSafetensors(file, [
    { name: 'b', dtype: 'BF16', shape: [2], data: Uint16Array.of(0x3f80, 0xc000) },
    { name: '__proto__ é "x"\n', dtype: 'F32', shape: [3], data: pieces() },
    { name: 'late', dtype: 'I64', shape: [1], data: async () => BigInt64Array.of(-7n) },
    { name: 'empty', dtype: 'F32', shape: [0, 4], data: new Float32Array(0) },
  ], new Map([['format', 'pt'], ['é', '"']]));
  const checkpoint = await openCheckpoint(file);
  expect([...checkpoint.metadata]).toEqual([['format', 'pt'], ['é', '"']]);
  const values = await Promise.all([...checkpoint.tensors.values()].map(async (tensor) => [tensor.name, [...await readTensor(tensor)]]));
  expect(new Map(values as [string, number[]][])).toEqual(new Map([['late', [-7]], ['__proto__ é "x"\n', [1, 2, 3]], ['empty', []], ['b', [1, -2]]]));
  expect([...checkpoint.tensors.values()].every(({ offset, dtype }) => offset % (dtype === 'I64' ? 8 : dtype === 'F32' ? 4 : 2) === 0)).toBe(true);
});

test('a real checkpoint written again keeps every byte of its tensors', async () => {
  const source = await openCheckpoint(path.join(FIXTURES, 'stories260k-bf16'));
  const file = path.join(root, 'copy.safetensors');
  await writeSafetensors(file, [...source.tensors.values()].map((tensor) => ({ name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, data: () => readRaw(tensor) })));
  const copy = await openCheckpoint(file);
  for (const tensor of source.tensors.values()) {
    const other = copy.tensors.get(tensor.name);
    if (other === undefined) throw new Error(tensor.name);
    expect(Buffer.compare(Buffer.from(await readRaw(tensor)), Buffer.from(await readRaw(other)))).toBe(0);
  }
});

test('pieces arrive in any order; nothing stands under the name before the end', async () => {
  const file = path.join(root, 'stream.safetensors');
  const writer = await SafetensorsStreamWriter.create(file, [{ name: 'x', dtype: 'F32', shape: [4, 2] }, { name: 'y', dtype: 'F32', shape: [1] }]);
  await writer.writeRows('x', 2, Float32Array.of(5, 6, 7, 8));
  await writer.write('y', 0, Float32Array.of(9));
  await writer.writeRows('x', 0, Float32Array.of(1, 2, 3, 4));
  await expect(writer.writeRows('x', 3, Float32Array.of(1, 2, 3))).rejects.toThrow('do not fit');
  await expect(writer.write('z', 0, Float32Array.of(1))).rejects.toThrow('no tensor "z"');
  expect(existsSync(file)).toBe(false);
  await writer.finish();
  const tensors = (await openCheckpoint(file)).tensors;
  const x = tensors.get('x');
  expect(x && [...await readTensor(x)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test('an unfinished, aborted or interrupted file leaves nothing behind', async () => {
  const folder = path.join(root, 'clean');
  const file = path.join(folder, 'x.safetensors');
  const specs = [{ name: 'x', dtype: 'F32', shape: [2] }] as const;
  const writer = await SafetensorsStreamWriter.create(file, specs);
  await writer.write('x', 0, Float32Array.of(1));
  const refusal = await failureOf(writer.finish());
  expect([refusal.code, refusal.args.reason]).toEqual(['output/write-failed', 'tensor "x" lacks 4 bytes']);
  await (await SafetensorsStreamWriter.create(file, specs)).abort();
  await expect(writeSafetensors(file, [{ ...specs[0], data: async () => { throw new Error('the data could not be made'); } }])).rejects.toThrow('could not be made');
  await SafetensorsStreamWriter.create(file, specs);
  expect(readdirSync(folder).length).toBe(1);
  removeTemporaryFiles();
  expect(readdirSync(folder)).toEqual([]);
});

test('a full disk is said as such and leaves nothing', async () => {
  const file = await AtomicFile.create(path.join(root, 'full.bin'));
  const handle = (file as unknown as { readonly handle: FileHandle }).handle;
  const write = vi.spyOn(handle, 'write').mockRejectedValue(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
  const refusal = await failureOf(file.write(new Uint8Array(8), 0));
  expect(write).toHaveBeenCalledOnce();
  expect([refusal.code, refusal.exit]).toEqual(['output/disk-full', 1]);
  expect(refusal.message).toContain('full.bin');
  expect(readdirSync(root).some((name) => name.includes('full.bin'))).toBe(false);
});

test('an output that is there is kept unless it may be overwritten', async () => {
  const folder = path.join(root, 'outputs');
  mkdirSync(path.join(folder, 'empty'), { recursive: true });
  writeFileSync(path.join(folder, 'file'), 'old');
  await prepareOutput(path.join(folder, 'empty'), false);
  await prepareOutput(path.join(folder, 'new/deep'), false);
  expect(existsSync(path.join(folder, 'new'))).toBe(true);
  for (const target of [folder, path.join(folder, 'file')]) {
    const refusal = await failureOf(prepareOutput(target, false));
    expect([refusal.code, refusal.exit]).toEqual(['output/not-empty', 2]);
    await prepareOutput(target, true);
  }
  await writeFileAtomic(path.join(folder, 'file'), 'new');
  expect(readFileSync(path.join(folder, 'file'), 'utf8')).toBe('new');
  expect((await failureOf(writeFileAtomic(path.join(folder, 'file', 'below'), 'x'))).code).toBe('output/write-failed');
});
