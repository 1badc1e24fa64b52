import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRecipe } from '../../../extension/merge/recipe/checkRecipe';
import { editDistance, nearest } from '../../../extension/merge/recipe/nearest';
import { settingFor } from '../../../extension/merge/recipe/settings';
import { hubCache, resolveModel } from '../../../extension/merge/references';
import { temporaryFolder } from './helpers';

const TIES = ['merge_method: ties', 'base_model: models/base', 'models:', '  - model: models/code', '    parameters:', '      weight: 0.6', '      density: 0.5', '  - model: models/manual', '    parameters:', '      weight:', '        - {filter: mlp, value: 0.5}', '        - {value: 0.8}', '      desnity: [1, 0.7, 0.1]', 'parameters: {normalize: true, lambda: 1.0}', 'dtype: float32', 'out_dtype: bfloat16', 'tokenizer: {source: base}'];
const ties = (change: Readonly<Record<number, string>> = { 12: '      density: [1, 0.7, 0.1]' }): string => TIES.map((line, i) => change[i] ?? line).join('\n');
const errors = (text: string) => checkRecipe(text).problems.filter(({ severity }) => severity === 'error');

describe('recipes', () => {
  it('are read as users have them', () => {
    const { recipe, problems } = checkRecipe(ties());
    expect(problems).toEqual([]);
    expect(recipe).toMatchObject({
      method: 'ties', base: { model: 'models/base', revision: null, lora: null }, dtype: 'float32', outDtype: 'bfloat16', tokenizer: { source: 'base', padToMultipleOf: null }, parameters: { normalize: true, lambda: 1 },
      models: [{ parameters: { weight: 0.6, density: 0.5 } }, { parameters: { weight: [{ filter: 'mlp', value: 0.5 }, { filter: null, value: 0.8 }], density: [1, 0.7, 0.1] } }],
    });
  });
  it('a misspelt parameter has its place, the name that is meant, and what would happen', () => {
    const [problem, ...more] = errors(ties({}));
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ code: 'unknown-parameter', suggestion: 'density', range: { start: { line: 12, column: 6 }, end: { line: 12, column: 13 } } });
    expect(ties({}).slice(problem.range.from, problem.range.to)).toBe('desnity');
    expect(problem.message).toBe('`desnity` is not a parameter of `ties`. Did you mean `density`? Without it this model would be merged at density 1.');
  });
  it.each([
    ['merge_metod: ties\nmodels: []', 'unknown-key', 'merge_method'],
    ['merge_method: tie\nmodels: []', 'unknown-method', 'ties'],
    ['merge_method: linear\nmodels:\n  - model: a\n    paramters: {weight: 1}', 'unknown-key', 'parameters'],
    ['merge_method: linear\ndtype: bfloat-16\nmodels:\n  - {model: a, parameters: {weight: 1}}', 'range', 'bfloat16'],
    ['merge_method: linear\ndtype: bf16\nmodels:\n  - {model: a, parameters: {weight: 1}}', 'range', 'bfloat16'],
    ['merge_method: linear\nparameters: {normalise: true, weight: 1}\nmodels:\n  - model: a', 'unknown-parameter', 'normalize'],
    ['merge_method: linear\nparameters: {normalize: yes, weight: 1}\nmodels:\n  - model: a', 'type', 'true'],
  ])('%j: %s', (text, code, suggestion) => {
    expect(errors(text).map((p) => [p.code, p.suggestion])).toContainEqual([code, suggestion]);
    expect(checkRecipe(text).recipe).toBeNull();
  });
  it.each([
    ['', 'missing'], ['just text', 'type'], ['merge_method: linear\nmodels: [', 'yaml'], ['merge_method: linear', 'missing'],
    ['merge_method: linear\nmodels:\n  - model: a', 'missing'],
    ['merge_method: linear\nmodels:\n  - {model: a, parameters: {weight: much}}', 'type'],
    ['merge_method: ties\nmodels:\n  - {model: a, parameters: {weight: 1}}', 'base-missing'],
    ['merge_method: slerp\nbase_model: a\nparameters: {t: 0.5}\nmodels: [{model: a}, {model: b}, {model: c}]', 'model-count'],
    ['merge_method: slerp\nbase_model: a\nmodels: [{model: a}, {model: b}]', 'missing'],
    ['merge_method: slerp\nbase_model: a\nmodels: [{model: a, parameters: {t: 0.5}}, {model: b}]', 'misplaced-parameter'],
    ['merge_method: ties\nbase_model: a\nmodels:\n  - {model: b, parameters: {weight: 1, density: 1.5}}', 'range'],
    ['merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\nslices: []', 'conflict'],
    ['merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}, {model: a, parameters: {weight: 1}}]', 'duplicate'],
    ['merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [4, 2]}]', 'layers'],
    ['merge_method: linear\nslices:\n  - sources: [{model: a, layer_range: [0, 2]}, {model: b, layer_range: [0, 3]}]\nparameters: {weight: 1}', 'layers'],
    ['merge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\ntokenizer_source: base\ntokenizer: {source: base}', 'conflict'],
    ['merge_method: linear\nmodules: {}', 'unsupported'],
    ['merge_method: linear\nmodels: &m [{model: a, parameters: {weight: 1}}]\nparameters: *m', 'unsupported'],
  ])('%j: %s', (text, code) => {
    const found = errors(text);
    expect(found.map((p) => p.code)).toContain(code);
    for (const { message, range } of found) { expect(message.length).toBeGreaterThan(20); expect(range.to).toBeLessThanOrEqual(text.length); }
  });
  it('dead options are told and ignored', () => {
    const { recipe, problems } = checkRecipe('merge_method: passthrough\nslices:\n  - sources: [{model: a, layer_range: [0, 2]}]\n    residual_weight: 0.5');
    expect(problems).toMatchObject([{ code: 'ignored', severity: 'warning' }]);
    expect(recipe).not.toBeNull();
  });
  it('any text gives problems or a recipe, never an exception', () => {
    const text = ties();
    for (let i = 0; i < text.length; i += 3) for (const piece of ['', ':', '- ', '[', '"', '&a', '*a', '\n', '!!binary ', '{']) {
      const { recipe, problems } = checkRecipe(text.slice(0, i) + piece + text.slice(i + 1));
      expect(recipe !== null || problems.some(({ severity }) => severity === 'error')).toBe(true);
    }
    expect(checkRecipe('x'.repeat(2_000_000)).recipe).toBeNull();
  });
});

describe('settings of a tensor', () => {
  it('lists run over the layers, filters choose by name, the first hit counts', () => {
    const setting = [{ filter: 'mlp', value: [0, 0.5, 1] }, { filter: '*', value: 3 }, { filter: 'mlp', value: 9 }];
    expect(settingFor(setting, 'layers.1.mlp.up', 0.25)).toBe(0.25);
    expect(settingFor(setting, 'layers.1.mlp.up', 1)).toBe(1);
    expect(settingFor(setting, 'norm', 0)).toBe(3);
    expect(settingFor([{ filter: 'mlp', value: 1 }], 'norm', 0)).toBeUndefined();
    expect(settingFor([4], 'norm', 0.7)).toBe(4);
  });
});

describe('names that are near', () => {
  it('swaps and case cost little, far names are not offered', () => {
    expect(editDistance('desnity', 'density')).toBe(1);
    expect(editDistance('Dare-Ties', 'dare_ties')).toBe(0);
    expect(nearest('wieght', ['weight', 'density'])).toBe('weight');
    expect(nearest('zzz', ['weight', 'density'])).toBeUndefined();
  });
});

describe('references', () => {
  let root: string;
  beforeAll(() => {
    root = temporaryFolder();
    for (const folder of ['recipe/near', 'current/near', 'current/here', 'hub/models--org--name/snapshots/abc123', 'hub/models--org--name/snapshots/def456', 'hub/models--org--name/refs', 'further/my@odd', 'further/model', 'recipe/a+b']) fs.mkdirSync(path.join(root, folder), { recursive: true });
    fs.writeFileSync(path.join(root, 'hub/models--org--name/refs/main'), 'abc123');
    fs.writeFileSync(path.join(root, 'hub/models--org--name/refs/v2'), 'def456\n');
  });
  afterAll(() => { fs.rmSync(root, { recursive: true, force: true }); });
  const resolve = async (text: string): Promise<string> => {
    const { recipe } = checkRecipe(JSON.stringify({ merge_method: 'passthrough', models: [{ model: text }] }));
    const found = await resolveModel(recipe!.models![0].model, { recipeFolder: path.join(root, 'recipe'), currentFolder: path.join(root, 'current'), folders: [path.join(root, 'further')], environment: { HF_HUB_CACHE: path.join(root, 'hub') } });
    return [found.path, ...(found.lora === null ? [] : [found.lora])].map((p) => path.relative(root, p)).join(' ');
  };
  it('beside the recipe, in the current folder, in the cache, in further folders', async () => {
    expect(await resolve('near')).toBe('recipe/near');
    expect(await resolve('./here')).toBe('current/here');
    expect(await resolve('org/name')).toBe('hub/models--org--name/snapshots/abc123');
    expect(await resolve('org/name@v2')).toBe('hub/models--org--name/snapshots/def456');
    expect(await resolve('org/name@def456')).toBe('hub/models--org--name/snapshots/def456');
    expect(await resolve('model')).toBe('further/model');
    expect(await resolve('my@odd')).toBe('further/my@odd');
    expect(await resolve('near+model')).toBe('recipe/near further/model');
    expect(await resolve('a+b')).toBe('recipe/a+b');
    expect(await resolve(path.join(root, 'further/model'))).toBe('further/model');
  });
  it('what is not there is told with every place', async () => {
    await expect(resolve('org/none')).rejects.toMatchObject({ code: 'merge/model-not-found', args: { looked: expect.stringMatching(/recipe.*current.*models--org--none.*further/) } });
    await expect(resolve('org/name@../../x')).rejects.toMatchObject({ code: 'merge/model-not-found' });
  });
  it('the cache is found as Hugging Face does', () => {
    expect(hubCache({ HF_HOME: '/x' })).toBe(path.join('/x', 'hub'));
    expect(hubCache({ XDG_CACHE_HOME: '/y' })).toBe(path.join('/y', 'huggingface', 'hub'));
    expect(hubCache({ HF_HUB_CACHE: '/z', HF_HOME: '/x' })).toBe('/z');
  });
});
