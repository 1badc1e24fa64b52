import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationContext } from '../../../extension/engine/context';
import { plan, run } from '../../../extension/engine/operations/merge';
import { check, methods } from '../../../extension/engine/operations/mergeRecipes';
import { run as inspect } from '../../../extension/engine/operations/mergeInspectCommand';
import { formatMerge, formatMergeInspect, formatMergePlan } from '../../../extension/engine/mergeText';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { bindModel } from '../../../extension/architecture/resolve';
import { temporaryFolder } from './helpers';

const STORIES = path.resolve('test/fixtures/stories260k'), LORA = path.resolve('test/fixtures/stories260k-modules/lora-bank-r4');
const schema = (name: string): object => JSON.parse(fs.readFileSync(`extension/report/schemas/${name}.schema.json`, 'utf8')) as object;

let root: string, context: OperationContext;
beforeAll(() => {
  root = temporaryFolder();
  context = { signal: new AbortController().signal, progress: () => undefined, log: () => undefined, interactive: false, settings: { cacheDir: path.join(root, 'cache'), cacheBytes: 1 << 30, threads: 1, device: 'cpu' } };
});
afterAll(() => { fs.rmSync(root, { recursive: true, force: true }); });

function valid(name: string, document: unknown): void {
  const validate = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true }).compile(schema(name));
  validate(JSON.parse(JSON.stringify(document)));
  expect(validate.errors ?? []).toEqual([]);
}

describe('the documents of a merge', () => {
  it('plan, result and evaluation beside every control', async () => {
    const recipe = path.join(root, 'recipe.yml'), data = path.join(root, 'rows.jsonl'), out = path.join(root, 'out');
    fs.writeFileSync(recipe, JSON.stringify({ merge_method: 'task_arithmetic', base_model: STORIES, models: [{ model: `${STORIES}+${LORA}`, parameters: { weight: 0.5 } }], dtype: 'float32', out_dtype: 'bfloat16' }));
    fs.writeFileSync(data, fs.readFileSync('test/fixtures/banking77-slice.jsonl', 'utf8').split('\n').slice(0, 6).map((line) => JSON.stringify({ text: (JSON.parse(line) as { readonly text: string }).text })).join('\n'));
    const planned = await plan({ recipe, out }, context);
    valid('merge-plan', planned);
    expect(planned).toMatchObject({ layers: 5, parameters: 260_032, dtype: 'BF16', outputs: [{ file: 'model.safetensors' }] });
    expect(formatMergePlan(planned)).toContain('nothing was written');
    expect(fs.existsSync(out)).toBe(false);
    const document = await run({ recipe, out, data, device: 'cpu' }, context);
    valid('merge', document);
    expect(document.outputs).toEqual([{ file: 'model.safetensors', bytes: fs.statSync(path.join(out, 'model.safetensors')).size, sha256: createHash('sha256').update(fs.readFileSync(path.join(out, 'model.safetensors'))).digest('hex') }]);
    expect(document.inputs.map(({ role }) => role)).toEqual(['base', 'model', 'lora']);
    const evaluation = document.evaluation!, [merged] = evaluation.runs, [base, tuned] = evaluation.controls;
    expect(evaluation.controls.map(({ name }) => name)).toEqual(['base stories260k', 'stories260k+lora-bank-r4']);
    // Half a LoRA of this task lies between none and all of it.
    expect(merged.lossPerToken).toBeLessThan(base.lossPerToken);
    expect(merged.lossPerToken).toBeGreaterThan(tuned.lossPerToken);
    const [first] = evaluation.against;
    expect(first.change).toBeCloseTo(merged.lossPerToken - base.lossPerToken, 10);
    expect(first.interval[0]).toBeLessThanOrEqual(first.change);
    expect(first.interval[1]).toBeGreaterThanOrEqual(first.change);
    expect(formatMerge(document)).toContain('merge minus this');
    // What was written is a model that runs.
    bindModel(await openCheckpoint(out));
  }, 120_000);
  it('a recipe with an error names its file, line and column', async () => {
    const recipe = path.join(root, 'bad.yml');
    fs.writeFileSync(recipe, 'merge_method: linear\nmodels:\n  - model: x\n    parameters: {wieght: 1}\n');
    await expect(plan({ recipe }, context)).rejects.toMatchObject({ code: 'merge/recipe', args: { file: recipe, line: 4, column: 18 }, exit: 3 });
  });
  it('the editor hears which models are not there', async () => {
    const file = path.join(root, 'editor.yml'), text = JSON.stringify({ merge_method: 'passthrough', models: [{ model: 'nowhere/at-all' }] });
    const { recipe, problems } = await check({ text, file });
    expect(recipe).toBeNull();
    expect(problems).toMatchObject([{ code: 'not-found', severity: 'error' }]);
    expect(text.slice(problems[0].range.from, problems[0].range.to)).toBe('"nowhere/at-all"');
    expect((await check({ text })).recipe).not.toBeNull();
  });
  it('comparing models and LoRAs, every figure with its null', async () => {
    const fixtures = path.resolve('test/fixtures/merge'), [a, b, base] = ['a', 'b', 'base'].map((name) => path.join(fixtures, name));
    const checkpoints = await inspect({ models: [a, b], base }, context), loras = await inspect({ models: [LORA, path.resolve('test/fixtures/stories260k-modules/lora-math-r4')], base: null }, context);
    for (const document of [checkpoints, loras]) valid('merge-inspect', document);
    const [all] = checkpoints.summary, [{ cosine, conflict }] = all.pairs;
    expect(all.part).toBe('all');
    expect(cosine).toMatchObject({ unit: 'cosine', null: 0, nOf: 'rows' });
    expect(conflict.null).toBe(0.5);
    // Fine-tunes of this fixture are noise: nothing but chance.
    expect(Math.abs(cosine.value!)).toBeLessThan(4 * cosine.nullSd!);
    expect(formatMergeInspect(checkpoints)).toMatch(/cosine .*null 0 .*n = /);
  });
  it('the table of methods is plain data', () => {
    expect(structuredClone(methods())).toEqual(methods());
  });
});
