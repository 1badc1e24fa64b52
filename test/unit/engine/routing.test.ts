import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatRouting } from '../../../extension/engine/cliText';
import type { OperationContext } from '../../../extension/engine/context';
import { run as compareRouting } from '../../../extension/engine/operations/compareRouting';
import { routeDocument, run, slice, summary, update } from '../../../extension/engine/operations/route';
import { run as routeFile } from '../../../extension/engine/operations/routeCommand';
import type { RouteDocument, RouteRequest, RouterName } from '../../../extension/protocol/routing';

const SAMPLE = path.join(__dirname, '../../../media/sample/modulens-sample');
const TEXTS = [{ text: 'The cat sat on the mat and looked at the sea.', label: 'prose' }, { text: 'def add(a, b):\n    return a + b\n', label: 'code' }];

let folder = '', context: OperationContext;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-routing-'));
  context = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: path.join(folder, 'cache'), cacheBytes: 1 << 28, threads: 1, device: 'cpu' } };
});
afterAll(() => { fs.rmSync(folder, { recursive: true }); });

const requestOf = (router: RouterName, texts: RouteRequest['texts'] = TEXTS, rest: Partial<RouteRequest> = {}): RouteRequest => ({ path: SAMPLE, router, texts, ...rest });
const numbers = (array: RouteDocument['ids']): readonly number[] => array.data.map((x) => x ?? Infinity);

describe('emergent routers on the sample', () => {
  it.each(['avg-k', 'similarity', 'oracle', 'random'] as const)('%s gives a simplex over all experts', async (router) => {
    const d = await routeDocument(requestOf(router), context);
    const [tokens, sites, slots] = d.ids.shape, E = d.sites[0].E, weights = numbers(d.weights), ids = numbers(d.ids);
    expect([sites, slots]).toEqual([6, 16]);
    expect(d.sites.map((site) => site.id)).toEqual([0, 1, 2, 3, 4, 5].map((i) => `blocks.${i}.ffn`));
    for (let row = 0; row < tokens * sites; row++) {
      const w = weights.slice(row * slots, (row + 1) * slots);
      expect(Math.abs(w.reduce((sum, x) => sum + x, 0) - 1)).toBeLessThan(1e-5);
      expect(w).toEqual([...w].sort((a, b) => b - a));
      expect(new Set(ids.slice(row * slots, (row + 1) * slots)).size).toBe(E);
    }
    expect(d.summary.sites.every((site) => Math.abs(site.load.reduce((sum, x) => sum + x, 0) - 1) < 1e-9)).toBe(true);
    for (const site of d.summary.sites) for (const score of [site.divergence, site.switchRate]) expect(score?.nullDraws).toBeGreaterThanOrEqual(19);
  });

  it('routes fewer layers and experts as asked', async () => {
    const d = await routeDocument(requestOf('avg-k', TEXTS, { layers: '1,4', experts: 8, topK: 3 }), context);
    expect(d.sites.map(({ layer, E, k }) => [layer, E, k])).toEqual([[1, 8, 3], [4, 8, 3]]);
  });

  it('the same seed gives the same trace', async () => {
    const [a, b] = await Promise.all([routeDocument(requestOf('avg-k'), context), routeDocument(requestOf('avg-k'), context)]);
    expect({ ...b, timings: null }).toEqual({ ...a, timings: null });
  });

  it('says what is wrong', async () => {
    await expect(routeDocument(requestOf('avg-k', TEXTS, { layers: '9' }), context)).rejects.toMatchObject({ code: 'analysis/layers' });
    await expect(routeDocument(requestOf('avg-k', []), context)).rejects.toMatchObject({ code: 'routing/empty' });
    await expect(routeFile({ path: SAMPLE, router: 'arrow', text: 'x.txt', seed: 0, device: 'cpu' }, context)).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('live update', () => {
  /** All numbers of a kept trace. */
  const whole = (key: string, sites: number): ReturnType<typeof slice> => slice({ key, from: 0, to: sites });

  it('gives the numbers of a fresh run, computing only what changed', async () => {
    const first = 'It was a dark and stormy night; the rain fell in torrents.', second = 'It was a dark and quiet night; the snow fell slowly.';
    const start = await update({ session: 'a', request: requestOf('avg-k', [{ text: first }]) }, context);
    expect(start.reused).toBe(0);
    const edited = await update({ session: 'a', request: requestOf('avg-k', [{ text: second }]) }, context), fresh = await run({ request: requestOf('avg-k', [{ text: second }]) }, context);
    expect(edited.reused).toBeGreaterThan(4);
    expect(edited.head.tokens).toEqual(fresh.head.tokens);
    const [a, b] = [whole(edited.key, 6), whole(fresh.key, 6)];
    for (let i = 0; i < b.weights.length; i++) expect(Math.abs(a.weights[i] - b.weights[i])).toBeLessThan(1e-4);
    for (let i = 0; i < b.margins.length; i++) if (b.choiceMargins[i] > 1e-3) expect(Math.abs(a.choiceMargins[i] - b.choiceMargins[i])).toBeLessThan(1e-3);
    // The earlier trace of the text is let go.
    expect(() => slice({ key: start.key, from: 0, to: 1 })).toThrow(/no longer kept/);
    expect((await summary({ key: edited.key }, context)).tokens).toBe(edited.head.tokens.filter((token) => token.start !== null).length);
  });

  it('text that only got shorter, an empty one, and one that was cancelled', async () => {
    const long = await update({ session: 'b', request: requestOf('avg-k', [{ text: 'one two three four five six' }]) }, context);
    const short = await update({ session: 'b', request: requestOf('avg-k', [{ text: 'one two three' }]) }, context);
    expect(short.reused).toBeGreaterThanOrEqual(short.head.tokens.length - 1);
    expect(short.head.tokens.length).toBeLessThan(long.head.tokens.length);
    const abort = new AbortController();
    abort.abort(new Error('typed on'));
    await expect(update({ session: 'b', request: requestOf('avg-k', [{ text: 'one two three four' }]) }, { ...context, signal: abort.signal })).rejects.toThrow();
    const again = await update({ session: 'b', request: requestOf('avg-k', [{ text: 'one two three four' }]) }, context), fresh = await run({ request: requestOf('avg-k', [{ text: 'one two three four' }]) }, context);
    const [a, b] = [whole(again.key, 6), whole(fresh.key, 6)];
    for (let i = 0; i < b.weights.length; i++) expect(Math.abs(a.weights[i] - b.weights[i])).toBeLessThan(1e-4);
  });
});

describe('imported traces', () => {
  const write = (name: string, content: string | Uint8Array): string => { const file = path.join(folder, name); fs.writeFileSync(file, content); return file; };
  const npy = (descr: string, shape: readonly number[], data: Uint8Array): Uint8Array => {
    const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`.padEnd(117) + '\n';
    return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from(Uint16Array.of(header.length).buffer), Buffer.from(header), data]);
  };
  const imported = (trace: string): Promise<RouteDocument> => routeFile({ path: SAMPLE, router: 'imported', trace, seed: 0, device: 'cpu' }, context);

  it('ids and weights as nested JSON', async () => {
    const d = await imported(write('nested.json', JSON.stringify({ experts: 4, tokens: ['a', ' b'], ids: [[[0, 3]], [[2, 1]]], weights: [[[0.75, 0.25]], [[0.5, 0.5]]] })));
    expect(d.sites).toMatchObject([{ E: 4, k: 2, semantics: 'truncated', kind: 'imported' }]);
    expect(numbers(d.weights)).toEqual([0.75, 0.25, 0, 0, 0.5, 0.5, 0, 0]);
    expect(numbers(d.ids).slice(0, 2)).toEqual([0, 3]);
    expect(d.tokens.map(({ text, start, end }) => [text, start, end])).toEqual([['a', 0, 1], [' b', 1, 3]]);
    expect(d.provenance).toBe('imported');
  });

  it('a NumPy array of ids, with weights beside it', async () => {
    const file = write('ids.npy', npy('<i4', [3, 2, 1], new Uint8Array(Int32Array.of(0, 1, 2, 1, 1, 0).buffer)));
    expect((await imported(file)).sites[0]).toMatchObject({ E: 3, k: 1, semantics: 'binary' });
    write('ids.weights.npy', npy('<f4', [3, 2, 1], new Uint8Array(Float32Array.of(0.5, 0.25, 0.5, 0.5, 0.5, 0.5).buffer)));
    expect((await imported(file)).sites[0]).toMatchObject({ semantics: 'sub-simplex' });
  });

  it('our own document comes back as it was', async () => {
    const d = await routeDocument(requestOf('avg-k'), context), back = await imported(write('own.json', JSON.stringify(d)));
    expect(numbers(back.ids)).toEqual(numbers(d.ids));
    expect(back.tokens.map((token) => token.text)).toEqual(d.tokens.map((token) => token.text));
  });

  it.each([
    ['no JSON', 'x.json', '{'], ['without ids', 'x.json', '{}'], ['ragged', 'x.json', '{"ids": [[[0, 1]], [[0]]]}'], ['an expert below 0', 'x.json', '{"ids": [[[-1]]]}'], ['more experts than said', 'x.json', '{"experts": 2, "ids": [[[5]]]}'],
    ['weights of another number', 'x.json', '{"ids": [[[0]]], "weights": [[[1, 2]]]}'], ['no NumPy file', 'x.npy', 'hello, this is no array'], ['cut off', 'x.npy', npy('<i8', [4, 1, 1], new Uint8Array(8))], ['an array of objects', 'x.npy', npy('|O', [1, 1, 1], new Uint8Array(8))],
  ])('%s: refused by name', async (_what, name, content) => {
    const file = write(name, content);
    await expect(imported(file)).rejects.toMatchObject({ code: 'routing/import', message: expect.stringContaining(file) as string });
  });
});

describe('two routers compared', () => {
  it('another router on a kept trace, and two kept ones, give the same figures', async () => {
    const first = await run({ request: requestOf('avg-k') }, context), second = await run({ request: requestOf('similarity') }, context);
    const now = await compareRouting({ key: first.key, with: { router: 'similarity' } }, context), kept = await compareRouting({ key: first.key, other: second.key }, context);
    expect(now.names).toEqual(['avg-k, k = 4', 'similarity, k = 4']);
    expect({ ...kept, perToken: null }).toEqual({ ...now, perToken: null });
    expect(now.perToken?.divergences).toHaveLength(first.head.tokens.length * 6);
    for (const { agreement, divergence, sites } of now.sites) {
      expect(sites[0]).toBe(sites[1]);
      expect(agreement.n).toBe(now.tokens);
      expect(divergence.value).toBeGreaterThan(0);
    }
    await expect(compareRouting({ key: first.key }, context)).rejects.toMatchObject({ code: 'internal' });
    await expect(compareRouting({ key: 'none', other: first.key }, context)).rejects.toMatchObject({ code: 'routing/gone' });
  });

  it('from the command line, by its schema', async () => {
    const text = path.join(folder, 'compare.txt');
    fs.writeFileSync(text, TEXTS.map((one) => one.text.replaceAll('\n', ' ')).join('\n'));
    const command = { path: SAMPLE, router: 'avg-k', text, seed: 0, device: 'cpu' } as const, d = await routeFile({ ...command, compareWith: 'similarity,k=2' }, context);
    expect(d.comparison?.names).toEqual(['avg-k, k = 4', 'similarity, k = 2']);
    expect(d.comparison?.divergences.shape).toEqual([d.tokens.length, 6]);
    const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(JSON.parse(fs.readFileSync('extension/report/schemas/route.schema.json', 'utf8')) as object);
    expect(validate(JSON.parse(JSON.stringify(d))), JSON.stringify(validate.errors)).toBe(true);
    for (const compareWith of ['imported', 'nothing', 'arrow,k=', 'arrow,top=3']) await expect(routeFile({ ...command, compareWith }, context)).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining('ROUTER,k=N') as string });
  });
});

describe('what-ifs from the command line', () => {
  it('stand in the document\u2019s head, by its schema, and in its text', async () => {
    const text = path.join(folder, 'whatif.txt');
    fs.writeFileSync(text, 'The cat sat on the mat and looked at the sea.\n');
    const command = { path: SAMPLE, router: 'avg-k', text, seed: 0, device: 'cpu' } as const, d = await routeFile({ ...command, mute: 'A, C@blocks.1.ffn', whatIfTemperature: 2, compareWith: 'avg-k' }, context);
    expect(d.whatIf).toMatchObject({ mute: [{ expert: 'A' }, { expert: 'C', site: 'blocks.1.ffn' }], temperature: 2, says: expect.stringContaining('give 0 in the forward pass') as string });
    const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(JSON.parse(fs.readFileSync('extension/report/schemas/route.schema.json', 'utf8')) as object);
    expect(validate(JSON.parse(JSON.stringify(d))), JSON.stringify(validate.errors)).toBe(true);
    expect(formatRouting(d)).toContain('without A, C at blocks.1.ffn; temperature 2');
    const ids = numbers(d.ids), weights = numbers(d.weights);
    ids.forEach((id, i) => { if (id === 0) expect(weights[i]).toBe(0); });
    // Compared with itself as it is.
    expect(d.comparison?.names).toEqual(['avg-k, k = 4, what if: without A, C at blocks.1.ffn; temperature 2', 'avg-k, k = 4']);
    expect(d.comparison?.sites[0].agreement.value).toBeGreaterThan(0);
    await expect(routeFile({ ...command, force: 'ZZ' }, context)).rejects.toMatchObject({ code: 'routing/what-if' });
  });
});
