import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { completionsAt, explain, type RecipeCompletion } from '../../../extension/host/merge/recipeCompletion';
import { placeAt, placeOfWord, type RecipePlace } from '../../../extension/host/merge/recipePlace';
import { RecipeState, resultLine } from '../../../extension/host/merge/recipeState';
import { isRecipe, methodIn } from '../../../extension/host/merge/recipeText';
import { MERGEKIT_NOTES } from '../../../extension/host/merge/mergekitNotes';
import { methodMarkdown } from '../../../extension/host/merge/recipeWords';
import { methodTable } from '../../../extension/merge/methods/index';
import { failure } from '../../../extension/protocol/errors';
import { MERGE_METHODS, type MergePlanDocument, type RecipeProblem } from '../../../extension/protocol/merge';

const METHODS = methodTable();
const TIES = METHODS.find(({ name }) => name === 'ties')!;
const MODELS = { checkpoints: ['models/base', '../other'], modules: ['loras/a'] };

/** The place of the mark in a text. */
function at(marked: string): RecipePlace | null {
  const lines = marked.split('\n');
  const line = lines.findIndex((one) => one.includes('\u2038'));
  return placeAt(marked.replace('\u2038', ''), line, lines[line].indexOf('\u2038'));
}
const labels = (marked: string, method = TIES): string[] => completionsAt(at(marked)!, METHODS, method, MODELS).map(({ label }: RecipeCompletion) => label);

const RECIPE = 'merge_method: ties\nbase_model: models/base\nmodels:\n  - model: a\n    parameters:\n      weight: 0.6\n      den\u2038\n  - model: b\nparameters: {normalize: true}\n';

describe('recognising a recipe', () => {
  it('goes by the content of YAML files', () => {
    expect(isRecipe('a.yml', 'models: []\nmerge_method: ties')).toBe(true);
    expect(isRecipe('A.YAML', '"merge_method" : ties')).toBe(true);
    expect(isRecipe('yaml', 'merge_method: slerp')).toBe(true);
    expect(isRecipe('a.txt', 'merge_method: ties')).toBe(false);
    expect(isRecipe('a.yml', '# merge_method: ties\n')).toBe(false);
    expect(isRecipe('a.yml', 'steps:\n  merge_method: ties')).toBe(false);
    expect(methodIn('merge_method: "slerp" # x')).toBe('slerp');
    expect(methodIn('models: []')).toBe(null);
  });
});

describe('the place in a text that is being written', () => {
  it('finds keys, siblings and the word, by indentation', () => {
    expect(at(RECIPE)).toEqual({ path: ['models', 'parameters'], slot: 'key', from: 6, to: 9, typed: 'den', siblings: ['weight'], inBraces: false });
    expect(at('a: 1\n\u2038')).toMatchObject({ path: [], slot: 'key', siblings: ['a'] });
    expect(at('models:\n- model: x\n  \u2038')).toMatchObject({ path: ['models'], siblings: ['model'] });
    expect(at('models:\n- model: x\n- \u2038')).toMatchObject({ path: ['models'], siblings: [] });
    expect(at('slices:\n  - sources:\n      - model: x\n        layer_range: [0, 4]\n      - mod\u2038')).toMatchObject({ path: ['slices', 'sources'], typed: 'mod', siblings: [] });
    expect(at('slices:\n  - sources:\n      - model: x\n    par\u2038')).toMatchObject({ path: ['slices'], siblings: ['sources'] });
    expect(at('parameters:\n  t:\n    - filter: mlp\n      value: 1\n    - val\u2038')).toMatchObject({ path: ['parameters', 't'], slot: 'key' });
    expect(at('models:\n\n  # note\n  - model: x\n\n    \u2038')).toMatchObject({ path: ['models'], siblings: ['model'] });
  });
  it('finds values, with the whole word to replace', () => {
    expect(at('merge_method: ti\u2038es # best')).toMatchObject({ path: ['merge_method'], slot: 'value', from: 14, to: 18, typed: 'ti' });
    expect(at('models:\n  - model: a/b+\u2038')).toMatchObject({ path: ['models', 'model'], slot: 'value', typed: 'a/b+' });
    expect(at('dtype: \u2038')).toMatchObject({ path: ['dtype'], slot: 'value', from: 7, to: 7 });
    expect(at('# dtype: \u2038')).toBe(null);
    expect(at('dtype: x # com\u2038')).toBe(null);
  });
  it('looks into braces and brackets', () => {
    expect(at('parameters: {weight: 1.0, den\u2038}')).toMatchObject({ path: ['parameters'], slot: 'key', typed: 'den', siblings: ['weight'], inBraces: true });
    expect(at('tokenizer: {source: ba\u2038}')).toMatchObject({ path: ['tokenizer', 'source'], slot: 'value', typed: 'ba' });
    expect(at('parameters:\n  weight:\n    - {filter: mlp, val\u2038')).toMatchObject({ path: ['parameters', 'weight'], slot: 'key', typed: 'val', siblings: ['filter'] });
    expect(at('models:\n  - {model: x, parameters: {wei\u2038')).toMatchObject({ path: ['models', 'parameters'], slot: 'key', typed: 'wei' });
    expect(at('parameters: {t: [0, 0.5, \u2038')).toMatchObject({ path: ['parameters', 't'], slot: 'value' });
    expect(at('slices: [{sources: [{model: a}, {\u2038')).toMatchObject({ path: ['slices', 'sources'], slot: 'key' });
  });
  it('finds the word under the mouse', () => {
    expect(placeOfWord('merge_method: ties', 0, 15)).toMatchObject({ path: ['merge_method'], slot: 'value', from: 14, to: 18 });
    expect(placeOfWord('merge_method: ties', 0, 3)).toMatchObject({ path: [], slot: 'key', from: 0, to: 12 });
    expect(placeOfWord('merge_method: ties', 0, 13)).toBe(null);
  });
});

describe('completion', () => {
  it('offers the keys that are missing', () => {
    const top = labels('merge_method: ties\n\u2038');
    expect(top).toContain('base_model');
    expect(top).not.toContain('merge_method');
    expect(labels('models:\n  - \u2038')).toEqual(['model', 'parameters']);
    expect(labels('tokenizer: {\u2038')).toEqual(['source', 'pad_to_multiple_of']);
  });
  it('offers the settings of the method: of a model, or all', () => {
    const own = labels(RECIPE), all = labels('merge_method: ties\nparameters:\n  \u2038');
    expect(own).toContain('density');
    expect(own).not.toContain('weight');
    expect(own).not.toContain('lambda');
    expect(all).toEqual(expect.arrayContaining(['weight', 'density', 'lambda', 'normalize']));
    expect(labels('parameters:\n  normalize: \u2038')).toEqual(['true', 'false']);
    expect(labels('parameters:\n  normalize:\n    - value: \u2038')).toEqual(['true', 'false']);
    expect(labels('parameters:\n  weight:\n    - \u2038')).toEqual(['filter', 'value']);
  });
  it('offers methods, types and models', () => {
    expect(labels('merge_method: \u2038')).toEqual([...MERGE_METHODS]);
    expect(labels('out_dtype: \u2038')).toEqual(['float32', 'float16', 'bfloat16']);
    expect(labels('models:\n  - model: \u2038')).toEqual(MODELS.checkpoints);
    expect(labels('models:\n  - model: models/base+\u2038')).toEqual(['models/base+loras/a']);
    expect(labels('tokenizer_source: \u2038')).toEqual(['base', 'union', ...MODELS.checkpoints]);
  });
  it('escapes names in snippets', () => {
    const [item] = completionsAt(at('base_model: \u2038')!, METHODS, TIES, { checkpoints: ['a$b}c'], modules: [] });
    expect(item.insert).toBe('a\\$b\\}c');
  });
});

describe('explanations', () => {
  it('gives formula, defaults and mergekit for every method', () => {
    expect(Object.keys(MERGEKIT_NOTES).sort()).toEqual([...MERGE_METHODS].sort());
    for (const method of METHODS) {
      const text = methodMarkdown(method);
      expect(text).toContain(method.formula);
      expect(text).toMatch(/mergekit/);
      for (const { name, default: value } of method.parameters) expect(text).toContain(`| \`${name}\` | ${value === null ? 'has to be given' : `default ${value}`}`);
    }
  });
  it('explains words by their place', () => {
    const say = (text: string, line: number, column: number): string | null => {
      const place = placeOfWord(text, line, column)!;
      return explain(place, text.split('\n')[line].slice(place.from, place.to), METHODS, TIES);
    };
    expect(say('merge_method: ties', 0, 16)).toContain(TIES.formula);
    expect(say('merge_method: ties', 0, 2)).toContain(TIES.formula);
    expect(say('parameters:\n  density: 1', 1, 4)).toMatch(/\*\*density\*\* of `ties` \u00b7 default 1, 0 to 1/);
    expect(say('parameters:\n  desnity: 1', 1, 4)).toBe(null);
    expect(say('dtype: float32', 0, 1)).toContain('float32');
  });
});

describe('checking while typing', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const error: RecipeProblem = { code: 'unknown-key', severity: 'error', message: 'm', range: { start: { line: 0, column: 0 }, end: { line: 0, column: 1 }, from: 0, to: 1 } };
  const plan = { inputs: [{ role: 'base' }, { role: 'model' }, { role: 'lora' }], tensors: 111, bytes: 12_100_000, free: 1e9 } as unknown as MergePlanDocument;

  it('waits for quiet, drops overtaken answers, and plans what has no error', async () => {
    const asked: { text: string; signal: AbortSignal; answer: (problems: RecipeProblem[]) => void }[] = [];
    const planned: string[] = [];
    const state = new RecipeState({
      check: ({ text }, signal) => new Promise((resolve) => asked.push({ text, signal, answer: (problems) => resolve({ recipe: null, problems }) })),
      plan: async ({ text }) => { planned.push(text); return plan; },
    });
    expect(resultLine(state)).toBe('not checked yet');
    state.update({ text: 'a', file: null });
    await vi.advanceTimersByTimeAsync(100);
    state.update({ text: 'ab', file: null });
    await vi.advanceTimersByTimeAsync(249);
    expect(asked).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked.map(({ text }) => text)).toEqual(['ab']);
    expect(resultLine(state)).toBe('checking\u2026');
    state.update({ text: 'abc', file: null });
    await vi.advanceTimersByTimeAsync(250);
    expect(asked[0].signal.aborted).toBe(true);
    asked[1].answer([error, { ...error, severity: 'warning' }]);
    await vi.advanceTimersByTimeAsync(0);
    asked[0].answer([]);
    await vi.advanceTimersByTimeAsync(0);
    expect(resultLine(state)).toBe('1 error, 1 warning');
    expect(planned).toEqual([]);
    state.update({ text: 'abcd', file: null });
    await vi.advanceTimersByTimeAsync(250);
    asked[2].answer([]);
    await vi.advanceTimersByTimeAsync(0);
    expect(planned).toEqual(['abcd']);
    expect(resultLine(state)).toBe('2 inputs, 111 tensors, 12.1 MB to write');
    state.update({ text: 'abcd', file: null });
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveLength(3);
  });

  it('says why there is no plan', async () => {
    const state = new RecipeState({ check: async () => ({ recipe: null, problems: [] }), plan: async () => Promise.reject(failure('merge/vocabulary', { model: 'b', other: 'a', rows: 5, expected: 4 })) });
    await state.check({ text: 'a', file: null });
    expect(resultLine(state)).toMatch(/^The vocabularies differ: b has 5 rows/);
    expect(state.isAbout('a')).toBe(true);
    expect(state.isAbout('ab')).toBe(false);
    expect(resultLine({ ...state, errors: 0, warnings: 0, failure: null, plan: { ...plan, free: 5 } })).toBe('2 inputs, 111 tensors, 12.1 MB to write (only 5 B free)');
  });
});
