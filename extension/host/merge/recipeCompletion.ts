import type { MergeMethodFacts } from '../../protocol/merge';
import type { RecipePlace } from './recipePlace';
import { inputsOf, isParameters, isSetting, keysAt, limitsOf, methodMarkdown, namesModel, parameterMarkdown, parametersAt, valuesAt } from './recipeWords';

/** One entry of a completion list. */
export interface RecipeCompletion {
  readonly label: string;
  readonly kind: 'key' | 'method' | 'parameter' | 'value' | 'model';
  /** In snippet syntax. */
  readonly insert: string;
  readonly detail: string;
  /** Markdown of this program's own words; empty without. */
  readonly documentation: string;
  /** Asks for the list of values right after this is written. */
  readonly asksOn: boolean;
}

/** Places that a recipe can name, as it would write them. */
export interface NamedModels {
  readonly checkpoints: readonly string[];
  readonly modules: readonly string[];
}

/** What could be written at a place. `method`: the recipe's own, for its settings. */
export function completionsAt(place: RecipePlace, methods: readonly MergeMethodFacts[], method: MergeMethodFacts | null, models: NamedModels): readonly RecipeCompletion[] {
  return place.slot === 'key' ? keyCompletions(place, method) : valueCompletions(place, methods, method, models);
}

function keyCompletions({ path, siblings, inBraces }: RecipePlace, method: MergeMethodFacts | null): readonly RecipeCompletion[] {
  const keys = (keysAt(path) ?? []).filter((key) => !siblings.includes(key.name) && (!inBraces || key.inline !== null));
  return [
    ...parametersAt(path, method).filter(({ name }) => !siblings.includes(name)).map((parameter): RecipeCompletion => ({
      label: parameter.name, kind: 'parameter', insert: `${parameter.name}: \${1:${parameter.default ?? (parameter.name === 't' ? 0.5 : 1)}}`, detail: limitsOf(parameter), documentation: parameterMarkdown(parameter, method!), asksOn: parameter.type === 'boolean',
    })),
    ...keys.map((key): RecipeCompletion => ({ label: key.name, kind: 'key', insert: `${key.name}${inBraces ? key.inline! : key.after}`, detail: '', documentation: key.says, asksOn: /^(merge_method|base_model|model|models|slices|parameters|dtype|out_dtype|tokenizer_source|source|sources)$/.test(key.name) })),
  ];
}

function valueCompletions({ path, typed }: RecipePlace, methods: readonly MergeMethodFacts[], method: MergeMethodFacts | null, models: NamedModels): readonly RecipeCompletion[] {
  const plain = (kind: RecipeCompletion['kind'], label: string, detail = '', documentation = ''): RecipeCompletion => ({ label, kind, insert: escapeSnippet(label), detail, documentation, asksOn: false });
  if (path.join('/') === 'merge_method') return methods.map((one) => plain('method', one.name, `${one.title} \u00b7 ${inputsOf(one)}`, methodMarkdown(one)));
  if (namesModel(path)) {
    const plus = typed.indexOf('+');
    if (plus >= 0) return models.modules.map((module) => plain('model', `${typed.slice(0, plus)}+${module}`, 'LoRA'));
    return models.checkpoints.map((model) => plain('model', model, 'checkpoint'));
  }
  if (path.at(-1) === 'filter') return ['self_attn', 'mlp', 'embed', 'norm', 'lm_head', '"*"'].map((part) => plain('value', part, 'part of a tensor\u2019s name'));
  const setting = isSetting(path) ? path[path.length - 1] : path.at(-1) === 'value' && path.at(-3) === 'parameters' ? path[path.length - 2] : null;
  if (setting !== null && method?.parameters.find(({ name }) => name === setting)?.type === 'boolean') return ['true', 'false'].map((value) => plain('value', value));
  const fixed = valuesAt(path).map((value) => plain('value', value));
  return path.join('/') === 'tokenizer_source' || path.join('/') === 'tokenizer/source' ? [...fixed, ...models.checkpoints.map((model) => plain('model', model, 'checkpoint'))] : fixed;
}

/** What the word at a place means, in Markdown; null where there is nothing to say. */
export function explain(place: RecipePlace, word: string, methods: readonly MergeMethodFacts[], method: MergeMethodFacts | null): string | null {
  if (place.slot === 'key') {
    if (place.path.length === 0 && word === 'merge_method' && method) return methodMarkdown(method);
    if (isParameters(place.path)) {
      const parameter = method?.parameters.find(({ name }) => name === word);
      return parameter && method ? parameterMarkdown(parameter, method) : null;
    }
    const key = keysAt(place.path)?.find(({ name }) => name === word);
    return key ? `**${key.name}**\n\n${key.says}` : null;
  }
  const named = place.path.join('/') === 'merge_method' ? methods.find(({ name }) => name === word) : undefined;
  return named ? methodMarkdown(named) : null;
}

function escapeSnippet(text: string): string {
  return text.replace(/[\\$}]/g, '\\$&');
}
