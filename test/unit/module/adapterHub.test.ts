import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { safetensorsBytes } from '../../../extension/checkpoint/safetensorsWriter';
import { attachModules } from '../../../extension/module/attach';
import { openModule } from '../../../extension/module/openModule';
import { openGolden } from '../../golden/models/goldenModels';

type Shapes = Readonly<Record<string, readonly number[]>>;
let scratch = '';
beforeAll(() => { scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-hub-')); });
afterAll(() => { fs.rmSync(scratch, { recursive: true }); });

/** A folder as the library writes it, with tensors of ones. */
function folder(config: unknown, tensors: Shapes, rest: Record<string, unknown> = {}): string {
  const at = fs.mkdtempSync(path.join(scratch, 'hub-'));
  fs.writeFileSync(path.join(at, 'adapter_config.json'), JSON.stringify({ model_type: 'bert', model_name: 'some/bert', hidden_size: 16, name: 'sst-2', version: 'adapters.1.3.0', config, ...rest }));
  if (Object.keys(tensors).length > 0) fs.writeFileSync(path.join(at, 'adapter.safetensors'), safetensorsBytes(Object.entries(tensors).map(([name, shape]) => ({ name, shape, dtype: 'F32' as const, data: new Float32Array(shape.reduce((n, s) => n * s, 1)).fill(1) }))));
  return at;
}
const bottleneck = (owner = 'bert.encoder.layer.0.output.adapters', name = 'sst-2', width = 16): Shapes => Object.fromEntries(([['adapter_down.0.weight', [4, width]], ['adapter_down.0.bias', [4]], ['adapter_up.weight', [width, 4]], ['adapter_up.bias', [width]]] as const).map(([part, shape]) => [`${owner}.${name}.${part}`, shape]));
const SEQ = { original_ln_before: true, mh_adapter: false, output_adapter: true, non_linearity: 'relu', reduction_factor: 4 };
const LORA = { architecture: 'lora', r: 2, alpha: 8, attn_matrices: ['q', 'v'] };
const factors: Shapes = { 'bert.encoder.layer.0.attention.self.query.loras.sst-2.lora_A': [2, 16], 'bert.encoder.layer.0.attention.self.query.loras.sst-2.lora_B': [16, 2] };

describe('a folder of AdapterHub', () => {
  it('tells its kind, base, places and width', async () => {
    expect(await openModule(folder(SEQ, bottleneck()))).toMatchObject({ kind: 'adapter', base: 'some/bert', rank: 4, sites: [{ target: 'bert.encoder.layer.0.output' }] });
    expect(await openModule(folder({ architecture: 'union', configs: [SEQ, LORA] }, { ...bottleneck(), ...factors }))).toMatchObject({ kind: 'union', sites: [{ target: 'bert.encoder.layer.0.output' }, { target: 'bert.encoder.layer.0.attention.self.query' }] });
  });

  it('may name its settings, and its tensors by the older library', async () => {
    const module = await openModule(folder('pfeiffer', { ...bottleneck('bert.encoder.layer.0.output.layer_text_task_adapters'), ...bottleneck('bert.encoder.layer.1.attention.output.attention_text_task_adapters') }, { version: '2.1.0' }));
    expect(module.sites).toHaveLength(2);
    expect((await attachModules(await openGolden('bert'), [{ module, strength: 1 }])).join).toBeDefined();
  });

  it('of an adapter whose name has dots is read', async () => {
    expect((await openModule(folder(SEQ, bottleneck(undefined, 'v1.0.sst'), { name: 'v1.0.sst' }))).sites).toHaveLength(1);
  });

  it('scales LoRA by alpha / r, and by 1 where an old release trained without it', async () => {
    const scalingOf = async (rest: Record<string, unknown>): Promise<number | undefined> => (await (await openModule(folder(LORA, factors, rest))).lower?.(await openGolden('bert'), {}))?.sites[0].scaling;
    expect(await scalingOf({ version: 'adapters.1.1.0' })).toBe(4);
    expect(await scalingOf({ version: 'adapters.1.0.1' })).toBe(1);
    expect(await scalingOf({ version: 'adapters.0.2.2' })).toBe(1);
    expect(await scalingOf({ version: '3.2.1' })).toBe(4);
  });

  it('names its head, which changes nothing here', async () => {
    const at = folder(SEQ, bottleneck());
    fs.writeFileSync(path.join(at, 'head_config.json'), JSON.stringify({ name: 'sst-head', config: { head_type: 'classification' } }));
    const module = await openModule(at);
    expect(module.extras).toMatchObject([{ name: 'sst-head' }]);
    expect((await attachModules(await openGolden('bert'), [{ module, strength: 1 }])).remarks).toEqual([expect.stringContaining('sst-head')]);
  });

  it.each<[string, unknown, Shapes, Record<string, unknown>]>([
    ['a method that is not run', { architecture: 'reft' }, bottleneck(), { code: 'module/unsupported-kind', args: { kind: 'AdapterHub reft' } }],
    ['a hypercomplex layer', { ...SEQ, phm_layer: true }, bottleneck(), { code: 'module/unsupported-flag', args: { flag: 'phm_layer' } }],
    ['an activation that is unknown', { ...SEQ, non_linearity: 'mystery' }, bottleneck(), { code: 'module/unsupported-flag', args: { flag: 'non_linearity' } }],
    ['an invertible adapter', { ...SEQ, inv_adapter: 'nice' }, { ...bottleneck(), 'bert.invertible_adapters.sst-2.F.0.weight': [4, 8] }, { code: 'module/unsupported-flag', args: { flag: 'inv_adapter' } }],
    ['tensors of another method', SEQ, { ...bottleneck(), ...factors }, { code: 'module/unsupported-part' }],
    ['DoRA', { ...LORA, use_dora: true }, factors, { code: 'module/unsupported-flag', args: { flag: 'use_dora' } }],
    ['a factor without its partner', LORA, { 'bert.encoder.layer.0.attention.self.query.loras.sst-2.lora_A': [2, 16] }, { code: 'module/unreadable' }],
    ['no tensors of an adapter', SEQ, { 'bert.x': [1] }, { code: 'module/unreadable' }],
    ['no weights', SEQ, {}, { code: 'module/unreadable' }],
    ['an empty union', { architecture: 'union', configs: [] }, bottleneck(), { code: 'module/unreadable' }],
  ])('with %s is refused', async (_title, config, tensors, error) => {
    await expect(openModule(folder(config, tensors))).rejects.toMatchObject(error);
  });

  it('of another base names what does not fit', async () => {
    const bert = await openGolden('bert');
    const attach = async (at: string, model = bert) => attachModules(model, [{ module: await openModule(at), strength: 1 }]);
    await expect(attach(folder(SEQ, bottleneck(undefined, undefined, 12)))).rejects.toMatchObject({ code: 'module/shape' });
    await expect(attach(folder(SEQ, bottleneck('bert.encoder.layer.9.output.adapters')))).rejects.toMatchObject({ code: 'module/no-site' });
    await expect(attach(folder(LORA, { 'bert.encoder.layer.9.attention.self.query.loras.sst-2.lora_A': [2, 16], 'bert.encoder.layer.9.attention.self.query.loras.sst-2.lora_B': [16, 2] }))).rejects.toMatchObject({ code: 'module/no-site' });
    await expect(attach(folder(SEQ, bottleneck('gpt_neox.layers.0.output_adapters.adapters', undefined, 32)), await openGolden('gpt-neox'))).rejects.toMatchObject({ code: 'module/unsupported-part' });
    await expect(attach(folder({ ...SEQ, residual_before_ln: 'post_add' }, bottleneck('transformer.h.0.output_adapters.adapters')), await openGolden('gpt2'))).rejects.toMatchObject({ code: 'module/unsupported-flag', args: { flag: 'residual_before_ln' } });
  });
});
