import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ARCHITECTURES } from '../../../extension/architecture/families/index';
import { bindModel, linearsOf } from '../../../extension/architecture/resolve';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { GOLDEN, goldenIndex, openGolden } from '../../golden/models/goldenModels';

let scratch = '';
beforeAll(() => { scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-resolve-')); });
afterAll(() => { fs.rmSync(scratch, { recursive: true }); });

/** A golden with another config.json. */
async function changed(name: string, change: (config: Record<string, unknown>) => void) {
  const folder = fs.mkdtempSync(path.join(scratch, `${name}-`));
  fs.copyFileSync(path.join(GOLDEN, name, 'model.safetensors'), path.join(folder, 'model.safetensors'));
  const config = JSON.parse(fs.readFileSync(path.join(GOLDEN, name, 'config.json'), 'utf8')) as Record<string, unknown>;
  change(config);
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  return openCheckpoint(folder);
}

describe('binding a checkpoint', () => {
  it.each(goldenIndex().models.map((m) => m.name))('%s: every site has a name of its own and every block its taps', async (name) => {
    const { spec } = await openGolden(name), sites = spec.stacks.flatMap((s) => s.blocks.flatMap((b) => linearsOf(b).map((l) => l.site)));
    expect(new Set(sites).size).toBe(sites.length);
    for (const site of sites) expect(site).toMatch(/^blocks\.\d+\.(attention\.(q|k|v|qkv|qDown|kvDown|kvUp|o|kv|router|experts\.\d+\.[qo])|ffn\.(router|shared\.router|((experts\.\d+|shared)\.)?(gate|up|down)))$/);
    spec.stacks[0].blocks.forEach((block, i) => { expect(block.index).toBe(i); });
  });

  it('a golden exists for every family that an architecture file serves, CamemBERT aside (it is RoBERTa by another name)', () => {
    const covered = new Set(goldenIndex().models.map((m) => m.family));
    expect(ARCHITECTURES.flatMap((a) => a.modelTypes).filter((t) => !covered.has(t))).toEqual(['camembert']);
  });

  it('refuses an unknown family, a wrong shape, a missing tensor, and settings that are not run', async () => {
    const fails = async (code: string, name: string, change: (config: Record<string, unknown>) => void, args: Record<string, unknown> = {}): Promise<void> => {
      const checkpoint = await changed(name, change);
      expect(() => bindModel(checkpoint)).toThrow(expect.objectContaining({ code, args: expect.objectContaining(args) as unknown }));
    };
    await fails('model/unsupported-family', 'llama', (c) => { c['model_type'] = 'mamba'; }, { family: 'mamba' });
    await fails('model/tensor-shape', 'llama', (c) => { c['intermediate_size'] = 41; });
    await fails('model/missing-tensor', 'llama', (c) => { c['num_hidden_layers'] = 9; });
    await fails('model/config-field', 'llama', (c) => { c['hidden_size'] = 'wide'; }, { field: 'hidden_size' });
    await fails('model/config-unsupported', 'llama', (c) => { c['hidden_act'] = 'snake'; });
    await fails('model/config-unsupported', 'llama', (c) => { c['num_hidden_layers'] = 1e9; });
    await fails('model/config-unsupported', 'mixtral', (c) => { c['num_experts_per_tok'] = 6; }, { field: 'num_experts_per_tok' });
    await fails('model/config-unsupported', 'mixtral', (c) => { c['num_local_experts'] = 4096; c['num_hidden_layers'] = 4000; }, { field: 'num_local_experts' });
    await fails('model/tensor-shape', 'mixtral', (c) => { c['num_local_experts'] = 6; });
    await fails('model/tensor-shape', 'qwen3-moe-stacked', (c) => { c['num_local_experts'] = 3; });
    await fails('model/config-unsupported', 'deepseek-v3', (c) => { c['n_group'] = 1.5; }, { field: 'n_group' });
    await fails('model/config-unsupported', 'deepseek-v2', (c) => { c['topk_method'] = 'noaux_tc'; }, { field: 'topk_method' });
    await fails('model/config-unsupported', 'bert', (c) => { c['is_decoder'] = true; }, { field: 'is_decoder' });
  });
});
