import { promises as fs } from 'node:fs';
import path from 'node:path';
import { readRange, withFile } from '../../checkpoint/files';
import { planMerge } from '../../merge/plan/planMerge';
import type { MergePlan } from '../../merge/plan/types';
import { checkRecipe } from '../../merge/recipe/checkRecipe';
import { checkBefore, runMerge } from '../../merge/runMerge';
import { type DeviceChoice, SCHEMA_VERSION } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { MergeDocument, MergeInputFacts, MergeOptions, MergePlanDocument } from '../../protocol/merge';
import { VERSION } from '../../protocol/version';
import type { OperationContext } from '../context';

export interface MergeParams extends MergeOptions {
  /** The recipe's file. */
  readonly recipe: string;
  /** The recipe as it stands in an editor, in place of what the file holds. */
  readonly text?: string;
  readonly out: string;
  /** Texts to evaluate the result on, against base, parents and plain average. */
  readonly data?: string;
  readonly device?: DeviceChoice;
}

/** Bytes of a recipe; real ones have a few thousand. */
const MAX_RECIPE_BYTES = 1_000_000;

/** Reads and plans a recipe; opens every model it names. */
export async function planRecipe({ recipe: file, text: given, seed, shardBytes, asMergekit, folders }: MergeOptions & { readonly recipe: string; readonly text?: string }): Promise<MergePlan> {
  const text = given ?? await readRecipe(file), { recipe, problems } = checkRecipe(text);
  if (!recipe) {
    const errors = problems.filter(({ severity }) => severity === 'error'), [first] = errors;
    throw failure('merge/recipe', { file, line: first.range.start.line + 1, column: first.range.start.column + 1, problem: first.message, more: errors.length - 1 });
  }
  const plan = await planMerge(recipe, {
    recipeText: text, places: { recipeFolder: path.dirname(path.resolve(file)), currentFolder: process.cwd(), folders: folders ?? [] },
    ...(seed === undefined ? {} : { seed }), ...(shardBytes === undefined ? {} : { shardBytes }), ...(asMergekit ? { asMergekit } : {}),
  });
  const remarks = problems.map(({ code, message }) => ({ code: `recipe/${code}`, message }));
  return { ...plan, warnings: [...remarks, ...plan.warnings] };
}

async function readRecipe(file: string): Promise<string> {
  return withFile(file, async (opened) => {
    if (opened.size > MAX_RECIPE_BYTES) throw failure('checkpoint/json-too-large', { file, bytes: opened.size, limit: MAX_RECIPE_BYTES });
    return new TextDecoder('utf-8').decode(await readRange(opened, 0, opened.size));
  });
}

/** What a merge would do. Writes nothing. */
export async function plan(params: Omit<MergeParams, 'out'> & { readonly out?: string }, _context: OperationContext): Promise<MergePlanDocument> {
  const start = performance.now(), made = await planRecipe(params);
  const free = params.out === undefined ? null : await checkBefore(made, params.out, params.overwrite === true);
  const merged = made.tensors.filter(({ task }) => task !== null).length;
  return {
    schemaVersion: SCHEMA_VERSION, kind: 'merge-plan', program: { name: 'modulens', version: VERSION }, warnings: made.warnings, timings: { total: (performance.now() - start) / 1000 },
    method: made.method.name, formula: made.method.formula, inputs: inputFacts(made), layers: made.layers, tensors: made.tensors.length, parameters: made.tensors.reduce((sum, t) => sum + t.elements, 0),
    merged, copied: made.tensors.length - merged, dtype: made.dtype, vocabulary: made.vocabulary,
    outputs: made.files.map((file) => ({ file: file.name, bytes: file.bytes, tensors: file.tensors.length })), bytes: made.files.reduce((sum, file) => sum + file.bytes, 0),
    bytesRead: made.tensors.reduce((sum, t) => sum + t.sources.reduce((bytes, { tensor }) => bytes + tensor.bytes, 0), 0), free,
  };
}

/** Merges checkpoints by a recipe into a new folder; with `data`, evaluates the result beside its controls. */
export async function run(params: MergeParams, context: OperationContext): Promise<MergeDocument> {
  const start = performance.now(), made = await planRecipe(params), planned = (performance.now() - start) / 1000;
  const result = await runMerge(made, {
    out: params.out, threads: params.threads ?? context.settings.threads, signal: context.signal, progress: context.progress, ...(params.overwrite ? { overwrite: true } : {}),
  });
  const evaluated = params.data === undefined ? null : await (await import('./mergeEvaluation')).evaluateMerge(made, result.out, params.data, params.device, context);
  const outputs = await Promise.all(made.files.map(async ({ name }) => ({ file: name, bytes: (await fs.stat(path.join(result.out, name))).size, sha256: result.outputDigests.get(name) ?? '' })));
  return {
    schemaVersion: SCHEMA_VERSION, kind: 'merge', program: { name: 'modulens', version: VERSION }, warnings: [...result.warnings, ...(evaluated?.warnings ?? [])],
    timings: { plan: planned, ...result.timings, ...(evaluated ? { evaluate: evaluated.seconds } : {}), total: (performance.now() - start) / 1000 },
    method: made.method.name, formula: made.method.formula, seed: made.seed, device: { requested: params.device ?? context.settings.device, used: evaluated?.used ?? null }, out: result.out,
    inputs: inputFacts(made, result.inputDigests), outputs, tensors: made.tensors.length, merged: result.merged, copied: result.copied, resumed: result.resumed, threads: result.threads, bytesRead: result.bytesRead,
    ...(evaluated ? { evaluation: evaluated.evaluation } : {}),
  };
}

function inputFacts(made: MergePlan, digests?: ReadonlyMap<string, string>): readonly MergeInputFacts[] {
  const files = (checkpoint: MergePlan['template']['checkpoint']): MergeInputFacts['files'] => checkpoint.weightFiles.map((file) => {
    const sha256 = digests?.get(file);
    return { file: path.basename(file), bytes: checkpoint.files.find(({ path: p }) => p === file)?.size ?? 0, ...(sha256 === undefined ? {} : { sha256 }) };
  });
  return made.models.flatMap((model) => [
    { reference: model.reference, path: model.path, role: model === made.base ? 'base' as const : 'model' as const, files: files(model.checkpoint) },
    ...(model.lora ? [{ reference: model.reference, path: model.lora.path, role: 'lora' as const, files: files(model.lora.weights) }] : []),
  ]);
}
