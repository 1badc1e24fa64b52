import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireFfn } from '../../../extension/architecture/spec';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import type { OperationContext } from '../../../extension/engine/context';
import { run as analyze } from '../../../extension/engine/operations/analyze';
import { describeModel } from '../../../extension/engine/modelFacts';
import { BLOCK_INPUTS, BLOCK_OUTPUTS, buildBlock } from '../../../extension/graph/block';
import { ForwardPass } from '../../../extension/probe/forward';
import { Decoder } from '../../../extension/probe/decode';
import { nativeRouter } from '../../../extension/routing/routers/native';
import { LiveRouting, routePass } from '../../../extension/routing/runRouter';
import type { TraceArrays } from '../../../extension/routing/trace';
import type { PreparedRouter, SiteRouting } from '../../../extension/routing/types';
import { Scheduler } from '../../../extension/runtime/scheduler';
import type { BoundModel } from '../../../extension/architecture/resolve';
import { disagreements, GOLDEN, goldenIndex, goldenRows, type Matrix, openGolden, readGolden, Runner } from './goldenModels';
import { TOLERANCE } from './tapSuite';

const MIXTURES = goldenIndex().models.filter((model) => model.taps.some((tap) => tap.endsWith('.router.logits')));
const runner = new Runner('cpu');
afterAll(() => runner.close());

const prepare = (model: BoundModel, changes: Partial<Parameters<typeof nativeRouter.prepare>[0]> = {}): Promise<PreparedRouter> =>
  nativeRouter.prepare({ model, seed: 0, layers: model.spec.stacks[0].blocks.map((b) => b.index), partition: () => Promise.reject(new Error('not needed')), ...changes });

/** Runs the rows and gathers what the router read, site by site `[tokens, E]`. */
async function routed(model: BoundModel, router: PreparedRouter, rows: readonly Int32Array[]): Promise<ReadonlyMap<number, { readonly weights: Float32Array; readonly logits: Float32Array }>> {
  const pass = new ForwardPass(model, rows, { pool: runner.pool, scheduler: new Scheduler() }), hidden = await pass.embed();
  const out = new Map(router.sites.map((site, i) => [i, { weights: new Float32Array(pass.tokens * site.E), logits: new Float32Array(pass.tokens * site.E) }]));
  for (const block of pass.stack.blocks) {
    const plan = router.plan(block);
    await pass.block(block, hidden, { taps: plan?.taps ?? new Set() }, (pack, outputs) => {
      const read: readonly SiteRouting[] = plan?.read(outputs, pack.tokens) ?? [];
      for (const { site, weights, logits } of read) {
        out.get(site)?.weights.set(weights, pack.offset * router.sites[site].E);
        if (logits) out.get(site)?.logits.set(logits, pack.offset * router.sites[site].E);
      }
    });
  }
  return out;
}

describe('the models\u2019 own routers choose what transformers chooses', () => {
  it.each(MIXTURES.map((model) => [model.name, model] as const))('%s', async (_name, golden) => {
    const model = await openGolden(golden.folder), router = await prepare(model), chosen = readGolden(golden.folder, 'routing.safetensors'), taps = readGolden(golden.folder, 'golden.safetensors');
    expect(router).toMatchObject({ composition: 'outputs', granularity: 'token', provenance: 'exact', attached: null });
    expect(router.sites.map(({ layer, module }) => `blocks.${layer}.${module === 'ffn' ? '' : `${module}.`}router.logits`)).toEqual(golden.taps.filter((tap) => tap.endsWith('router.logits')));
    const found = await routed(model, router, goldenRows(golden.folder));
    for (const [index, site] of router.sites.entries()) {
      const name = `blocks.${site.layer}${site.module === 'ffn' ? '' : `.${site.module}`}`, experts = chosen.get(`${name}.experts`), weights = chosen.get(`${name}.weights`), own = found.get(index), logits = taps.get(`${name}.router.logits`);
      if (!experts || !weights || !own || !logits) throw new Error(`${site.id}: no reference`);
      expect([site.kind, site.id, site.k]).toEqual(['moe', `blocks.${site.layer}.${site.module}`, experts.width]);
      expect(site.labels).toEqual(Array.from({ length: logits.width }, (_, e) => String(e)));
      const dense: Matrix = { rows: experts.rows, width: site.E, data: new Float32Array(experts.rows * site.E) };
      for (let t = 0; t < experts.rows; t++) {
        const used = Array.from({ length: site.E }, (_, e) => e).filter((e) => own.weights[t * site.E + e] > 0);
        expect(used).toEqual([...experts.data.subarray(t * site.k, (t + 1) * site.k)]);
        for (let i = 0; i < site.k; i++) dense.data[t * site.E + experts.data[t * site.k + i]] = weights.data[t * site.k + i];
        const sum = own.weights.subarray(t * site.E, (t + 1) * site.E).reduce((a, b) => a + b, 0);
        if (site.semantics === 'truncated') expect(Math.abs(sum - 1)).toBeLessThan(1e-5);
        else expect(sum).toBeLessThan(1);
      }
      const of = (data: Float32Array): ReadonlyMap<string, Matrix> => new Map([[site.id, { rows: experts.rows, width: site.E, data }]]);
      expect(disagreements(of(own.weights.map((weight) => weight * site.scale)), new Map([[site.id, dense]]), TOLERANCE)).toEqual([]);
      expect(disagreements(of(own.logits), new Map([[site.id, logits]]), TOLERANCE)).toEqual([]);
    }
  });

  it('says which kind of weights a family has, and that a shared expert stands beside them', async () => {
    const semantics = async (name: string): Promise<string> => (await prepare(await openGolden(name))).sites[0].semantics;
    expect([await semantics('mixtral'), await semantics('olmoe'), await semantics('qwen3-moe'), await semantics('gpt-oss')]).toEqual(['truncated', 'sub-simplex', 'truncated', 'truncated']);
    const [grouped] = (await prepare(await openGolden('deepseek-v3'))).sites;
    expect([grouped.semantics, grouped.scale, grouped.bias?.length]).toEqual(['truncated', 2.5, 6]);
    expect((await prepare(await openGolden('deepseek-v2'))).sites[0]).toMatchObject({ semantics: 'sub-simplex', scale: 1.5 });
    expect((await prepare(await openGolden('qwen2-moe'))).sites[0].note).toMatch(/shared expert/);
  });

  it('refuses a model without experts, layers without them, and settings that would change the model', async () => {
    const dense = await openGolden('llama'), mixed = await openGolden('qwen2-moe');
    await expect(prepare(dense)).rejects.toMatchObject({ code: 'routing/no-router', message: expect.stringContaining('avg-k') as string });
    await expect(prepare(mixed, { layers: [1] })).rejects.toMatchObject({ code: 'routing/no-router', message: expect.stringContaining('0, 2') as string });
    await expect(prepare(mixed, { topK: 3 })).rejects.toMatchObject({ code: 'routing/no-router' });
    await expect(prepare(mixed, { temperature: 0.5 })).rejects.toMatchObject({ code: 'routing/no-router' });
    expect((await prepare(mixed, { layers: [1, 2], topK: 2 })).sites.map((site) => site.layer)).toEqual([2]);
  });
});

describe('routing of a text that is being written', () => {
  it.each(['mixtral', 'qwen2-moe', 'deepseek-v2', 'jetmoe', 'gpt-oss'])('%s: only the changed end runs again and gives what the whole text gives', async (name) => {
    const model = await openGolden(name), router = await prepare(model), environment = { pool: runner.pool, scheduler: new Scheduler() }, row = goldenRows(name).at(-1) ?? new Int32Array();
    const live = new LiveRouting(new Decoder(model, environment), router, 8);
    await live.update(row.map((id, i) => (i < 20 ? id : 4)), environment);
    const { arrays, reused } = await live.update(row, environment), whole = await routePass(new ForwardPass(model, [row], environment), router);
    expect(reused).toBeGreaterThanOrEqual(20);
    const of = (found: TraceArrays): ReadonlyMap<string, Matrix> => new Map([['weights', { rows: row.length, width: found.weights.length / row.length, data: found.weights }]]);
    expect([...arrays.ids]).toEqual([...whole.ids]);
    expect(disagreements(of(arrays), of(whole), TOLERANCE)).toEqual([]);
  });
});

describe('mixtures in graphs', () => {
  it.each(MIXTURES.map((model) => [model.name, model] as const))('%s: every expert on every token gives what the chosen tokens alone give', async (name, golden) => {
    const model = await openGolden(golden.folder), pass = new ForwardPass(model, goldenRows(golden.folder), { pool: runner.pool, scheduler: new Scheduler() });
    const block = pass.stack.blocks.find((b) => b.ffn.kind === 'moe'), taps = readGolden(golden.folder, 'golden.safetensors');
    if (!block) throw new Error(`${name} has no mixture`);
    const input = taps.get(`blocks.${block.index}.input`);
    if (!input) throw new Error(`${name}: no input`);
    const outputs = new Map<boolean, Float32Array>();
    for (const gather of [false, true]) {
      await pass.block(block, [input.data.slice()], { gather, key: String(gather) }, (_pack, found) => { outputs.set(gather, found[BLOCK_OUTPUTS.hidden].data as Float32Array); });
      const graph = await buildBlock(model, pass.stack, block, { gather });
      expect(graph.nodes.some((node) => node.op === 'NonZero')).toBe(gather);
    }
    const as = (data: Float32Array | undefined): ReadonlyMap<string, Matrix> => new Map([['output', { rows: input.rows, width: input.width, data: data ?? new Float32Array() }]]);
    expect(disagreements(as(outputs.get(false)), as(outputs.get(true)), 1e-5)).toEqual([]);
  });

  it('have no neurons to mask, tap or stop at', async () => {
    const model = await openGolden('mixtral'), [stack] = model.spec.stacks, refused = { code: 'model/no-dense-ffn', message: expect.stringContaining('Layer 0 holds a mixture of 5 experts') as string };
    await expect(buildBlock(model, stack, stack.blocks[0], { mask: true })).rejects.toMatchObject(refused);
    await expect(buildBlock(model, stack, stack.blocks[0], { stopAtHidden: true })).rejects.toMatchObject(refused);
    expect(() => requireFfn(stack.blocks[0])).toThrow(expect.objectContaining(refused));
    await expect(runner.taps(model, goldenRows('mixtral'), 'blocks.0.ffn.hidden')).rejects.toMatchObject({ code: 'model/unknown-tap', message: expect.stringMatching(/router\.logits(?!.*ffn\.hidden)/) as string });
    await expect(runner.taps(await openGolden('llama'), goldenRows('llama'), 'blocks.0.router.logits')).rejects.toMatchObject({ code: 'model/unknown-tap' });
    expect((await buildBlock(model, stack, stack.blocks[0])).inputs.map((input) => input.name)).not.toContain(BLOCK_INPUTS.mask);
  });
});

describe('facts about mixtures', () => {
  const facts = async (name: string) => (await describeModel(await openCheckpoint(path.join(GOLDEN, name)))).facts;
  it('name the experts; the width is a dense layer\u2019s where there is one', async () => {
    expect(await facts('mixtral')).toMatchObject({ family: 'mixtral', runnable: true, dModel: 16, dFf: 12, activation: 'silu', mixture: { layers: 2, experts: 5, perToken: 2, width: 12, shared: null } });
    expect(await facts('qwen2-moe')).toMatchObject({ dFf: 20, mixture: { layers: 2, experts: 4, perToken: 2, width: 8, shared: 12 } });
    expect(await facts('gpt-oss')).toMatchObject({ dFf: 12, activation: 'clampedSwiglu', mixture: { experts: 5 } });
    expect((await facts('llama')).mixture).toBeUndefined();
  });
});

describe('analysis of models with mixtures', () => {
  let scratch = '';
  beforeAll(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-mixtures-'));
    fs.writeFileSync(path.join(scratch, 'probe.txt'), Array.from({ length: 24 }, (_, i) => 'the quick brown fox jumps over'.slice(i % 9)).join('\n'));
  });
  afterAll(() => { fs.rmSync(scratch, { recursive: true }); });

  const context = (): OperationContext => ({ signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: path.join(scratch, 'cache'), cacheBytes: 1 << 30, threads: 1, device: 'cpu' } });
  /** A golden with a tokenizer of letters beside it. */
  const readable = (name: string): string => {
    const folder = path.join(scratch, name), letters = ['\u0120', ...'abcdefghijklmnopqrstuvwxyz'];
    fs.cpSync(path.join(GOLDEN, name), folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify({
      version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }, post_processor: null, decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, vocab: Object.fromEntries(letters.map((letter, i) => [letter, i + 4])), merges: [] },
    }));
    return folder;
  };

  it('splits the dense layers of a mixed model, on its weights and on text', async () => {
    const document = await analyze({ path: readable('qwen2-moe'), options: { experts: 4, probe: path.join(scratch, 'probe.txt'), ablation: true } }, context());
    expect(document.layers.map((layer) => [layer.index, layer.partition.sizes])).toEqual([[1, [5, 5, 5, 5]]]);
    expect(document.device.used).toBe('cpu');
    expect(document.probe?.tokens).toBeGreaterThan(100);
    expect(Object.keys(document.layers[0].scores).length).toBeGreaterThanOrEqual(8);
    await expect(analyze({ path: readable('qwen2-moe'), options: { layers: '0' } }, context())).rejects.toMatchObject({ code: 'analysis/layers' });
  }, 120_000);

  it('says that a model of experts alone has nothing to split, and what to use', async () => {
    await expect(analyze({ path: path.join(GOLDEN, 'mixtral'), options: {} }, context())).rejects.toMatchObject({ code: 'analysis/only-experts', exit: 1, message: expect.stringContaining('--router native') as string });
  });
});
