import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { halfToFloat } from '../../../extension/checkpoint/decode';
import { kernelBytes, type Kernels } from '../../../extension/merge/engine/kernels';
import { KERNELS, methodTable } from '../../../extension/merge/methods/index';
import { karcherDirection } from '../../../extension/merge/methods/karcher';
import { Random } from '../../../extension/numerics/random';
import { MERGE_METHODS } from '../../../extension/protocol/merge';
import { merge, normals, type Recipe, temporaryFolder, values, writeModel } from './helpers';

const BASE = [1, -2, 0.5, 0, 3, -1], TA = [0.4, -0.1, 0, 0.3, -0.2, 0.05], TB = [-0.3, -0.2, 0.1, 0.3, 0.6, 0], TC = [0.1, 0.5, -0.2, -0.4, 0.1, 0.25];
const plus = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => x + b[i]);

let root: string, run = 0;
const NAME = 'layers.0.w', SHAPE = [6];
beforeAll(async () => {
  root = temporaryFolder();
  const model = (name: string, data: readonly number[]): Promise<string> => writeModel(path.join(root, name), { [NAME]: { shape: SHAPE, values: data } });
  await model('base', BASE);
  await model('a', plus(BASE, TA));
  await model('b', plus(BASE, TB));
  await model('c', plus(BASE, TC));
  await model('reversed', [...plus(BASE, TB)].reverse());
  await model('zero', [0, 0, 0, 0, 0, 0]);
  await model('minus', BASE.map((x) => -x));
});
afterAll(() => { fs.rmSync(root, { recursive: true, force: true }); });

const on = (name: string, parameters: Recipe = {}): Recipe => ({ model: name, parameters });
async function result(recipe: Recipe, options: { asMergekit?: boolean; seed?: number } = {}): Promise<number[]> {
  const out = path.join(root, `out${run++}`);
  await merge(root, { dtype: 'float32', ...recipe }, out, options);
  return [...await values(out, NAME)];
}
const close = (have: readonly number[], want: readonly number[], tolerance = 1e-6): void => { have.forEach((x, i) => { expect(Math.abs(x - want[i]), `element ${i}: ${x}, expected ${want[i]}`).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(want[i]))); }); };

describe('values that mergekit gave', () => {
  const w = [on('a', { weight: 1 }), on('b', { weight: 0.5 }), on('c', { weight: 0.7 })], delta = { base_model: 'base' };
  const CASES: readonly (readonly [string, Recipe, readonly number[]])[] = [
    ['linear', { merge_method: 'linear', models: w }, [1.14545455, -1.93181818, 0.45909091, 0.07727273, 3.07727273, -0.89772727]],
    ['task_arithmetic', { merge_method: 'task_arithmetic', ...delta, models: [on('a'), on('b'), on('c')], parameters: { weight: 1, lambda: 0.3 } }, [1.06, -1.94, 0.47, 0.06, 3.15, -0.91]],
    ['ties', { merge_method: 'ties', ...delta, models: w, parameters: { density: 0.5 } }, [1.4, -1.5, 0.5, 0.3, 3.6, -0.75]],
    ['ties without normalize', { merge_method: 'ties', ...delta, models: w, parameters: { density: 0.5, normalize: false } }, [1.4, -1.65, 0.5, 0.45, 3.3, -0.825]],
    ['breadcrumbs', { merge_method: 'breadcrumbs', ...delta, models: [on('a'), on('b'), on('c')], parameters: { weight: 1, density: 0.5, gamma: 0.2 } }, [0.7, -2.3, 0.3, 0.2, 2.8, -0.75]],
    ['slerp', { merge_method: 'slerp', ...delta, models: [on('c')], parameters: { t: 0.3 } }, [1.03379156, -1.85648037, 0.44150194, -0.12063014, 3.04105961, -0.92824018]],
    ['karcher', { merge_method: 'karcher', models: [on('base'), on('a'), on('reversed')] }, [1.11626165, 1.01929121, 1.57513523, 1.26094655, 3.03727406, -1.08247727]],
    ['multislerp', { merge_method: 'multislerp', ...delta, models: w }, [1.49631706, -1.86750588, 0.39980766, 0.28220534, 3.09710844, -0.7385883]],
    ['model_stock', { merge_method: 'model_stock', ...delta, models: [on('a'), on('b')] }, [0.95554994, -1.86664981, 0.45554994, -0.26670039, 2.82219974, -1.02222503]],
    ['nearswap', { merge_method: 'nearswap', ...delta, models: [on('c')], parameters: { t: 0.1 } }, [1.1, -1.9, 0.4, -0.1, 3.1, -0.9]],
    ['sce', { merge_method: 'sce', ...delta, models: [on('a'), on('b'), on('c')] }, [1.20868263, -1.5, 0.3, 0.3, 3.36280624, -0.82245509]],
    ['sce, half', { merge_method: 'sce', ...delta, models: [on('a'), on('b'), on('c')], parameters: { select_topk: 0.5 } }, [1, -1.5, 0.5, 0.3, 3.36923077, -1]],
    ['ram', { merge_method: 'ram', ...delta, models: [on('a'), on('b'), on('c')] }, [1.06666667, -1.93333333, 0.45, 0.06666667, 3.16666667, -0.85]],
    ['arcee_fusion', { merge_method: 'arcee_fusion', ...delta, models: [on('c')] }, [1, -1.5, 0.5, 0, 3, -1]],
  ];
  for (const [name, recipe, want] of CASES) it(name, async () => { close(await result(recipe), want); });

  it('breadcrumbs with no outliers to drop keeps the rest, where mergekit 0.1.4 dropped everything', async () => {
    const kept = await result({ merge_method: 'breadcrumbs', ...delta, models: [on('a'), on('b'), on('c')], parameters: { weight: 1, density: 0.5, gamma: 0.01 } });
    close(kept, plus(BASE, [0.4 - 0.3, 0.5, 0, 0.3 + 0.3 - 0.4, -0.2 + 0.6, 0.25]));
  });
});

describe('invariants', () => {
  const all = [on('a', { weight: 0.6 }), on('b', { weight: 0.3 }), on('c', { weight: 0.9 })];
  it('one model with weight 1 is that model, whatever the method', async () => {
    const a = [...await values(path.join(root, 'a'), NAME)];
    for (const [method, extra] of [['linear', {}], ['task_arithmetic', { base_model: 'base' }], ['ties', { base_model: 'base' }], ['dare_ties', { base_model: 'base' }], ['della', { base_model: 'base' }], ['multislerp', { base_model: 'base' }], ['passthrough', {}]] as const) {
      expect(await result({ merge_method: method, ...extra, models: [on('a', method === 'passthrough' ? {} : { weight: 1 })] })).toEqual(a);
    }
  });
  it('weight 0 and lambda 0 leave the base', async () => {
    const base = [...await values(path.join(root, 'base'), NAME)];
    for (const method of ['task_arithmetic', 'ties', 'dare_linear', 'breadcrumbs_ties', 'negation']) {
      expect(await result({ merge_method: method, base_model: 'base', models: [on('a'), on('b')], parameters: { weight: 0 } })).toEqual(base);
      expect(await result({ merge_method: method, base_model: 'base', models: [on('a'), on('b')], parameters: { weight: 1, lambda: 0 } })).toEqual(base);
    }
  });
  it('the order of models changes nothing but rounding', async () => {
    for (const [method, extra] of [['linear', {}], ['task_arithmetic', { base_model: 'base' }], ['ties', { base_model: 'base', parameters: { density: 0.5 } }], ['breadcrumbs', { base_model: 'base', parameters: { density: 0.5, gamma: 0.2 } }], ['multislerp', { base_model: 'base' }]] as const) {
      close(await result({ merge_method: method, ...extra, models: [...all].reverse() }), await result({ merge_method: method, ...extra, models: all }), 1e-6);
    }
  });
  it('slerp starts at the base and ends at the other model', async () => {
    const ends = await Promise.all(['base', 'c'].map((name) => values(path.join(root, name), NAME)));
    for (const t of [0, 1]) expect(await result({ merge_method: 'slerp', base_model: 'base', models: [on('c')], parameters: { t } })).toEqual([...ends[t]]);
  });
  it('a difference added and taken away again is gone', async () => {
    close(await result({ merge_method: 'task_arithmetic', base_model: 'base', models: [on('a', { weight: 1 }), on('minus', { weight: 0 }), on('b', { weight: 0 })] }), plus(BASE, TA));
    close(await result({ merge_method: 'negation', base_model: 'base', models: [on('a')] }), BASE.map((x, i) => x - TA[i]));
    close(await result({ merge_method: 'analogy', base_model: 'base', models: [on('a'), on('b'), on('c')], parameters: { lambda: 0.25 } }), BASE.map((x, i) => x + 0.25 * TA[i] + 0.75 * (TB[i] - TC[i])));
  });
  it('lambda scales the difference', async () => {
    const one = await result({ merge_method: 'ties', base_model: 'base', models: all, parameters: { density: 0.5 } });
    close(await result({ merge_method: 'ties', base_model: 'base', models: all, parameters: { density: 0.5, lambda: 2 } }), one.map((x, i) => BASE[i] + 2 * (x - BASE[i])));
  });
});

describe('edges', () => {
  it('tensors of zeros are interpolated straight, and as mergekit does on request', async () => {
    const recipe = { merge_method: 'slerp', base_model: 'zero', models: [on('c')], parameters: { t: 0.5 } }, c = plus(BASE, TC);
    close(await result(recipe), c.map((x) => x / 2));
    close(await result(recipe, { asMergekit: true }), c.map((x) => x * Math.SQRT1_2));
    close(await result({ merge_method: 'nuslerp', base_model: 'base', models: [on('base', {}), on('a', { weight: 1 }), on('c', { weight: 1 })] }), (await result({ merge_method: 'nuslerp', base_model: 'base', models: [on('a', { weight: 1 }), on('c', { weight: 1 })] })));
  });
  it('opposite models meet in the middle', async () => {
    close(await result({ merge_method: 'slerp', base_model: 'base', models: [on('minus')], parameters: { t: 0.5 } }), [0, 0, 0, 0, 0, 0]);
    close(await result({ merge_method: 'multislerp', models: [on('base', { weight: 1 }), on('minus', { weight: 1 })] }), [0, 0, 0, 0, 0, 0]);
  });
  it('weights that add up to nothing are refused before anything is written', async () => {
    await expect(result({ merge_method: 'linear', models: [on('a', { weight: 1 }), on('b', { weight: -1 })] })).rejects.toMatchObject({ code: 'merge/method' });
    await expect(result({ merge_method: 'della', base_model: 'base', models: [on('a', { weight: 1, density: 0.1, epsilon: 0.2 })] })).rejects.toMatchObject({ code: 'merge/method' });
  });
  it('density 0 keeps nothing, and a density below one element keeps one', async () => {
    close(await result({ merge_method: 'ties', base_model: 'base', models: [on('a', { weight: 1, density: 0 })] }), BASE);
    close(await result({ merge_method: 'ties', base_model: 'base', models: [on('a', { weight: 1, density: 0.01 })] }), plus(BASE, [0.4, 0, 0, 0, 0, 0]));
  });
  it('equal magnitudes at the cut are kept by index', async () => {
    await writeModel(path.join(root, 'even'), { [NAME]: { shape: SHAPE, values: BASE.map((x) => x + 0.25) } });
    close(await result({ merge_method: 'ties', base_model: 'base', models: [on('even', { weight: 1, density: 0.5 })] }), BASE.map((x, i) => (i < 3 ? x + 0.25 : x)));
    close(await result({ merge_method: 'breadcrumbs', base_model: 'base', models: [on('even', { weight: 1, density: 0.5, gamma: 0.34 })] }), BASE.map((x, i) => (i >= 2 && i < 5 ? x + 0.25 : x)));
  });
  it('a negative mean cosine is told, and can be clamped', async () => {
    close(await result({ merge_method: 'model_stock', base_model: 'base', models: [on('a'), on('b')], parameters: { clamp: true } }), BASE);
  });
  it('sce weighs small differences by energy too; mergekit makes them equal', async () => {
    const small = (t: readonly number[]): readonly number[] => BASE.map((x, i) => x + t[i] * 1e-4);
    await writeModel(path.join(root, 'sa'), { [NAME]: { shape: SHAPE, values: small(TA) } });
    await writeModel(path.join(root, 'sb'), { [NAME]: { shape: SHAPE, values: small(TB) } });
    const recipe = { merge_method: 'sce', base_model: 'base', models: [on('sa'), on('sb')] };
    const own = await result(recipe), theirs = await result(recipe, { asMergekit: true });
    // Both move element 3 the same way; element 1 is where energy decides.
    const energy = [TA, TB].map((t) => t.reduce((sum, x) => sum + x * x, 0)), share = energy[1] / (energy[0] + energy[1]);
    expect((own[1] - BASE[1]) / 1e-4).toBeCloseTo((1 - share) * TA[1] + share * TB[1], 2);
    expect((theirs[1] - BASE[1]) / 1e-4).toBeCloseTo((TA[1] + TB[1]) / 2, 2);
  });
});

describe('random methods', () => {
  const n = 40_000;
  beforeAll(async () => {
    const base = normals(n, 'base'), shape = [200, 200];
    await writeModel(path.join(root, 'bigBase'), { [NAME]: { shape, values: base } });
    for (const name of ['bigA', 'bigB']) { const d = normals(n, name); await writeModel(path.join(root, name), { [NAME]: { shape, values: base.map((x, i) => x + 0.1 * d[i]) } }); }
  });
  it('dare keeps as many as density says and divides them by it', async () => {
    const base = await values(path.join(root, 'bigBase'), NAME), a = await values(path.join(root, 'bigA'), NAME);
    const out = await result({ merge_method: 'dare_linear', base_model: 'bigBase', models: [on('bigA', { weight: 1, density: 0.3 })] }, { seed: 5 });
    let kept = 0;
    out.forEach((x, i) => {
      if (x === base[i]) return;
      kept++;
      expect(Math.abs(x - (base[i] + (a[i] - base[i]) / 0.3))).toBeLessThan(1e-5);
    });
    expect(Math.abs(kept - 0.3 * n)).toBeLessThan(4 * Math.sqrt(0.3 * 0.7 * n));
    expect(await result({ merge_method: 'dare_linear', base_model: 'bigBase', models: [on('bigA', { weight: 1, density: 0.3 })] }, { seed: 6 })).not.toEqual(out);
    // As mergekit: one factor that restores the sum of magnitudes.
    const theirs = await result({ merge_method: 'dare_linear', base_model: 'bigBase', models: [on('bigA', { weight: 1, density: 0.3 })] }, { seed: 5, asMergekit: true });
    const sum = (v: ArrayLike<number>): number => { let s = 0; for (let i = 0; i < n; i++) s += Math.abs(v[i] - base[i]); return s; };
    expect(sum(theirs) / sum(a)).toBeCloseTo(1, 4);
  });
  it('della keeps large differences of a row more often, each divided by its own chance', async () => {
    const base = await values(path.join(root, 'bigBase'), NAME), a = await values(path.join(root, 'bigA'), NAME);
    const out = await result({ merge_method: 'della_linear', base_model: 'bigBase', models: [on('bigA', { weight: 1, density: 0.5, epsilon: 0.2 })] });
    const rank = new Int32Array(n), counts = [0, 0];
    for (let r = 0; r < 200; r++) [...Array(200).keys()].sort((x, y) => Math.abs(Math.fround(a[200 * r + x] - base[200 * r + x])) - Math.abs(Math.fround(a[200 * r + y] - base[200 * r + y])) || x - y).forEach((i, k) => { rank[200 * r + i] = k; });
    out.forEach((x, i) => {
      if (x === base[i]) return;
      counts[rank[i] < 100 ? 0 : 1]++;
      const p = 0.3 + (0.4 * rank[i]) / 199;
      expect(Math.abs(x - (base[i] + (a[i] - base[i]) / p))).toBeLessThan(1e-5);
    });
    expect(Math.abs(counts[0] - 0.4 * (n / 2))).toBeLessThan(4 * Math.sqrt(0.24 * (n / 2)));
    expect(Math.abs(counts[1] - 0.6 * (n / 2))).toBeLessThan(4 * Math.sqrt(0.24 * (n / 2)));
  });
});

describe('kernels', () => {
  const k = new WebAssembly.Instance(new WebAssembly.Module(kernelBytes())).exports as unknown as Kernels;
  k.memory.grow(31);
  const f = new Float32Array(k.memory.buffer), u = new Uint32Array(k.memory.buffer), h = new Uint16Array(k.memory.buffer), A = 262_144, B = 2 * A, n = 65_536;
  it('every half decodes to its value and back', () => {
    for (let i = 0; i < n; i++) h[i] = i;
    expect(k.decodeF16(A, 0, n)).toBeGreaterThanOrEqual(0x7f800000);
    for (let i = 0; i < n; i++) if ((i & 0x7c00) !== 0x7c00) expect(f[A / 4 + i]).toBe(halfToFloat(i));
    k.encodeF16(B, A, n);
    for (let i = 0; i < n; i++) if ((i & 0x7c00) !== 0x7c00) expect(h[B / 2 + i]).toBe(i);
    k.decodeBf16(A, 0, n);
    k.encodeBf16(B, A, n);
    for (let i = 0; i < n; i++) if ((i & 0x7f80) !== 0x7f80) expect(h[B / 2 + i]).toBe(i);
  });
  it('rounding is to the nearest, ties to even', () => {
    f.set([1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -(1 + 2 ** -8), 2 ** -133, 3.4e38, 1e-40, 0], A / 4);
    k.encodeBf16(B, A, 8);
    expect([...h.subarray(B / 2, B / 2 + 4)]).toEqual([0x3f80, 0x3f82, 0x3f81, 0xbf80]);
    f.set([1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 2 ** -25 * 1.01, 65519, 65520, 2 ** -14 - 2 ** -26, -0], A / 4);
    k.encodeF16(B, A, 8);
    expect([...h.subarray(B / 2, B / 2 + 8)]).toEqual([0x3c00, 0x3c02, 0, 1, 0x7bff, 0x7c00, 0x0400, 0x8000]);
  });
  it('random words are those of the stream', () => {
    const random = new Random(7, 'merge', 'x', 1), { key, counter } = random.origin, want = Array.from({ length: 96 }, () => random.uint32());
    k.random(A, 64, 8, key[0], key[1], counter[0], counter[1]);
    expect([...u.subarray(A / 4, A / 4 + 64)]).toEqual(want.slice(32));
  });
  it('are assembled the same every time', () => { expect(kernelBytes()).toEqual(kernelBytes()); });
  it('use nothing from outside: threads get them as text', () => {
    for (const [name, kernel] of Object.entries(KERNELS)) expect(kernel.toString(), name).not.toMatch(/__vi|\bimport\b/);
  });
});

it('Karcher means of directions that nearly agree are exact', () => {
  const d = 1e-5, c = 1 - d, mean = karcherDirection([[1, c], [c, 1]], 10, 1e-12);
  expect(mean[0]).toBeCloseTo(mean[1], 9);
  expect(2 * mean[0] * mean[0] * (1 + c)).toBeCloseTo(1, 12);
});

it('the table names every method once, with a formula and where it is from', () => {
  expect(methodTable().map(({ name }) => name)).toEqual(MERGE_METHODS);
  for (const { formula, says, source, parameters } of methodTable()) {
    for (const text of [formula, says, source]) expect(text.length).toBeGreaterThan(4);
    expect(new Set(parameters.map(({ name }) => name)).size).toBe(parameters.length);
  }
});
