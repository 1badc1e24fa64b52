import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { attachModules } from '../../../extension/module/attach';
import { openModule } from '../../../extension/module/openModule';
import { disagreements, goldenRows, openGolden, readMatrices, Runner } from '../models/goldenModels';
import { TOLERANCE } from '../models/tapSuite';

const FIXTURES = path.join(__dirname, '../../fixtures');
const { modules } = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'module/mixed.json'), 'utf8')) as { modules: [string, number][] };
const runner = new Runner('cpu');
afterAll(() => runner.close());

const active = (list: readonly (readonly [string, number])[]) => Promise.all(list.map(async ([folder, strength]) => ({ module: await openModule(path.join(FIXTURES, folder)), strength })));

describe('several modules at once', () => {
  it('give what the mixed model of PEFT gives, each with its weight, in any order', async () => {
    const base = await openGolden('llama'), golden = readMatrices(path.join(FIXTURES, 'module/mixed.safetensors')).matrices;
    expect(modules.map(([, weight]) => weight)).toContain(0.5);
    for (const order of [modules, [...modules].reverse()]) {
      expect(disagreements(await runner.taps(base, goldenRows('llama'), 'logits', await attachModules(base, await active(order))), golden, TOLERANCE)).toEqual([]);
    }
  });

  it('of other kinds act together: the order of a prefix, scales, a saved norm and factors does not matter', async () => {
    const base = await openGolden('llama'), list = [['module/prefix-llama', 0.7], ['module/ia3-llama', 0.5], ['module/lora-norms-llama', 1], ['module/hub-seq-llama', 0.5], ['module/vera-llama', 1]] as const;
    const [one, other, without] = await Promise.all([list, [...list].reverse(), list.slice(1)].map(async (order) => runner.taps(base, goldenRows('llama'), 'logits', await attachModules(base, await active(order)))));
    expect(disagreements(one, other, 1e-5)).toEqual([]);
    expect(disagreements(one, without, 1e-2)).not.toEqual([]);
  });

  it('that change the same join have no order, and are refused', async () => {
    const base = await openGolden('llama');
    await expect(attachModules(base, await active([['module/hub-seq-llama', 1], ['module/hub-seq-llama', 1]]))).rejects.toMatchObject({ code: 'module/together' });
  });
});
