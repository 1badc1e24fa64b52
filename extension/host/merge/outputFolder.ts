import { pathOf, samePlace } from '../paths';

/** The folder that a merge is written to when nothing else is said: beside the recipe, named after it. */
export function suggestedFolder(recipeFile: string | null, recipeName: string, workspace: string): string {
  const folder = recipeFile === null ? workspace : pathOf(recipeFile).dirname(recipeFile);
  const stem = recipeName.replace(/\.ya?ml$/i, '').replace(/[\\/:*?"<>|\u0000-\u001f]+/g, '-').replace(/^[.\s]+|[.\s]+$/g, '') || 'merge';
  return pathOf(folder).join(folder, `${stem}-merged`);
}

/** How a folder collides with an input: it is one, holds one, or lies in one; null where it does not. By names; the engine looks at links too. */
export function collision(out: string, inputs: readonly string[]): { readonly input: string; readonly how: 'is' | 'contains' | 'lies inside' } | null {
  for (const input of inputs) {
    if (samePlace(out, input)) return { input, how: 'is' };
    if (isInside(input, out)) return { input, how: 'contains' };
    if (isInside(out, input)) return { input, how: 'lies inside' };
  }
  return null;
}

function isInside(inner: string, outer: string): boolean {
  const paths = pathOf(outer);
  for (let at = paths.normalize(inner), parent = paths.dirname(at); parent !== at; at = parent, parent = paths.dirname(at)) if (samePlace(parent, outer)) return true;
  return false;
}
