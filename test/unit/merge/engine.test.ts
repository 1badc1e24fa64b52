import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { planMerge } from '../../../extension/merge/plan/planMerge';
import { checkRecipe } from '../../../extension/merge/recipe/checkRecipe';
import { runMerge, unfinishedFolder } from '../../../extension/merge/runMerge';
import { merge, normals, type Recipe, temporaryFolder, values, writeModel } from './helpers';

let root: string;
const SHAPES: Readonly<Record<string, readonly number[]>> = { 'model.embed_tokens.weight': [400, 64], 'model.layers.0.w': [700, 300], 'model.layers.1.w': [1000, 333], 'model.norm.weight': [64] };
const sha = (file: string): string => createHash('sha256').update(fs.readFileSync(file)).digest('hex');
const weights = (folder: string): string => path.join(folder, 'model.safetensors');
const on = (name: string, parameters: Recipe = {}): Recipe => ({ model: name, parameters });

beforeAll(async () => {
  root = temporaryFolder();
  for (const dtype of ['F32', 'BF16'] as const) {
    const base = Object.fromEntries(Object.entries(SHAPES).map(([name, shape]) => [name, normals(shape.reduce((a, b) => a * b, 1), name)]));
    for (const [model, scale] of [['base', 0], ['a', 0.02], ['b', 0.05], ['c', 0.01]] as const) {
      await writeModel(path.join(root, `${model}${dtype}`), Object.fromEntries(Object.entries(SHAPES).map(([name, shape]) => {
        const noise = normals(base[name].length, name, model);
        return [name, { shape, values: base[name].map((x, i) => x + scale * noise[i]) }];
      })), dtype);
    }
  }
});
afterAll(() => { fs.rmSync(root, { recursive: true, force: true }); });

const three = (dtype: string, parameters: Recipe = { weight: 0.5 }): Recipe[] => ['a', 'b', 'c'].map((m) => on(`${m}${dtype}`, parameters));
const METHODS: readonly (readonly [string, Recipe])[] = [
  ['linear', { models: three('BF16') }],
  ['task_arithmetic', { base_model: 'baseBF16', models: three('BF16') }],
  ['ties', { base_model: 'baseBF16', models: three('BF16', { weight: 0.5, density: 0.4 }) }],
  ['dare_ties', { base_model: 'baseF32', models: three('F32', { weight: 0.5, density: 0.4 }) }],
  ['della', { base_model: 'baseBF16', models: three('BF16', { weight: 0.5, density: 0.4 }) }],
  ['breadcrumbs', { base_model: 'baseBF16', models: three('BF16', { weight: 0.5, density: 0.4, gamma: 0.1 }) }],
  ['slerp', { base_model: 'aF32', models: [on('bF32')], parameters: { t: 0.4 } }],
  ['model_stock', { base_model: 'baseF32', models: [on('aF32'), on('bF32')], parameters: { filter_wise: true } }],
  ['sce', { base_model: 'baseF32', models: [on('aF32'), on('bF32')], parameters: { select_topk: 0.3 } }],
  ['arcee_fusion', { base_model: 'baseF32', models: [on('bF32')] }],
];

describe('bytes do not depend on threads, chunks or the number of runs', () => {
  for (const [method, rest] of METHODS) {
    it(method, async () => {
      const recipe = { merge_method: method, ...rest }, out = (name: string): string => path.join(root, `${method}-${name}`);
      const first = await merge(root, recipe, out('1'), { threads: 1, seed: 3 });
      const again = await merge(root, recipe, out('2'), { threads: 2, seed: 3, chunkElements: 65_536, durableBytes: 1000 });
      expect(sha(weights(out('1')))).toBe(sha(weights(out('2'))));
      expect(first.outputDigests.get('model.safetensors')).toBe(sha(weights(out('1'))));
      expect(again.outputDigests).toEqual(first.outputDigests);
      for (const [file, digest] of first.inputDigests) expect(digest).toBe(sha(file));
      expect(fs.readdirSync(root).filter((name) => name.includes('.tmp-'))).toEqual([]);
    });
  }
});

describe('selection by rank on tensors that are sampled first', () => {
  const n = 1_600_003;
  for (const dtype of ['BF16', 'F32'] as const) {
    it(`ties and breadcrumbs keep exactly the ranks that sorting gives, equal ones by index (${dtype})`, async () => {
      const base = normals(4096, 'select'), noise = normals(65_537, 'select noise');
      const make = (scale: number): Float32Array => Float32Array.from({ length: n }, (_, i) => base[i % 4096] + scale * noise[(i * 7) % 65_537]);
      await writeModel(path.join(root, `pickBase${dtype}`), { w: { shape: [n], values: make(0) } }, dtype);
      await writeModel(path.join(root, `pickA${dtype}`), { w: { shape: [n], values: make(0.03) } }, dtype);
      const x0 = await values(path.join(root, `pickBase${dtype}`), 'w'), x1 = await values(path.join(root, `pickA${dtype}`), 'w'), delta = Float32Array.from(x1, (x, i) => x - x0[i]);
      const order = Float64Array.from(delta, (d, i) => new Uint32Array(Float32Array.of(Math.abs(d)).buffer)[0] * 2 ** 21 + (2 ** 21 - 1 - i)).sort();
      for (const [method, parameters, skip, keep] of ([['ties', { weight: 1, density: 0.37 }, 0, Math.floor(0.37 * n)], ['breadcrumbs', { weight: 1, density: 0.5, gamma: 0.123 }, Math.floor(0.123 * n), Math.floor(0.5 * n)]] as const).slice(dtype === 'F32' ? 1 : 0)) {
        const out = path.join(root, `pick-${method}${dtype}`);
        await merge(root, { merge_method: method, base_model: `pickBase${dtype}`, models: [on(`pickA${dtype}`, parameters)], dtype: 'float32' }, out, { threads: 2 });
        const have = await values(out, 'w'), want = Float32Array.from(x0);
        for (let r = skip; r < skip + keep; r++) { const i = 2 ** 21 - 1 - (order[n - 1 - r] % 2 ** 21); want[i] = Math.fround(x0[i] + delta[i]); }
        let wrong = 0;
        for (let i = 0; i < n; i++) if (have[i] !== want[i]) wrong++;
        expect(wrong).toBe(0);
      }
    }, 180_000);
  }
  it('votes in registers and votes over arrays give the same bits', async () => {
    const names = ['a', 'b', 'c'].map((m) => `${m}BF16`);
    await merge(root, { merge_method: 'ties', base_model: 'baseBF16', models: names.map((m, i) => on(m, { weight: 0.3 + i, density: 0.5 })) }, path.join(root, 'few'));
    for (let i = 0; i < 4; i++) fs.cpSync(path.join(root, 'bBF16'), path.join(root, `extra${i}`), { recursive: true });
    await merge(root, { merge_method: 'ties', base_model: 'baseBF16', models: [...names.map((m, i) => on(m, { weight: 0.3 + i, density: 0.5 })), ...[0, 1, 2, 3].map((i) => on(`extra${i}`, { weight: 0, density: 0.5 }))] }, path.join(root, 'many'));
    for (const name of Object.keys(SHAPES)) expect(await values(path.join(root, 'many'), name)).toEqual(await values(path.join(root, 'few'), name));
  });
});

describe('what is written', () => {
  it('values are what the formula gives, rounded once', async () => {
    const out = path.join(root, 'exact');
    await merge(root, { merge_method: 'linear', models: [on('aBF16', { weight: 1 }), on('bBF16', { weight: 3 })] }, out);
    const [a, b, have] = await Promise.all(['aBF16', 'bBF16', 'exact'].map((name) => values(path.join(root, name), 'model.layers.1.w')));
    for (let i = 0; i < a.length; i++) {
      const want = Math.fround(Math.fround(0.25 * a[i]) + Math.fround(0.75 * b[i])), bits = new Uint32Array(Float32Array.of(want).buffer)[0];
      const rounded = new Float32Array(Uint32Array.of(((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) << 16).buffer)[0];
      expect(have[i]).toBe(rounded);
    }
  });
  it('untouched tensors are copied byte for byte and shards stay under their size', async () => {
    const out = path.join(root, 'copied');
    const { copied, merged } = await merge(root, { merge_method: 'passthrough', models: [on('bBF16')] }, out, { shardBytes: 500_000 });
    expect([copied, merged]).toEqual([0, 4]);
    const files = fs.readdirSync(out).filter((name) => name.endsWith('.safetensors')), index = JSON.parse(fs.readFileSync(path.join(out, 'model.safetensors.index.json'), 'utf8')) as { readonly metadata: { readonly total_size: number }; readonly weight_map: Record<string, string> };
    expect(files.length).toBe(3);
    expect(files[0]).toMatch(/^model-00001-of-00003\.safetensors$/);
    expect(new Set(Object.values(index.weight_map))).toEqual(new Set(files));
    const [mine, theirs] = await Promise.all([out, path.join(root, 'bBF16')].map(openCheckpoint));
    expect(index.metadata.total_size).toBe([...theirs.tensors.values()].reduce((sum, t) => sum + t.bytes, 0));
    for (const [name, t] of theirs.tensors) {
      const other = mine.tensors.get(name)!;
      expect(fs.readFileSync(other.file).subarray(other.offset, other.offset + other.bytes).equals(fs.readFileSync(t.file).subarray(t.offset, t.offset + t.bytes))).toBe(true);
    }
  });
  it('metadata, card and configuration say what was done, without paths', async () => {
    const out = path.join(root, 'said'), recipe = { merge_method: 'ties', base_model: 'baseF32', models: three('F32', { weight: 1, density: 0.5 }), dtype: 'float32', out_dtype: 'bfloat16' };
    await merge(root, recipe, out, { seed: 11 });
    const checkpoint = await openCheckpoint(out), said = JSON.parse(checkpoint.metadata.get('modulens')!) as Record<string, unknown>;
    expect(checkpoint.metadata.get('format')).toBe('pt');
    expect(said).toMatchObject({ method: 'ties', seed: 11, recipe: JSON.stringify(recipe) });
    expect((said['inputs'] as readonly (readonly string[])[]).map(([, print]) => print)).toEqual(expect.arrayContaining([expect.stringMatching(/^[0-9a-f]{64}$/)]));
    const card = fs.readFileSync(path.join(out, 'README.md'), 'utf8');
    expect(card).toContain(sha(weights(path.join(root, 'baseF32'))));
    expect(card).not.toContain(root);
    expect(checkpoint.config).toMatchObject({ torch_dtype: 'bfloat16', num_hidden_layers: 2 });
    expect(checkpoint.config).not.toHaveProperty('dtype');
  });
  it('layers that are stacked are counted, and lists by layer follow them', async () => {
    await writeModel(path.join(root, 'listed'), Object.fromEntries([0, 1, 2].map((l) => [`h.${l}.w`, { shape: [4], values: [l, l, l, l] }])), 'F32', { n_layer: 3, layer_types: ['x', 'y', 'z'], dtype: 'float32' });
    const out = path.join(root, 'stacked');
    await merge(root, { merge_method: 'passthrough', slices: [{ sources: [{ model: 'listed', layer_range: [0, 2] }] }, { sources: [{ model: 'listed', layer_range: [1, 3] }] }] }, out);
    expect(JSON.parse(fs.readFileSync(path.join(out, 'config.json'), 'utf8'))).toEqual({ n_layer: 4, layer_types: ['x', 'y', 'y', 'z'], dtype: 'float32' });
    expect([...await values(out, 'h.2.w')]).toEqual([1, 1, 1, 1]);
  });
  it('a head of its own in one model makes the result untied', async () => {
    const embed = { shape: [4, 2], values: [1, 2, 3, 4, 5, 6, 7, 8] }, head = { shape: [4, 2], values: [2, 2, 2, 2, 2, 2, 2, 2] };
    await writeModel(path.join(root, 'tied'), { 'model.embed_tokens.weight': embed, 'model.layers.0.w': { shape: [2], values: [1, 1] } }, 'F32', { tie_word_embeddings: true });
    await writeModel(path.join(root, 'untied'), { 'model.embed_tokens.weight': embed, 'lm_head.weight': head, 'model.layers.0.w': { shape: [2], values: [3, 3] } }, 'F32', { tie_word_embeddings: false });
    const out = path.join(root, 'mixed'), { warnings } = await merge(root, { merge_method: 'linear', models: [on('tied', { weight: 1 }), on('untied', { weight: 1 })] }, out);
    expect([...await values(out, 'lm_head.weight')]).toEqual([1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]);
    expect((await openCheckpoint(out)).config).toMatchObject({ tie_word_embeddings: false });
    expect(warnings.map(({ code }) => code)).toContain('merge/untied');
  });
  it('values beyond float16 are clamped and counted', async () => {
    await writeModel(path.join(root, 'large'), { 'layers.0.w': { shape: [4], values: [1e5, -1e6, 65504, 1] } });
    const out = path.join(root, 'clamped'), { warnings } = await merge(root, { merge_method: 'linear', models: [on('large', { weight: 1 })], out_dtype: 'float16' }, out);
    expect([...await values(out, 'layers.0.w')]).toEqual([65504, -65504, 65504, 1]);
    expect(warnings.find(({ code }) => code === 'merge/clamped')?.message).toContain('2 values of "layers.0.w"');
  });
});

describe('safety', () => {
  const recipe: Recipe = { merge_method: 'linear', models: [on('aF32', { weight: 1 }), on('bF32', { weight: 1 })] };
  const untouched = (): string => ['aF32', 'bF32'].map((name) => { const s = fs.statSync(weights(path.join(root, name))); return [s.size, s.mtimeMs, s.ctimeMs, s.nlink, s.ino].join(); }).join(';');

  it('an output that is, contains, lies inside or links to an input is refused', async () => {
    const before = untouched();
    for (const out of ['aF32', 'aF32/inside', '.']) await expect(merge(root, recipe, path.join(root, out), { overwrite: true })).rejects.toMatchObject({ code: 'merge/output-is-input' });
    fs.symlinkSync(path.join(root, 'bF32'), path.join(root, 'alias'));
    await expect(merge(root, recipe, path.join(root, 'alias'), { overwrite: true })).rejects.toMatchObject({ code: 'merge/output-is-input' });
    fs.mkdirSync(path.join(root, 'linked'));
    fs.linkSync(weights(path.join(root, 'cF32')), path.join(root, 'linked', 'model.safetensors'));
    await expect(merge(root, { merge_method: 'linear', models: [on('cF32', { weight: 1 }), on('aF32', { weight: 1 })] }, path.join(root, 'linked'), { overwrite: true })).rejects.toMatchObject({ code: 'merge/output-is-input' });
    fs.rmSync(path.join(root, 'linked'), { recursive: true });
    expect(untouched()).toBe(before);
  });
  it('a target with something in it is kept unless it may be replaced, and stale shards go with it', async () => {
    const out = path.join(root, 'full');
    fs.mkdirSync(out);
    fs.writeFileSync(path.join(out, 'model-00001-of-00002.safetensors'), 'stale');
    await expect(merge(root, recipe, out)).rejects.toMatchObject({ code: 'output/not-empty' });
    expect(fs.readdirSync(out)).toEqual(['model-00001-of-00002.safetensors']);
    await merge(root, recipe, out, { overwrite: true });
    expect(fs.readdirSync(out).sort()).toEqual(['README.md', 'config.json', 'merge-recipe.yml', 'model.safetensors']);
    expect(fs.readdirSync(root).filter((name) => /full\./.test(name))).toEqual([]);
  });
  it('NaN in an input is named and nothing is left', async () => {
    await writeModel(path.join(root, 'sick'), { 'layers.0.w': { shape: [4], values: [1, NaN, 3, 4] } });
    await writeModel(path.join(root, 'well'), { 'layers.0.w': { shape: [4], values: [1, 2, 3, 4] } });
    await expect(merge(root, { merge_method: 'linear', models: [on('well', { weight: 1 }), on('sick', { weight: 1 })] }, path.join(root, 'nan'))).rejects.toMatchObject({ code: 'merge/not-finite', args: { tensor: 'layers.0.w', file: weights(path.join(root, 'sick')) } });
    await expect(merge(root, { merge_method: 'linear', models: [on('well', { weight: 1e38 })], parameters: { normalize: false } }, path.join(root, 'nan'))).rejects.toMatchObject({ code: 'merge/result-not-finite' });
    expect(fs.readdirSync(root).filter((name) => name.startsWith('nan'))).toEqual([]);
  });
  it('models that do not fit are refused with what differs', async () => {
    await writeModel(path.join(root, 'one'), { 'layers.0.w': { shape: [4], values: [1, 2, 3, 4] }, 'layers.0.v': { shape: [2], values: [1, 2] } });
    await writeModel(path.join(root, 'two'), { 'layers.0.w': { shape: [4], values: [1, 2, 3, 4] } });
    await writeModel(path.join(root, 'wide'), { 'layers.0.w': { shape: [2, 2], values: [1, 2, 3, 4] } });
    const models = (...names: string[]): Recipe => ({ merge_method: 'linear', models: names.map((name) => on(name, { weight: 1 })) }), out = path.join(root, 'never');
    await expect(merge(root, models('one', 'two'), out)).rejects.toMatchObject({ code: 'merge/tensors-differ', args: { missing: 'layers.0.v' } });
    await expect(merge(root, models('two', 'wide'), out)).rejects.toMatchObject({ code: 'merge/shape' });
    await expect(merge(root, models('two', 'absent'), out)).rejects.toMatchObject({ code: 'merge/model-not-found' });
    await expect(merge(root, { merge_method: 'passthrough', slices: [{ sources: [{ model: 'one', layer_range: [0, 2] }] }] }, out)).rejects.toMatchObject({ code: 'merge/layers' });
    expect(fs.existsSync(out)).toBe(false);
  });
  it('vocabularies of other sizes ask for a decision', async () => {
    await writeModel(path.join(root, 'v4'), { 'model.embed_tokens.weight': { shape: [4, 2], values: [1, 2, 3, 4, 5, 6, 7, 8] } });
    await writeModel(path.join(root, 'v3'), { 'model.embed_tokens.weight': { shape: [3, 2], values: [1, 2, 3, 4, 5, 6] } });
    await expect(merge(root, { merge_method: 'linear', models: [on('v4', { weight: 1 }), on('v3', { weight: 1 })] }, path.join(root, 'never'))).rejects.toMatchObject({ code: 'merge/vocabulary' });
  });
  it('cancelling removes what was begun', async () => {
    const controller = new AbortController(), out = path.join(root, 'cancelled');
    await expect(merge(root, { merge_method: 'ties', base_model: 'baseF32', models: three('F32', { weight: 1, density: 0.5 }) }, out, { signal: controller.signal, progress: () => { controller.abort(new Error('stop')); } })).rejects.toThrow('stop');
    expect(fs.readdirSync(root).filter((name) => name.startsWith('cancelled'))).toEqual([]);
  });
  it('an input that changes while it is read is noticed', async () => {
    await writeModel(path.join(root, 'moving'), { 'layers.0.w': { shape: [1000, 100], values: normals(100_000, 'moving') } });
    const out = path.join(root, 'moved');
    await expect(merge(root, { merge_method: 'linear', models: [on('moving', { weight: 2 })], parameters: { normalize: false } }, out, { progress: () => { fs.utimesSync(weights(path.join(root, 'moving')), 1, 1); } })).rejects.toMatchObject({ code: 'checkpoint/changed' });
    expect(fs.existsSync(out)).toBe(false);
  });
  it('an unfinished merge goes on where it stopped and gives the same bytes', async () => {
    const recipeText = JSON.stringify({ merge_method: 'dare_ties', base_model: 'baseF32', models: three('F32', { weight: 1, density: 0.5 }) }), { recipe } = checkRecipe(recipeText);
    const plan = () => planMerge(recipe!, { recipeText, places: { recipeFolder: root, currentFolder: root, folders: [] }, seed: 2 });
    const whole = path.join(root, 'whole'), out = path.join(root, 'resumed'), options = { threads: 1, signal: new AbortController().signal, progress: () => undefined };
    await runMerge(await plan(), { ...options, out: whole });
    const finished = (await plan()).files[0].tensors.slice(0, 2), folder = unfinishedFolder(await plan(), out);
    // As a killed process leaves it: two tensors noted, the third half written, a line cut short, the lock of a process that is gone.
    fs.mkdirSync(folder);
    const bytes = fs.readFileSync(weights(whole)), end = finished[1].offset + finished[1].tensor.bytes;
    fs.writeFileSync(path.join(folder, 'model.safetensors'), Buffer.concat([bytes.subarray(0, end), Buffer.alloc(bytes.length - end, 7)]));
    fs.writeFileSync(path.join(folder, 'merge.journal'), `${finished.map(({ tensor }) => JSON.stringify({ tensor: tensor.name, clamped: 0 })).join('\n')}\n{"tensor":"model.nor`);
    fs.writeFileSync(path.join(folder, 'merge.lock'), '999999999');
    const { resumed, outputDigests } = await runMerge(await plan(), { ...options, out });
    expect(resumed).toBe(2);
    expect(sha(weights(out))).toBe(sha(weights(whole)));
    expect(outputDigests.get('model.safetensors')).toBe(sha(weights(whole)));
    expect(fs.readdirSync(out).sort()).toEqual(fs.readdirSync(whole).sort());
  });
  it('two merges into one folder do not mix', async () => {
    const recipeText = JSON.stringify(recipe), { recipe: read } = checkRecipe(recipeText), out = path.join(root, 'busy');
    const plan = await planMerge(read!, { recipeText, places: { recipeFolder: root, currentFolder: root, folders: [] } }), folder = unfinishedFolder(plan, out);
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'merge.lock'), String(process.ppid));
    await expect(runMerge(plan, { out, threads: 1, signal: new AbortController().signal, progress: () => undefined })).rejects.toMatchObject({ code: 'merge/busy' });
    expect(fs.existsSync(path.join(folder, 'merge.lock'))).toBe(true);
  });
});
