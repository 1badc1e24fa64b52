import { fork } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { canonicalJson } from '../../../extension/store/canonicalJson';
import { decodeRecord, encodeRecord } from '../../../extension/store/record';
import { ResultStore } from '../../../extension/store/resultStore';

const root = mkdtempSync(path.join(tmpdir(), 'store é-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const fresh = (): string => mkdtempSync(path.join(root, 's-'));
const filesOf = (store: ResultStore): string[] => readdirSync(store.root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name)).sort();

test('keys depend on values, not on the order in which they were written', () => {
  const store = new ResultStore(fresh());
  expect(store.key({ a: 1, b: [1, { c: null, d: undefined }] })).toBe(store.key({ b: [1, { c: null }], a: 1 }));
  expect(new Set([{ a: 1 }, { a: '1' }, { b: 1 }, [1], ['a', 1], { a: [1] }, null, 'null'].map((parts) => store.key(parts))).size).toBe(8);
  expect(canonicalJson({ b: 1, a: '"', __proto__x: [] })).toBe('{"__proto__x":[],"a":"\\"","b":1}');
  expect(() => store.key({ a: NaN })).toThrow(TypeError);
});

test('a record keeps typed arrays, Maps and numbers that JSON loses', () => {
  const value = {
    picture: { sizes: Int32Array.of(1, -2), mass: Float32Array.of(0.5, NaN), odd: Uint8Array.of(1, 2, 3), wide: BigInt64Array.of(-1n), empty: new Float64Array(0) },
    numbers: [NaN, Infinity, -Infinity, 0.1, 2 ** 60],
    big: 2n ** 70n,
    map: new Map<string, unknown>([['__proto__', Float32Array.of(7)], ['x', { y: null }]]),
    $array: 'a user key', nested: [{ $number: 1, $$x: 2 }], text: 'é\u2028', none: undefined,
  };
  const bytes = encodeRecord(value);
  const back = decodeRecord(bytes)?.value as typeof value;
  const { none: _none, ...kept } = value;
  expect(back).toEqual(kept);
  expect(back.picture.mass).toBeInstanceOf(Float32Array);
  expect(Object.is((decodeRecord(encodeRecord({ z: -0 }))?.value as { z: number }).z, -0)).toBe(true);
  const parsed = decodeRecord(encodeRecord(JSON.parse('{"__proto__": {"bad": 1}}')))?.value as { bad?: number };
  expect([parsed.bad, Object.keys(parsed)]).toEqual([undefined, ['__proto__']]);
  const loop: unknown[] = [];
  loop.push(loop);
  expect(() => encodeRecord(loop)).toThrow(TypeError);
});

test('any damaged byte makes a record unreadable, never wrong', () => {
  const bytes = encodeRecord({ a: Float32Array.of(1, 2), b: 'text' });
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] ^= 0x10;
    expect(decodeRecord(damaged)).toBeNull();
    expect(decodeRecord(bytes.subarray(0, at))).toBeNull();
  }
});

test('what was put is there for another store on the same folder; damage counts as absent', async () => {
  const store = new ResultStore(fresh());
  const key = store.key({ model: 'x', layer: 3 });
  expect(await store.get(key)).toBeUndefined();
  expect(await store.put(key, { labels: Int32Array.of(1, 2) })).toBeNull();
  const other = new ResultStore(store.root);
  expect(await other.get(key)).toEqual({ labels: Int32Array.of(1, 2) });
  expect([await other.has(key), (await other.usage()).results]).toEqual([true, 1]);
  const [file] = filesOf(store);
  truncateSync(file, statSync(file).size - 1);
  expect(await store.get(key)).toBeUndefined();
  expect(await store.has(key)).toBe(false);
  await expect(store.get('../../etc/passwd')).rejects.toThrow(RangeError);
});

test('the least recently used go first, down to the budget', async () => {
  const store = new ResultStore(fresh(), 50_000);
  const keys = Array.from({ length: 6 }, (_, i) => store.key(i));
  for (const [i, key] of keys.slice(0, 4).entries()) {
    await store.put(key, new Uint8Array(10_000));
    const file = filesOf(store).find((name) => name.includes(key)) ?? '';
    utimesSync(file, 1000 + i, 1000 + i);
  }
  expect(await store.get(keys[0])).toEqual(new Uint8Array(10_000));
  await store.put(keys[4], new Uint8Array(10_000));
  await new ResultStore(store.root, 50_000).put(keys[5], new Uint8Array(10_000));
  expect(await Promise.all(keys.map((key) => store.has(key)))).toEqual([true, false, false, true, true, true]);
  expect((await store.usage()).bytes).toBeLessThanOrEqual(50_000);
  expect(await store.put(store.key('large'), new Uint8Array(60_000))).toContain('larger');
});

test('clear removes records and reports their bytes; temporary files of the dead go, those of the living stay', async () => {
  const store = new ResultStore(fresh());
  await store.put(store.key(1), { a: 1 });
  const folder = path.dirname(filesOf(store)[0]);
  writeFileSync(path.join(folder, '.a.modulens-tmp'), 'dead');
  utimesSync(path.join(folder, '.a.modulens-tmp'), 1, 1);
  writeFileSync(path.join(folder, '.b.modulens-tmp'), 'living');
  const { bytes } = await store.usage();
  expect(await store.clear()).toEqual({ bytes });
  expect(filesOf(store).map((file) => path.basename(file))).toEqual(['.b.modulens-tmp']);
  expect(await store.usage()).toEqual({ bytes: 0, results: 0 });
});

test('a store that cannot be written gives a reason and throws nothing', async () => {
  const file = path.join(fresh(), 'a file');
  writeFileSync(file, 'x');
  const store = new ResultStore(file);
  expect(await store.put(store.key(1), 1)).toContain('Could not write');
  expect(await store.get(store.key(1))).toBeUndefined();
  expect(readFileSync(file, 'utf8')).toBe('x');
});

test('processes that share a store and are killed while they write leave whole records only', async () => {
  const folder = fresh();
  const script = path.join(root, 'writer.cjs');
  await build({
    stdin: {
      contents: `import { ResultStore } from './extension/store/resultStore';
        const store = new ResultStore(process.argv[2]);
        void (async () => { for (let i = 0; ; i++) { await store.put(store.key(i % 20), { i: i % 20, data: new Float64Array(200_000).fill(i % 20) }); process.send?.(i); } })();`,
      resolveDir: path.join(__dirname, '../../..'), loader: 'ts',
    },
    bundle: true, platform: 'node', outfile: script, logLevel: 'silent',
  });
  const children = [1, 2].map(() => fork(script, [folder], { stdio: 'ignore', execArgv: [] }));
  await Promise.all(children.map((child) => new Promise<void>((resolve) => child.on('message', (i) => {
    if (i === 12) resolve();
  }))));
  await Promise.all(children.map((child) => new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGKILL');
  })));
  const store = new ResultStore(folder);
  const records = filesOf(store).filter((file) => file.endsWith('.mlrc'));
  expect(records.length).toBeGreaterThanOrEqual(12);
  for (const file of records) {
    const record = decodeRecord(readFileSync(file))?.value as { i: number; data: Float64Array } | undefined;
    expect(path.basename(file)).toBe(`${store.key(record?.i ?? -1)}.mlrc`);
    expect(record?.data.every((value) => value === record.i)).toBe(true);
  }
}, 60_000);
