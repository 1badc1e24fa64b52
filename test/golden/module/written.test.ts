import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { attachModules } from '../../../extension/module/attach';
import { openModule } from '../../../extension/module/openModule';
import { loraFolderFiles } from '../../../extension/module/writeLora';
import { disagreements, goldenRows, openGolden, readMatrices, Runner } from '../models/goldenModels';
import { TOLERANCE } from '../models/tapSuite';
import { writtenFolder } from './writtenFolder';

const FOLDER = path.join(__dirname, '../../fixtures/module/written-lora');
const runner = new Runner('cpu');
afterAll(() => runner.close());

describe('a LoRA folder that we write', () => {
  it('is the one that PEFT was given', () => {
    for (const { name, bytes } of loraFolderFiles(writtenFolder())) expect(Buffer.from(bytes).equals(fs.readFileSync(path.join(FOLDER, name))), name).toBe(true);
  });

  it('opens with the ranks and scalings that were asked for, to the last bit', async () => {
    const module = await openModule(FOLDER), { sites, left } = await (module.lower?.(await openGolden('llama'), {}) ?? Promise.reject(new Error('cannot be lowered')));
    const expected = writtenFolder().sites;
    expect(left).toEqual([]);
    expect(sites.map(({ target, rank, scaling }) => ({ target, rank, scaling })).sort(byTarget)).toEqual(expected.map(({ target, rank, scaling }) => ({ target, rank, scaling })).sort(byTarget));
    for (const site of sites) expect([site.a, site.b, site.energy]).toEqual([...expected.filter((s) => s.target === site.target).map((s) => [s.a, s.b]).flat(), 1]);
    expect(module.weights.metadata.get('modulens.source')).toBe('written by a test');
  });

  it('has the effect that it has in PEFT', async () => {
    const base = await openGolden('llama'), golden = readMatrices(path.join(FOLDER, 'golden.safetensors')).matrices;
    const found = await runner.taps(base, goldenRows('llama'), [...golden.keys()].join(), await attachModules(base, [{ module: await openModule(FOLDER), strength: 1 }]));
    expect(golden.size).toBe(3);
    expect(disagreements(found, golden, TOLERANCE)).toEqual([]);
  });
});

function byTarget(x: { readonly target: string }, y: { readonly target: string }): number {
  return x.target < y.target ? -1 : 1;
}
