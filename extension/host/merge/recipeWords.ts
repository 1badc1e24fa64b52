import { MERGE_DTYPES, type MergeMethodFacts, type MergeParameter } from '../../protocol/merge';
import { MERGEKIT_NOTES } from './mergekitNotes';

/** A key that a mapping of a recipe may have. */
export interface RecipeKey {
  readonly name: string;
  readonly says: string;
  /** What completion writes after the key; snippet syntax, lines indented relative to the key. */
  readonly after: string;
  /** The same between braces, where the value fits on one line; null: not offered there. */
  readonly inline: string | null;
}

const key = (name: string, says: string, after = ': $0', inline: string | null = ': $0'): RecipeKey => ({ name, says, after, inline });

const PARAMETERS = 'Settings of the method: numbers, lists of numbers (spread over the layers), or lists of {filter, value} for tensors whose name holds the filter. What stands nearer to the model counts.';
const MODEL = 'A path relative to this file, a path, or the id of a model in the local Hugging Face cache. `@revision` picks a snapshot, `+path` merges a LoRA in first. Nothing is downloaded.';
const TOP: readonly RecipeKey[] = [
  key('merge_method', 'How tensors are merged.'),
  key('base_model', 'The model that differences are taken from, or one end of an interpolation.'),
  key('models', 'The models to merge, whole.', ':\n  - model: $1\n    parameters:\n      weight: ${2:1.0}', null),
  key('slices', 'The layers of the result, slice by slice; instead of models.', ':\n  - sources:\n      - model: $1\n        layer_range: [${2:0}, ${3:1}]', null),
  key('parameters', PARAMETERS, ':\n  $0', ': {$0}'),
  key('dtype', 'Inputs are read as this, and written as this without out_dtype. Arithmetic is float32 always.'),
  key('out_dtype', 'Type of the numbers in the result. Without it: dtype, else that of the base.'),
  key('tokenizer_source', 'Where the vocabulary comes from: base, union, or a model.'),
  key('tokenizer', 'Where the vocabulary comes from, with more choices than tokenizer_source.', ':\n  source: ${1|base,union|}', ': {source: ${1|base,union|}}'),
  key('chat_template', 'Chat template of the result.'),
];
const MODEL_KEYS: readonly RecipeKey[] = [key('model', MODEL), key('parameters', PARAMETERS, ':\n  $0', ': {$0}')];
const LAYER_RANGE = key('layer_range', 'First layer and the one after the last, from 0.', ': [${1:0}, ${2:1}]', ': [${1:0}, ${2:1}]');

/** Keys of the mapping under a path of keys, without those of parameters; null where Modulens knows none. */
export function keysAt(path: readonly string[]): readonly RecipeKey[] | null {
  const place = path.join('/');
  if (place === '') return TOP;
  if (place === 'models') return MODEL_KEYS;
  if (place === 'slices') return [key('sources', 'The layers that are merged into this slice, one entry for each model.', ':\n  - model: $1\n    layer_range: [${2:0}, ${3:1}]', null), key('base_model', TOP[1].says), key('parameters', PARAMETERS, ':\n  $0', ': {$0}')];
  if (place === 'slices/sources') return [MODEL_KEYS[0], LAYER_RANGE, MODEL_KEYS[1]];
  if (place === 'tokenizer') return [key('source', TOP[7].says), key('pad_to_multiple_of', 'Rows of the embedding are filled up to a multiple of this.')];
  if (isSetting(path)) return [key('filter', 'Part of a tensor\u2019s name; without it, or `*`: every tensor. The first entry that fits counts.'), key('value', 'The value for these tensors: a number, or a list that is spread over the layers.')];
  return null;
}

/** Whether the path leads to the settings of a method. */
export const isParameters = (path: readonly string[]): boolean => path.at(-1) === 'parameters';
/** Whether the path leads to one setting of a method. */
export const isSetting = (path: readonly string[]): boolean => path.at(-2) === 'parameters';

/** The settings that may stand under a path: those of one model, or all. */
export function parametersAt(path: readonly string[], method: MergeMethodFacts | null): readonly MergeParameter[] {
  if (!method || !isParameters(path)) return [];
  const place = path.join('/');
  return place === 'parameters' || place === 'slices/parameters' ? method.parameters : method.parameters.filter(({ scope }) => scope === 'model');
}

/** Fixed values that may stand at a path; empty where there are none. */
export function valuesAt(path: readonly string[]): readonly string[] {
  const place = path.join('/');
  if (place === 'dtype' || place === 'out_dtype') return MERGE_DTYPES;
  if (place === 'tokenizer_source' || place === 'tokenizer/source') return ['base', 'union'];
  return [];
}

/** Whether the value at a path names a model. */
export const namesModel = (path: readonly string[]): boolean => /^(base_model|models\/model|slices\/base_model|slices\/sources\/model)$/.test(path.join('/'));

/** "0.5, 0 to 1" or "has to be given". */
export function limitsOf({ default: value, least, most, type }: MergeParameter): string {
  const range = type === 'boolean' ? '' : least !== undefined && most !== undefined ? `${least} to ${most}` : least !== undefined ? `at least ${least}` : most !== undefined ? `at most ${most}` : '';
  return [value === null ? 'has to be given' : `default ${value}`, range].filter((part) => part !== '').join(', ');
}

/** How many models, and whether with a base, in words. */
export function inputsOf({ base, models: [least, most] }: MergeMethodFacts): string {
  const count = most === null ? `${least} or more models` : least === most ? `${least === 1 ? '1 model' : `${least} models`}` : `${least} to ${most} models`;
  return `${count}${base === 'required' ? ' and a base' : base === 'optional' ? ', with or without a base' : ''}`;
}

/** A method in Markdown: formula, what it does, settings with defaults, and mergekit. All text is this program's own. */
export function methodMarkdown(method: MergeMethodFacts): string {
  const rows = method.parameters.map((parameter) => `| \`${parameter.name}\` | ${limitsOf(parameter)} | ${parameter.scope === 'model' ? 'each model' : 'once'} | ${parameter.says} |`);
  const table = rows.length > 0 ? ['', '| setting | | for | |', '|---|---|---|---|', ...rows, ''] : [''];
  return [
    `**${method.title}** \u00b7 \`${method.name}\` \u00b7 ${inputsOf(method)}`, '', '```text', method.formula, '```', '',
    '\u03b8\u2080 base, \u03b8\u1d62 models, \u03c4\u1d62 = \u03b8\u1d62 \u2212 \u03b8\u2080, w\u1d62 weights', '', method.says, ...table,
    `mergekit: ${MERGEKIT_NOTES[method.name]}`, '', `Source: ${method.source}`,
  ].join('\n');
}

export function parameterMarkdown(parameter: MergeParameter, method: MergeMethodFacts): string {
  return `**${parameter.name}** of \`${method.name}\` \u00b7 ${limitsOf(parameter)} \u00b7 ${parameter.scope === 'model' ? 'for each model, or for all' : 'given once'}\n\n${parameter.says}`;
}
