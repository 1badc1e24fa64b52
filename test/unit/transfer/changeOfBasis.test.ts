import { promises as fs } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../extension/numerics/random';
import type { ForwardEnvironment } from '../../../extension/probe/forward';
import type { TransferMethodName } from '../../../extension/protocol/transfer';
import { planTransfer, runTransfer } from '../../../extension/transfer';
import type { TransferInputs, TransferModel, TransferResult } from '../../../extension/transfer/types';
import { changedBase, environment, inputsOf, largestDifference, logitsOf, openBase, orthogonal, randomModule, signedPermutation, SMALL, temporaryFolder, writeModule } from './bases';

const TEXTS = ['De optie geeft aan welk bestand wordt gelezen.', 'I lost my card and want a new one.', 'for (let i = 0; i < n; i++) total += x[i];'];
const TOKENS = 1200;

let folder: string, env: ForwardEnvironment, source: TransferModel, sourceFolder: string, module: string, wanted: Float32Array, effect: number;

beforeAll(async () => {
  folder = await temporaryFolder();
  env = environment();
  // The source of all changes is the folded model, so that a rotation is a change of basis and nothing else.
  sourceFolder = await changedBase({ fold: true }, path.join(folder, 'source'), SMALL);
  source = await openBase(sourceFolder);
  module = await randomModule(source, path.join(folder, 'module'), 3, 0.05);
  wanted = await logitsOf(source, TEXTS, module, env);
  effect = largestDifference(wanted, await logitsOf(source, TEXTS, null, env));
  expect(effect).toBeGreaterThan(0.5);
});
afterAll(async () => {
  await env.pool.clear();
  await fs.rm(folder, { recursive: true, force: true });
});

const random = new Random(3, 'changes');
const signs = (n: number): number[] => Array.from({ length: n }, () => (random.uint32() & 1 ? 1 : -1));

async function carry(inputs: TransferInputs, to: string, method: TransferMethodName, shufflePairs = false): Promise<{ readonly result: TransferResult; readonly off: number }> {
  const planned = await planTransfer({ module, from: sourceFolder, to, method, tokens: TOKENS, layers: 'proportional' }, inputs), result = await runTransfer(planned, env, { shufflePairs });
  const out = await writeModule(path.join(folder, `${path.basename(to)} ${method}${shufflePairs ? ' shuffled' : ''}`), result.factors);
  return { result, off: largestDifference(await logitsOf(inputs.to, TEXTS, out, env), wanted) };
}

describe('a base with its dimensions, neurons and heads in another order, some with the other sign', () => {
  let to: string, inputs: TransferInputs;
  beforeAll(async () => {
    to = await changedBase({ fold: true, residual: (n) => signedPermutation(random.permutation(n), signs(n)), units: (_l, n) => ({ order: random.permutation(n), signs: signs(n) }), heads: (l) => (l % 2 ? [0, 1] : [1, 0]) }, path.join(folder, 'signed'), SMALL);
    inputs = await inputsOf(module, sourceFolder, to);
    expect(largestDifference(await logitsOf(inputs.to, TEXTS, null, env), await logitsOf(source, TEXTS, null, env))).toBeLessThan(1e-4);
  });

  it('gets the module whole by activation transport', async () => {
    const { result, off } = await carry(inputs, to, 'activation-transport');
    expect(off).toBeLessThan(1e-4 * Math.max(1, effect));
    expect(result.sites).toHaveLength(21);
    for (const site of result.sites) {
      expect(site.r2).toBeGreaterThan(0.9999);
      expect(site.r2Null).toBeLessThan(0.05);
      expect(site.coverage).toBeCloseTo(1, 3);
      expect(site.relativeNormTo).toBeCloseTo(site.relativeNormFrom, 4);
    }
    expect(result.heads.filter((h) => h.part === 'kv').map((h) => h.from)).toEqual([[1, 0], [0, 1], [1, 0]]);
    expect(result.heads.filter((h) => h.part === 'q').map((h) => h.from)).toEqual([[2, 3, 0, 1], [0, 1, 2, 3], [2, 3, 0, 1]]);
    for (const { score, nullScore } of result.heads) expect(Math.min(...score)).toBeGreaterThan(nullScore + 0.3);
  });

  it('gets it by the repaired prune and align, not by the released one', async () => {
    const { off } = await carry(inputs, to, 'seed-fixed');
    expect(off).toBeLessThan(1e-4 * Math.max(1, effect));
    const released = await carry(inputs, to, 'seed-exact');
    expect(released.off).toBeGreaterThan(0.3 * effect);
    expect(released.result.sites.every((s) => /\.q$/.test(s.name))).toBe(true);
    expect(released.result.dropped.find((d) => d.name === 'blocks.0.attention.k')?.reason).toContain('queries and values only');
  });

  it('does not get it by a copy', async () => {
    expect((await carry(inputs, to, 'copy')).off).toBeGreaterThan(0.3 * effect);
  });

  it('shuffled pairs explain nothing, and say so', async () => {
    const { result, off } = await carry(inputs, to, 'activation-transport', true);
    expect(off).toBeGreaterThan(0.3 * effect);
    for (const site of result.sites) expect(site.r2).toBeLessThan(0.05);
    for (const layer of result.layers) expect(layer.cka?.p).toBeGreaterThan(0.01);
  });
});

describe('a base whose residual stream is rotated', () => {
  let to: string, inputs: TransferInputs;
  beforeAll(async () => {
    to = await changedBase({ fold: true, residual: (n) => orthogonal(n, 1) }, path.join(folder, 'rotated'), SMALL);
    inputs = await inputsOf(module, sourceFolder, to);
    expect(largestDifference(await logitsOf(inputs.to, TEXTS, null, env), await logitsOf(source, TEXTS, null, env))).toBeLessThan(1e-4);
  });

  it('gets the module by activation transport', async () => {
    const { result, off } = await carry(inputs, to, 'activation-transport');
    expect(off).toBeLessThan(1e-4 * Math.max(1, effect));
    expect(result.sites.find((s) => s.name === 'blocks.0.attention.q')?.mapIn).toBe('procrustes');
    for (const site of result.sites) expect(site.r2).toBeGreaterThan(0.99);
  });

  it('does not get it by any assignment or copy', async () => {
    for (const method of ['seed-fixed', 'seed-exact', 'copy'] as const) expect((await carry(inputs, to, method)).off).toBeGreaterThan(0.3 * effect);
  });
});

describe('the base itself', () => {
  it('gives the module back', async () => {
    const inputs = await inputsOf(module, sourceFolder, sourceFolder), planned = await planTransfer({ module, from: sourceFolder, to: sourceFolder, method: 'activation-transport' }, inputs), result = await runTransfer(planned, env);
    expect(planned.plan.relation).toBe('identical');
    expect(planned.plan.method).toBe('copy');
    expect(planned.plan.warnings.map((w) => w.code)).toContain('same-base');
    for (const factors of inputs.module.factors) {
      const back = result.factors.find((f) => f.target === factors.target);
      expect(back?.a).toEqual(factors.a);
      expect(back?.b).toEqual(factors.b);
      expect(back?.scaling).toBe(factors.scaling);
    }
  });
});
