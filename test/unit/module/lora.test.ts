import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attachModules } from '../../../extension/module/attach';
import { controlEntries, controlFactors } from '../../../extension/module/controls';
import { openLora, openPlainLora } from '../../../extension/module/lora';
import { readPatterns } from '../../../extension/module/patterns';
import { productNorm, shuffledFactors } from '../../../extension/module/shuffle';
import { Random } from '../../../extension/numerics/random';
import { GOLDEN, openGolden } from '../../golden/models/goldenModels';

type Json = Record<string, unknown>;
interface Entry { readonly shape: readonly number[]; readonly data: Float32Array }

let scratch = '';
beforeAll(() => { scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-lora-')); });
afterAll(() => { fs.rmSync(scratch, { recursive: true }); });

const SITE = 'base_model.model.model.layers.0.self_attn.q_proj';
const pair = (rank = 2, inWidth = 16, outWidth = 16, site = SITE): ReadonlyMap<string, Entry> => new Map([
  [`${site}.lora_A.weight`, { shape: [rank, inWidth], data: new Float32Array(rank * inWidth).fill(0.5) }],
  [`${site}.lora_B.weight`, { shape: [outWidth, rank], data: new Float32Array(outWidth * rank).fill(0.25) }],
]);

/** Writes a PEFT folder by hand. */
function adapter(config: Json, tensors: ReadonlyMap<string, Entry>): string {
  const folder = fs.mkdtempSync(path.join(scratch, 'adapter-'));
  fs.writeFileSync(path.join(folder, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA', r: 2, lora_alpha: 4, ...config }));
  const header: Json = {};
  let at = 0;
  for (const [name, { shape, data }] of tensors) header[name] = { dtype: 'F32', shape, data_offsets: [at, (at += data.byteLength)] };
  let text = JSON.stringify(header);
  text += ' '.repeat((8 - (text.length % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  fs.writeFileSync(path.join(folder, 'adapter_model.safetensors'), Buffer.concat([length, Buffer.from(text), ...[...tensors.values()].map(({ data }) => Buffer.from(data.buffer))]));
  return folder;
}

describe('a LoRA folder', () => {
  it('gives its sites with rank and scaling', async () => {
    const module = await openLora(adapter({ base_model_name_or_path: 'some/base' }, pair()));
    expect(module).toMatchObject({ kind: 'lora', base: 'some/base', rank: 2 });
    expect(module.sites.map(({ target, rank, scaling }) => ({ target, rank, scaling }))).toEqual([{ target: 'model.layers.0.self_attn.q_proj', rank: 2, scaling: 2 }]);
  });

  it('takes scaling from patterns and rsLoRA', async () => {
    const scaling = async (config: Json, rank = 2): Promise<number> => (await openLora(adapter(config, pair(rank)))).sites[0].scaling;
    expect(await scaling({ alpha_pattern: { q_proj: 10 } })).toBe(5);
    expect(await scaling({ rank_pattern: { '.*q_proj': 4 } }, 4)).toBe(1);
    expect(await scaling({ use_rslora: true, r: 4 }, 4)).toBe(2);
    // PEFT's own defaults: rank 8, alpha 8.
    expect(await scaling({ r: undefined, lora_alpha: undefined }, 8)).toBe(1);
    expect(await scaling({ lora_alpha: undefined })).toBe(4);
  });

  it('reads names with the adapter in them', async () => {
    const named = new Map([...pair()].map(([name, entry]) => [name.replace('.weight', '.default.weight'), entry]));
    expect((await openLora(adapter({}, named))).sites).toHaveLength(1);
  });

  it.each<[string, Json]>([
    ['layer_replication', { layer_replication: [[0, 2]] }], ['trainable_token_indices', { trainable_token_indices: [1] }],
    ['target_parameters', { target_parameters: ['x'] }], ['velora_config', { velora_config: { a: 1 } }], ['use_qalora', { use_qalora: true }], ['alora_invocation_tokens', { alora_invocation_tokens: [3] }], ['init_lora_weights', { init_lora_weights: 'pissa' }],
    ['init_lora_weights', { init_lora_weights: 'olora' }], ['use_bdlora', { use_bdlora: { blocks: 2 } }], ['kasa_config', { kasa_config: { beta: 1 } }], ['megatron_config', { megatron_config: { a: 1 } }],
  ])('with %s is refused by that name', async (flag, config) => {
    await expect(openLora(adapter(config, pair()))).rejects.toMatchObject({ code: 'module/unsupported-flag', args: { flag } });
  });

  it.each<[string, Json]>([['use_dora', { use_dora: true }], ['bias', { bias: 'all' }], ['modules_to_save', { modules_to_save: ['lm_head'] }], ['lora_bias', { lora_bias: true }]])('with %s takes no part where only plain factors are mixed', async (flag, config) => {
    await expect(openPlainLora(adapter(config, pair()))).rejects.toMatchObject({ code: 'module/unsupported-flag', args: { flag } });
  });

  it('with other tensors takes no part where only plain factors are mixed', async () => {
    const [a] = [...pair()].map(([, entry]) => entry);
    expect((await openPlainLora(adapter({}, pair()))).sites).toHaveLength(1);
    await expect(openPlainLora(adapter({}, new Map([...pair(), ['base_model.model.score.weight', a]])))).rejects.toMatchObject({ code: 'module/not-plain', args: { name: 'score.weight' } });
  });

  it('with DoRA needs the magnitudes', async () => {
    await expect(openLora(adapter({ use_dora: true }, pair()))).rejects.toMatchObject({ code: 'module/unreadable', message: expect.stringContaining('lora_magnitude_vector') as string });
  });

  it.each<[Json]>([[{ init_lora_weights: 'gaussian' }], [{ init_lora_weights: true }], [{ bias: 'none', modules_to_save: [], layer_replication: null, loftq_config: {} }], [{ fan_in_fan_out: true }]])('with harmless settings is read: %j', async (config) => {
    expect((await openLora(adapter(config, pair()))).sites).toHaveLength(1);
  });

  it('of another kind is refused by its name', async () => {
    await expect(openLora(adapter({ peft_type: 'IA3' }, pair()))).rejects.toMatchObject({ code: 'module/unsupported-kind', args: { kind: 'IA3' } });
  });

  it('with a missing factor, a foreign tensor or nothing is an input error', async () => {
    const [a, b] = [...pair()];
    await expect(openLora(adapter({}, new Map([a])))).rejects.toMatchObject({ code: 'module/unreadable', message: expect.stringContaining('lacks its factor B') as string });
    await expect(openLora(adapter({}, new Map([b])))).rejects.toMatchObject({ code: 'module/unreadable', message: expect.stringContaining('lacks its factor A') as string });
    await expect(openLora(adapter({}, new Map([...pair(), [`${SITE}.lora_C.weight`, a[1]]])))).rejects.toMatchObject({ code: 'module/unreadable', message: expect.stringContaining('lora_C') as string });
    await expect(openLora(adapter({}, new Map([['classifier.weight', a[1]]])))).rejects.toMatchObject({ code: 'module/unreadable', message: expect.stringContaining('no LoRA factors') as string });
    await expect(openLora(adapter({}, new Map([...pair(), ['base_model.model.embed.lora_embedding_A', a[1]]])))).rejects.toMatchObject({ code: 'module/unreadable', message: expect.stringContaining('"embed" lacks its factor B') as string });
  });

  it('whose factors do not fit each other or the config is an input error', async () => {
    await expect(openLora(adapter({ r: 3 }, pair()))).rejects.toMatchObject({ code: 'module/shape' });
    const [a] = [...pair()], [, b] = [...pair(3)];
    await expect(openLora(adapter({}, new Map([a, b])))).rejects.toMatchObject({ code: 'module/shape', args: { found: '16, 3' } });
    await expect(openLora(adapter({ r: 0 }, pair()))).rejects.toMatchObject({ code: 'module/unreadable' });
    await expect(openLora(adapter({ r: 'four' }, pair()))).rejects.toMatchObject({ code: 'module/unreadable' });
  });
});

describe('pattern tables', () => {
  it('refuse what cannot be followed', () => {
    for (const table of [{ '(': 1 }, { q_proj: 'x' }, [1], 'q_proj', { ['q'.repeat(501)]: 1 }]) expect(() => readPatterns(table, 'rank_pattern', 'folder')).toThrow(expect.objectContaining({ code: 'module/unreadable' }));
  });
  it('may be absent', () => {
    expect(readPatterns(undefined, 'rank_pattern', 'folder').find('q_proj')).toBeUndefined();
    expect(readPatterns(null, 'rank_pattern', 'folder').find('q_proj')).toBeUndefined();
  });
});

describe('attaching', () => {
  it('refuses a module of other widths or without its site', async () => {
    const llama = await openGolden('llama');
    const attach = async (folder: string) => attachModules(llama, [{ module: await openLora(folder), strength: 1 }]);
    await expect(attach(adapter({}, pair(2, 12)))).rejects.toMatchObject({ code: 'module/shape', args: { expected: '2, 16', found: '2, 12' } });
    await expect(attach(adapter({}, pair(2, 16, 20)))).rejects.toMatchObject({ code: 'module/shape', args: { found: '20, 2' } });
    await expect(attach(adapter({}, pair(2, 16, 16, 'base_model.model.model.layers.9.self_attn.q_proj')))).rejects.toMatchObject({ code: 'module/no-site' });
    await expect(attach(path.join(GOLDEN, 'gpt2-lora-plain'))).rejects.toMatchObject({ code: 'module/no-site' });
  });

  it('finds sites with and without the body prefix, and feeds every factor', async () => {
    const llama = await openGolden('llama'), module = await openLora(adapter({}, pair(2, 16, 16, 'base_model.model.layers.0.self_attn.q_proj')));
    const attached = await attachModules(llama, [{ module, strength: 0.5 }, { module, strength: 2 }]);
    const feeds = attached.feeds(llama.spec.stacks[0].blocks[0]);
    expect(Object.keys(feeds).sort()).toEqual(['module.0.0.a', 'module.0.0.b', 'module.0.0.strength', 'module.1.0.a', 'module.1.0.b', 'module.1.0.strength']);
    expect([feeds['module.0.0.strength'].data[0], feeds['module.1.0.strength'].data[0]]).toEqual([1, 4]);
    expect(attached.feeds(llama.spec.stacks[0].blocks[1])).toEqual({});
  });
});

describe('the random module', () => {
  const draw = new Random(1, 'test'), a = Float32Array.from({ length: 3 * 7 }, () => draw.normal()), b = Float32Array.from({ length: 5 * 3 }, () => draw.normal());
  const product = (x: Float32Array, y: Float32Array): number => {
    let sum = 0;
    for (let o = 0; o < 5; o++) for (let i = 0; i < 7; i++) sum += [0, 1, 2].reduce((s, r) => s + y[o * 3 + r] * x[r * 7 + i], 0) ** 2;
    return Math.sqrt(sum);
  };

  it('keeps the entries of A, the directions of none, and the norm of the update', () => {
    const null_ = shuffledFactors({ a, b }, 3, new Random(0, 'null'));
    expect(productNorm(a, b, 3)).toBeCloseTo(product(a, b), 6);
    expect(product(null_.a, null_.b)).toBeCloseTo(product(a, b), 5);
    expect([...null_.a].sort()).toEqual([...a].sort());
    expect([...null_.a]).not.toEqual([...a]);
    const scale = Math.max(...null_.b.map(Math.abs)) / Math.max(...b.map(Math.abs));
    expect([...null_.b].map((x) => x / scale).sort((x, y) => x - y).map((x) => x.toFixed(4))).toEqual([...b].sort((x, y) => x - y).map((x) => x.toFixed(4)));
  });

  it('is the same for the same seed and another for another', () => {
    const of = (seed: number): Float32Array => shuffledFactors({ a, b }, 3, new Random(seed, 'null')).a;
    expect(of(4)).toEqual(of(4));
    expect(of(4)).not.toEqual(of(5));
  });

  it('of an untrained module (B = 0) stays without effect', () => {
    expect([...shuffledFactors({ a, b: new Float32Array(15) }, 3, new Random(0)).b].every((x) => x === 0)).toBe(true);
  });
});

describe('controls', () => {
  const draw = new Random(3, 'test'), factors = { a: Float32Array.from({ length: 2 * 9 }, () => draw.normal() + 1), b: Float32Array.from({ length: 4 * 2 }, () => draw.normal()) };

  it('norm-matched: Gaussian factors whose update has the norm of the learned one', () => {
    const { a, b } = controlFactors(factors, 2, { kind: 'norm-matched', seed: 5 }, 'site');
    expect(productNorm(a, b, 2)).toBeCloseTo(productNorm(factors.a, factors.b, 2), 5);
    expect([...a].sort()).not.toEqual([...factors.a].sort());
    expect(controlFactors(factors, 2, { kind: 'norm-matched', seed: 5 }, 'site').a).toEqual(a);
    expect(controlFactors(factors, 2, { kind: 'norm-matched', seed: 5 }, 'another site').a).not.toEqual(a);
    expect([...controlFactors({ a: factors.a, b: new Float32Array(8) }, 2, { kind: 'norm-matched', seed: 5 }, 'site').b].every((x) => x === 0)).toBe(true);
  });

  it('moment-matched: the factors shuffled', () => {
    const { a } = controlFactors(factors, 2, { kind: 'moment-matched', seed: 5 }, 'site');
    expect([...a].sort()).toEqual([...factors.a].sort());
    expect([...a]).not.toEqual([...factors.a]);
  });

  it('of other values: entries permuted, or Gaussian of their mean and variance', () => {
    const values = Float32Array.from({ length: 4000 }, (_, i) => (i % 4) + 2), mean = (x: Float32Array): number => x.reduce((s, v) => s + v, 0) / x.length;
    const mixed = controlEntries(values, { kind: 'moment-matched', seed: 1 }, 'scales'), gaussian = controlEntries(values, { kind: 'norm-matched', seed: 1 }, 'scales');
    expect([...mixed].sort()).toEqual([...values].sort());
    expect(mean(gaussian)).toBeCloseTo(3.5, 1);
    expect(mean(gaussian.map((x) => (x - 3.5) ** 2))).toBeCloseTo(1.25, 1);
  });
});
