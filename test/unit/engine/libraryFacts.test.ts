import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readTensor } from '../../../extension/checkpoint/readTensor';
import { formatLibrary } from '../../../extension/engine/cliLibrary';
import type { OperationContext } from '../../../extension/engine/context';
import { libraryDocument, overlaps, run } from '../../../extension/engine/operations/libraryFacts';
import { libraryFacts } from '../../../extension/engine/operations/routeCommand';
import { directionTrust, type LibraryRequest } from '../../../extension/protocol/routingLibrary';

const LLAMA: LibraryRequest = { path: 'test/fixtures/golden/llama', modules: 'test/fixtures/routing/arrow-llama' };
let folder = '', context: OperationContext;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-library-facts-'));
  context = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: folder, cacheBytes: 1 << 28, threads: 1, device: 'cpu' } };
});
afterAll(() => { fs.rmSync(folder, { recursive: true }); });

interface Factors { readonly a: Float32Array; readonly b: Float32Array; readonly r: number; readonly inWidth: number; readonly outWidth: number; readonly scaling: number }

/** Factors of an adapter by linear map, read by the names that PEFT writes. */
async function factorsOf(name: string): Promise<ReadonlyMap<string, Factors>> {
  const at = path.join(LLAMA.modules, name), { tensors } = await openCheckpoint(path.join(at, 'adapter_model.safetensors')), out = new Map<string, Factors>();
  const { lora_alpha: alpha, r } = JSON.parse(fs.readFileSync(path.join(at, 'adapter_config.json'), 'utf8')) as { lora_alpha: number; r: number };
  for (const [key, a] of tensors) {
    const b = tensors.get(key.replace('.lora_A.', '.lora_B.'));
    if (!key.includes('.lora_A.') || !b) continue;
    out.set(key.replace(/^base_model\.model\./, '').replace('.lora_A.weight', ''), { a: await readTensor(a), b: await readTensor(b), r: a.shape[0], inWidth: a.shape[1], outWidth: b.shape[0], scaling: alpha / r });
  }
  return out;
}

/** All entries of the update, written out. */
function update({ a, b, r, inWidth, outWidth, scaling }: Factors): Float64Array {
  const out = new Float64Array(outWidth * inWidth);
  for (let o = 0; o < outWidth; o++) for (let i = 0; i < inWidth; i++) for (let p = 0; p < r; p++) out[o * inWidth + i] += scaling * b[o * r + p] * a[p * inWidth + i];
  return out;
}
const dot = (x: Float64Array, y: Float64Array): number => x.reduce((sum, v, i) => sum + v * y[i], 0);
const minus = (x: Float64Array, ...others: readonly Float64Array[]): Float64Array => x.map((v, i) => v - others.reduce((sum, o) => sum + o[i] / others.length, 0));

describe('what the weights of a library say', () => {
  it('agrees with the updates written out entry by entry', async () => {
    const found = await run({ ...LLAMA, genKnowSub: 'none' }, context), names = found.adapters.map(({ name }) => name), all = await Promise.all(names.map(factorsOf));
    expect(names).toEqual(['task_0', 'task_1', 'task_2']);
    const whole = all.map((one) => Float64Array.from([...one.values()].flatMap((f) => [...update(f)])));
    const comparison = found.similarity.find(({ kind }) => kind === 'update');
    expect(found.similarity.map(({ kind }) => kind)).toEqual(['update', 'parameters', 'direction']);
    for (const [i, x] of whole.entries()) for (const [j, y] of whole.entries()) expect(comparison?.matrix?.[i * 3 + j]).toBeCloseTo(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)), 5);
    const layer = found.byLayer?.layers[1] ?? -1, part = all.map((one) => Float64Array.from([...one].filter(([key]) => key.startsWith(`model.layers.${layer}.`)).flatMap(([, f]) => [...update(f)])));
    expect(part[0].length).toBeGreaterThan(0);
    for (const [i, x] of part.entries()) for (const [j, y] of part.entries()) expect(found.byLayer?.matrices[9 + i * 3 + j]).toBeCloseTo(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)), 5);
    for (const [i, one] of all.entries()) {
      const key = 'model.layers.0.self_attn.q_proj', s = found.sites.findIndex(({ id }) => id === 'blocks.0.attention.q'), f = one.get(key);
      if (!f) throw new Error(`no ${key}`);
      const square = dot(update(f), update(f)), at = s * 3 + i;
      expect(found.facts.frobenius[at]).toBeCloseTo(Math.sqrt(square), 4);
      expect(found.facts.scaling[at]).toBeCloseTo(f.scaling, 6);
      expect(found.facts.energy[at] * found.facts.stableRank[at]).toBeCloseTo(1, 4);
      expect(found.facts.sigma1[at] ** 2 / found.facts.energy[at]).toBeCloseTo(square, 3);
    }
    expect(found.similarity[2].unrelated).toBeGreaterThan(0.1);
    expect(found.similarity[0].unrelated).toBe(0);
  });

  it('puts both ways to subtract general knowledge side by side', async () => {
    const { subtraction, genKnowSub } = await run(LLAMA, context);
    expect(subtraction).toMatchObject({ used: genKnowSub, general: ['gks_0', 'gks_1'] });
    const [task, ...general] = await Promise.all(['task_0', 'gks_0', 'gks_1'].map(factorsOf));
    let none = 0, peft = 0, right = 0, both = 0;
    for (const [key, f] of task) {
      const others = general.map((g) => g.get(key)).filter((g): g is Factors => g !== undefined), own = update(f);
      const mean = (pick: (g: Factors) => Float32Array, of: Float32Array): Float32Array => of.map((x, i) => x - others.reduce((sum, g) => sum + pick(g)[i] / others.length, 0));
      const byFactors = update({ ...f, a: mean((g) => g.a, f.a), b: mean((g) => g.b, f.b) }), byUpdates = minus(own, ...others.map(update));
      none += dot(own, own);
      peft += dot(byFactors, byFactors);
      right += dot(byUpdates, byUpdates);
      both += dot(byFactors, byUpdates);
    }
    const row = subtraction?.adapters[0];
    expect(row?.none).toBeCloseTo(Math.sqrt(none), 3);
    expect(row?.peft).toBeCloseTo(Math.sqrt(peft), 3);
    expect(row?.update).toBeCloseTo(Math.sqrt(right), 3);
    expect(row?.cosine).toBeCloseTo(both / Math.sqrt(peft * right), 4);
    expect(row?.cosine).toBeLessThan(0.999);
  });

  it('gives overlaps of one site, and refuses a site that nothing changes', async () => {
    const one = await overlaps({ ...LLAMA, genKnowSub: 'none', site: 'blocks.0.attention.q' }, context), all = await Promise.all(['task_0', 'task_1'].map(factorsOf));
    const [x, y] = all.map((f) => f.get('model.layers.0.self_attn.q_proj')!);
    expect(one.adapters).toEqual([0, 1, 2]);
    expect(one.cosine[1]).toBeCloseTo(dot(update(x), update(y)) / Math.sqrt(dot(update(x), update(x)) * dot(update(y), update(y))), 5);
    let reads = 0;
    for (let p = 0; p < x.r; p++) for (let q = 0; q < y.r; q++) reads += Math.abs(dot(Float64Array.from(x.a.subarray(p * x.inWidth, (p + 1) * x.inWidth)), Float64Array.from(y.a.subarray(q * y.inWidth, (q + 1) * y.inWidth))));
    expect(one.readOverlap[1]).toBeCloseTo(reads, 3);
    await expect(overlaps({ ...LLAMA, site: 'blocks.9.attention.q' }, context)).rejects.toMatchObject({ code: 'routing/library', message: expect.stringContaining('blocks.9.attention.q') as string });
  });

  it('is a document by its schema, on chosen layers, and a text that names every adapter', async () => {
    const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(JSON.parse(fs.readFileSync('extension/report/schemas/library.schema.json', 'utf8')) as object);
    const document = await libraryDocument({ ...LLAMA, layers: '1' }, context);
    expect(validate(JSON.parse(JSON.stringify(document)))).toBe(true);
    expect(validate.errors ?? []).toEqual([]);
    expect(new Set(document.sites.map(({ layer }) => layer))).toEqual(new Set([1]));
    expect(document.overlaps?.map(({ site }) => site)).toEqual(document.sites.map(({ id }) => id));
    for (const name of ['task_0', 'task_1', 'task_2', 'cosine between the two']) expect(formatLibrary(document)).toContain(name);
  });

  it('scores groups of four adapters and more against chance', async () => {
    for (const [i, name] of ['gks_0', 'gks_1', 'task_0', 'task_1', 'task_2'].entries()) fs.cpSync(path.join(LLAMA.modules, name), path.join(folder, 'five', `a${i}`), { recursive: true });
    const { groupings, order, joinings, subtraction } = await run({ ...LLAMA, modules: path.join(folder, 'five') }, context);
    expect(groupings.map(({ clusters }) => clusters)).toEqual([2, 3, 4]);
    for (const { labels, silhouette, clusters } of groupings) {
      expect(new Set(labels).size).toBe(clusters);
      expect(silhouette).toMatchObject({ n: 5, nullDraws: 99, nOf: 'adapters' });
    }
    expect([...order].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(joinings).toHaveLength(4);
    expect(subtraction).toBeNull();
  });

  it('asks for a folder and for no text', async () => {
    const command = { path: LLAMA.path, router: 'arrow', seed: 0, device: 'cpu' } as const;
    await expect(libraryFacts(command, context)).rejects.toThrow(/--modules FOLDER/);
    await expect(libraryFacts({ ...command, modules: LLAMA.modules, text: 'x.txt' }, context)).rejects.toThrow(/leave out --text/);
  });

  it('says how far a direction can be trusted', () => {
    expect([directionTrust(0.5, 1), directionTrust(0.95, 1), directionTrust(0, 0), directionTrust(NaN, NaN)]).toEqual(['determined', 'hardly determined', 'no update', 'not here']);
  });
});
