import type { MergeMethodFacts, MergeParameter } from '../../protocol/merge';
import type { RecipeWish } from '../../protocol/mergePage';

/** What goes into a new recipe. */
export interface RecipeChoice {
  readonly method: MergeMethodFacts;
  /** Model references as the recipe names them. */
  readonly models: readonly string[];
  readonly base: string | null;
}

/** A recipe in YAML with everything that has to be given, and the settings that people change at their defaults. */
export function writeRecipe({ method, models, base }: RecipeChoice): string {
  const { parameters } = method;
  const own = parameters.filter(({ scope, name, default: value }) => scope === 'model' && (value === null || name === 'weight' || name === 'density'));
  const shared = parameters.filter(({ scope, name, default: value, type }) => scope === 'merge' && (value === null || (type === 'number' && name !== 'eps' && name !== 'tol')));
  const value = (parameter: MergeParameter): string => {
    // A sum of as many changes as there are models, each in full, is rarely meant; shares of one are a start for every method.
    if (parameter.name === 'weight') return String(Number((1 / models.length).toFixed(3)));
    if (parameter.name === 'density') return '0.5';
    return String(parameter.default ?? 0.5);
  };
  const lines = [`merge_method: ${method.name}`, ...(base === null ? [] : [`base_model: ${quote(base)}`]), 'models:'];
  for (const model of models) {
    lines.push(`  - model: ${quote(model)}`);
    if (own.length > 0) lines.push('    parameters:', ...own.map((parameter) => `      ${parameter.name}: ${value(parameter)}`));
  }
  if (shared.length > 0) lines.push('parameters:', ...shared.map((parameter) => `  ${parameter.name}: ${value(parameter)}`));
  return `${lines.join('\n')}\n`;
}

/** A plain scalar where YAML reads it as this very text, else in double quotes. */
export function quote(text: string): string {
  const isPlain = /^[A-Za-z_/.~\u00a1-\uffff][\w/.+@\u00a1-\uffff -]*$/.test(text) && !/\s$|: |:$| #/.test(text) && !/^(?:true|false|yes|no|on|off|null|~|\.+|\.nan|\.inf|y|n)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}

/** A recipe of `writeRecipe` with a weight, a type or a vocabulary as wished. */
export function applyWish(recipe: string, { weight, outDtype, tokenizer }: RecipeWish): string {
  const weighted = weight === undefined ? recipe : recipe.replace(/^(\s+weight: ).*$/gm, (_, before: string) => `${before}${weight}`);
  return `${weighted}${outDtype === undefined ? '' : `out_dtype: ${outDtype}\n`}${tokenizer === undefined ? '' : `tokenizer: {source: ${tokenizer}}\n`}`;
}
