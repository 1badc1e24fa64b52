import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { attachModules } from '../../../extension/module/attach';
import { openModule } from '../../../extension/module/openModule';
import { Decoder } from '../../../extension/probe/decode';
import { Scheduler } from '../../../extension/runtime/scheduler';
import { disagreements, goldenRows, type Matrix, openGolden, readGolden, readMatrices, Runner } from '../models/goldenModels';
import { TOLERANCE } from '../models/tapSuite';

interface Entry { readonly name: string; readonly base: string; readonly kind: string; readonly notes: string; readonly half: boolean }

const FIXTURES = path.join(__dirname, '../../fixtures/module');
const { modules } = JSON.parse(fs.readFileSync(path.join(FIXTURES, 'index.json'), 'utf8')) as { modules: Entry[] };
const golden = (name: string): ReadonlyMap<string, Matrix> => readMatrices(path.join(FIXTURES, name, 'golden.safetensors')).matrices;
const folderOf = (name: string): string => path.join(FIXTURES, name);

const runner = new Runner('cpu');
afterAll(() => runner.close());

/** Kinds that are promised. */
const KINDS = ['lora', 'ia3', 'loha', 'lokr', 'vera', 'prompt', 'prefix'];

function logits(matrix: Matrix | undefined): ReadonlyMap<string, Matrix> {
  if (!matrix) throw new Error('the golden lacks these logits');
  return new Map([['logits', matrix]]);
}

async function run(entry: Entry, strength: number): Promise<ReadonlyMap<string, Matrix>> {
  const base = await openGolden(entry.base), module = await openModule(folderOf(entry.name));
  expect(module.kind).toBe(entry.kind);
  return runner.taps(base, goldenRows(entry.base), 'logits', await attachModules(base, [{ module, strength }]));
}

it('there is a golden for every kind that runs', () => {
  expect([...new Set(modules.map((entry) => entry.kind))].sort()).toEqual([...KINDS].sort());
  expect(new Set(modules.map((entry) => entry.base)).size).toBeGreaterThan(10);
});

describe('logits agree with PEFT', () => {
  it.each(modules.map((entry) => [`${entry.name}: ${entry.notes}`, entry] as const))('%s', async (_title, entry) => {
    expect(disagreements(await run(entry, 1), logits(golden(entry.name).get('full')), TOLERANCE)).toEqual([]);
  });
});

describe('at half strength the weights are half way to those of the merged model', () => {
  it.each(modules.filter((entry) => entry.half).map((entry) => [entry.name, entry] as const))('%s', async (_title, entry) => {
    expect(disagreements(await run(entry, 0.5), logits(golden(entry.name).get('half')), TOLERANCE)).toEqual([]);
  });
});

describe('at strength 0 nothing is left of the module', () => {
  // Learned positions still start behind virtual tokens.
  const off = modules.filter((entry) => !['prompt-gpt2', 'prefix-gpt2'].includes(entry.name));
  it.each(off.map((entry) => [entry.name, entry] as const))('%s', async (_title, entry) => {
    expect(disagreements(await run(entry, 0), logits(readGolden(entry.base, 'golden.safetensors').get('logits')), TOLERANCE)).toEqual([]);
  });
});

describe('token by token behind a module', () => {
  const causal = ['prompt-llama', 'prompt-gpt2', 'prompt-gemma2', 'prefix-llama', 'prefix-gpt2', 'prefix-mistral', 'lora-embedding-llama', 'lora-head-gpt2', 'ia3-llama', 'lokr-llama'];
  it.each(modules.filter((entry) => causal.includes(entry.name)).map((entry) => [entry.name, entry] as const))('%s gives the same logits, also after going back', async (_title, entry) => {
    const base = await openGolden(entry.base), attached = await attachModules(base, [{ module: await openModule(folderOf(entry.name)), strength: 1 }]);
    const rows = goldenRows(entry.base), row = rows.at(-1) ?? new Int32Array(0), reference = golden(entry.name).get('full');
    const decoder = new Decoder(base, { pool: runner.pool, scheduler: new Scheduler() }, attached), pieces: Float32Array[] = [];
    await decoder.feed(row.slice(0, 3), 'all');
    decoder.truncate(0);
    pieces.push(await decoder.feed(row.slice(0, 4), 'all'));
    await decoder.feed(Int32Array.of(7, 9), 'all');
    decoder.truncate(4);
    for (const id of row.slice(4, 8)) pieces.push(await decoder.feed([id]));
    pieces.push(await decoder.feed(row.slice(8), 'all'));
    if (!reference) throw new Error('no logits');
    const found = { rows: row.length, width: reference.width, data: Float32Array.from(pieces.flatMap((piece) => [...piece])) };
    expect(disagreements(logits(found), logits({ ...found, data: reference.data.slice(-row.length * reference.width) }), TOLERANCE)).toEqual([]);
  });
});

describe('packing behind virtual tokens', () => {
  it.each(['prompt-llama', 'prefix-llama', 'prompt-gemma2'])('%s: rows spread over several runs give what one run gives', async (name) => {
    const entry = modules.find((m) => m.name === name), copies = 15;
    if (!entry) throw new Error(`no ${name}`);
    const base = await openGolden(entry.base), rows = goldenRows(entry.base), attached = await attachModules(base, [{ module: await openModule(folderOf(name)), strength: 1 }]);
    const found = (await runner.taps(base, Array.from({ length: copies }, () => rows).flat(), 'logits', attached)).get('logits'), reference = golden(name).get('full');
    if (!found || !reference) throw new Error('no logits');
    expect(found.rows).toBe(copies * reference.rows);
    for (let copy = 0; copy < copies; copy++) expect(disagreements(logits({ ...reference, data: found.data.slice(copy * reference.data.length, (copy + 1) * reference.data.length) }), logits(reference), TOLERANCE)).toEqual([]);
  });
});

it('every graph ran on the CPU as a whole', () => {
  expect([...runner.graphs.elsewhere]).toEqual([]);
});
