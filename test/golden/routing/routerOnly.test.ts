import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { afterAll, describe, expect, it } from 'vitest';
import { routerOnly } from '../../../extension/architecture/routerOnly';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { safetensorsBytes } from '../../../extension/checkpoint/safetensorsWriter';
import { formatRouting } from '../../../extension/engine/cliText';
import type { OperationContext } from '../../../extension/engine/context';
import { run as describeRouting } from '../../../extension/engine/operations/describeRouting';
import { run as route, type RouteCommand } from '../../../extension/engine/operations/routeCommand';
import type { RouteDocument } from '../../../extension/protocol/routing';
import { disagreements, type Matrix, readMatrices } from '../models/goldenModels';

const AT = path.join(__dirname, '../../fixtures/routing/router-only');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-router-only-'));
afterAll(() => { fs.rmSync(scratch, { recursive: true }); });
const context: OperationContext = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: scratch, cacheBytes: 1 << 28, threads: 1, device: 'cpu' } };
const ask = (model: string, hidden: string | undefined, more: Partial<RouteCommand> = {}): Promise<RouteDocument> => route({ path: path.join(AT, model), router: 'native', ...(hidden === undefined ? {} : { hidden: path.join(AT, hidden) }), seed: 0, device: 'cpu', ...more }, context);

/** Numbers of every expert by site `[tokens, E]`, as a reader of the document puts them together. */
function dense(d: RouteDocument, what: 'weights' | 'logits'): ReadonlyMap<string, Matrix> {
  const out = new Map<string, Matrix>(), values = d[what]?.data ?? [];
  for (const [s, { id, E }] of d.sites.entries()) {
    const data = new Float32Array(d.tokens.length * E);
    for (let t = 0; t < d.tokens.length; t++) for (let i = 0, at = (t * d.sites.length + s) * d.slots; i < E; i++, at++) data[t * E + (d.ids.data[at] ?? 0)] = values[at] ?? NaN;
    out.set(id, { rows: d.tokens.length, width: E, data });
  }
  return out;
}
const expected = (file: string, what: string): ReadonlyMap<string, Matrix> => new Map([...readMatrices(path.join(AT, file)).matrices].filter(([key]) => key.endsWith(`.${what}`)).map(([key, value]) => [key.slice(0, -what.length - 1), value]));
const only = (all: ReadonlyMap<string, Matrix>, d: RouteDocument): ReadonlyMap<string, Matrix> => new Map([...all].filter(([id]) => d.sites.some((site) => site.id === id)));

describe('routers of Switch Transformers', () => {
  it.each(['encoder', 'decoder'])('of the %s: logits, weights and tokens without room are those of transformers', async (stack) => {
    const d = await ask('switch', `switch-${stack}.safetensors`), prefix = stack === 'encoder' ? 'encoder.' : '';
    expect(d.sites.map(({ id, k, E, semantics }) => [id, k, E, semantics])).toEqual([1, 3].map((i) => [`${prefix}blocks.${i}.ffn`, 1, 5, 'sub-simplex']));
    expect(disagreements(dense(d, 'logits'), only(expected('switch-golden.safetensors', 'logits'), d), 1e-5)).toEqual([]);
    const weights = only(expected('switch-golden.safetensors', 'weights'), d), found = dense(d, 'weights');
    expect(weights.size).toBe(2);
    expect(disagreements(found, weights, 1e-5)).toEqual([]);
    // The very same tokens go without an expert.
    const without = (map: ReadonlyMap<string, Matrix>): string[] => [...map].flatMap(([id, { rows, width, data }]) => Array.from({ length: rows }, (_, t) => t).filter((t) => data.subarray(t * width, (t + 1) * width).every((x) => x === 0)).map((t) => `${id} ${t}`)).sort();
    expect(without(found)).toEqual(without(weights));
    expect(without(found).length).toBeGreaterThan(0);
    expect(d.records.map(({ from, to }) => to - from)).toEqual([17, 9]);
    expect(d).toMatchObject({ provenance: 'router-only', composition: 'none', router: 'native', causal: stack === 'decoder', device: { used: null } });
    expect(d.warnings.map(({ message }) => message).join('\n')).toMatch(/router only: this family\u2019s attention is not built yet[\s\S]*after their expert was full \(4 tokens of a text\)/);
    expect(formatRouting(d)).toContain('router only: this family\u2019s attention is not built');
  });
});

describe('routers of ModuleFormer', () => {
  it.each(['mlp', 'linear', 'gmm'])('with a gate of the kind %s: what IBM\u2019s released code chooses', async (kind) => {
    const d = await ask(`moduleformer-${kind}`, `moduleformer-${kind}-hidden.safetensors`);
    expect(d.sites.map(({ id, k, E }) => [id, k, E])).toEqual([0, 1].flatMap((i) => [[`blocks.${i}.attention`, 2, 3], [`blocks.${i}.ffn`, 3, 6]]));
    expect(disagreements(dense(d, 'weights'), expected(`moduleformer-${kind}-golden.safetensors`, 'weights'), 1e-5)).toEqual([]);
    const softmax = new Map([...dense(d, 'logits')].map(([id, { rows, width, data }]) => [id, { rows, width, data: data.map((z, i) => { const row = data.subarray(i - (i % width), i - (i % width) + width); return Math.exp(z) / row.reduce((sum, x) => sum + Math.exp(x), 0); }) }]));
    expect(disagreements(softmax, expected(`moduleformer-${kind}-golden.safetensors`, 'probabilities'), 1e-5)).toEqual([]);
    expect(d.records).toHaveLength(2);
  });

  it('are a document by its schema', async () => {
    const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(JSON.parse(fs.readFileSync('extension/report/schemas/route.schema.json', 'utf8')) as object);
    for (const d of [await ask('moduleformer-mlp', 'moduleformer-mlp-hidden.safetensors', { layers: '1' }), await ask('switch', 'switch-encoder.safetensors')]) expect(validate(JSON.parse(JSON.stringify(d))), JSON.stringify(validate.errors)).toBe(true);
  });

  it('are refused where the settings name another kind of gate', async () => {
    const folder = path.join(scratch, 'other');
    fs.cpSync(path.join(AT, 'moduleformer-mlp'), folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'config.json'), fs.readFileSync(path.join(folder, 'config.json'), 'utf8').replace('"mlp"', '"gmm"'));
    const checkpoint = await openCheckpoint(folder);
    expect(() => routerOnly(checkpoint)).toThrow(/gate_type.*gmm/);
  });
});

describe('families of which only the routers are built', () => {
  it('say so, and what to do, wherever they are asked for more', async () => {
    const sentence = /switch can be routed by its routers only: this family\u2019s attention \(Switch Transformers\) is not built yet\. Record what its routers read.*encoder\.blocks\.1\.ffn.*--hidden FILE/;
    const text = path.join(scratch, 'text.txt');
    fs.writeFileSync(text, 'some text\n');
    await expect(ask('switch', undefined, { text })).rejects.toMatchObject({ code: 'routing/router-only', exit: 1, message: expect.stringMatching(sentence) as string });
    const { routers } = await describeRouting({ path: path.join(AT, 'switch') }, context);
    expect(routers.find(({ name }) => name === 'native')).toMatchObject({ available: false, why: expect.stringMatching(sentence) as string });
    await expect(ask('switch', 'switch-encoder.safetensors', { text })).rejects.toMatchObject({ code: 'probe/no-tokenizer' });
    await expect(ask('switch', 'switch-encoder.safetensors', { router: 'avg-k' })).rejects.toMatchObject({ code: 'usage' });
    await expect(ask('../../golden/mixtral', 'switch-encoder.safetensors')).rejects.toMatchObject({ code: 'routing/no-router', message: expect.stringContaining('Leave out --hidden') as string });
    await expect(ask('../arrow-llama/task_0', 'switch-encoder.safetensors')).rejects.toMatchObject({ code: 'routing/no-router' });
  });

  const write = (name: string, tensors: Readonly<Record<string, readonly number[]>>, metadata: Readonly<Record<string, string>> = {}): string => {
    const file = path.join(scratch, name);
    fs.writeFileSync(file, safetensorsBytes(Object.entries(tensors).map(([key, shape]) => ({ name: key, dtype: 'F32' as const, shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) })), new Map(Object.entries(metadata))));
    return file;
  };
  it.each([
    ['an unknown site', { 'blocks.0.ffn': [3, 12] }, {}, /"blocks\.0\.ffn", which is no site.*encoder\.blocks\.1\.ffn/],
    ['another width', { 'blocks.1.ffn': [3, 11] }, {}, /shape \[3, 11\].*reads \[tokens, 12\]/],
    ['two lengths', { 'blocks.1.ffn': [3, 12], 'encoder.blocks.1.ffn': [4, 12] }, {}, /encoder\.blocks\.1\.ffn has 4 tokens|has 3 tokens and encoder\.blocks\.1\.ffn has 4.*files of their own/],
    ['wrong lengths of texts', { 'blocks.1.ffn': [3, 12] }, { tokensPerText: '[1, 1]' }, /does not add up to its 3 tokens/],
    ['no list of lengths', { 'blocks.1.ffn': [3, 12] }, { tokensPerText: 'three' }, /JSON list/],
  ] as const)('%s in the file: refused with the remedy', async (what, tensors, metadata, message) => {
    await expect(route({ path: path.join(AT, 'switch'), router: 'native', hidden: write(`${what}.safetensors`, tensors, metadata), seed: 0, device: 'cpu' }, context)).rejects.toMatchObject({ code: 'routing/hidden', exit: 3, message: expect.stringMatching(message) as string });
  });
});
