import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ffnWeightsOf } from '../../../extension/architecture/ffnWeights';
import type { BoundModel } from '../../../extension/architecture/resolve';
import { BLOCK_INPUTS } from '../../../extension/graph/block';
import { floats } from '../../../extension/graph/hostTensor';
import { attachModules } from '../../../extension/module/attach';
import { openLora } from '../../../extension/module/lora';
import { Decoder } from '../../../extension/probe/decode';
import { ForwardPass } from '../../../extension/probe/forward';
import { type NamedExpert, type WhatIf, whatIfTitle } from '../../../extension/protocol/routing';
import { arrowRouter } from '../../../extension/routing/routers/arrow';
import { avgKRouter } from '../../../extension/routing/routers/avgK';
import { oracleRouter } from '../../../extension/routing/routers/oracle';
import { LiveRouting, routePass } from '../../../extension/routing/runRouter';
import type { TraceArrays } from '../../../extension/routing/trace';
import type { PreparedRouter, RouterRequest } from '../../../extension/routing/types';
import { checkWhatIf, whatIfAt } from '../../../extension/routing/whatIf';
import { Scheduler } from '../../../extension/runtime/scheduler';
import { disagreements, goldenRows, type Matrix, openGolden, Runner } from '../../golden/models/goldenModels';

const LIBRARY = path.join(__dirname, '../../fixtures/routing/arrow-gpt2');
const runner = new Runner('cpu'), environment = { pool: runner.pool, scheduler: new Scheduler() };
let model: BoundModel, folder = '';
const rows = goldenRows('gpt2');
beforeAll(async () => { model = await openGolden('gpt2'); folder = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-what-if-')); });
afterAll(async () => { await runner.close(); fs.rmSync(folder, { recursive: true }); });

const layers = (): number[] => model.spec.stacks[0].blocks.map((block) => block.index);
const none = (): Promise<never> => Promise.reject(new Error('not needed'));
const arrow = (more: Partial<RouterRequest>): Promise<PreparedRouter> => arrowRouter.prepare({ model, seed: 0, layers: layers(), partition: none, modules: LIBRARY, topK: 2, ...more });
const route = (router: PreparedRouter): Promise<TraceArrays> => routePass(new ForwardPass(model, rows, environment, router.attached), router);

/** Weights of all experts `[tokens, E]` by site and label. */
function dense(arrays: TraceArrays, { sites }: PreparedRouter): ReadonlyMap<string, Matrix> {
  const out = new Map<string, Matrix>();
  for (const [s, { id, labels, E }] of sites.entries()) {
    for (const [e, label] of labels.entries()) {
      const data = new Float32Array(arrays.tokens);
      for (let t = 0; t < arrays.tokens; t++) for (let i = 0, at = (t * sites.length + s) * arrays.slots; i < Math.min(E, arrays.slots); i++, at++) if (arrays.ids[at] === e) data[t] = arrays.weights[at];
      out.set(`${id} ${label}`, { rows: arrays.tokens, width: 1, data });
    }
  }
  return out;
}
const without = (map: ReadonlyMap<string, Matrix>, label: string): ReadonlyMap<string, Matrix> => new Map([...map].filter(([key]) => !key.endsWith(` ${label}`)));

/** The residual stream that leaves the last block. */
async function stream(attached: PreparedRouter['attached']): Promise<Matrix> {
  const pass = new ForwardPass(model, rows, environment, attached), hidden = await pass.embed();
  for (const block of pass.stack.blocks) await pass.block(block, hidden, {});
  return { rows: pass.tokens, width: pass.stack.dModel, data: Float32Array.from(hidden.flatMap((part) => [...part])) };
}

describe('a library with an adapter taken out', () => {
  it('routes and runs as the library of the others', async () => {
    const names = fs.readdirSync(LIBRARY).filter((name) => fs.statSync(path.join(LIBRARY, name)).isDirectory()), [gone] = names;
    for (const name of names.slice(1)) fs.cpSync(path.join(LIBRARY, name), path.join(folder, 'others', name), { recursive: true });
    const changed = await arrow({ whatIf: { mute: [{ expert: gone }] } }), others = await arrow({ modules: path.join(folder, 'others') });
    expect(changed.sites.map(({ k, E }) => [k, E])).toEqual(changed.sites.map(() => [2, 3]));
    const [a, b] = [dense(await route(changed), changed), dense(await route(others), others)];
    expect([...a].filter(([key]) => key.endsWith(` ${gone}`)).every(([, { data }]) => data.every((x) => x === 0))).toBe(true);
    expect(disagreements(without(a, gone), b, 1e-5)).toEqual([]);
    expect(disagreements(new Map([['stream', await stream(changed.attached)]]), new Map([['stream', await stream(others.attached)]]), 1e-5)).toEqual([]);
    expect(changed.changed).toMatch(/forward pass itself/);
    expect(others.changed).toBeUndefined();
  });

  it('alone runs as that adapter plugged in', async () => {
    const name = 'maths', changed = await arrow({ whatIf: { force: [{ expert: name }] } }), alone = await attachModules(model, [{ module: await openLora(path.join(LIBRARY, name)), strength: 1 }]);
    expect(changed.sites.every(({ k }) => k === 1)).toBe(true);
    expect(disagreements(new Map([['stream', await stream(changed.attached)]]), new Map([['stream', await stream(alone)]]), 1e-5)).toEqual([]);
  });

  it('at one site leaves all others as they were, and with none left there the base runs alone', async () => {
    const plain = await arrow({}), first = plain.sites[0].id, at = (expert: string): NamedExpert => ({ expert, site: first });
    const one = await arrow({ whatIf: { mute: [at('law')] } });
    expect(one.sites.map(({ id }) => id)).toEqual(plain.sites.map(({ id }) => id));
    const [a, b] = [dense(await route(one), one), dense(await route(plain), plain)];
    expect(a.get(`${first} law`)?.data.every((x) => x === 0)).toBe(true);
    expect(b.get(`${first} law`)?.data.some((x) => x > 0)).toBe(true);
    const bare = await arrow({ whatIf: { mute: plain.sites[0].labels.map(at) } });
    expect(bare.sites.map(({ id }) => id)).toEqual(plain.sites.slice(1).map(({ id }) => id));
    await route(bare);
  });

  it('takes its temperature from the what-if', async () => {
    const changed = await arrow({ temperature: 1, whatIf: { temperature: 3 } }), plain = await arrow({ temperature: 3 });
    expect(disagreements(dense(await route(changed), changed), dense(await route(plain), plain), 1e-6)).toEqual([]);
    expect(changed.sites[0].temperature).toBe(3);
  });
});

describe('emergent experts taken out', () => {
  const EXPERTS = 4;
  const prepare = (router: typeof avgKRouter, whatIf?: WhatIf): Promise<PreparedRouter> => router.prepare({
    model, seed: 0, layers: layers(), topK: 2, ...(whatIf ? { whatIf } : {}),
    partition: (layer) => { const ffn = ffnWeightsOf(model).find((one) => one.index === layer); return ffn ? Promise.resolve({ ffn, experts: EXPERTS, labels: Int32Array.from({ length: ffn.dFf }, (_, i) => i % EXPERTS) }) : none(); },
  });

  it('give nothing in the forward pass, so that later layers route what the model computes without them', async () => {
    const changed = await prepare(avgKRouter, { mute: [{ expert: 'B', site: 'blocks.0.ffn' }] }), plain = await prepare(avgKRouter);
    const pass = new ForwardPass(model, rows, environment), hidden = await pass.embed(), expected = new Map<string, Float32Array>();
    for (const block of pass.stack.blocks) {
      const plan = plain.plan(block), d = ffnWeightsOf(model)[0].dFf, mask = Float32Array.from({ length: d }, (_, i) => (i % EXPERTS === 1 ? 0 : 1));
      await pass.block(block, hidden, { taps: plan?.taps ?? new Set(), ...(block.index === 0 ? { mask: true, feeds: { [BLOCK_INPUTS.mask]: floats([d], mask), [BLOCK_INPUTS.fill]: floats([d], new Float32Array(d)) } } : {}) }, (pack, outputs) => {
        for (const { site, weights } of plan?.read(outputs, pack.tokens) ?? []) { const id = plain.sites[site].id; expected.set(id, Float32Array.from([...(expected.get(id) ?? []), ...weights])); }
      });
    }
    const arrays = await route(changed), found = dense(arrays, changed), before = dense(await route(plain), plain);
    for (const { id, labels } of changed.sites) {
      for (const [e, label] of labels.entries()) {
        const reference = Float32Array.from({ length: arrays.tokens }, (_, t) => expected.get(id)![t * EXPERTS + e]);
        if (id !== 'blocks.0.ffn') expect(disagreements(found, new Map([[`${id} ${label}`, { rows: arrays.tokens, width: 1, data: reference }]]), 1e-5)).toEqual([]);
      }
    }
    expect(disagreements(found, new Map([...before].filter(([key]) => key.startsWith('blocks.1.'))), 1e-3)).not.toEqual([]);
    // What is left shares its weight.
    const left = ['A', 'C', 'D'].map((label) => found.get(`blocks.0.ffn ${label}`)!.data);
    for (let t = 0; t < arrays.tokens; t++) expect(left.reduce((sum, data) => sum + data[t], 0)).toBeCloseTo(1, 5);
    expect(found.get('blocks.0.ffn B')?.data.every((x) => x === 0)).toBe(true);
  });

  it('are the same for a text that is being written', async () => {
    const changed = await prepare(avgKRouter, { mute: [{ expert: 'B' }] }), row = rows.at(-1) ?? new Int32Array(), live = new LiveRouting(new Decoder(model, environment, changed.attached), changed, 8);
    await live.update(row.map((id, i) => (i < 20 ? id : 4)), environment);
    const { arrays } = await live.update(row, environment), whole = await routePass(new ForwardPass(model, [row], environment), changed);
    expect(disagreements(dense(arrays, changed), without(dense(whole, changed), 'B'), 1e-4)).toEqual([]);
  });

  it('alone take all, and a temperature flattens what is shown but nothing that is computed', async () => {
    const alone = await prepare(avgKRouter, { force: [{ expert: 'C' }] });
    expect(alone.sites.every(({ k }) => k === 1)).toBe(true);
    for (const [key, { data }] of dense(await route(alone), alone)) expect(data.every((x) => x === (key.endsWith(' C') ? 1 : 0))).toBe(true);
    const flat = await prepare(avgKRouter, { temperature: 4 }), plain = await prepare(avgKRouter), [a, b] = [await route(flat), await route(plain)];
    expect([...a.ids]).toEqual([...b.ids]);
    expect([...(a.logits ?? [])]).toEqual([...(b.logits ?? [])]);
    for (let cell = 0; cell < a.entropies.length; cell++) expect(a.entropies[cell]).toBeGreaterThanOrEqual(b.entropies[cell] - 1e-6);
    // Softmax(z / 4): ratios are the fourth roots.
    expect(a.weights[0] / a.weights[1]).toBeCloseTo((b.weights[0] / b.weights[1]) ** 0.25, 4);
  });

  it('of an oracle have no temperature', async () => {
    await expect(prepare(oracleRouter, { temperature: 2 })).rejects.toMatchObject({ code: 'routing/what-if', message: expect.stringContaining('no softmax') as string });
    const muted = await prepare(oracleRouter, { mute: [{ expert: 'A' }] });
    expect([...dense(await route(muted), muted)].filter(([key]) => key.endsWith(' A')).every(([, { data }]) => data.every((x) => x === 0))).toBe(true);
  });
});

describe('what a what-if leaves of a site', () => {
  const site = { id: 'blocks.1.ffn', labels: ['A', 'B', 'C'] };
  it.each([
    [{}, null], [{ mute: [{ expert: 'B' }] }, [1, 0, 1]], [{ mute: [{ expert: 'B', site: 'blocks.2.ffn' }] }, null], [{ force: [{ expert: 'B' }] }, [0, 1, 0]],
    [{ force: [{ expert: 'B' }, { expert: 'C', site: 'blocks.1.ffn' }], mute: [{ expert: 'C' }] }, [0, 1, 0]], [{ force: [{ expert: 'Z' }] }, null], [{ temperature: 2 }, null],
  ] as const)('%j', (whatIf, expected) => {
    const found = whatIfAt(whatIf, site);
    expect(found && [...found.allowed]).toEqual(expected);
    expect(found?.count ?? null).toBe(expected && expected.filter((x) => x === 1).length);
  });

  it('may be nothing only where a router can do without', () => {
    const all = { mute: site.labels.map((expert) => ({ expert })) };
    expect(() => checkWhatIf(all, [site])).toThrow(/no expert would be left/);
    expect(() => checkWhatIf(all, [site], true)).not.toThrow();
  });

  it('has a title', () => {
    expect(whatIfTitle({ mute: [{ expert: 'B' }, { expert: '3', site: 'blocks.2.ffn' }], temperature: 2 })).toBe('without B, 3 at blocks.2.ffn; temperature 2');
    expect(whatIfTitle({ force: [{ expert: 'law' }] })).toBe('only law');
  });
});
