import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { polarFactor } from '../../../extension/numerics/procrustes';
import { Random } from '../../../extension/numerics/random';
import type { ForwardEnvironment } from '../../../extension/probe/forward';
import { openTokenizer, type Tokenizer } from '../../../extension/probe/tokenizer';
import { ModulensError } from '../../../extension/protocol/errors';
import { PreparedGroup } from '../../../extension/transfer/fit';
import { mapInput, mapOutput } from '../../../extension/transfer/choose';
import type { GroupStatistics } from '../../../extension/transfer/statistics';
import { pairTokens, samePlaces } from '../../../extension/transfer/tokenPairs';
import { newtonSchulz, transferTools } from '../../../extension/transfer/tools';
import { environment, MAIN, openBase, SMALL } from './bases';

let env: ForwardEnvironment;
beforeAll(() => { env = environment(); });
afterAll(async () => { await env.pool.clear(); });

describe('tokens of two tokenizers', () => {
  const open = async (name: string): Promise<Tokenizer> => {
    const found = await openTokenizer(path.resolve('test/fixtures/tokenizers', name));
    if (!found) throw new Error(`no tokenizer ${name}`);
    return found;
  };

  it('pair where they stand for the same characters, and at the last piece of words that are split differently', async () => {
    const gpt2 = await open('gpt2'), bert = await open('bert-cased'), text = 'The unbelievable electrophysiologists met in Kyoto, again.', a = gpt2.encode(text), b = bert.encode(text);
    const pairs = samePlaces(text, a, b, gpt2, bert), words = pairs.map(([i, j]) => [gpt2.tokenText(a[i]).trim(), bert.tokenText(b[j]).replace('##', '')]);
    expect(pairs.length).toBeGreaterThan(4);
    expect(words.filter(([left, right]) => left !== right && !left.endsWith(right) && !right.endsWith(left))).toEqual([]);
    expect(words).toContainEqual(['able', 'able']);
    expect(words).toContainEqual(['he', 'The']);
    expect(pairs.every(([i, j]) => i > 0 && j > 0 && !bert.isSpecial(b[j]))).toBe(true);
    for (let k = 1; k < pairs.length; k++) expect(pairs[k][0] > pairs[k - 1][0] && pairs[k][1] > pairs[k - 1][1]).toBe(true);
  });

  it('are set aside text by text, every pair on one side only', async () => {
    const from = await openBase(MAIN), to = await openBase(SMALL), texts = Array.from({ length: 30 }, (_, i) => ({ text: `Text number ${i} says that the weather in town ${i * 7} is fine and that nobody minds.`, label: i % 2 ? 'a' : 'b' }));
    const pairs = pairTokens({ name: 'x', sha256: '', texts }, from, to, 'characters', 10_000, 0);
    expect(pairs.texts).toBe(30);
    expect(pairs.keptShare).toBe(1);
    expect(pairs.fit.length + pairs.heldOut.length).toBe(30);
    expect(pairs.heldOutTokens).toBeGreaterThan(0.1 * pairs.fitTokens);
    for (const { from: places, fromIds, to: other, toIds } of [...pairs.fit, ...pairs.heldOut]) places.forEach((p, k) => { expect(fromIds[p]).toBe(toIds[other[k]]); expect(p).toBeGreaterThan(0); });
    const few = { name: 'x', sha256: '', texts: texts.slice(0, 1) };
    expect(() => pairTokens(few, from, to, 'characters', 10_000, 0)).toThrow(ModulensError);
  });
});

it('matrix products alone find the orthogonal factor of a wide and of a tall matrix', async () => {
  const random = new Random(1, 'polar');
  for (const [rows, columns] of [[40, 64], [64, 40], [50, 50]]) {
    const c = Float64Array.from({ length: rows * columns }, () => random.normal()), exact = polarFactor(c, rows, columns), found = await newtonSchulz(c, rows, columns, env, () => Promise.resolve());
    let most = 0;
    for (let i = 0; i < c.length; i++) most = Math.max(most, Math.abs(found.factor[i] - exact.factor[i]));
    expect(most).toBeLessThan(2e-3);
    expect(found.singularSum / exact.singularSum).toBeCloseTo(1, 4);
  }
});

/** Paired activations with a known relation, as the collection hands them over. */
function related(group: 'in:attention' | 'out:o', relate: (x: Float64Array) => Float64Array, width: { readonly from: number; readonly to: number }, seed: number): GroupStatistics {
  const random = new Random(seed, 'relation'), n = 1500, held = 300, from: number[] = [], to: number[] = [];
  for (let t = 0; t < n + held; t++) {
    const x = Float64Array.from({ length: width.from }, (_, i) => random.normal() * Math.exp(-i / 12));
    from.push(...x);
    to.push(...relate(x));
  }
  const input = group.startsWith('in:'), [p, o] = input ? [width.to, width.from] : [width.from, width.to], predictor = input ? to : from, outcome = input ? from : to, order = random.permutation(n);
  const gram = new Float64Array(p * p), cross = new Float64Array(p * o), crossShuffled = new Float64Array(p * o), predictorSum = new Float64Array(p), outcomeSum = new Float64Array(o), outcomeSquares = new Float64Array(o);
  for (let t = 0; t < n; t++) {
    for (let i = 0; i < p; i++) {
      const x = predictor[t * p + i];
      predictorSum[i] += x;
      for (let j = 0; j < p; j++) gram[i * p + j] += x * predictor[t * p + j];
      for (let j = 0; j < o; j++) {
        cross[i * o + j] += x * outcome[t * o + j];
        crossShuffled[i * o + j] += x * outcome[order[t] * o + j];
      }
    }
    for (let j = 0; j < o; j++) {
      outcomeSum[j] += outcome[t * o + j];
      outcomeSquares[j] += outcome[t * o + j] ** 2;
    }
  }
  const rows = (x: number[], w: number): Float32Array => Float32Array.from(x.slice(n * w));
  return { group, fromWidth: width.from, toWidth: width.to, tokens: n, predictorSum, outcomeSum, outcomeSquares, products: { gram, cross, crossShuffled }, samples: null, heldOut: { n: held, from: rows(from, width.from), to: rows(to, width.to) } };
}

describe('maps', () => {
  const rank = 3, width = { from: 24, to: 32 }, random = new Random(9, 'maps'), mix = Float64Array.from({ length: 24 * 32 }, () => random.normal() / 5), a = Float32Array.from({ length: rank * 24 }, () => random.normal()), noise = new Random(4, 'noise');
  const rotate = polarFactor(mix, 24, 32).factor, turned = (x: Float64Array, size: number, spoil: number): Float64Array => Float64Array.from({ length: 32 }, (_, j) => x.reduce((sum, v, i) => sum + size * v * rotate[i * 32 + j], 0) + spoil * noise.normal());

  it('carry the same effect when the target\u2019s activations are five times as large', async () => {
    const tools = transferTools(env, 0), plain = await mapInput(new PreparedGroup(related('in:attention', (x) => turned(x, 1, 0), width, 1), tools), { kind: 'dense' }, a, rank, tools), large = await mapInput(new PreparedGroup(related('in:attention', (x) => turned(x, 5, 0), width, 1), tools), { kind: 'dense' }, a, rank, tools);
    expect(plain.kind).toBe('procrustes');
    expect(large.scale).toBeCloseTo(plain.scale / 5, 6);
    large.factor.forEach((x, i) => { expect(Math.abs(5 * x - plain.factor[i])).toBeLessThan(0.01); });
  });

  it('take ridge where the relation is no rotation, never one that does harm, and explain nothing when shuffled', async () => {
    const tools = transferTools(env, 0), stretch = Float64Array.from({ length: 32 }, (_, j) => 0.2 + (j % 5));
    const bent = (x: Float64Array): Float64Array => turned(x, 1, 0.02).map((v, j) => v * stretch[j]);
    const found = await mapInput(new PreparedGroup(related('in:attention', bent, width, 2), tools), { kind: 'dense' }, a, rank, tools);
    expect(found.kind).toBe('ridge');
    expect(found.r2).toBeGreaterThan(0.6);
    expect(found.r2Null).toBeLessThan(0.05);
    const nothing = await mapOutput(new PreparedGroup(related('out:o', () => Float64Array.from({ length: 32 }, () => noise.normal()), width, 3), tools), { kind: 'dense' }, Float32Array.from({ length: 24 * rank }, () => noise.normal()), rank, tools);
    expect(nothing.r2).toBeLessThan(0.02);
  });
});
