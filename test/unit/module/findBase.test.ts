import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBase } from '../../../extension/module/findBase';
import { openModule } from '../../../extension/module/openModule';

const FIXTURES = path.join(__dirname, '../../fixtures');
let scratch = '';
beforeAll(() => { scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-base-')); });
afterAll(() => { fs.rmSync(scratch, { recursive: true }); });

/** A module folder whose settings name `base`, in an own folder. */
function place(base: string | null, name = 'ia3-llama'): { readonly home: string; readonly module: string } {
  const home = fs.mkdtempSync(path.join(scratch, 'home-')), module = path.join(home, 'module');
  fs.cpSync(path.join(FIXTURES, 'module', name), module, { recursive: true });
  const file = path.join(module, 'adapter_config.json'), config = JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>;
  fs.writeFileSync(file, JSON.stringify({ ...config, base_model_name_or_path: base }));
  return { home, module };
}
function copyBase(from: string, to: string): string {
  fs.mkdirSync(to, { recursive: true });
  for (const file of ['config.json', 'model.safetensors']) fs.copyFileSync(path.join(FIXTURES, 'golden', from, file), path.join(to, file));
  return to;
}
const empty = { environment: { HF_HUB_CACHE: path.join(os.tmpdir(), 'modulens-no-such-cache') } };

describe('the base of a module', () => {
  it('is found at the path that the settings give, relative to the module or its folder', async () => {
    const { home, module } = place('../bases/llama'), base = copyBase('llama', path.join(home, 'bases', 'llama'));
    expect((await findBase(await openModule(module), [], empty))[0]).toMatchObject({ path: base, by: 'path', where: 'settings' });
    const absolute = place(base);
    expect((await findBase(await openModule(absolute.module), [], empty))[0]).toMatchObject({ path: base, by: 'path' });
  });

  it('is found by its name beside the module and in given folders, before others that merely fit', async () => {
    const { home, module } = place('someone/tiny-llama'), named = copyBase('llama', path.join(home, 'Tiny-Llama')), other = copyBase('llama', path.join(home, 'another'));
    const elsewhere = fs.mkdtempSync(path.join(scratch, 'workspace-')), deep = copyBase('llama', path.join(elsewhere, 'a', 'tiny-llama'));
    copyBase('gpt2', path.join(home, 'gpt2'));
    const found = await findBase(await openModule(module), [elsewhere], empty);
    expect(found.map(({ path: p, by, where }) => [p, by, where])).toEqual([[named, 'name', 'beside'], [deep, 'name', 'folder'], [other, 'shape', 'beside']]);
    expect(found[2].reason).toContain('another base, "someone/tiny-llama"');
  });

  it('is found in the Hugging Face cache under its full name', async () => {
    const { module } = place('someone/tiny-llama'), cache = fs.mkdtempSync(path.join(scratch, 'cache-'));
    const base = copyBase('llama', path.join(cache, 'models--someone--tiny-llama', 'snapshots', 'abc')), stranger = copyBase('llama', path.join(cache, 'models--stranger--tiny-llama', 'snapshots', 'abc'));
    const found = await findBase(await openModule(module), [], { environment: { HF_HUB_CACHE: cache } });
    expect(found.map(({ path: p, by, where }) => [p, by, where])).toEqual([[base, 'name', 'huggingFaceCache'], [stranger, 'shape', 'huggingFaceCache']]);
  });

  it('that has the name and not the shape comes last, and is said not to fit', async () => {
    const { home, module } = place('someone/tiny'), wrong = copyBase('gpt2', path.join(home, 'tiny')), right = copyBase('llama', path.join(home, 'other'));
    const found = await findBase(await openModule(module), [], empty);
    expect(found.map(({ path: p, by, fits }) => [p, by, fits])).toEqual([[right, 'shape', true], [wrong, 'name', false]]);
    expect(found[1].reason).toMatch(/called "tiny".*does not fit/);
  });

  it.each(['hub-unipelt-bert', 'hub-seq-bert', 'lora-dora-bert'])('of %s is found by shape too', async (name) => {
    const { home, module } = place(null, name), base = copyBase('bert', path.join(home, 'bert'));
    const file = path.join(module, 'adapter_config.json');
    fs.writeFileSync(file, JSON.stringify({ ...(JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>), model_name: 'another' }));
    copyBase('llama', path.join(home, 'llama'));
    expect((await findBase(await openModule(module), [], empty)).map(({ path: p, by, fits }) => [p, by, fits])).toEqual([[base, 'shape', true]]);
  });

  it('is nothing where nothing fits', async () => {
    const { home, module } = place(null, 'lora-bias-b-gpt2');
    copyBase('llama', path.join(home, 'llama'));
    expect(await findBase(await openModule(module), [], empty)).toEqual([]);
    copyBase('gpt2', path.join(home, 'gpt2'));
    expect(await findBase(await openModule(module), [], empty)).toMatchObject([{ by: 'shape', reason: expect.stringContaining('name no base') as string }]);
  });
});
