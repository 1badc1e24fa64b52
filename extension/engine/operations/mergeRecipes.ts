import path from 'node:path';
import { methodTable } from '../../merge/methods/index';
import { checkRecipe } from '../../merge/recipe/checkRecipe';
import { resolveModel } from '../../merge/references';
import { ModulensError } from '../../protocol/errors';
import type { CheckedRecipe, MergeMethodFacts, ModelReference, RecipeProblem } from '../../protocol/merge';

/** Facts of every merge method, for completion, hovers and documentation. */
export function methods(): readonly MergeMethodFacts[] {
  return methodTable();
}

/** Checks a recipe while it is written: keys, values, and whether each model is found. Opens no model. */
export async function check({ text, file, folders }: { readonly text: string; readonly file?: string; readonly folders?: readonly string[] }): Promise<CheckedRecipe> {
  const { recipe, problems } = checkRecipe(text);
  if (!recipe || file === undefined) return { recipe, problems };
  const references = new Map<string, ModelReference>();
  const note = (reference: ModelReference | null): void => { if (reference && !references.has(reference.text)) references.set(reference.text, reference); };
  note(recipe.base);
  for (const { model } of [...(recipe.models ?? []), ...(recipe.slices ?? []).flatMap(({ sources }) => sources)]) note(model);
  for (const { base } of recipe.slices ?? []) note(base);
  if (recipe.tokenizer && typeof recipe.tokenizer.source !== 'string') note(recipe.tokenizer.source);
  const places = { recipeFolder: path.dirname(path.resolve(file)), currentFolder: process.cwd(), folders: folders ?? [] }, missing: RecipeProblem[] = [];
  for (const reference of references.values()) {
    try {
      await resolveModel(reference, places);
    } catch (error) {
      if (!(error instanceof ModulensError)) throw error;
      missing.push({ code: 'not-found', severity: 'error', message: error.message, range: reference.range });
    }
  }
  return { recipe: missing.length === 0 ? recipe : null, problems: [...problems, ...missing] };
}
