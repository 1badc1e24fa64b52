import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openCheckpoint } from '../../../extension/checkpoint/openCheckpoint';
import { readTensor } from '../../../extension/checkpoint/readTensor';
import { writeSafetensors } from '../../../extension/checkpoint/safetensorsWriter';
import { planMerge, type PlanOptions } from '../../../extension/merge/plan/planMerge';
import { checkRecipe } from '../../../extension/merge/recipe/checkRecipe';
import { type MergeResult, runMerge, type RunOptions } from '../../../extension/merge/runMerge';
import { Random } from '../../../extension/numerics/random';

export const temporaryFolder = (): string => fs.mkdtempSync(path.join(os.tmpdir(), 'modulens-merge-'));

/** float32 values to bf16 or f16 bits, by a way of its own: the nearest of all values, ties to even. */
export function halves(values: ArrayLike<number>, dtype: 'BF16'): Uint16Array {
  void dtype;
  return Uint16Array.from(values, (x) => {
    const bits = new Uint32Array(Float32Array.of(x).buffer)[0], low = bits & 0xffff, high = bits >>> 16;
    return low > 0x8000 || (low === 0x8000 && (high & 1) === 1) ? high + 1 : high;
  });
}

/** Writes a model folder: tensors by name with shape and values, all of one dtype. */
export async function writeModel(folder: string, tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly values: ArrayLike<number> }>>, dtype: 'F32' | 'BF16' = 'F32', config: unknown = { model_type: 'tiny', num_hidden_layers: 2, torch_dtype: 'float32' }): Promise<string> {
  fs.mkdirSync(folder, { recursive: true });
  await writeSafetensors(path.join(folder, 'model.safetensors'), Object.entries(tensors).map(([name, { shape, values }]) => ({ name, dtype, shape, data: dtype === 'F32' ? Float32Array.from(values) : halves(values, dtype) })), new Map([['format', 'pt']]));
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

/** Normal numbers of a named stream. */
export function normals(count: number, ...names: readonly (string | number)[]): Float32Array {
  const random = new Random(0, 'merge tests', ...names);
  return Float32Array.from({ length: count }, () => random.normal());
}

export type Recipe = Readonly<Record<string, unknown>>;

/** Merges by a recipe given as an object, whose models are folders of `root`. */
export async function merge(root: string, recipe: Recipe, out: string, options: Partial<RunOptions> & Partial<PlanOptions> = {}): Promise<MergeResult> {
  const recipeText = JSON.stringify(recipe), { recipe: read, problems } = checkRecipe(recipeText);
  if (!read) throw new Error(problems.map(({ message }) => message).join('; '));
  const plan = await planMerge(read, { recipeText, places: { recipeFolder: root, currentFolder: root, folders: [] }, ...options });
  return runMerge(plan, { threads: 1, signal: new AbortController().signal, progress: () => undefined, ...options, out });
}

export async function values(folder: string, tensor: string): Promise<Float32Array> {
  return readTensor((await openCheckpoint(folder)).tensors.get(tensor)!);
}
