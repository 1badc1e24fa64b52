import { chmodSync, cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync, appendFileSync } from 'node:fs';
import * as path from 'node:path';
import { expect, test } from 'vitest';
import { assertUnchanged } from '../../../extension/checkpoint/files';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readTensor, readTensorRows } from '../../../extension/checkpoint/readTensor';
import type { Checkpoint } from '../../../extension/checkpoint/types';
import { failureOf, FIXTURES, simpleSafetensors, temporaryFolder, writeRawSafetensors } from './testFiles';

const root = temporaryFolder();
const fresh = (name: string): string => {
  const folder = path.join(root, name);
  mkdirSync(folder, { recursive: true });
  return folder;
};
const UP = 'model.layers.2.mlp.up_proj.weight';

async function values(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const tensor = checkpoint.tensors.get(name);
  if (tensor === undefined) throw new Error(`${name} is missing`);
  return readTensor(tensor);
}

test('the same model opens from its folder, its file, config.json, a shard and the index', async () => {
  const whole = await openCheckpoint(path.join(FIXTURES, 'stories260k'));
  expect([whole.name, whole.format, whole.kind, whole.tensors.size, whole.warnings.length]).toEqual(['stories260k', 'safetensors', 'model', 47, 0]);
  expect(whole.config?.model_type).toBe('llama');
  const expected = await values(whole, UP);
  for (const target of ['stories260k/config.json', 'stories260k/model.safetensors', 'stories260k-sharded', 'stories260k-sharded/config.json', 'stories260k-sharded/model-00002-of-00003.safetensors', 'stories260k-sharded/model.safetensors.index.json', 'stories260k/../stories260k/']) {
    const other = await openCheckpoint(path.join(FIXTURES, target));
    expect([...other.tensors.keys()].sort()).toEqual([...whole.tensors.keys()].sort());
    expect(other.config?.model_type).toBe('llama');
    expect(Buffer.compare(Buffer.from((await values(other, UP)).buffer), Buffer.from(expected.buffer))).toBe(0);
  }
});

test('bfloat16 weights are the float32 ones rounded', async () => {
  const exact = await values(await openCheckpoint(path.join(FIXTURES, 'stories260k')), UP);
  const rounded = await values(await openCheckpoint(path.join(FIXTURES, 'stories260k-bf16')), UP);
  expect(rounded.length).toBe(172 * 64);
  expect(rounded.every((value, i) => Math.abs(value - exact[i]) <= Math.abs(exact[i]) * 2 ** -8)).toBe(true);
  expect(rounded.some((value, i) => value !== exact[i])).toBe(true);
});

test('rows are read alone and equal the whole', async () => {
  for (const folder of ['stories260k', 'stories260k-bf16']) {
    const tensor = (await openCheckpoint(path.join(FIXTURES, folder))).tensors.get(UP);
    if (tensor === undefined) throw new Error('missing');
    const all = await readTensor(tensor);
    expect(await readTensorRows(tensor, 5, 9)).toEqual(all.slice(5 * 64, 9 * 64));
    expect((await readTensorRows(tensor, 7, 7)).length).toBe(0);
    await expect(readTensorRows(tensor, 0, 173)).rejects.toThrow(RangeError);
  }
});

test('a PEFT folder opens as an adapter', async () => {
  const adapter = await openCheckpoint(path.join(FIXTURES, 'stories260k-modules/lora-bank-r4'));
  expect([adapter.kind, adapter.config, adapter.tensors.size]).toEqual(['adapter', null, 20]);
});

test('a Hugging Face cache snapshot of links, read-only, with blanks and accents', async () => {
  const blobs = fresh('hub mit Ümlaut/models--org--tiny model/blobs');
  const snapshot = fresh('hub mit Ümlaut/models--org--tiny model/snapshots/abc');
  for (const name of ['config.json', 'model.safetensors']) {
    cpSync(path.join(FIXTURES, 'stories260k', name), path.join(blobs, `${name}.blob`));
    symlinkSync(path.join('../../blobs', `${name}.blob`), path.join(snapshot, name));
  }
  chmodSync(snapshot, 0o555);
  try {
    const checkpoint = await openCheckpoint(snapshot);
    expect(checkpoint.name).toBe('org/tiny model');
    const tensor = checkpoint.tensors.get(UP);
    expect(tensor?.file).toBe(path.join(snapshot, 'model.safetensors'));
    expect(tensor?.realFile.endsWith(path.join('blobs', 'model.safetensors.blob'))).toBe(true);
    expect((await values(checkpoint, UP)).length).toBe(172 * 64);
    expect(readdirSync(snapshot).length).toBe(2);
  } finally {
    chmodSync(snapshot, 0o755);
  }
});

test('a single file wins over an index, with a warning', async () => {
  const folder = fresh('both');
  cpSync(path.join(FIXTURES, 'stories260k-sharded'), folder, { recursive: true });
  simpleSafetensors(path.join(folder, 'model.safetensors'), ['only']);
  const checkpoint = await openCheckpoint(folder);
  expect([...checkpoint.tensors.keys()]).toEqual(['only']);
  expect(checkpoint.warnings.map(({ code }) => code)).toEqual(['checkpoint/single-and-index']);
  expect((await openCheckpoint(path.join(folder, 'model-00001-of-00003.safetensors'))).tensors.size).toBe(47);
});

test('shards without an index open together; a missing one leaves the single shard', async () => {
  const folder = fresh('no index');
  cpSync(path.join(FIXTURES, 'stories260k-sharded'), folder, { recursive: true });
  rmSync(path.join(folder, 'model.safetensors.index.json'));
  const checkpoint = await openCheckpoint(folder);
  expect([checkpoint.tensors.size, checkpoint.warnings[0].code]).toEqual([47, 'checkpoint/no-index']);
  rmSync(path.join(folder, 'model-00003-of-00003.safetensors'));
  expect((await failureOf(openCheckpoint(folder))).code).toBe('checkpoint/ambiguous');
  expect((await openCheckpoint(path.join(folder, 'model-00001-of-00003.safetensors'))).tensors.size).toBeLessThan(47);
});

test.each(['../secret.safetensors', '/etc/passwd', 'a/../../b.safetensors', 'C:\\x.safetensors', '\\\\server\\x.safetensors', '..\\x.safetensors', ''])('an index that names "%s" is refused', async (target) => {
  const folder = fresh(`escape ${Buffer.from(target).toString('hex')}`);
  writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { w: target } }));
  const refusal = await failureOf(openCheckpoint(folder));
  expect([refusal.code, refusal.args.tensor, refusal.exit]).toEqual(['checkpoint/index-path', 'w', 3]);
});

test('an index must agree with its shards', async () => {
  const folder = fresh('index');
  const index = path.join(folder, 'model.safetensors.index.json');
  const weights = (map: unknown): void => writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: map }));
  simpleSafetensors(path.join(folder, 'a.safetensors'), ['one', '__proto__']);
  simpleSafetensors(path.join(folder, 'b.safetensors'), ['two']);
  writeFileSync(index, '{"weight_map":{"one":"a.safetensors","__proto__":"a.safetensors","two":"b.safetensors"}}');
  expect([...(await openCheckpoint(folder)).tensors.keys()]).toEqual(['one', '__proto__', 'two']);
  weights({ one: 'a.safetensors', two: 'a.safetensors', three: 'b.safetensors' });
  expect((await failureOf(openCheckpoint(folder))).code).toBe('checkpoint/index-tensor-missing');
  weights({ one: 'a.safetensors', two: 'a.safetensors', x: 'c.safetensors' });
  const missing = await failureOf(openCheckpoint(folder));
  expect([missing.code, missing.args.shard]).toEqual(['checkpoint/shard-missing', 'c.safetensors']);
  writeFileSync(index, '{"weight_map":{"one":"b.safetensors","two":"b.safetensors","__proto__":"a.safetensors"}}');
  expect((await openCheckpoint(folder)).warnings.map(({ code }) => code)).toEqual(['checkpoint/index-moved']);
  for (const bad of [[], null, { one: 3 }, undefined]) {
    weights(bad);
    expect((await failureOf(openCheckpoint(folder))).code).toBe('checkpoint/index-invalid');
  }
  writeFileSync(index, '{"weight_map":');
  expect((await failureOf(openCheckpoint(folder))).code).toBe('checkpoint/json-invalid');
});

test('what is not there or not a checkpoint is said by name', async () => {
  const folder = fresh('nothing');
  expect((await failureOf(openCheckpoint(path.join(folder, 'none')))).code).toBe('checkpoint/not-found');
  const empty = await failureOf(openCheckpoint(folder));
  expect(empty.code).toBe('checkpoint/no-weights');
  expect(empty.message).toContain('model.safetensors');
  writeFileSync(path.join(folder, 'notes.txt'), 'x');
  expect((await failureOf(openCheckpoint(path.join(folder, 'notes.txt')))).code).toBe('checkpoint/unknown-file');
  symlinkSync('missing', path.join(folder, 'model.safetensors'));
  expect((await failureOf(openCheckpoint(path.join(folder, 'model.safetensors')))).code).toBe('checkpoint/not-found');
  symlinkSync('loop.safetensors', path.join(folder, 'loop.safetensors'));
  expect((await failureOf(openCheckpoint(path.join(folder, 'loop.safetensors')))).code).toBe('checkpoint/unreadable');
});

test('config.json as Python writes it; a broken one matters only where the folder is opened', async () => {
  const folder = fresh('config');
  simpleSafetensors(path.join(folder, 'model.safetensors'), ['a']);
  writeFileSync(path.join(folder, 'config.json'), '\ufeff{"model_type": "x", "limit": [0.0, Infinity, -Infinity, NaN], "text": "NaN \\" Infinity", "__proto__": {"bad": 1}}');
  const { config } = await openCheckpoint(folder);
  expect([config?.limit, config?.text, config?.bad]).toEqual([[0, Infinity, -Infinity, null], 'NaN " Infinity', undefined]);
  writeFileSync(path.join(folder, 'config.json'), '{"model_type": ');
  expect((await failureOf(openCheckpoint(folder))).code).toBe('checkpoint/json-invalid');
  const lone = await openCheckpoint(path.join(folder, 'model.safetensors'));
  expect([lone.config, lone.warnings[0].code]).toEqual([null, 'checkpoint/config']);
  truncateSync(path.join(folder, 'config.json'), 17 * 1024 * 1024);
  expect((await failureOf(openCheckpoint(folder))).code).toBe('checkpoint/json-too-large');
});

test('tensor names are any text', async () => {
  const names = ['__proto__', 'constructor', 'toString', '', '<img src=x>', '../../x', 'a\nb', 'é中😀'];
  const file = path.join(root, 'names.safetensors');
  simpleSafetensors(file, names);
  const checkpoint = await openCheckpoint(file);
  expect([...checkpoint.tensors.keys()]).toEqual(names);
  expect(checkpoint.name).toBe('names.safetensors');
  expect([...(await values(checkpoint, '__proto__'))]).toEqual([0]);
});

test('a file that changes is noticed', async () => {
  const file = path.join(root, 'changing.safetensors');
  simpleSafetensors(file, ['a', 'b']);
  const checkpoint = await openCheckpoint(file);
  await assertUnchanged(checkpoint.files);
  const b = checkpoint.tensors.get('b');
  if (b === undefined) throw new Error('missing');
  truncateSync(file, b.offset + 2);
  expect((await failureOf(readTensor(b))).code).toBe('checkpoint/changed');
  const refusal = await failureOf(assertUnchanged(checkpoint.files));
  expect(refusal.message).toContain('changing.safetensors changed while it was being read');
  rmSync(file);
  expect((await failureOf(assertUnchanged(checkpoint.files))).code).toBe('checkpoint/changed');
});

test('a header of 200,000 tensors opens quickly', async () => {
  const file = path.join(root, 'many.safetensors');
  const parts: string[] = [];
  for (let i = 0; i < 200_000; i++) parts.push(`"model.layers.${i}.mlp.experts.${i % 128}.up_proj.weight":{"dtype":"BF16","shape":[1,1],"data_offsets":[${2 * i},${2 * i + 2}]}`);
  writeRawSafetensors(file, `{${parts.join(',')}}`, new Uint8Array(400_000));
  // Processor time, not the clock: other tests share the machine.
  const before = process.cpuUsage();
  expect((await openCheckpoint(file)).tensors.size).toBe(200_000);
  const used = process.cpuUsage(before);
  expect((used.user + used.system) / 1000).toBeLessThan(4_000);
}, 60_000);

test('trailing bytes after an append are refused, not ignored', async () => {
  const file = path.join(root, 'appended.safetensors');
  simpleSafetensors(file, ['a']);
  appendFileSync(file, 'x');
  expect((await failureOf(openCheckpoint(file))).code).toBe('checkpoint/trailing-bytes');
});
