import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bindModel } from '../../../extension/architecture/resolve';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readTensor } from '../../../extension/checkpoint/readTensor';
import { SafetensorsStreamWriter } from '../../../extension/checkpoint/safetensorsWriter';
import { ForwardPass } from '../../../extension/probe/forward';
import type { TrainedVersusKeys } from '../../../extension/protocol/routing';
import { trainedVersusKeys } from '../../../extension/routing/trainedRouter';
import { SessionPool } from '../../../extension/runtime/pool';
import { Scheduler } from '../../../extension/runtime/scheduler';

const TINY = path.join(__dirname, '../../fixtures/golden/mixtral');
let folder = '';
beforeAll(() => { folder = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-trained-')); });
afterAll(() => { fs.rmSync(folder, { recursive: true }); });

async function compare(where: string): Promise<readonly TrainedVersusKeys[]> {
  const model = bindModel(await openCheckpoint(where)), pool = new SessionPool('cpu', 1);
  const pass = new ForwardPass(model, [Int32Array.from({ length: 24 }, (_, i) => (i * 7) % 60)], { pool, scheduler: new Scheduler() });
  try {
    return await trainedVersusKeys(model, pass, [0, 1], 0);
  } finally {
    await pool.clear();
  }
}

describe('a trained router beside avg-k', () => {
  it('random weights are not told from chance', async () => {
    for (const { cosine, agreement } of await compare(TINY)) {
      expect(cosine.nullDraws).toBe(199);
      expect(Math.abs((cosine.value ?? 0) - (cosine.null ?? 0))).toBeLessThan(0.6);
      expect(agreement.n).toBe(48);
    }
  });

  it('a router made of its experts\u2019 mean keys is avg-k', async () => {
    // The tiny model again, its router rows replaced.
    const opened = await openCheckpoint(TINY), tensors = [...opened.tensors.values()], model = bindModel(opened);
    const changed = new Map<string, Float32Array>();
    for (const { ffn } of model.spec.stacks[0].blocks) {
      if (ffn.kind !== 'moe') continue;
      const rows = await Promise.all(ffn.experts.map(async ({ gate, up }) => {
        const weight = await readTensor(model.tensor((gate ?? up).weight)), d = ffn.router.inWidth, mean = new Float32Array(d);
        for (let i = 0; i < weight.length; i++) mean[i % d] += weight[i] / (weight.length / d);
        return mean;
      }));
      changed.set(model.tensor(ffn.router.weight).name, Float32Array.from(rows.flatMap((row) => [...row])));
    }
    const target = path.join(folder, 'planted');
    fs.mkdirSync(target);
    fs.copyFileSync(path.join(TINY, 'config.json'), path.join(target, 'config.json'));
    const writer = await SafetensorsStreamWriter.create(path.join(target, 'model.safetensors'), tensors.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const })), new Map());
    for (const tensor of tensors) await writer.write(tensor.name, 0, changed.get(tensor.name) ?? (await readTensor(tensor)));
    await writer.finish();
    for (const { cosine, agreement } of await compare(target)) {
      expect(cosine.value).toBeCloseTo(1, 5);
      expect(agreement.value).toBeCloseTo(1, 5);
      expect(agreement.null).toBeLessThan(1);
    }
  });
});
