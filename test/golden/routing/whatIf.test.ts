import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { BoundModel } from '../../../extension/architecture/resolve';
import { BLOCK_OUTPUTS } from '../../../extension/graph/block';
import { floatData } from '../../../extension/graph/hostTensor';
import { Decoder } from '../../../extension/probe/decode';
import { ForwardPass } from '../../../extension/probe/forward';
import type { WhatIf } from '../../../extension/protocol/routing';
import { nativeRouter } from '../../../extension/routing/routers/native';
import { LiveRouting } from '../../../extension/routing/runRouter';
import type { PreparedRouter } from '../../../extension/routing/types';
import { Scheduler } from '../../../extension/runtime/scheduler';
import { disagreements, goldenRows, type Matrix, openGolden, readMatrices, Runner } from '../models/goldenModels';
import { TOLERANCE } from '../models/tapSuite';

const MODELS = ['mixtral', 'olmoe', 'qwen2-moe', 'deepseek-v2', 'deepseek-v3', 'gpt-oss', 'granite-moe', 'jetmoe'];
const CASES = ['none', 'mute', 'one', 'force'] as const;
const runner = new Runner('cpu');
afterAll(() => runner.close());
const environment = { pool: runner.pool, scheduler: new Scheduler() };

const prepare = (model: BoundModel, whatIf: WhatIf): Promise<PreparedRouter> => nativeRouter.prepare({ model, seed: 0, layers: model.spec.stacks[0].blocks.map((b) => b.index), partition: () => Promise.reject(new Error('not needed')), whatIf });

/** Weights of every site and the model's logits, as the model runs with the router's changes. */
async function whole(model: BoundModel, router: PreparedRouter, rows: readonly Int32Array[]): Promise<ReadonlyMap<string, Matrix>> {
  const pass = new ForwardPass(model, rows, environment, router.attached), hidden = await pass.embed();
  const out = new Map<string, Matrix>(router.sites.map(({ id, E }) => [`${id}.weights`, { rows: pass.tokens, width: E, data: new Float32Array(pass.tokens * E) }]));
  for (const block of pass.stack.blocks) {
    const plan = router.plan(block);
    await pass.block(block, hidden, { taps: plan?.taps ?? new Set() }, (pack, outputs) => {
      expect(outputs[BLOCK_OUTPUTS.hidden]).toBeDefined();
      for (const { site, weights } of plan?.read(outputs, pack.tokens) ?? []) { const { id, E, scale } = router.sites[site]; out.get(`${id}.weights`)?.data.set(weights.map((w) => w * scale), pack.offset * E); }
    });
  }
  const { decoderInput } = await pass.preHead(hidden, { final: true, head: true }), width = pass.headRows, logits = new Float32Array(pass.tokens * width);
  await pass.head(decoderInput, 'logits', (pack, _index, [from, to], outputs) => {
    const part = floatData(outputs['logits']);
    for (let t = 0; t < pack.tokens; t++) logits.set(part.subarray(t * (to - from), (t + 1) * (to - from)), (pack.offset + t) * width + from);
  });
  return out.set('logits', { rows: pass.tokens, width, data: logits });
}

describe.each(MODELS)('what would happen in %s', (name) => {
  const { matrices, metadata } = readMatrices(path.join(__dirname, '../../fixtures/routing/what-if', `${name}.safetensors`)), cases = JSON.parse(metadata['cases']) as Readonly<Record<(typeof CASES)[number], WhatIf>>;
  const expected = (of: string): ReadonlyMap<string, Matrix> => new Map([...matrices].filter(([key]) => key.startsWith(`${of}.`)).map(([key, value]) => [key.slice(of.length + 1), value]));

  it.each(CASES)('%s: weights and logits are those of transformers with its router logits changed', async (of) => {
    const model = await openGolden(name), router = await prepare(model, cases[of]), found = await whole(model, router, goldenRows(name));
    expect([...found.keys()].sort()).toEqual([...expected(of).keys()].sort());
    expect(disagreements(found, expected(of), TOLERANCE)).toEqual([]);
    for (const { id, k, E, temperature } of router.sites) {
      const { data } = found.get(`${id}.weights`)!, used = new Set<number>();
      for (let i = 0; i < data.length; i++) if (data[i] > 0) used.add(i % E);
      if (of === 'mute') expect(used.has(1)).toBe(false);
      if (of === 'force' && id === router.sites[0].id) expect([...used].every((e) => e === 2 || (router.sites.length === 1 && (e === 3 || e === 0)))).toBe(true);
      expect(k).toBeLessThanOrEqual(E);
      expect(temperature).toBe(cases[of].temperature ?? 1);
    }
  });

  it('is the same for a text that is being written', async () => {
    const model = await openGolden(name), router = await prepare(model, cases.one), row = goldenRows(name).at(-1) ?? new Int32Array(), live = new LiveRouting(new Decoder(model, environment, router.attached), router, 8);
    await live.update(row.map((id, i) => (i < 20 ? id : 4)), environment);
    const { arrays } = await live.update(row, environment), found = await whole(model, router, [row]);
    for (const [s, { id, E, scale }] of router.sites.entries()) {
      const dense = new Float32Array(row.length * E);
      for (let t = 0; t < row.length; t++) for (let i = 0, at = (t * router.sites.length + s) * arrays.slots; i < Math.min(E, arrays.slots); i++, at++) dense[t * E + arrays.ids[at]] = arrays.weights[at] * scale;
      expect(disagreements(new Map([[id, { rows: row.length, width: E, data: dense }]]), new Map([[id, found.get(`${id}.weights`)!]]), TOLERANCE)).toEqual([]);
    }
  });
});

describe('a what-if', () => {
  it('that names nothing here is refused with what there is', async () => {
    const model = await openGolden('mixtral');
    await expect(prepare(model, { mute: [{ expert: '9' }] })).rejects.toMatchObject({ code: 'routing/what-if', exit: 2, message: expect.stringMatching(/no expert 9\. There are 0, 1, 2/) as string });
    await expect(prepare(model, { force: [{ expert: '1', site: 'blocks.7.ffn' }] })).rejects.toMatchObject({ message: expect.stringMatching(/blocks\.7\.ffn is no site.*blocks\.0\.ffn/) as string });
    await expect(prepare(model, { temperature: 0 })).rejects.toMatchObject({ message: expect.stringContaining('above 0') as string });
    await expect(prepare(model, { mute: ['0', '1', '2', '3', '4'].map((expert) => ({ expert })) })).rejects.toMatchObject({ message: expect.stringMatching(/no expert would be left at blocks\.0\.ffn.*Leave at least one/) as string });
  });
});
