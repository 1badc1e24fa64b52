import { promises as fs } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { ModulensError } from '../../../extension/protocol/errors';
import { ResultStore } from '../../../extension/store/resultStore';
import { planTransfer, runTransfer } from '../../../extension/transfer';
import type { StatisticsStore, TransferInputs } from '../../../extension/transfer/types';
import { changedBase, environment, openBase, PROBE, SMALL, temporaryFolder } from './bases';
import { readTexts } from '../../../extension/probe/texts';

it('keeps the statistics of two bases for the next module, bit for bit, and stops when it is told to', async () => {
  const folder = await temporaryFolder(), env = environment();
  try {
    const to = await changedBase({ heads: () => [1, 0] }, path.join(folder, 'to'), SMALL), from = await openBase(SMALL), target = 'model.layers.0.self_attn.v_proj';
    const inputs: TransferInputs = {
      from, to: await openBase(to), probe: await readTexts(PROBE), data: null,
      module: { path: folder, name: 'one', kind: 'lora', base: null, rank: 20, parameters: 2880, factors: [{ target, rank: 20, scaling: 1, inWidth: 96, outWidth: 48, a: Float32Array.from({ length: 20 * 96 }, (_, i) => Math.sin(i)), b: Float32Array.from({ length: 48 * 20 }, (_, i) => Math.cos(i * i)) }] },
    };
    const planned = await planTransfer({ module: folder, from: SMALL, to, method: 'activation-transport', tokens: 400, layers: 'proportional' }, inputs), store = new ResultStore(path.join(folder, 'store'));
    let found = 0, kept = 0;
    const counting: StatisticsStore = {
      key: (parts) => store.key(parts),
      get: async <T>(key: string) => { const value = await store.get<T>(key); if (value !== undefined) found++; return value; },
      put: async (key, value) => { kept++; return store.put(key, value); },
    };
    const first = await runTransfer(planned, env, { store: counting });
    expect([found, kept]).toEqual([0, 2]);
    const second = await runTransfer(planned, env, { store: counting });
    expect([found, kept]).toEqual([2, 2]);
    expect(second.factors).toEqual(first.factors);
    expect(second.sites).toEqual(first.sites);
    // Shuffled pairs are other statistics.
    await runTransfer(planned, env, { store: counting, shufflePairs: true });
    expect([found, kept]).toEqual([2, 4]);
    const stop = new AbortController();
    stop.abort();
    await expect(runTransfer(planned, { ...env, signal: stop.signal })).rejects.toThrow(ModulensError);
  } finally {
    await env.pool.clear();
    await fs.rm(folder, { recursive: true, force: true });
  }
});
