import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attachModules } from '../../../extension/module/attach';
import { loweredSites, openModule } from '../../../extension/module/openModule';
import type { LoweredSite } from '../../../extension/module/types';
import { safetensorsBytes } from '../../../extension/checkpoint/safetensorsWriter';
import { openGolden } from '../../golden/models/goldenModels';

const FIXTURES = path.join(__dirname, '../../fixtures/module');
let scratch = '';
beforeAll(() => { scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-module-')); });
afterAll(() => { fs.rmSync(scratch, { recursive: true }); });

/** A folder with these settings and tensors of ones. */
function folder(config: Record<string, unknown>, tensors: Readonly<Record<string, readonly number[]>>): string {
  const at = fs.mkdtempSync(path.join(scratch, 'module-'));
  fs.writeFileSync(path.join(at, 'adapter_config.json'), JSON.stringify(config));
  fs.writeFileSync(path.join(at, 'adapter_model.safetensors'), safetensorsBytes(Object.entries(tensors).map(([name, shape]) => ({ name, shape, dtype: 'F32' as const, data: new Float32Array(shape.reduce((n, s) => n * s, 1)).fill(1) }))));
  return at;
}

describe('what is opened', () => {
  it.each(['OFT', 'ADAPTION_PROMPT', 'MULTITASK_PROMPT_TUNING', 'SOMETHING_NEW'])('%s is refused by its name', async (kind) => {
    await expect(openModule(folder({ peft_type: kind }, { x: [1] }))).rejects.toMatchObject({ code: 'module/unsupported-kind', exit: 1, args: { kind } });
  });

  it('VeRA without its projections is refused with the reason and the remedy', async () => {
    const at = folder({ peft_type: 'VERA', r: 2, save_projection: false }, { 'base_model.model.model.layers.0.self_attn.q_proj.vera_lambda_b': [16], 'base_model.model.model.layers.0.self_attn.q_proj.vera_lambda_d': [2] });
    await expect(openModule(at)).rejects.toMatchObject({ code: 'module/unsupported-part', message: expect.stringMatching(/save_projection.*torch.*save the module again/) as string });
  });

  it('tensors that do not belong to the kind, or that do not fit each other, are input errors', async () => {
    await expect(openModule(folder({ peft_type: 'IA3' }, { 'base_model.model.x.lora_A.weight': [1, 1] }))).rejects.toMatchObject({ code: 'module/unreadable' });
    await expect(openModule(folder({ peft_type: 'IA3' }, { 'base_model.model.x.ia3_l': [3, 2] }))).rejects.toMatchObject({ code: 'module/unreadable' });
    await expect(openModule(folder({ peft_type: 'LOHA', r: 2 }, { 'base_model.model.x.hada_w1_a': [4, 2], 'base_model.model.x.hada_w1_b': [2, 4], 'base_model.model.x.hada_w2_a': [4, 2] }))).rejects.toMatchObject({ code: 'module/unreadable', message: expect.stringContaining('hada_w2_b') as string });
    await expect(openModule(folder({ peft_type: 'LOKR', r: 2 }, { 'base_model.model.x.lokr_w1': [2, 2], 'base_model.model.x.lokr_w2_a': [4, 2], 'base_model.model.x.lokr_w2_b': [3, 4] }))).rejects.toMatchObject({ code: 'module/shape' });
    await expect(openModule(folder({ peft_type: 'LOKR', r: 2 }, { 'base_model.model.x.lokr_w1': [2, 2], 'base_model.model.x.lokr_w2_a': [4, 2], 'base_model.model.x.lokr_w2_b': [2, 4], 'base_model.model.x.lokr_t2': [2, 2, 3, 3] }))).rejects.toMatchObject({ code: 'module/unsupported-part' });
    await expect(openModule(folder({ peft_type: 'PREFIX_TUNING', num_virtual_tokens: 3 }, { prompt_embeddings: [4, 8] }))).rejects.toMatchObject({ code: 'module/shape' });
    await expect(openModule(folder({ peft_type: 'PROMPT_TUNING', num_virtual_tokens: 4, num_transformer_submodules: 2 }, { prompt_embeddings: [8, 8] }))).rejects.toMatchObject({ code: 'module/unsupported-flag', args: { flag: 'num_transformer_submodules' } });
  });
});

describe('what is attached', () => {
  const open = async (name: string) => openModule(path.join(FIXTURES, name));

  it('virtual tokens have no negative strength, and no strength is infinite', async () => {
    const llama = await openGolden('llama');
    await expect(attachModules(llama, [{ module: await open('prefix-llama'), strength: -1 }])).rejects.toMatchObject({ code: 'module/strength', exit: 2 });
    await expect(attachModules(llama, [{ module: await open('prompt-llama'), strength: -1 }])).rejects.toMatchObject({ code: 'module/strength' });
    await expect(attachModules(llama, [{ module: await open('ia3-llama'), strength: Infinity }])).rejects.toMatchObject({ code: 'module/strength' });
  });

  it('virtual tokens stand before causal models only, and leave less of the context', async () => {
    await expect(attachModules(await openGolden('bert'), [{ module: await open('prompt-llama'), strength: 1 }])).rejects.toMatchObject({ code: 'module/unsupported-part' });
    const llama = await openGolden('llama'), attached = await attachModules(llama, [{ module: await open('prompt-llama'), strength: 1 }, { module: await open('prefix-llama'), strength: 0.5 }]);
    expect([attached.lead?.prefix, attached.lead?.prompt, attached.model?.spec.stacks[0].context]).toEqual([3, 3, llama.spec.stacks[0].context - 6]);
    expect([...(attached.lead?.bias ?? [])].map((x) => x.toFixed(3))).toEqual([...Array<string>(3).fill(Math.log(0.5).toFixed(3)), ...Array<string>(3).fill('0.000')]);
    const many = folder({ peft_type: 'PROMPT_TUNING', num_virtual_tokens: 32 }, { prompt_embeddings: [32, 16] });
    await expect(attachModules(llama, [{ module: await openModule(many), strength: 1 }])).rejects.toMatchObject({ code: 'module/together', message: expect.stringContaining('context of 32') as string });
  });

  it('two modules that hold the same weight anew contradict each other', async () => {
    const llama = await openGolden('llama'), module = await open('lora-norms-llama');
    await expect(attachModules(llama, [{ module, strength: 1 }, { module, strength: 1 }])).rejects.toMatchObject({ code: 'module/together', message: expect.stringContaining('norm.weight') as string });
  });

  it('a module of another base names what does not fit', async () => {
    await expect(attachModules(await openGolden('llama'), [{ module: await open('ia3-gpt2'), strength: 1 }])).rejects.toMatchObject({ code: 'module/no-site' });
    await expect(attachModules(await openGolden('gpt2'), [{ module: await open('prefix-llama'), strength: 1 }])).rejects.toMatchObject({ code: 'module/shape' });
    const other = folder({ peft_type: 'LOHA', r: 2 }, Object.fromEntries(['hada_w1_a', 'hada_w2_a'].map((p) => [`base_model.model.model.layers.0.self_attn.q_proj.${p}`, [16, 2]]).concat(['hada_w1_b', 'hada_w2_b'].map((p) => [`base_model.model.model.layers.0.self_attn.q_proj.${p}`, [2, 15]]))) as Record<string, number[]>);
    await expect(attachModules(await openGolden('llama'), [{ module: await openModule(other), strength: 1 }])).rejects.toMatchObject({ code: 'module/shape', args: { expected: '16, 16', found: '16, 15' } });
  });

  it('a head that the base lacks is said, and changes nothing', async () => {
    const at = folder({ peft_type: 'LORA', r: 2, modules_to_save: ['score'] }, { 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight': [2, 16], 'base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight': [16, 2], 'base_model.model.score.weight': [2, 16] });
    const module = await openModule(at), attached = await attachModules(await openGolden('llama'), [{ module, strength: 1 }]);
    expect(module.extras).toMatchObject([{ name: 'score.weight', parameters: 32 }]);
    expect(attached.remarks).toEqual([expect.stringContaining('score.weight')]);
    expect(attached.model).toBeUndefined();
  });
});

describe('lowering to factors', () => {
  const dense = ({ a, b, rank, scaling, inWidth, outWidth }: LoweredSite): Float64Array => Float64Array.from({ length: outWidth * inWidth }, (_, at) => {
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[Math.floor(at / inWidth) * rank + r] * a[r * inWidth + (at % inWidth)];
    return scaling * sum;
  });

  it.each(['lora-dora-llama', 'loha-llama', 'lokr-llama', 'ia3-llama', 'vera-llama'])('%s: nearly all of the update at full rank, less at rank 1, and the first rank is the best one', async (name) => {
    const llama = await openGolden('llama'), module = await openModule(path.join(FIXTURES, name)), all = await loweredSites(module, llama), one = await loweredSites(module, llama, { rank: 1 });
    expect(all.sites.map((site) => site.target).sort()).toEqual(module.sites.map((site) => site.target).sort());
    for (const site of all.sites) {
      expect(site.energy).toBeGreaterThan(0.9989);
      const single = one.sites.find((other) => other.target === site.target);
      if (!single || single.rank === site.rank) continue;
      expect(single.rank).toBe(1);
      const whole = dense(site), part = dense(single), square = (x: Float64Array): number => x.reduce((s, v) => s + v * v, 0);
      // What a best approximation leaves out stands at right angles to it.
      expect(square(part) / square(whole)).toBeCloseTo(single.energy, 2);
      expect(square(whole.map((x, i) => x - part[i])) / square(whole)).toBeCloseTo(1 - single.energy, 2);
    }
  });

  it('says what is left behind, and refuses what is no update of maps', async () => {
    const lowered = await loweredSites(await openModule(path.join(FIXTURES, 'lora-norms-llama')), await openGolden('llama'));
    expect(lowered.left.map(({ name }) => name)).toContain('model.norm.weight');
    await expect(loweredSites(await openModule(path.join(FIXTURES, 'prompt-llama')), await openGolden('llama'))).rejects.toMatchObject({ code: 'module/not-linear', args: { kind: 'prompt' } });
  });
});
