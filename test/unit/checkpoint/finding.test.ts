import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { expect, test } from 'vitest';
import { findCheckpoints, huggingFaceCacheFolder } from '../../../extension/checkpoint/findCheckpoints';
import { fingerprint, sha256OfFiles } from '../../../extension/checkpoint/fingerprint';
import { resolveInside } from '../../../extension/checkpoint/insidePath';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { FIXTURES, simpleSafetensors, temporaryFolder } from './testFiles';

const root = temporaryFolder();
const print = async (target: string): Promise<string> => fingerprint(await openCheckpoint(target));

test('models, modules and lone files of a workspace are found, once each', async () => {
  const found = await findCheckpoints([FIXTURES]);
  const relative = found.map(({ path: at, kind }) => `${kind} ${path.relative(FIXTURES, at)}`);
  for (const expected of ['checkpoint stories260k', 'checkpoint stories260k-sharded', 'checkpoint stories260k-bf16', 'checkpoint stories260k-modules/fullft-bank', 'module stories260k-modules/lora-bank-r4']) expect(relative).toContain(expected);
  // The ONNX twin beside a model's weights is the same model.
  expect(relative).not.toContain('checkpoint stories260k/model.onnx');
  expect(relative.filter((item) => item.startsWith('checkpoint stories260k-sharded'))).toEqual(['checkpoint stories260k-sharded']);
  expect(new Set(relative).size).toBe(relative.length);
  expect(await findCheckpoints([path.join(FIXTURES, 'none')])).toEqual([]);
  expect((await findCheckpoints([FIXTURES], { depth: 0 })).length).toBe(0);
});

test('the Hugging Face cache: the revision of refs/main, else the newest', async () => {
  const home = mkdtempSync(path.join(root, 'home-'));
  const make = (repository: string, revision: string, time: number): string => {
    const folder = path.join(home, 'hub', repository, 'snapshots', revision);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'config.json'), '{}');
    symlinkSync(path.join(FIXTURES, 'stories260k/model.safetensors'), path.join(folder, 'model.safetensors'));
    utimesSync(folder, time, time);
    return folder;
  };
  make('models--a--b', 'new', 2000);
  const main = make('models--a--b', 'old', 1000);
  mkdirSync(path.join(home, 'hub/models--a--b/refs'));
  writeFileSync(path.join(home, 'hub/models--a--b/refs/main'), 'old\n');
  make('models--c', 'one', 1000);
  const newest = make('models--c', 'two', 2000);
  make('datasets--x--y', 'z', 1);
  const found = await findCheckpoints([], { huggingFaceCache: true, environment: { HF_HOME: home } });
  expect(found).toEqual([{ path: main, name: 'a/b', kind: 'checkpoint', source: 'huggingFaceCache' }, { path: newest, name: 'c', kind: 'checkpoint', source: 'huggingFaceCache' }]);
  expect(await openCheckpoint(newest)).toMatchObject({ name: 'c' });
  expect(huggingFaceCacheFolder({ HF_HUB_CACHE: '/x/y', HF_HOME: '/z' })).toBe(path.resolve('/x/y'));
  expect(huggingFaceCacheFolder({ XDG_CACHE_HOME: '/c' })).toBe(path.resolve('/c/huggingface/hub'));
});

test('a fingerprint follows the bytes, not the place', async () => {
  const source = path.join(FIXTURES, 'stories260k-bf16');
  const copy = path.join(root, 'Kopie é');
  cpSync(source, copy, { recursive: true });
  const expected = await print(source);
  expect(expected).toMatch(/^[0-9a-f]{64}$/);
  expect(await print(copy)).toBe(expected);
  expect(await print(path.join(copy, 'model.safetensors'))).toBe(expected);
  const weights = readFileSync(path.join(copy, 'model.safetensors'));
  const seen = new Set([expected]);
  for (const at of [weights.length - 1, weights.length >> 1, 9000]) {
    const changed = Buffer.from(weights);
    changed[at] ^= 1;
    writeFileSync(path.join(copy, 'model.safetensors'), changed);
    seen.add(await print(copy));
  }
  writeFileSync(path.join(copy, 'model.safetensors'), weights);
  const tokenizer = readFileSync(path.join(copy, 'tokenizer.json'), 'utf8');
  writeFileSync(path.join(copy, 'tokenizer.json'), `${tokenizer} `);
  seen.add(await print(copy));
  writeFileSync(path.join(copy, 'tokenizer.json'), tokenizer);
  writeFileSync(path.join(copy, 'config.json'), readFileSync(path.join(copy, 'config.json'), 'utf8').replace('"llama"', '"mistral"'));
  seen.add(await print(copy));
  expect(seen.size).toBe(6);
});

test('fingerprints of odd files, and full hashes', async () => {
  const empty = path.join(root, 'empty.safetensors');
  const one = path.join(root, 'one.safetensors');
  simpleSafetensors(empty, []);
  simpleSafetensors(one, ['a']);
  const other = path.join(root, 'other.safetensors');
  simpleSafetensors(other, ['b']);
  expect(new Set([await print(empty), await print(one), await print(other), await print(path.join(FIXTURES, 'stories260k/model.onnx')), await print(path.join(FIXTURES, 'stories260k-sharded'))]).size).toBe(5);
  writeFileSync(path.join(root, 'abc'), 'abc');
  expect(await sha256OfFiles([path.join(root, 'abc')])).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('a name inside a folder, on every platform', () => {
  expect(resolveInside('/m', 'a.bin')).toBe(path.join('/m', 'a.bin'));
  expect(resolveInside('/m', 'sub/a..b.bin')).toBe(path.join('/m', 'sub/a..b.bin'));
  for (const bad of ['', '..', '../a', 'a/..', 'a\\..\\b', '/a', '\\a', 'C:a', 'c:\\a', '\\\\?\\C:\\a', '//server/share', 'a\0b']) expect(resolveInside('/m', bad)).toBeNull();
});
