import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RoutableKind } from '../../../extension/protocol/routing';
import { describeRoutable } from '../../../extension/routing/library/detect';
import { names, writeJson, writeLora, writeTensors, type Entry, type LoraSpec } from './libraryFolders';

const FIXTURES = path.join(__dirname, '../../fixtures/routing');
let root = '';
beforeEach(() => { root = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-detect-')); });
afterEach(() => { fs.rmSync(root, { recursive: true }); });
const at = (...parts: string[]): string => path.join(root, ...parts);
const Q: LoraSpec = { site: 'model.layers.0.self_attn.q_proj', inWidth: 16, outWidth: 16 };

async function only(target = root): Promise<RoutableKind> {
  const kinds = await describeRoutable(target);
  expect(kinds.map((k) => k.kind)).toHaveLength(1);
  return kinds[0];
}

describe('kinds told by names on disk', () => {
  const table: [string, ReadonlyMap<string, Entry>, Partial<RoutableKind>, object | null][] = [
    ['poly', names('base_model.model.h.0.attn.poly_lora_A', 'base_model.model.h.0.attn.poly_router.module_logits'), { granularity: 'task', composition: 'parameters', experts: ['skill 0', 'skill 1', 'skill 2'] }, { peft_type: 'POLY', n_skills: 3, n_splits: 1 }],
    ['poly', names('base_model.model.h.0.attn.poly_router.module_logits'), { title: 'MHR (Poly with several heads)' }, { peft_type: 'POLY', n_skills: 3, n_splits: 4 }],
    ['adapter-fusion', names('bert.encoder.layer.0.output.adapter_fusion_layer.sst-2,mnli,qnli.query.weight', 'bert.encoder.layer.0.output.adapter_fusion_layer.sst-2,mnli,qnli.key.weight'), { granularity: 'token', composition: 'outputs', experts: ['sst-2', 'mnli', 'qnli'] }, null],
    ['unipelt', names('bert.encoder.layer.0.attention.self.query.lora_gate.weight'), { granularity: 'example' }, null],
    ['unipelt', names('bert.encoder.layer.0.output.adapters.task.gate.weight'), { granularity: 'example' }, null],
    ['vl-pet', names('encoder.layers.0.encoder_attn_adapter_gating_large_x_down.weight'), { title: 'VL-PET large', granularity: 'token' }, null],
    ['vl-pet', names('encoder.layers.0.encoder_ff_adapter_gating_middle_xy_add.weight'), { title: 'VL-PET middleX', granularity: 'token' }, null],
    ['vl-pet', names('encoder.layers.0.encoder_ff_adapter_gating_middle_ia3_add'), { title: 'VL-PET middleY', granularity: 'static' }, null],
    ['vl-pet', names('encoder.layers.0.encoder_ff_adapter_gating_small_xy_cat.weight'), { title: 'VL-PET small', granularity: 'example' }, null],
    ['wemoe', names('layer.0.mlp.gate.fc1.weight', 'layer.0.mlp.gate.fc2.weight', ['layer.0.mlp.expert_parms.0', [4, 2, 2]]), { composition: 'parameters', experts: ['task vector 0', 'task vector 1', 'task vector 2', 'task vector 3'] }, null],
    ['moe', names(['model.layers.0.block_sparse_moe.gate.weight', [8, 4]], 'model.layers.0.block_sparse_moe.experts.0.w1.weight'), { router: 'native', experts: ['0', '1', '2', '3', '4', '5', '6', '7'] }, null],
    ['moe', names(['model.layers.0.mlp.gate.weight', [3, 4]], 'model.layers.0.mlp.experts.0.up_proj.weight'), { router: 'native', experts: ['0', '1', '2'] }, null],
    ['moe', names(['model.layers.0.mlp.router.weight', [2, 4]], 'model.layers.0.mlp.experts.gate_up_proj'), { router: 'native', experts: ['0', '1'] }, null],
    ['sapt', names('model.layers.0.previous_prompts_keys'), { granularity: 'example' }, null],
    ['pha', names(['adapter_task_embedding', [5, 64]], 'encoder.param_gen.layer_embed'), { granularity: 'task', experts: ['task 0', 'task 1', 'task 2', 'task 3', 'task 4'] }, null],
    ['seqboat', names('layers.0.hx_proj.weight', 'layers.0.q_router.temp'), { granularity: 'token' }, null],
    ['warp', names('model.roberta.prompt_params'), { granularity: 'static' }, null],
    ['ep-alm', names('connector.0.weight', 'connector.1.weight'), { granularity: 'static', experts: ['connector 0', 'connector 1'] }, null],
    ['o-lora', names('encoder.block.0.q.lora_A', 'encoder.block.0.q.loranew_A.weight'), { granularity: 'static' }, null],
  ];
  it.each(table)('%s', async (kind, tensors, expected, config) => {
    writeTensors(at('weights.safetensors'), tensors);
    if (config) writeJson(at('adapter_config.json'), config);
    const found = await only();
    expect(found).toMatchObject({ kind, complete: true, router: null, ...expected });
    expect(found.says).toMatch(/^This is .+\.$/s);
    // A single file says the same as its folder.
    if (!config) expect(await only(at('weights.safetensors'))).toMatchObject({ kind });
  });

  it('does not take a plain gate for a router', async () => {
    writeTensors(at('model.safetensors'), names('model.layers.0.mlp.gate_proj.weight', 'model.layers.0.mlp.gate.weight'));
    expect(await describeRoutable(root)).toEqual([]);
  });

  it('knows SAPT by the names of its files without opening the pickle', async () => {
    writeJson(at('saved_weights', 'attention_weights.pkl'), 'c__builtin__\neval\n(S"1"\ntR.');
    writeJson(at('saved_weights', 'prompts_keys_till_now.pt'), 'no archive');
    const kind = await only(at('saved_weights'));
    expect(kind).toMatchObject({ kind: 'sapt', complete: false });
    expect(kind.says).toMatch(/prompts_keys_till_now\.pt/);
    expect((await only()).says).toMatch(/^In saved_weights: /);
  });
});

describe('libraries', () => {
  it('are two or more LoRAs; one is none', async () => {
    writeLora(at('one'), [Q]);
    expect(await describeRoutable(root)).toEqual([]);
    writeLora(at('two'), [Q]);
    expect(await only()).toMatchObject({ kind: 'lora-library', router: 'arrow', experts: ['one', 'two'], complete: true });
  });

  it('say which adapter spoils them', async () => {
    writeLora(at('one'), [Q]);
    writeLora(at('two'), [Q], { use_dora: true });
    const kind = await only();
    expect(kind).toMatchObject({ kind: 'lora-library', router: null, complete: false, experts: ['one', 'two'] });
    expect(kind.says).toMatch(/"two"/);
  });

  it('of several bases are not taken for one', async () => {
    writeLora(at('one'), [Q]);
    writeLora(at('two'), [{ ...Q, inWidth: 32 }]);
    expect(await only()).toMatchObject({ title: 'LoRAs of several bases', router: null });
    writeLora(at('three'), [Q]);
    const kind = await only();
    expect(kind).toMatchObject({ router: 'arrow', experts: ['one', 'three', 'two'] });
    expect(kind.says).toMatch(/2 different bases/);
  });

  it('that PEFT saved as an Arrow set give its settings', async () => {
    const kind = await only(path.join(FIXTURES, 'arrow-llama'));
    expect(kind).toMatchObject({ kind: 'arrow', router: 'arrow', experts: ['task_0', 'task_1', 'task_2'] });
    expect(kind.says).toMatch(/2 best of 3 LoRAs.*temperature 0\.5.*general knowledge of 2/s);
  });

  it('of mttl are named with their transposed layout', async () => {
    for (const name of ['a', 'b']) {
      writeTensors(at(name, 'weights.safetensors'), names('layers.0.q_proj.lora_a', 'layers.0.q_proj.lora_b'));
      writeJson(at(name, 'mttl_config.json'), {});
    }
    expect(await only()).toMatchObject({ kind: 'mttl-lora', experts: ['a', 'b'], composition: 'parameters', router: null });
  });
});

describe('X-LoRA', () => {
  it('that PEFT 0.21.0 saved damaged is told with what is missing', async () => {
    const kind = await only(path.join(FIXTURES, 'xlora-damaged'));
    expect(kind).toMatchObject({ kind: 'x-lora', complete: false, router: null, granularity: 'token', experts: ['0', '1', '2'] });
    expect(kind.says).toMatch(/1 of 2 classifier layers is missing \(layers\.0\)/);
    expect(kind.says).toMatch(/adapter 0 lacks 4 of 6 linear maps \(transformer layers 1, 2\)/);
    expect(kind.says).toMatch(/adapter 2 lacks 4 of 6 linear maps \(transformer layers 0, 1\)/);
    const moved = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'xlora-moved.json'), 'utf8')) as { scalings: number; logits: number };
    expect(Math.min(moved.scalings, moved.logits)).toBeGreaterThan(0.01);
  });

  it('with all its tensors is complete', async () => {
    const { files } = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'xlora-complete.json'), 'utf8')) as { files: Record<string, Record<string, number[]>> };
    for (const [file, tensors] of Object.entries(files)) writeTensors(at(...file.split('/')), new Map(Object.entries(tensors).map(([name, shape]) => [name, { shape }])));
    for (const folder of ['.', '0', '1', '2']) fs.copyFileSync(path.join(FIXTURES, 'xlora-damaged', folder, 'adapter_config.json'), at(folder, 'adapter_config.json'));
    expect(await only()).toMatchObject({ kind: 'x-lora', complete: true });
    fs.rmSync(at('1'), { recursive: true });
    expect((await only()).says).toMatch(/only 2 of 3 adapters/);
  });

  it('of the original program is known by its file', async () => {
    writeTensors(at('xlora_classifier.safetensors'), names('inner.0.weight', 'last.weight'));
    writeJson(at('xlora_config.json'), { adapters: { code: 'x', law: 'y' } });
    expect(await only()).toMatchObject({ kind: 'x-lora', experts: ['code', 'law'] });
  });
});

describe('folders that mean harm', () => {
  it('never throw', async () => {
    const garbage = Buffer.alloc(64, 0xff);
    fs.writeFileSync(at('model.safetensors'), garbage);
    fs.writeFileSync(at('pytorch_model.bin'), Buffer.from([0x80, 2, 0x63, 0x6f, 0x73, 0x0a, 0x73, 0x79, 0x73, 0x74, 0x65, 0x6d, 0x0a]));
    writeJson(at('config.json'), '[1,');
    writeJson(at('adapter_config.json'), { peft_type: ['LORA'], arrow_config: 'yes' });
    writeJson(at('a', 'adapter_config.json'), { peft_type: 'LORA', r: -1 });
    writeJson(at('b', 'adapter_config.json'), '"LORA"');
    writeJson(at('c', 'adapter_config.json'), { peft_type: 'XLORA', xlora_depth: 1e12, adapters: 'none' });
    writeJson(at('d', 'adapter_config.json'), { peft_type: 'POLY', n_skills: 1e300, n_splits: 'many' });
    fs.mkdirSync(at('adapter_model.safetensors'));
    fs.symlinkSync(root, at('loop'));
    expect(Array.isArray(await describeRoutable(root))).toBe(true);
    for (const name of ['a', 'b', 'c', 'd', 'nowhere', 'model.safetensors', 'config.json']) expect(Array.isArray(await describeRoutable(at(name)))).toBe(true);
    expect((await describeRoutable(at('c')))[0]).toMatchObject({ kind: 'x-lora', complete: false });
  });
});
