import { describe, expect, it } from 'vitest';
import { Emitter } from '../../../extension/host/disposables';
import type { MergeEngine } from '../../../extension/host/merge/mergeEngine';
import { MergeSession } from '../../../extension/host/merge/mergeSession';
import { progressText, resultText } from '../../../extension/host/merge/mergeText';
import { collision, suggestedFolder } from '../../../extension/host/merge/outputFolder';
import { placeOfFailure, removableLine } from '../../../extension/host/merge/recipeProblems';
import { applyWish, quote, writeRecipe } from '../../../extension/host/merge/writeRecipe';
import { methodTable } from '../../../extension/merge/methods/index';
import { checkRecipe } from '../../../extension/merge/recipe/checkRecipe';
import { failure } from '../../../extension/protocol/errors';
import type { MergeDocument, MergePlanDocument } from '../../../extension/protocol/merge';
import type { MergeInspectDocument, MergeInspectRequest } from '../../../extension/protocol/mergeInspect';
import type { Progress } from '../../../extension/protocol/progress';

const METHODS = methodTable();

describe('a recipe for what was selected', () => {
  it.each(METHODS.map((method) => [method.name, method] as const))('has no error for %s', (_, method) => {
    const count = Math.max(method.models[0], Math.min(2, method.models[1] ?? 2));
    const models = ['/models/a', '/models/with space', '/m/c'].slice(0, count);
    const text = writeRecipe({ method, models, base: method.base === 'required' ? '/models/base' : null });
    const { recipe, problems } = checkRecipe(text);
    expect({ text, problems }).toEqual({ text, problems: [] });
    expect(recipe?.models?.map(({ model }) => model.text)).toEqual(models);
  });

  it('takes up what a piece of advice wishes', () => {
    const ties = METHODS.find(({ name }) => name === 'ties')!;
    const text = applyWish(writeRecipe({ method: ties, models: ['/a', '/b'], base: '/base' }), { weight: 0.65, outDtype: 'float32', tokenizer: 'union' });
    const { recipe, problems } = checkRecipe(text);
    expect(problems).toEqual([]);
    expect(recipe).toMatchObject({ outDtype: 'float32', tokenizer: { source: 'union' }, models: [{ parameters: { weight: 0.65 } }, { parameters: { weight: 0.65 } }] });
  });

  it('quotes what YAML would read as something else', () => {
    expect(['/models/a b', 'C:\\m\\gpt2', '1e3', 'true', 'a: b', 'org/model@rev+lora', '- x', 'null', 'm\u00fcller/x', "it's"].map(quote)).toEqual(['/models/a b', '"C:\\\\m\\\\gpt2"', '"1e3"', '"true"', '"a: b"', 'org/model@rev+lora', '"- x"', '"null"', 'm\u00fcller/x', '"it\'s"']);
  });
});

describe('the output folder', () => {
  it('is never an input, in one, or around one', () => {
    expect(collision('/m/out', ['/m/a', '/m/b'])).toBe(null);
    expect(collision('/m/a/', ['/m/a'])).toEqual({ input: '/m/a', how: 'is' });
    expect(collision('/m', ['/m/a'])).toEqual({ input: '/m/a', how: 'contains' });
    expect(collision('/m/a/x/y', ['/m/a'])).toEqual({ input: '/m/a', how: 'lies inside' });
    expect(collision('/m/../m/a', ['/m/a'])).toMatchObject({ how: 'is' });
    expect(collision('C:\\m\\a\\out', ['C:\\m\\a'])).toMatchObject({ how: 'lies inside' });
    expect(collision('/m/ab', ['/m/a'])).toBe(null);
  });
  it('is suggested beside the recipe', () => {
    expect(suggestedFolder('/r/ties.yml', 'ties.yml', '/w')).toBe('/r/ties-merged');
    expect(suggestedFolder(null, 'Untitled-1', '/w')).toBe('/w/Untitled-1-merged');
    expect(suggestedFolder('D:\\r\\a.yaml', 'a.yaml', '/w')).toBe('D:\\r\\a-merged');
    expect(suggestedFolder(null, '..', '/w')).toBe('/w/merge-merged');
  });
});

describe('problems and their places', () => {
  const recipe = 'merge_method: ties\nmodels:\n  - model: a/b\n    parameters:\n      desnity: 0.5\n      weight: 1\nbase_model: x # why\nextra:\n  deep: 1\nlist:\n- 1\n';
  const problem = (key: string, code = 'unknown-key') => ({ code, severity: 'error', message: '', range: { from: recipe.indexOf(key), to: recipe.indexOf(key) + key.length } }) as unknown as Parameters<typeof removableLine>[1];
  it('finds lines that can go', () => {
    const line = removableLine(recipe, problem('desnity'))!;
    expect(recipe.slice(line.from, line.to)).toBe('      desnity: 0.5\n');
    expect(removableLine(recipe, problem('extra'))).toBe(null);
    expect(removableLine(recipe, problem('list'))).toBe(null);
    expect(removableLine(recipe, problem('model: a'))).toBe(null);
    expect(removableLine(recipe, problem('desnity', 'type'))).toBe(null);
    const check = checkRecipe(recipe).problems.find(({ suggestion }) => suggestion === 'density')!;
    expect(recipe.slice(check.range.from, check.range.to)).toBe('desnity');
    expect(recipe.slice(removableLine(recipe, check)!.from).startsWith('      desnity')).toBe(true);
  });
  it('puts failures at the model that they name, else at the method', () => {
    const at = (error: Error): string => {
      const { from, to } = placeOfFailure(recipe, (error as ReturnType<typeof failure>).toRecord());
      return recipe.slice(from, to);
    };
    expect(at(failure('merge/model-not-found', { reference: 'a/b', looked: '' }))).toBe('a/b');
    expect(at(failure('merge/space', { path: '/o', needed: 2, free: 1 }))).toBe('ties');
    expect(placeOfFailure('models: []', { code: 'x', args: {}, message: '', exit: 1 })).toEqual({ from: 0, to: 10 });
  });
});

describe('texts of a run', () => {
  it('tell progress and result', () => {
    expect(progressText({ stage: 'merging', done: 12, total: 48, etaSeconds: 8.2 })).toBe('merging (25\u202f%), 8 s left');
    expect(progressText({ stage: 'reading headers', done: 0, total: 1, etaSeconds: null })).toBe('reading headers');
    const document = { inputs: [{ role: 'base' }, { role: 'model' }, { role: 'lora' }], method: 'ties', out: '/x/out', tensors: 111, outputs: [{ bytes: 12_100_000 }], warnings: [{ code: 'a', message: 'First.' }, { code: 'b', message: 'Second.' }], resumed: 5 } as unknown as MergeDocument;
    expect(resultText(document)).toBe('Merged 2 models by ties into out: 111 tensors, 12.1 MB, 5 kept from the interrupted run. 2 warnings: First.');
    expect(resultText({ ...document, warnings: [], resumed: 0 })).toBe('Merged 2 models by ties into out: 111 tensors, 12.1 MB.');
  });
});

describe('the reading behind a page', () => {
  const plan = (roles: readonly string[]): MergePlanDocument => ({ inputs: roles.map((role, i) => ({ role, path: `/${role}${i}` })) }) as unknown as MergePlanDocument;
  function bench(planned: MergePlanDocument) {
    const asked: { request: MergeInspectRequest; signal: AbortSignal; resolve: (document: MergeInspectDocument) => void; reject: (error: Error) => void }[] = [];
    const progress = new Emitter<Progress>();
    const engine = {
      plan: async () => planned,
      inspect: (_run: string, request: MergeInspectRequest, signal: AbortSignal) => new Promise<MergeInspectDocument>((resolve, reject) => {
        asked.push({ request, signal, resolve, reject });
        signal.addEventListener('abort', () => reject(failure('cancelled', { what: 'x' })));
      }),
    } as unknown as MergeEngine;
    const make = (subject: ConstructorParameters<typeof MergeSession>[1]) => new MergeSession(engine, subject, { newRun: () => 'run', onProgress: (_run, listener) => progress.on(listener) });
    return { asked, progress, make };
  }
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
  const recipe = { kind: 'recipe', name: 'r.yml', read: async () => ({ text: '', file: null }) } as const;

  it('plans a recipe, then compares its models', async () => {
    const { asked, progress, make } = bench(plan(['base', 'model', 'model']));
    const session = make(recipe), reading = session.read();
    await settle();
    expect(session.state).toMatchObject({ step: 'reading', models: ['/model1', '/model2'], base: '/base0' });
    expect(asked[0].request).toEqual({ models: ['/model1', '/model2'], base: '/base0' });
    progress.fire({ stage: 'reading', done: 1, total: 2, etaSeconds: null });
    expect(session.progress?.done).toBe(1);
    asked[0].resolve({ kind: 'merge-inspect' } as MergeInspectDocument);
    await reading;
    expect(session.state).toMatchObject({ step: 'done', document: { kind: 'merge-inspect' }, error: null });
    expect(session.isReading).toBe(false);
  });
  it('compares the modules of a recipe that plugs them into one base, and nothing where there is one model', async () => {
    const modules = bench(plan(['base', 'lora', 'lora']));
    void modules.make(recipe).read();
    await settle();
    expect(modules.asked[0].request).toEqual({ models: ['/lora1', '/lora2'], base: null });
    const one = bench(plan(['model']));
    const session = one.make(recipe);
    await session.read();
    expect(one.asked).toEqual([]);
    expect(session.state).toMatchObject({ step: 'done', document: null, note: expect.stringContaining('single model') as string });
  });
  it('keeps what is shown while it reads again, drops what was overtaken, and can be cancelled', async () => {
    const { asked, make } = bench(plan([]));
    const session = make({ kind: 'models', models: ['/a', '/b'], base: null });
    const first = session.read();
    await settle();
    asked[0].resolve({ layers: 1 } as MergeInspectDocument);
    await first;
    void session.choose({ kind: 'models', models: ['/a', '/b'], base: '/base' });
    await settle();
    expect(session.state).toMatchObject({ step: 'reading', base: '/base', document: { layers: 1 } });
    const third = session.read();
    await settle();
    expect(asked[1].signal.aborted).toBe(true);
    session.cancel();
    await third;
    expect(session.state.step).toBe('cancelled');
    expect(session.state.document).toEqual({ layers: 1 });
    const fourth = session.read();
    await settle();
    asked[3].reject(failure('merge/too-few', { count: 1 }));
    await fourth;
    expect(session.state).toMatchObject({ step: 'failed', error: { code: 'merge/too-few' } });
  });
});
