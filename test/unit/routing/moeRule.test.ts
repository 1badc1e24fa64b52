import { describe, expect, it } from 'vitest';
import { type MoeRule, moeWeights, semanticsOf } from '../../../extension/routing/moeRule';

/** Logits of the reference runs (transformers 5.18.0): four experts, two of them used. */
const LOGITS = [2, 1, 0, -1];
const weightsOf = (rule: MoeRule, logits: readonly number[] = LOGITS): number[] => [...moeWeights(Float32Array.from(logits), 1, rule).weights];
const near = (found: readonly number[], expected: readonly number[]): void => {
  expect(found.length).toBe(expected.length);
  found.forEach((value, i) => { expect(Math.abs(value - expected[i])).toBeLessThan(1e-6); });
};
const V3 = (bias: readonly number[], more: { readonly groups?: number; readonly keepGroups?: number; readonly renormalise?: boolean } = {}): MoeRule => ({ kind: 'sigmoidGroups', k: 2, groups: more.groups ?? 1, keepGroups: more.keepGroups ?? 1, bias, renormalise: more.renormalise ?? true });
/** DeepSeek-V3 multiplies all weights by this. */
const SCALE = 2.5;

describe('weights from logits by the families\u2019 rules', () => {
  it('Mixtral, Granite and GPT-OSS: the two sum to one, whichever comes first of softmax and choice', () => {
    const expected = [0.731059, 0.268941, 0, 0];
    near(weightsOf({ kind: 'softmaxTopK', renormalise: true, k: 2 }), expected);
    near(weightsOf({ kind: 'topKSoftmax', k: 2 }), expected);
  });

  it('OLMoE and Qwen without renormalisation: probabilities as they are', () => {
    near(weightsOf({ kind: 'softmaxTopK', renormalise: false, k: 2 }), [0.643914, 0.236883, 0, 0]);
  });

  it('Switch uses the one largest probability, Llama 4 the sigmoid of the one largest logit', () => {
    near(weightsOf({ kind: 'softmaxTopK', renormalise: false, k: 1 }), [0.643914, 0, 0, 0]);
    near(weightsOf({ kind: 'topKSigmoid', k: 1 }), [0.880797, 0, 0, 0]);
  });

  it('DeepSeek-V3: sigmoids over their sum, times its factor', () => {
    near(weightsOf(V3([0, 0, 0, 0])), [0.546449, 0.453551, 0, 0]);
    near(weightsOf(V3([0, 0, 0, 0])).map((w) => w * SCALE), [1.366123, 1.133877, 0, 0]);
  });

  it('DeepSeek-V3: the bias chooses and is in no weight', () => {
    near(weightsOf(V3([0, -0.5, 0.6, 0])), [0.63789, 0, 0.36211, 0]);
    near(weightsOf(V3([0, -0.5, 0.6, 0], { renormalise: false })), [0.880797, 0, 0.5, 0]);
    const { ranking } = moeWeights(Float32Array.from(LOGITS), 1, V3([0, -0.5, 0.6, 0]));
    near([...(ranking ?? [])], [0.880797, 0.231059, 1.1, 0.268941]);
  });

  it('DeepSeek-V3: groups count as their best two', () => {
    const groups = { groups: 2, keepGroups: 1 };
    near(weightsOf(V3([0, 0, 0.6, 0.6], groups)).map((w) => w * SCALE), [0, 0, 1.625612, 0.874389]);
    near(weightsOf(V3([0, 0, 0.6, 0], groups)).map((w) => w * SCALE), [1.366123, 1.133877, 0, 0]);
  });

  it('DeepSeek-V3: no expert outside the groups that stay wins, however low the scores in them', () => {
    const rule = V3([-0.95, -2, -9, -9], { groups: 2, keepGroups: 1 }), { weights, ranking } = moeWeights(Float32Array.from(LOGITS), 1, rule);
    expect([...weights].map((w) => w > 0)).toEqual([true, true, false, false]);
    expect([...(ranking ?? [])].slice(2)).toEqual([-Infinity, -Infinity]);
  });

  it('DeepSeek-V2: a group counts as its best probability', () => {
    near(weightsOf({ kind: 'softmaxGroups', k: 2, groups: 2, keepGroups: 1 }, [2, -1, 1, 0]), [0.643914, 0.032059, 0, 0]);
    near(weightsOf({ kind: 'softmaxGroups', k: 2, groups: 2, keepGroups: 2 }, [2, -1, 1, 0]), [0.643914, 0, 0.236883, 0]);
  });

  it('has k weights a row for each token, the lower index first where logits are equal', () => {
    const { weights } = moeWeights(Float32Array.from([0, 0, 0, 0, 500, -500, 499, 0]), 2, { kind: 'topKSoftmax', k: 2 });
    near([...weights], [0.5, 0.5, 0, 0, 0.731059, 0, 0.268941, 0]);
  });

  it('refuses sizes that do not fit', () => {
    expect(() => moeWeights(new Float32Array(7), 2, { kind: 'topKSoftmax', k: 2 })).toThrow(RangeError);
    expect(() => moeWeights(new Float32Array(8), 2, { kind: 'topKSoftmax', k: 5 })).toThrow(RangeError);
    expect(() => moeWeights(new Float32Array(4), 1, V3([0, 0, 0, 0], { groups: 3 }))).toThrow(RangeError);
    expect(moeWeights(new Float32Array(0), 0, { kind: 'topKSoftmax', k: 2 }).weights.length).toBe(0);
  });

  it('says what kind of weights they are', () => {
    expect(semanticsOf({ kind: 'topKSoftmax', k: 2 })).toBe('truncated');
    expect(semanticsOf({ kind: 'softmaxTopK', renormalise: true, k: 2 })).toBe('truncated');
    expect(semanticsOf({ kind: 'softmaxTopK', renormalise: false, k: 2 })).toBe('sub-simplex');
    expect(semanticsOf({ kind: 'topKSigmoid', k: 1 })).toBe('sigmoid');
    expect(semanticsOf(V3([]))).toBe('truncated');
  });
});
