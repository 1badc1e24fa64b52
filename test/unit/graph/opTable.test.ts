import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesOf, GraphBuilder } from '../../../extension/graph/builder';
import { floatData, floats, type HostTensor } from '../../../extension/graph/hostTensor';
import type { Value } from '../../../extension/graph/ir';
import { lowerGraph } from '../../../extension/graph/lower';
import { type OpName, OPS, OPSET } from '../../../extension/graph/opTable';
import { GraphSession } from '../../../extension/runtime/session';
import { softwareVulkan } from '../../setup.mjs';

/** Six numbers of both signs as `[2, 3]`, and three for the other operand. */
const X = [-1.5, -0.25, 0.5, 1.25, 2, -3], Y = [0.5, -2, 1.5];
type Case = (b: GraphBuilder, x: Value, y: Value) => Value;
interface Expectation {
  readonly build: Case;
  readonly expected: readonly number[];
}

const map = (f: (x: number) => number): number[] => X.map(f);
const pair = (f: (x: number, y: number) => number): number[] => X.map((x, i) => f(x, Y[i % 3]));
const rows = <T>(f: (row: number[]) => T): T[] => [f(X.slice(0, 3)), f(X.slice(3))];
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const erf = (x: number): number => {
  // Series of the error function; exact to rounding for |x| <= 3.
  let term = x, sum = x;
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
const softmax = (row: number[]): number[] => {
  const e = row.map(Math.exp), sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
};
const normal = (row: number[]): number[] => {
  const mean = row.reduce((a, b) => a + b) / 3, variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / 3;
  return row.map((v) => (v - mean) / Math.sqrt(variance + 1e-5));
};
/** A row with all but its two largest numbers set to zero. */
const largestTwo = (row: number[]): number[] => row.map((v) => (v > Math.min(...row) ? v : 0));
/** bfloat16 bits of numbers that it holds exactly. */
const bfloat16 = (values: readonly number[]): Uint8Array => {
  const bits = new Uint32Array(Float32Array.from(values).buffer), out = new Uint8Array(values.length * 2);
  bits.forEach((word, i) => { out[2 * i] = (word >>> 16) & 255; out[2 * i + 1] = word >>> 24; });
  return out;
};

const W = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((v) => v / 4);
/** X W with W `[3, 4]`. */
const product = (bias: readonly number[] = [0, 0, 0, 0]): number[] => rows((row) => bias.map((b0, j) => row.reduce((sum, v, k) => sum + v * W[k * 4 + j], b0))).flat();

const CASES: { readonly [O in OpName]: Expectation } = {
  Abs: { build: (b, x) => b.unary('Abs', x), expected: map(Math.abs) },
  Add: { build: (b, x, y) => b.add(x, y), expected: pair((x, y) => x + y) },
  Cast: { build: (b, x) => b.mul(b.cast(b.greater(x, b.scalar('zero', 0)), 'float32'), b.cast(b.constant('half', 'bfloat16', [3], { kind: 'inline', bytes: bfloat16([1, 0.5, -2]) }), 'float32')), expected: X.map((x, i) => (x > 0 ? [1, 0.5, -2][i % 3] : 0)) },
  Clip: { build: (b, x) => b.add(b.clip(x, -1, 1), b.clip(x, null, 0.75)), expected: map((x) => Math.min(1, Math.max(-1, x)) + Math.min(0.75, x)) },
  Concat: { build: (b, x) => b.concat([x, x], 1, 6), expected: rows((row) => [...row, ...row]).flat() },
  Div: { build: (b, x, y) => b.div(x, y), expected: pair((x, y) => x / y) },
  Exp: { build: (b, x) => b.unary('Exp', x), expected: map(Math.exp) },
  Gather: { build: (b, x) => b.gather(x, b.ints('columns', [2, 0]), 1), expected: rows((row) => [row[2], row[0]]).flat() },
  Gelu: { build: (b, x) => b.add(b.node('Gelu', [x], { approximate: 'none' }, x.shape), b.node('Gelu', [x], { approximate: 'tanh' }, x.shape)), expected: map((x) => (x / 2) * (1 + erf(x / Math.SQRT2)) + (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) },
  Gemm: { build: (b, x) => b.gemm(x, b.floats('w', [3, 4], W), { transposed: false, width: 4, bias: b.floats('bias', [4], [1, 2, 3, 4]) }), expected: product([1, 2, 3, 4]) },
  Greater: { build: (b, x, y) => b.cast(b.greater(x, y), 'float32'), expected: pair((x, y) => (x > y ? 1 : 0)) },
  Identity: { build: (b, x) => b.node('Identity', [x], {}, x.shape), expected: X },
  If: { build: (b, x, y) => { const large = (value: Value): Value => b.greater(b.reduce('ReduceMax', b.reshape(value, [1, -1], [1, 6]), 1, false), b.scalar('one', 1)); return b.add(b.branch(large(x), () => b.mul(x, y), () => x, x.shape), b.branch(large(b.unary('Neg', b.mul(x, x))), () => y, () => b.unary('Neg', x), x.shape)); }, expected: pair((x, y) => x * y - x) },
  LayerNormalization: { build: (b, x, y) => b.node('LayerNormalization', [x, y, b.floats('shift', [3], [1, 2, 3])], { axis: -1, epsilon: { float: 1e-5 } }, x.shape), expected: rows(normal).flat().map((v, i) => v * Y[i % 3] + (i % 3) + 1) },
  MatMul: { build: (b, x) => b.matmul(x, b.floats('w', [3, 4], W), [2, 4]), expected: product() },
  Mul: { build: (b, x, y) => b.mul(x, y), expected: pair((x, y) => x * y) },
  Neg: { build: (b, x) => b.unary('Neg', x), expected: map((x) => -x) },
  NonZero: { build: (b, x) => b.cast(b.nonZero(b.reshape(b.unary('Relu', x), [-1], [6]), 'positive'), 'float32'), expected: [2, 3, 4] },
  ReduceMax: { build: (b, x) => b.reduce('ReduceMax', x, 1, true), expected: rows((row) => Math.max(...row)) },
  ReduceMean: { build: (b, x) => b.reduce('ReduceMean', x, -1, true), expected: rows((row) => row.reduce((a, c) => a + c) / 3) },
  ReduceSum: { build: (b, x) => b.reduce('ReduceSum', x, 0, false), expected: [0, 1, 2].map((i) => X[i] + X[i + 3]) },
  Relu: { build: (b, x) => b.unary('Relu', x), expected: map((x) => Math.max(0, x)) },
  Reshape: { build: (b, x) => b.reduce('ReduceSum', b.reshape(x, [3, -1], [3, 2]), 1, false), expected: [X[0] + X[1], X[2] + X[3], X[4] + X[5]] },
  ScatterElements: { build: (b, x) => { const { values, indices } = b.topK(x, 2); return b.scatter(b.mul(x, b.scalar('zero', 0)), indices, values); }, expected: rows(largestTwo).flat() },
  ScatterND: { build: (b, x, y) => b.addRows(x, b.constant('row', 'int64', [1, 1], { kind: 'inline', bytes: bytesOf(BigInt64Array.of(1n)) }), b.reshape(y, [1, 3], [1, 3])), expected: X.map((x, i) => (i < 3 ? x : x + Y[i - 3])) },
  Sigmoid: { build: (b, x) => b.unary('Sigmoid', x), expected: map(sigmoid) },
  Softmax: { build: (b, x) => b.softmax(x), expected: rows(softmax).flat() },
  Split: { build: (b, x) => { const [first, rest] = b.split(x, 1, [1, 2]); return b.mul(first, rest); }, expected: rows((row) => [row[0] * row[1], row[0] * row[2]]).flat() },
  Sqrt: { build: (b, x) => b.unary('Sqrt', b.mul(x, x)), expected: map(Math.abs) },
  Sub: { build: (b, x, y) => b.sub(x, y), expected: pair((x, y) => x - y) },
  Tanh: { build: (b, x) => b.unary('Tanh', x), expected: map(Math.tanh) },
  TopK: { build: (b, x) => b.topK(x, 2).values, expected: rows((row) => [...row].sort((p, q) => q - p).slice(0, 2)).flat() },
  Transpose: { build: (b, x) => b.transpose(x, [1, 0]), expected: [0, 3, 1, 4, 2, 5].map((i) => X[i]) },
};
const NAMES = Object.keys(OPS) as OpName[];
const TOLERANCE = 3e-6;

async function runOn(device: 'cpu' | 'webgpu', op: OpName): Promise<{ readonly data: readonly number[]; readonly onCpu: string | null }> {
  const b = new GraphBuilder(`op ${op}`);
  const x = b.input('x', 'float32', [2, 3]), y = b.input('y', 'float32', [3]);
  b.output('out', CASES[op].build(b, x, y));
  // Both inputs are always used, so that every case has the same feeds.
  b.output('used', b.add(x, y));
  const graph = b.build();
  expect(graph.nodes.map((node) => node.op)).toContain(op);
  const session = await GraphSession.create(graph, { device, threads: 1 });
  const feeds: Record<string, HostTensor> = { x: floats([2, 3], Float32Array.from(X)), y: floats([3], Float32Array.from(Y)) };
  const out = (await session.run(feeds))['out'];
  await session.dispose();
  return { data: [...floatData(out)], onCpu: session.onCpu };
}

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  found.forEach((value, i) => { expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(TOLERANCE * Math.max(1, Math.abs(expected[i]))); });
}

describe('every operator of the table', () => {
  it('is used somewhere', () => {
    const folder = path.join(__dirname, '../../../extension');
    const sources = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts') && path.basename(f) !== 'opTable.ts').map((f) => fs.readFileSync(path.join(folder, f), 'utf8')).join('\n');
    // The builder's lists of accepted names are no use; its calls are.
    const code = sources.replace(/op: ('\w+' \| )+'\w+'/g, '');
    expect(NAMES.filter((op) => !code.includes(`'${op}'`))).toEqual([]);
  });

  it('is in the operator set that graphs declare', () => {
    for (const op of NAMES) expect(OPS[op].opset).toBeLessThanOrEqual(OPSET);
  });

  it.each(NAMES)('%s runs on the CPU', async (op) => {
    expectClose((await runOn('cpu', op)).data, CASES[op].expected);
  });

  it('computes with both orders of a Gemm', async () => {
    const b = new GraphBuilder('transposed gemm');
    const x = b.input('x', 'float32', [3, 2]);
    b.output('out', b.gemm(x, b.floats('w', [4, 3], [0, 1, 2, 3].flatMap((j) => [0, 1, 2].map((k) => W[k * 4 + j]))), { transposed: true, transposedInput: true, width: 4, rows: 2 }));
    const session = await GraphSession.create(b.build(), { device: 'cpu', threads: 1 });
    const out = await session.run({ x: floats([3, 2], Float32Array.from([0, 3, 1, 4, 2, 5].map((i) => X[i]))) });
    expectClose([...floatData(out['out'])], product());
    await session.dispose();
  });
});

describe('every operator of the table on webgpu', () => {
  const before = process.env['VK_ICD_FILENAMES'];
  beforeAll(() => {
    const icd = before ?? softwareVulkan();
    if (icd === null || !fs.existsSync(icd)) throw new Error('No Vulkan driver for WebGPU: install chromium and libvulkan1 (Debian), or set VK_ICD_FILENAMES.');
    process.env['VK_ICD_FILENAMES'] = icd;
  });
  afterAll(() => {
    if (before === undefined) delete process.env['VK_ICD_FILENAMES'];
  });

  it.each(NAMES.filter((op) => (OPS[op].devices as readonly string[]).includes('webgpu')))('%s runs there and not on the CPU', async (op) => {
    const { data, onCpu } = await runOn('webgpu', op);
    expect(onCpu).toBeNull();
    expectClose(data, CASES[op].expected);
  });
});

describe('the builder', () => {
  it('gives an input once and refuses a name twice', () => {
    const b = new GraphBuilder('names');
    expect(b.input('x', 'float32', [2])).toBe(b.input('x', 'float32', [2]));
    expect(b.scalar('one', 1)).toBe(b.scalar('one', 1));
    const x = b.input('x', 'float32', [2]);
    b.node('Relu', [x], {}, [2], 'float32', 'taken');
    expect(() => b.node('Relu', [x], {}, [2], 'float32', 'taken')).toThrow(/taken/);
  });

  it('keeps shapes as numpy broadcasts them', () => {
    const b = new GraphBuilder('shapes');
    const wide = b.input('wide', 'float32', ['tokens', 4]), row = b.input('row', 'float32', [4]), column = b.input('column', 'float32', ['tokens', 1]);
    expect(b.add(wide, row).shape).toEqual(['tokens', 4]);
    expect(b.mul(column, wide).shape).toEqual(['tokens', 4]);
    expect(b.split(wide, -1, [1, 3]).map((part) => part.shape)).toEqual([['tokens', 1], ['tokens', 3]]);
    expect(b.reduce('ReduceSum', wide, -1, false).shape).toEqual(['tokens']);
  });

  it('keeps weights of one folder in place and takes small and foreign ones in', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-weights-')), other = fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-weights-'));
    try {
      for (const at of [folder, other]) fs.writeFileSync(path.join(at, 'w.bin'), bytesOf(Float32Array.from({ length: 4096 }, (_, i) => i)));
      const b = new GraphBuilder('weights');
      const constant = (name: string, at: string, elements: number, offset: number): Value => b.constant(name, 'float32', [elements], { kind: 'file', file: path.join(at, 'w.bin'), offset, bytes: elements * 4 });
      b.output('out', b.add(b.add(constant('large', folder, 2048, 4096), constant('foreign', other, 512, 0)), constant('small', folder, 4, 0)));
      const lowered = lowerGraph(b.build());
      expect(lowered.folder).toBe(folder);
      expect(lowered.weightBytes).toBe(4 * (2048 + 512 + 4));
      // The foreign and the small constant are in the bytes, the large one is not.
      expect(lowered.bytes.byteLength).toBeGreaterThan(2048 + 16);
      expect(lowered.bytes.byteLength).toBeLessThan(4096);
    } finally {
      for (const at of [folder, other]) fs.rmSync(at, { recursive: true });
    }
  });
});
