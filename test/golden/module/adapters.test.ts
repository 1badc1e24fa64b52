import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { attachModules } from '../../../extension/module/attach';
import { loweredSites, openModule } from '../../../extension/module/openModule';
import { Decoder } from '../../../extension/probe/decode';
import { Scheduler } from '../../../extension/runtime/scheduler';
import { disagreements, goldenRows, type Matrix, openGolden, readGolden, readMatrices, Runner } from '../models/goldenModels';
import { TOLERANCE } from '../models/tapSuite';

interface Entry { readonly name: string; readonly base: string; readonly kind: string; readonly notes: string }

const FIXTURES = path.join(__dirname, '../../fixtures/module');
const { modules } = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'adapters.json'), 'utf8')) as { modules: Entry[] };
const runner = new Runner('cpu');
afterAll(() => runner.close());

function golden(name: string): ReadonlyMap<string, Matrix> {
  const full = readMatrices(path.join(FIXTURES, name, 'golden.safetensors')).matrices.get('full');
  if (!full) throw new Error(`${name} has no logits`);
  return new Map([['logits', full]]);
}

async function attached(entry: Entry, strength: number) {
  const base = await openGolden(entry.base), module = await openModule(path.join(FIXTURES, entry.name));
  expect(module.kind).toBe(entry.kind);
  return { base, modules: await attachModules(base, [{ module, strength }]) };
}

it('there is a golden for every kind', () => {
  expect([...new Set(modules.map((entry) => entry.kind))].sort()).toEqual(['adapter', 'ia3', 'lora', 'prefix', 'union']);
});

describe('logits agree with the library adapters', () => {
  it.each(modules.map((entry) => [`${entry.name}: ${entry.notes}`, entry] as const))('%s', async (_title, entry) => {
    const { base, modules: parts } = await attached(entry, 1);
    expect(disagreements(await runner.taps(base, goldenRows(entry.base), 'logits', parts), golden(entry.name), TOLERANCE)).toEqual([]);
  });
});

describe('at strength 0 nothing is left of the module', () => {
  it.each(modules.map((entry) => [entry.name, entry] as const))('%s', async (_title, entry) => {
    const { base, modules: parts } = await attached(entry, 0), logits = readGolden(entry.base, 'golden.safetensors').get('logits');
    if (!logits) throw new Error('no logits');
    expect(disagreements(await runner.taps(base, goldenRows(entry.base), 'logits', parts), new Map([['logits', logits]]), TOLERANCE)).toEqual([]);
  });
});

describe('gates average over each text alone', () => {
  it.each(['hub-unipelt-bert', 'hub-unipelt-gpt2', 'hub-prefix-gated-bert'])('%s: rows spread over several runs give what one run gives', async (name) => {
    const entry = modules.find((m) => m.name === name), copies = 15, reference = golden(name).get('logits');
    if (!entry || !reference) throw new Error(`no ${name}`);
    const { base, modules: parts } = await attached(entry, 1), rows = goldenRows(entry.base);
    const found = (await runner.taps(base, Array.from({ length: copies }, () => rows).flat(), 'logits', parts)).get('logits');
    for (let copy = 0; copy < copies; copy++) expect(disagreements(new Map([['logits', { ...reference, data: found?.data.slice(copy * reference.data.length, (copy + 1) * reference.data.length) ?? new Float32Array(0) }]]), golden(name), TOLERANCE)).toEqual([]);
  });

  it('so that a text cannot run token by token', async () => {
    const entry = modules.find((m) => m.name === 'hub-unipelt-gpt2');
    if (!entry) throw new Error('no golden');
    const { base, modules: parts } = await attached(entry, 1);
    expect(() => new Decoder(base, { pool: runner.pool, scheduler: new Scheduler() }, parts)).toThrow(expect.objectContaining({ code: 'module/whole-texts' }));
  });

  it.each(['hub-prefix-gpt2', 'hub-seq-gpt2', 'hub-prefix-flat-llama'])('%s without gates does', async (name) => {
    const entry = modules.find((m) => m.name === name), reference = golden(name).get('logits');
    if (!entry || !reference) throw new Error('no golden');
    const { base, modules: parts } = await attached(entry, 1), row = goldenRows(entry.base).at(-1) ?? new Int32Array(0);
    const decoder = new Decoder(base, { pool: runner.pool, scheduler: new Scheduler() }, parts), pieces = [await decoder.feed(row.slice(0, 5), 'all'), await decoder.feed(row.slice(5, 6)), await decoder.feed(row.slice(6), 'all')];
    const shape = { rows: row.length, width: reference.width };
    expect(disagreements(new Map([['logits', { ...shape, data: Float32Array.from(pieces.flatMap((p) => [...p])) }]]), new Map([['logits', { ...shape, data: reference.data.slice(-row.length * reference.width) }]]), TOLERANCE)).toEqual([]);
  });
});

describe('lowering', () => {
  it('gives the factors of LoRA, those of a fused map in their place', async () => {
    const base = await openGolden('gpt2'), { sites } = await loweredSites(await openModule(path.join(FIXTURES, 'hub-lora-gpt2')), base);
    expect(sites).toHaveLength(3);
    const [{ b, rank, scaling, outWidth }] = sites, third = outWidth / 3, rows = (from: number): number => b.subarray(from * third * rank, (from + 1) * third * rank).reduce((n, x) => n + Math.abs(x), 0);
    expect([rank, scaling, rows(1)]).toEqual([6, 2, 0]);
    expect(Math.min(rows(0), rows(2))).toBeGreaterThan(0);
  });

  it('refuses what is none', async () => {
    for (const name of ['hub-seq-bert', 'hub-lora-gated-bert', 'hub-unipelt-bert']) await expect(loweredSites(await openModule(path.join(FIXTURES, name)), await openGolden('bert'))).rejects.toMatchObject({ code: 'module/not-linear' });
  });
});

it('every graph ran on the CPU as a whole', () => {
  expect([...runner.graphs.elsewhere]).toEqual([]);
});
