import { promises as fs } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModulensError } from '../../../extension/protocol/errors';
import type { TransferMethodName } from '../../../extension/protocol/transfer';
import { planTransfer, runTransfer } from '../../../extension/transfer';
import { averageAsReleased, average } from '../../../extension/transfer/methods/copy';
import { groupedLayers, monotoneLayers, paperLayers, proportionalLayers } from '../../../extension/transfer/layers';
import type { LayerWork, PartPair, SitePart, SourceModule, TransferInputs } from '../../../extension/transfer/types';
import { DUTCH, environment, inputsOf, MAIN, openBase, SMALL, temporaryFolder } from './bases';

let folder: string, inputs: TransferInputs;
beforeAll(async () => {
  folder = await temporaryFolder();
  inputs = await inputsOf(DUTCH, MAIN, SMALL);
});
afterAll(async () => { await fs.rm(folder, { recursive: true, force: true }); });

const request = (method: TransferMethodName) => ({ module: DUTCH, from: MAIN, to: SMALL, method });
const changed = (change: (factors: SourceModule['factors'][number], i: number) => Partial<SourceModule['factors'][number]>): TransferInputs => ({ ...inputs, module: { ...inputs.module, factors: inputs.module.factors.map((f, i) => ({ ...f, ...change(f, i) })) } });
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ModulensError) return error.code;
    throw error;
  }
  return 'none';
}

describe('layer rules', () => {
  it('take every k-th layer as the paper does, and never one that is not there', () => {
    expect(paperLayers(24, 12)).toEqual(Array.from({ length: 12 }, (_, l) => [2 * l]));
    expect(paperLayers(24, 6)).toEqual([[0], [4], [8], [12], [16], [20]]);
    expect(paperLayers(2, 4)).toEqual([[0], [1], [], []]);
    expect(groupedLayers(8, 2)).toEqual([[0, 1, 2, 3], [4, 5, 6, 7]]);
  });

  it('keep the relative depth', () => {
    expect(proportionalLayers(6, 6)).toEqual([[0], [1], [2], [3], [4], [5]]);
    expect(proportionalLayers(2, 4)).toEqual([[0], [0], [1], [1]]);
    expect(proportionalLayers(6, 3).flat().every((l) => l < 6)).toBe(true);
  });

  it('align by likeness without ever going back', () => {
    const diagonal = Float64Array.from({ length: 16 }, (_, i) => (Math.floor(i / 4) === i % 4 ? 1 : 0.2));
    expect(monotoneLayers(diagonal, 4, 4, 0.05)).toEqual([[0], [1], [2], [3]]);
    // Likeness alone would go 2, 0: the order of depth holds.
    const crossed = monotoneLayers([0, 0, 1, 0.9, 0, 0], 3, 2, 0).flat();
    expect(crossed[1]).toBeGreaterThanOrEqual(crossed[0]);
    expect(monotoneLayers(new Float64Array(6), 3, 2, 0)).toEqual([[0], [0]]);
  });

  it('average for true, or as the released code does', async () => {
    const part = { layer: 0, inWidth: 1, outWidth: 1, rows: null } as unknown as SitePart;
    const run = async (values: readonly number[], method: typeof average): Promise<number> => {
      const pair: PartPair = { to: part, copies: 1, from: values.map((x) => ({ part, a: Float32Array.of(x), b: Float32Array.of(1), rank: 1, scaling: 1, share: 0 })) };
      return (await method.run({ layer: 0, pairs: [pair], statistics: null } as unknown as LayerWork)).parts[0].a[0];
    };
    expect(await run([1, 3], average)).toBe(2);
    expect(await run([1, 3], averageAsReleased)).toBe(0.5);
    expect(await run([1, 2, 3, 4], average)).toBe(2.5);
    expect(await run([1, 2, 3, 4], averageAsReleased)).toBe(1.5);
  });
});

describe('a plan', () => {
  it('names every site, what is dropped and what it rests on, and accounts for the whole update', async () => {
    const { plan } = await planTransfer(request('activation-transport'), inputs);
    expect(plan).toMatchObject({ method: 'activation-transport', relation: 'different', layerRule: 'cka', provisionalLayers: true });
    expect(plan.sites).toHaveLength(21);
    expect(plan.heads).toEqual({ from: { q: 4, kv: 2, width: 40 }, to: { q: 4, kv: 2, width: 24 } });
    const total = [...plan.sites, ...plan.dropped].reduce((sum, { share }) => sum + share, 0);
    expect(total).toBeCloseTo(1, 9);
    expect(plan.dropped).toHaveLength(21);
    expect(plan.dropped[0].reason).toContain('takes layer');
    expect(plan.estimate.seconds).toBeGreaterThan(0);
  });

  it('divides strengths where several layers take one', async () => {
    const back = await inputsOf(DUTCH, MAIN, SMALL), deeper: TransferInputs = { ...back, from: back.to, to: back.from, module: { ...back.module, factors: back.to.model.spec.stacks[0].blocks.map((_, l) => ({ target: `model.layers.${l}.self_attn.v_proj`, a: new Float32Array(96).fill(1), b: new Float32Array(48).fill(1), rank: 1, scaling: 2, inWidth: 96, outWidth: 48 })) } };
    const { plan } = await planTransfer({ ...request('activation-transport'), layers: 'proportional' }, deeper);
    expect(plan.layers.map((l) => l.from)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(plan.sites[0].rule).toContain('divided by 2');
    expect(plan.warnings.map((w) => w.code)).toContain('deeper');
  });

  it('refuses what cannot work, each with its own code', async () => {
    expect(await codeOf(planTransfer(request('copy'), inputs))).toBe('transfer/no-sites');
    expect(await codeOf(planTransfer(request('activation-transport'), changed((f) => ({ b: new Float32Array(f.b.length) }))))).toBe('transfer/no-effect');
    expect(await codeOf(planTransfer(request('activation-transport'), changed((f, i) => (i === 3 ? { a: f.a.map((x, k) => (k === 5 ? NaN : x)) } : {}))))).toBe('transfer/not-finite');
    expect(await codeOf(planTransfer(request('activation-transport'), { ...inputs, from: inputs.to }))).toBe('transfer/base-mismatch');
    expect(await codeOf(planTransfer(request('activation-transport'), changed((f) => ({ target: `other.${f.target}` }))))).toBe('transfer/base-mismatch');
    expect(await codeOf(planTransfer(request('activation-transport'), { ...inputs, probe: null }))).toBe('transfer/unsupported');
    expect(await codeOf(planTransfer(request('activation-transport'), { ...inputs, to: { ...inputs.to, tokenizer: null } }))).toBe('probe/no-tokenizer');
  });

  it('keeps what fits when a part has no place, and says so', async () => {
    const { plan } = await planTransfer(request('activation-transport'), changed((_, i) => (i === 0 ? { target: 'lm_head' } : {})));
    expect(plan.dropped.find((d) => d.name === 'lm_head')?.reason).toContain('no linear map of this name');
    const named = await planTransfer(request('activation-transport'), { ...inputs, module: { ...inputs.module, base: 'someone/another-model', left: [{ name: 'score', reason: 'a saved head' }] } });
    expect(named.plan.warnings.map((w) => w.code)).toContain('other-base');
    expect(named.plan.dropped.find((d) => d.name === 'score')).toEqual({ name: 'score', reason: 'a saved head', share: 0 });
  });
});

describe('fused maps', () => {
  it('come apart by role and go together again as they were', async () => {
    const golden = path.resolve('test/fixtures/golden/gpt2');
    const base = await openBase(golden), d = base.model.spec.stacks[0].dModel, linear = base.model.spec.stacks[0].blocks[0].attention.qkv;
    if (linear.kind !== 'fused') throw new Error('expected a fused map');
    const factors = [{ target: base.model.tensor(linear.linear.weight).name.replace(/\.weight$/, ''), a: Float32Array.from({ length: 2 * d }, (_, i) => i / d), b: Float32Array.from({ length: 6 * d }, (_, i) => Math.sin(i)), rank: 2, scaling: 0.5, inWidth: d, outWidth: 3 * d }];
    const own: TransferInputs = { module: { path: golden, name: 'fused', kind: 'lora', base: null, rank: 2, parameters: 8 * d, factors }, from: base, to: base, probe: null, data: null };
    const planned = await planTransfer({ module: golden, from: golden, to: golden, method: 'copy' }, own), env = environment(), result = await runTransfer(planned, env);
    expect(planned.plan.sites.map((s) => s.name)).toEqual(['blocks.0.attention.q', 'blocks.0.attention.k', 'blocks.0.attention.v']);
    expect(result.factors).toHaveLength(1);
    expect(result.factors[0]).toEqual(factors[0]);
    await env.pool.clear();
  });
});
