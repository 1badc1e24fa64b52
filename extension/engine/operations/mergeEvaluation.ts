import { promises as fs } from 'node:fs';
import path from 'node:path';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { type EvaluatedRun, type EvaluationPlan, evaluateRows } from '../../evaluation/evaluateRows';
import { maskTokenOf } from '../../evaluation/maskToken';
import { headOf } from '../../evaluation/scoring';
import { planMerge } from '../../merge/plan/planMerge';
import type { MergePlan } from '../../merge/plan/types';
import { runMerge } from '../../merge/runMerge';
import { attachModules } from '../../module/attach';
import { openLora } from '../../module/lora';
import { Random } from '../../numerics/random';
import { readData } from '../../probe/texts';
import { openTokenizer } from '../../probe/tokenizer';
import type { DeviceChoice, DeviceName, Notice } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { MergeEvaluation, MergeRecipe } from '../../protocol/merge';
import type { OperationContext } from '../context';
import { describeModel, requireModel } from '../modelFacts';
import { runtimeHost } from '../runtimeHost';

export interface EvaluatedMerge {
  readonly evaluation: MergeEvaluation;
  readonly used: DeviceName | null;
  readonly warnings: readonly Notice[];
  readonly seconds: number;
}

/** Draws of the bootstrap over documents. */
const DRAWS = 2000;
const AVERAGE = 'plain average';

/** Loss of a merge beside that of its base, of each parent and of their plain average, on the same documents. */
export async function evaluateMerge(plan: MergePlan, out: string, data: string, device: DeviceChoice | undefined, context: OperationContext): Promise<EvaluatedMerge> {
  const start = performance.now(), { rows, sha256 } = await readData(data), { use, forward } = await runtimeHost.environment(device, context), warnings: Notice[] = [];
  const measure = async (name: string, folder: string, lora: MergePlan['template']['lora']): Promise<EvaluatedRun> => {
    const model = requireModel(await describeModel(await openCheckpoint(folder))), head = headOf(model), { folder: place } = model.checkpoint;
    const tokenizer = await openTokenizer(place);
    if (!tokenizer) throw failure('probe/no-tokenizer', { path: place });
    const evaluation: EvaluationPlan = { rows, tokenizer, mask: head.kind === 'masked' ? await maskTokenOf(place, tokenizer) : null };
    const result = await evaluateRows(name, [], { model, environment: forward, modules: lora ? await attachModules(model, [{ module: await openLora(lora.path), strength: 1 }]) : null }, evaluation, (stage, done, total) => { context.progress({ stage, done, total, etaSeconds: null }); });
    if (result.loss.tokens === 0) throw failure('evaluate/no-tokens', { file: data });
    return result;
  };
  const merged = await measure('merge', out, null), controls: EvaluatedRun[] = [];
  for (const model of plan.models) {
    try {
      controls.push(await measure(model === plan.base ? `base ${model.checkpoint.name}` : model.lora ? `${model.checkpoint.name}+${model.lora.name}` : model.checkpoint.name, model.path, model.lora));
    } catch (error) {
      context.signal.throwIfAborted();
      warnings.push({ code: 'merge/control', message: `${model.reference} could not be evaluated as a control: ${(error as Error).message}` });
    }
  }
  const average = await plainAverage(plan, out, context, async (folder) => measure(AVERAGE, folder, null));
  if (average) controls.push(average);
  else warnings.push({ code: 'merge/control', message: 'There is no plain average of these models to compare with.' });
  const against = controls.flatMap((control) => { const compared = compare(merged, control, plan.seed); return compared ? [{ control: control.run.name, ...compared }] : []; });
  return {
    evaluation: { data: { file: path.basename(data), documents: rows.length, skipped: merged.loss.skipped, sha256 }, runs: [merged.run], controls: controls.map(({ run }) => run), against },
    used: use.used, warnings, seconds: (performance.now() - start) / 1000,
  };
}

/** Merges the parents by equal weights into a folder that is removed afterwards; null where that is no merge (layers stacked, or one parent). */
async function plainAverage(plan: MergePlan, out: string, context: OperationContext, measure: (folder: string) => Promise<EvaluatedRun>): Promise<EvaluatedRun | null> {
  const models = plan.recipe.models?.filter(({ model }) => model.text !== plan.recipe.base?.text) ?? [];
  if (models.length < 2) return null;
  const recipe: MergeRecipe = { ...plan.recipe, method: 'linear', base: plan.recipe.base, models: models.map(({ model }) => ({ model, parameters: { weight: 1 } })), parameters: {} };
  const byText = new Map(plan.models.map((model) => [model.reference, model]));
  // References were resolved already: the same places are named by their paths.
  const resolved: MergeRecipe = {
    ...recipe, base: recipe.base && { ...recipe.base, model: byText.get(recipe.base.text)?.path ?? recipe.base.model, revision: null },
    models: (recipe.models ?? []).map(({ model, parameters }) => ({ parameters, model: { ...model, model: byText.get(model.text)?.path ?? model.model, revision: null, lora: byText.get(model.text)?.lora?.path ?? null } })),
  };
  const average = await planMerge(resolved, { recipeText: 'merge_method: linear # equal weights', places: { recipeFolder: path.dirname(out), currentFolder: path.dirname(out), folders: [] }, seed: plan.seed });
  const folder = `${out}.average-${plan.id}`;
  try {
    await runMerge(average, { out: folder, threads: context.settings.threads, signal: context.signal, progress: context.progress, overwrite: true });
    return await measure(folder);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

/** Change of loss per token, merge minus control, with a paired bootstrap over documents; null where the documents' tokens differ (another tokenizer). */
function compare(merged: EvaluatedRun, control: EvaluatedRun, seed: number): { readonly change: number; readonly interval: readonly [number, number]; readonly documents: number } | null {
  const a = merged.loss.documents, b = control.loss.documents, used = a.flatMap((document, i) => (document.tokens > 0 && document.tokens === b[i].tokens ? [i] : []));
  if (used.length === 0 || used.length < a.filter(({ tokens }) => tokens > 0).length) return null;
  const change = (pick: (k: number) => number): number => {
    let difference = 0, tokens = 0;
    for (let k = 0; k < used.length; k++) { const i = used[pick(k)]; difference += a[i].nll - b[i].nll; tokens += a[i].tokens; }
    return difference / tokens;
  };
  const random = new Random(seed, 'merge', 'bootstrap', control.run.name);
  const draws = Float64Array.from({ length: DRAWS }, () => change(() => random.integer(used.length))).sort();
  return { change: change((k) => k), interval: [draws[Math.floor(0.025 * DRAWS)], draws[Math.ceil(0.975 * DRAWS) - 1]], documents: used.length };
}
