import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { safetensorsBytes } from '../../../extension/checkpoint/safetensorsWriter';
import type { OperationContext } from '../../../extension/engine/context';
import { run } from '../../../extension/engine/operations/mergeInspect';
import { partOf } from '../../../extension/merge/inspect/parts';
import { rounderFor } from '../../../extension/merge/inspect/rounding';
import { sumRows } from '../../../extension/merge/inspect/sums';
import { Random } from '../../../extension/numerics/random';
import { cosineScore, lostShare, relativeDelta } from '../../../extension/protocol/mergeInspect';
import { isEvidence } from '../../../extension/protocol/score';
import { adviceOf } from '../../../webview/render/mergeAdvice';
import { deltaRows, layerGroups, pairMatrices } from '../../../webview/render/mergeData';
import { inspectSentence } from '../../../webview/render/mergeFinding';

const FIXTURES = path.join(import.meta.dirname, '../../fixtures');
const folder = mkdtempSync(path.join(tmpdir(), 'modulens-inspect-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const context = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, settings: {}, interactive: false } as unknown as OperationContext;

const ROWS = 64, WIDTH = 48;
const NAMES = ['model.embed_tokens.weight', 'model.layers.0.self_attn.q_proj.weight', 'model.layers.0.mlp.up_proj.weight', 'model.layers.1.self_attn.q_proj.weight', 'model.layers.1.mlp.up_proj.weight', 'model.norm.weight'];
const normal = (random: Random, sd: number): Float32Array => Float32Array.from({ length: ROWS * WIDTH }, () => sd * random.normal());

/** Writes a checkpoint; returns its folder. */
function checkpoint(name: string, values: ReadonlyMap<string, Float32Array>, config: object = { model_type: 'llama', tie_word_embeddings: true }): string {
  const target = path.join(folder, name);
  mkdirSync(target, { recursive: true });
  writeFileSync(path.join(target, 'config.json'), JSON.stringify(config));
  writeFileSync(path.join(target, 'model.safetensors'), safetensorsBytes([...values].map(([tensor, data]) => ({ name: tensor, dtype: 'F32' as const, shape: tensor.endsWith('norm.weight') ? [ROWS * WIDTH] : [ROWS, WIDTH], data }))));
  return target;
}
const values = (stream: string, make: (random: Random, name: string) => Float32Array): Map<string, Float32Array> => new Map(NAMES.map((name) => [name, make(new Random(7, stream, name), name)]));
const plus = (base: ReadonlyMap<string, Float32Array>, delta: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> => new Map([...base].map(([name, data]) => [name, data.map((x, i) => x + (delta.get(name)?.[i] ?? 0))]));

const base = values('base', (random) => normal(random, 1));
const first = values('first', (random) => normal(random, 0.02));
const shared = values('second', (random, name) => normal(random, 0.02).map((x, i) => (name.includes('layers.1.mlp') ? x + 0.8 * (first.get(name)?.[i] ?? 0) : x)));
const third = values('third', (random) => normal(random, 0.01));

describe('sums of differences', () => {
  it('agree with the definitions', () => {
    const b = base.get(NAMES[1])!, one = plus(base, first).get(NAMES[1])!, two = plus(base, third).get(NAMES[1])!;
    const { deltas, pairs } = sumRows(b, [one, two], { row: WIDTH, weight: 0.5, dtype: 'F32' });
    let square = 0, baseSquare = 0, dot = 0, agree = 0;
    for (let e = 0; e < b.length; e++) {
      const x = Math.fround(one[e] - b[e]), y = Math.fround(two[e] - b[e]);
      square += x * x;
      baseSquare += b[e] * b[e];
      dot += x * y;
      if (x * y > 0) agree++;
    }
    expect(deltas[0].square).toBeCloseTo(square, 10);
    expect(deltas[0].baseSquare).toBeCloseTo(baseSquare, 6);
    expect(pairs[0].dot).toBeCloseTo(dot, 10);
    expect(pairs[0].agree).toBe(agree);
    expect(pairs[0].agree + pairs[0].disagree).toBe(ROWS * WIDTH);
    expect(pairs[0].rows).toBe(ROWS);
    expect(relativeDelta(deltas[0])).toBeCloseTo(0.02, 3);
  });
  it('round as the dtypes do', () => {
    const bf16 = rounderFor('BF16')!, f16 = rounderFor('F16')!;
    // Against the bits: a bfloat16 is the upper half of a float32, ties to even.
    const byBits = (x: number): number => {
      const bits = new Uint32Array(Float32Array.of(x).buffer)[0], up = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
      return new Float32Array(Uint32Array.of(up).buffer)[0];
    };
    const random = new Random(3, 'round');
    for (let i = 0; i < 2000; i++) {
      const x = Math.fround(random.normal() * 10 ** (4 * random.normal()));
      expect(bf16(x)).toBe(byBits(x));
    }
    expect([1 + 2 ** -9, 1 + 3 * 2 ** -9, 1 + 2 ** -8, -1 - 2 ** -9, 0].map(bf16)).toEqual([1, 1 + 2 ** -7, 1, -1, 0]);
    expect([1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -24, 2 ** -25, 2 ** -25 * 1.01, 65504].map(f16)).toEqual([1, 1 + 2 ** -9, 2 ** -24, 0, 2 ** -24, 65504]);
    const lost = sumRows(Float32Array.of(1, 1, 1, 1), [Float32Array.of(1, 1 + 2 ** -9, 1 + 2 ** -6, 1 - 2 ** -10)], { row: 4, weight: 1, dtype: 'BF16' }).deltas[0];
    expect([lost.changed, lost.lost, lostShare(lost)]).toEqual([3, 2, 2 / 3]);
  });
  it('know parts by names of many families', () => {
    const inside = { '.self_attn.q_proj.weight': 'attention', '.attn.c_attn.weight': 'attention', '.attention.output.dense.weight': 'attention', '.attention.output.LayerNorm.weight': 'norm', '.mlp.c_fc.weight': 'ffn', '.output.dense.weight': 'ffn', '.intermediate.dense.bias': 'ffn', '.ln_1.weight': 'norm', '.input_layernorm.weight': 'norm', '.self_attn.q_norm.weight': 'norm', '.mlp.experts.3.w1.weight': 'ffn', '.rel_bias': 'other' } as const;
    for (const [name, part] of Object.entries(inside)) expect([name, partOf(name, true)]).toEqual([name, part]);
    expect(['model.embed_tokens.weight', 'transformer.wpe.weight', 'lm_head.weight', 'model.norm.weight', 'transformer.ln_f.weight', 'x.y'].map((name) => partOf(name, false))).toEqual(['embedding', 'embedding', 'head', 'norm', 'norm', 'other']);
  });
});

describe('the inspector on checkpoints', () => {
  const paths = { base: checkpoint('base', base), one: checkpoint('one', plus(base, first)), two: checkpoint('two', plus(base, shared)), three: checkpoint('three', plus(base, third)) };

  it('finds what two share, where, and nothing elsewhere', async () => {
    const document = await run({ models: [paths.one, paths.two, paths.three], base: paths.base }, context);
    expect(document).toMatchObject({ kind: 'merge-inspect', what: 'checkpoints', layers: 2, parts: ['attention', 'ffn', 'norm', 'embedding'], dtype: 'float32', alignment: { tensors: 6, aligned: 6, missing: [], shapes: [], tiedHeads: [true, true, true] } });
    const matrices = pairMatrices(document, layerGroups(2, 1));
    const found = matrices.flatMap(({ group, part, pairs }) => pairs.filter(({ cosine }) => isEvidence(cosine) && Math.abs(cosine.value ?? 0) > 0.2).map(({ a, b, cosine }) => ({ at: `${group.name} ${part}`, a, b, high: (cosine.value ?? 0) > 0.5 })));
    expect(found).toEqual([{ at: 'L1 ffn', a: 0, b: 1, high: true }]);
    expect(inspectSentence(document, matrices)).toMatch(/^one and two push the same FFN weights the same way in L1: cosine 0\.6\d, chance \u00b10\.\d+\. None of the other two pairs can be told from unrelated\.$/);
    const advice = adviceOf(document, matrices);
    expect(advice[0].text.join('')).toBe('A plain sum would count the part that one and two share twice.');
    expect(advice[0].actions.map(({ label }) => label)).toEqual(['Use TIES', expect.stringMatching(/^Weights 0\.7[89]$/)]);
    const rows = deltaRows(document, null);
    expect(rows.map(({ name }) => name)).toEqual(['L0', 'L1', 'norms', 'embedding']);
    expect(rows[0].moved[0]).toBeCloseTo(0.02, 3);
    expect(rows[0].moved[2]).toBeCloseTo(0.01, 3);
  });

  it('compares models as they are without a base, and says so', async () => {
    const document = await run({ models: [paths.one, paths.two], base: null }, context), matrices = pairMatrices(document, layerGroups(2, 0));
    expect(cosineScore(document.cells[0].pairs[0]).value).toBeGreaterThan(0.99);
    expect(inspectSentence(document, matrices)).toContain('without a base');
    expect(adviceOf(document, matrices)[0].text.join('')).toContain('Choose the base');
    expect(deltaRows(document, null)).toEqual([]);
  });

  it('tells what does not fit', async () => {
    const other = plus(base, first);
    other.delete(NAMES[4]);
    const short = checkpoint('short', other), wide = path.join(folder, 'wide');
    mkdirSync(wide, { recursive: true });
    writeFileSync(path.join(wide, 'model.safetensors'), safetensorsBytes(NAMES.map((name) => ({ name, dtype: 'F32' as const, shape: name === NAMES[0] ? [ROWS + 1, WIDTH] : name.endsWith('norm.weight') ? [ROWS * WIDTH] : [ROWS, WIDTH], data: new Float32Array((name === NAMES[0] ? ROWS + 1 : ROWS) * WIDTH).fill(0.5) }))));
    const document = await run({ models: [short, wide], base: paths.base }, context);
    expect(document.alignment).toMatchObject({ aligned: 4, missing: [{ model: 0, count: 1, names: [NAMES[4]] }], shapes: [{ tensor: NAMES[0], model: 1, shape: [ROWS + 1, WIDTH], expected: [ROWS, WIDTH] }] });
    expect(adviceOf(document, pairMatrices(document, layerGroups(2, 1))).map(({ text }) => text.join(''))[0]).toBe('short lacks a tensor that the others have, so it cannot be merged whole.');
  });

  it('refuses what cannot be compared, names numbers that are none, and can be cancelled', async () => {
    await expect(run({ models: [paths.one], base: null }, context)).rejects.toMatchObject({ code: 'merge/too-few' });
    await expect(run({ models: [paths.one, path.join(FIXTURES, 'stories260k-modules/lora-bank-r4')], base: null }, context)).rejects.toMatchObject({ code: 'merge/mixed' });
    const broken = plus(base, first);
    broken.get(NAMES[2])![5] = NaN;
    await expect(run({ models: [paths.one, checkpoint('broken', broken)], base: paths.base }, context)).rejects.toMatchObject({ code: 'merge/not-finite', args: { tensor: NAMES[2], what: 'NaN' } });
    const controller = new AbortController();
    controller.abort();
    await expect(run({ models: [paths.one, paths.two], base: paths.base }, { ...context, signal: controller.signal })).rejects.toThrow();
  });

  it('reads real models: a full fine-tune of the small stories model', async () => {
    const document = await run({ models: [path.join(FIXTURES, 'stories260k-modules/fullft-bank')], base: path.join(FIXTURES, 'stories260k') }, context);
    expect(document.alignment.aligned).toBe(document.alignment.tensors);
    expect(document.layers).toBe(5);
    expect(deltaRows(document, null).every(({ moved }) => (moved[0] ?? -1) >= 0)).toBe(true);
  });
});

describe('the inspector on modules', () => {
  it('compares what LoRAs do, and how their factors began', async () => {
    const modules = ['lora-bank-r4', 'lora-code-r8', 'lora-math-r4'].map((name) => path.join(FIXTURES, 'stories260k-modules', name));
    const document = await run({ models: modules, base: null }, context);
    expect(document).toMatchObject({ what: 'modules', models: [{ rank: 4 }, { rank: 8 }, { rank: 4 }] });
    expect(document.alignment.aligned).toBeGreaterThan(0);
    const twice = await run({ models: [modules[0], modules[0]], base: null }, context);
    const scores = twice.cells.map(({ pairs }) => cosineScore(pairs[0]).value);
    for (const value of scores) expect(value).toBeCloseTo(1, 6);
    for (const { factorCosine } of twice.cells) expect(factorCosine?.[0]).toBeCloseTo(1, 6);
    const matrices = pairMatrices(twice, layerGroups(twice.layers, 0));
    expect(adviceOf(twice, matrices).map(({ text }) => text.join('')).join(' ')).toContain('started from the same A');
  });
});
