import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BoundModel } from '../../../extension/architecture/resolve';
import { assertUnchanged } from '../../../extension/checkpoint/files';
import { GraphBuilder } from '../../../extension/graph/builder';
import { floatData, floats } from '../../../extension/graph/hostTensor';
import { Random } from '../../../extension/numerics/random';
import { bindLibrary } from '../../../extension/routing/library/bindLibrary';
import { attachArrow } from '../../../extension/routing/library/attachArrow';
import { adapterFacts, siteOverlaps } from '../../../extension/routing/library/facts';
import { openLibrary } from '../../../extension/routing/library/openLibrary';
import { topKSoftmax } from '../../../extension/routing/library/topKSoftmax';
import { arrowRouter } from '../../../extension/routing/routers/arrow';
import type { RouterRequest } from '../../../extension/routing/types';
import { GraphSession } from '../../../extension/runtime/session';
import { openGolden, Runner } from '../../golden/models/goldenModels';
import { writeJson, writeLora, type LoraSpec } from './libraryFolders';

const runner = new Runner('cpu');
let model: BoundModel, root = '';
beforeAll(async () => { model = await openGolden('llama'); });
afterAll(() => runner.close());
beforeEach(() => { root = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-library-')); });
afterEach(() => { fs.rmSync(root, { recursive: true }); });

const Q: LoraSpec = { site: 'model.layers.0.self_attn.q_proj', inWidth: 16, outWidth: 16 };
const V: LoraSpec = { site: 'model.layers.1.self_attn.v_proj', inWidth: 16, outWidth: 8 };
const at = (...parts: string[]): string => path.join(root, ...parts);
const request = (more: Partial<RouterRequest> = {}): RouterRequest => ({ model, seed: 0, layers: [0, 1, 2], partition: () => Promise.reject(new Error('none')), modules: root, ...more });
const message = async (work: Promise<unknown>): Promise<string> => work.then(() => 'nothing was refused', (error: unknown) => (error as Error).message);

describe('a folder of adapters', () => {
  it('is found directly, in natural order, beside checkpoints and other files', async () => {
    for (const name of ['task_10', 'task_2', 'task_1']) writeLora(at(name), [Q]);
    writeJson(at('model', 'config.json'), { model_type: 'llama' });
    fs.writeFileSync(at('notes.txt'), 'adapter_config.json');
    expect((await openLibrary(root)).adapters.map((a) => a.name)).toEqual(['task_1', 'task_2', 'task_10']);
  });

  it('is found one level further down, where names that occur twice carry their folder', async () => {
    writeLora(at('one', 'x'), [Q]);
    writeLora(at('two', 'x'), [Q]);
    writeLora(at('two', 'y'), [Q]);
    expect((await openLibrary(root)).adapters.map((a) => a.name)).toEqual(['one/x', 'two/x', 'y']);
  });

  it('counts an adapter that lies in the folder itself', async () => {
    writeLora(root, [Q]);
    writeLora(at('second'), [Q]);
    expect((await openLibrary(root)).adapters.map((a) => a.name)).toEqual([path.basename(root), 'second']);
  });

  it('names modules that are no LoRA and keeps the others', async () => {
    writeLora(at('a'), [Q]);
    writeLora(at('b'), [Q]);
    writeJson(at('c', 'adapter_config.json'), { peft_type: 'IA3' });
    const library = await openLibrary(root);
    expect(library.adapters).toHaveLength(2);
    expect(library.skipped).toEqual([{ name: 'c', reason: expect.stringContaining('IA3') }]);
  });

  it.each([
    ['one LoRA', () => writeLora(at('only'), [Q]), /one LoRA \(only\).*two or more/s],
    ['DoRA', () => { writeLora(at('a'), [Q]); writeLora(at('dora'), [Q], { use_dora: true }); }, /"dora" cannot take part.*use_dora.*move its folder/s],
    ['a bias', () => { writeLora(at('a'), [Q]); writeLora(at('biased'), [Q], { bias: 'lora_only' }); }, /"biased" cannot take part.*bias/s],
    ['modules to save', () => { writeLora(at('a'), [Q]); writeLora(at('b'), [Q], { modules_to_save: ['lm_head'] }); }, /"b" cannot take part.*modules_to_save/s],
    ['a broken settings file', () => { writeLora(at('a'), [Q]); writeJson(at('b', 'adapter_config.json'), '{"r": '); }, /adapter_config\.json/],
    ['a bad arrow_config', () => { writeLora(at('a'), [Q]); writeLora(at('b'), [Q]); writeJson(at('arrow_router', 'adapter_config.json'), { peft_type: 'LORA', arrow_config: { top_k: 0 } }); }, /top_k.*above 0/s],
    ['a missing task', () => { writeLora(at('a'), [Q]); writeLora(at('b'), [Q]); writeJson(at('arrow_router', 'adapter_config.json'), { peft_type: 'LORA', arrow_config: { task_adapter_names: ['a', 'gone'] } }); }, /"gone".*no folder/s],
    ['missing general adapters', () => { writeLora(at('a'), [Q]); writeLora(at('b'), [Q]); writeJson(at('arrow_router', 'adapter_config.json'), { peft_type: 'LORA', arrow_config: { use_gks: true, gks_adapter_names: ['gks_0'] } }); }, /gks_0.*missing/s],
  ])('refuses %s with the name and the remedy', async (_what, make, expected) => {
    make();
    expect(await message(openLibrary(root))).toMatch(expected);
  });

  it('refuses a file, nothing, and adapters of another base', async () => {
    writeLora(at('a'), [Q]);
    expect(await message(openLibrary(at('a', 'adapter_config.json')))).toMatch(/file.*folder/s);
    expect(await message(openLibrary(at('nowhere')))).toMatch(/nowhere/);
    writeLora(at('wide'), [{ ...Q, inWidth: 32 }]);
    expect(await message(bindLibrary(model, await openLibrary(root)))).toMatch(/one of its 2 adapters fits.*"wide".*from 32 to 16.*from 16 to 16.*Choose the checkpoint/s);
    writeLora(at('wide'), [{ ...Q, inWidth: 32 }, V]);
    expect(await message(bindLibrary(model, await openLibrary(root)))).toMatch(/"wide" fits this checkpoint only in part.*Move its folder/s);
    fs.rmSync(at('wide'), { recursive: true });
    writeLora(at('other'), [{ ...Q, site: 'transformer.h.0.attn.c_attn' }]);
    expect(await message(bindLibrary(model, await openLibrary(root)))).toMatch(/"other".*c_attn.*no linear map/s);
  });

  it('routes between those of its base and names the others', async () => {
    writeLora(at('a'), [Q]);
    writeLora(at('b'), [Q]);
    writeLora(at('other'), [{ ...Q, site: 'transformer.h.0.attn.c_attn', rank: 3 }], { r: 3 });
    const prepared = await arrowRouter.prepare(request());
    expect(prepared.sites[0]).toMatchObject({ labels: ['a', 'b'], k: 2 });
    expect(prepared.sites[0].note).toMatch(/Left out, because they belong to another base: other\./);
    expect(prepared.sites[0].note).not.toMatch(/Ranks differ/);
  });
});

describe('Arrow on a folder', () => {
  it('refuses impossible settings and says what to choose', async () => {
    writeLora(at('a'), [Q]);
    writeLora(at('b'), [Q]);
    expect(await message(arrowRouter.prepare(request({ topK: 3 })))).toMatch(/3 of the 2 adapters.*from 1 to 2/s);
    expect(await message(arrowRouter.prepare(request({ temperature: 0 })))).toMatch(/temperature is 0/);
    expect(await message(arrowRouter.prepare(request({ modules: undefined })))).toMatch(/folder/);
  });

  it('describes its sites: library, semantics, names, and what is not normalised', async () => {
    for (const name of ['a', 'b', 'c']) writeLora(at(name), [Q, V]);
    const one = await arrowRouter.prepare(request({ topK: 1 }));
    expect(one.sites.map((s) => s.id)).toEqual(['blocks.0.attention.q', 'blocks.1.attention.v']);
    expect(one.sites[0]).toMatchObject({ layer: 0, module: 'attention.q', kind: 'library', semantics: 'truncated', E: 3, k: 1, labels: ['a', 'b', 'c'], scale: 1 });
    expect(one.sites[0].note).toMatch(/not normalised/);
    expect(one).toMatchObject({ composition: 'outputs', granularity: 'token', provenance: 'exact' });
    const all = await arrowRouter.prepare(request());
    expect(all.sites[0]).toMatchObject({ semantics: 'simplex', k: 3 });
    const late = await arrowRouter.prepare(request({ layers: [1] }));
    expect(late.sites.map((s) => s.id)).toEqual(['blocks.1.attention.v']);
    expect(late.plan(model.spec.stacks[0].blocks[0])).toBeNull();
  });

  it('names the files that it depends on: settings, weights and the folder that more may come to', async () => {
    for (const name of ['a', 'b']) writeLora(at(name), [Q]);
    const files = async () => (await arrowRouter.prepare(request())).files ?? [], before = await files();
    await assertUnchanged(before);
    writeJson(at('a', 'adapter_config.json'), { peft_type: 'LORA', r: 2, lora_alpha: 400 });
    await expect(assertUnchanged(before)).rejects.toThrow(/adapter_config/);
    const again = await files();
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeLora(at('c'), [Q]);
    await expect(assertUnchanged(again)).rejects.toThrow(/changed/);
  });

  it('tells libraries, k, temperature and modes apart by the key of their graphs', async () => {
    for (const name of ['a', 'b']) writeLora(at(name), [Q]);
    const bound = await bindLibrary(model, await openLibrary(root));
    const keys = [[1, 1, true], [2, 1, true], [1, 0.5, true], [1, 1, false]].map(([k, temperature, mix]) => attachArrow(bound, { k: k as number, temperature: temperature as number, mix: mix as boolean }).key);
    writeLora(at('c'), [Q]);
    keys.push(attachArrow(await bindLibrary(model, await openLibrary(root)), { k: 1, temperature: 1, mix: true }).key);
    expect(new Set(keys).size).toBe(5);
  });

  it('handles unequal ranks and missing sites exactly', async () => {
    writeLora(at('a'), [{ ...Q, rank: 2 }], { lora_alpha: 2 });
    writeLora(at('b'), [{ ...Q, rank: 3, fill: (i) => Math.cos(3 * i) }, V], { r: 3, rank_pattern: { v_proj: 2 }, lora_alpha: 6 });
    const library = await openLibrary(root);
    expect(library.remarks.join(' ')).toMatch(/Ranks differ \(a 2, b 2\/3\).*Not every adapter.*\(a\)/s);
    const router = await arrowRouter.prepare(request());
    expect(router.sites.map(({ E, k, labels }) => ({ E, k, labels }))).toEqual([{ E: 2, k: 2, labels: ['a', 'b'] }, { E: 1, k: 1, labels: ['b'] }]);
    expect(router.sites[1].note).toMatch(/a: no factors here/);
    const bound = await bindLibrary(model, library);
    expect(bound.sites[0].experts.map((e) => e.scaling)).toEqual([1, 2]);
    const rows = [Int32Array.of(5, 9, 11), Int32Array.of(3)], logits = async (): Promise<Float32Array> => (await runner.taps(model, rows, 'logits', (await arrowRouter.prepare(request())).attached)).get('logits')?.data ?? new Float32Array(0);
    const stacked = await logits(), plain = (await runner.taps(model, rows, 'logits')).get('logits')?.data ?? new Float32Array(0);
    expect(stacked.some((x, i) => Math.abs(x - plain[i]) > 1e-3)).toBe(true);
    // The same adapters of one rank: rows of zeros added to the smaller one.
    const wave = (i: number): number => Math.sin(1 + i), width = Q.inWidth;
    writeLora(at('a'), [{ ...Q, rank: 3, fill: (i) => (i < 1000 ? (i < 2 * width ? wave(i) : 0) : (i - 1000) % 3 === 2 ? 0 : wave(1000 + 2 * Math.floor((i - 1000) / 3) + ((i - 1000) % 3))) }], { r: 3, lora_alpha: 3 });
    const padded = await logits();
    stacked.forEach((x, i) => expect(padded[i]).toBeCloseTo(x, 5));
  });

  it('warns of directions that are hardly determined and of zero updates', async () => {
    writeLora(at('flat'), [{ ...Q, fill: (i) => ([0, 17, 1000, 1003].includes(i) ? 1 : 0) }]);
    writeLora(at('fresh'), [{ ...Q, fill: (i) => (i < 1000 ? Math.sin(i) : 0) }]);
    const bound = await bindLibrary(model, await openLibrary(root)), facts = adapterFacts(bound);
    expect(facts.map(({ adapter, trusted }) => ({ adapter, trusted }))).toEqual([{ adapter: 'flat', trusted: false }, { adapter: 'fresh', trusted: false }]);
    expect(facts[0]).toMatchObject({ ratio: 1, sigma1: 2, energy: 0.5, stableRank: 2, scaling: 2, rank: 2 });
    expect(facts[1]).toMatchObject({ sigma1: 0, frobenius: 0 });
    const overlaps = siteOverlaps(bound, bound.sites[0]);
    expect([...overlaps.cosine]).toEqual([1, 0, 0, 1]);
    const prepared = await arrowRouter.prepare(request()), { note } = prepared.sites[0];
    expect(prepared.warnings).toEqual([{ code: 'routing/hardly-determined', message: expect.stringMatching(/^1 of 2 directions/) }]);
    expect(note).toMatch(/fresh: the update is zero/);
    expect(note).toMatch(/above 0\.9: flat 1\.00/);
  });
});

it.each([[5, 2], [32, 7], [33, 7], [100, 3]])('the softmax over the k largest of %i experts is what a sort gives, ties included, k = %i', async (experts, k) => {
  const random = new Random(experts, 'logits'), rows = 50, logits = Float32Array.from({ length: rows * experts }, () => Math.round(8 * random.uniform()) / 2), b = new GraphBuilder('top'), x = b.input('x', 'float32', ['tokens', experts]);
  b.output('y', topKSoftmax(b, x, experts, k, 0.5));
  const session = await GraphSession.create(b.build(), { device: 'cpu', threads: 1 }), found = floatData((await session.run({ x: floats([rows, experts], logits) }))['y']);
  await session.dispose();
  for (let t = 0; t < rows; t++) {
    const row = logits.subarray(t * experts, (t + 1) * experts), order = Array.from(row.keys()).sort((i, j) => row[j] - row[i] || i - j).slice(0, k), total = order.reduce((sum, i) => sum + Math.exp(2 * row[i]), 0);
    for (let e = 0; e < experts; e++) expect(Math.abs(found[t * experts + e] - (order.includes(e) ? Math.exp(2 * row[e]) / total : 0))).toBeLessThan(1e-6);
  }
});

it('routes between the LoRAs of the sample beside its two checkpoints', async () => {
  const library = await openLibrary(path.join(__dirname, '../../../media/sample'));
  expect(library.adapters.map((a) => a.name)).toEqual(['lora-banking', 'lora-dutch']);
  expect(library.remarks).toEqual([]);
});
