import type { Node } from 'yaml';
import { type CheckedRecipe, MERGE_DTYPES, MERGE_METHODS, type MergeDtype, type MergeMethodFacts, type MergeMethodName, type MergeRecipe, type ModelReference, type RecipeInput, type RecipeSlice, type Settings, type TokenizerChoice } from '../../protocol/merge';
import { mergeMethod } from '../methods/index';
import type { MergeMethod } from '../methods/types';
import { nearest } from './nearest';
import { readSettings } from './settings';
import { type Entry, YamlReader } from './yamlReader';

/** Templates that mergekit ships; only chatml is short enough to be beyond doubt. */
const NAMED_TEMPLATES = ['alpaca', 'llama3', 'mistral', 'exaone'];
const KEYS = ['merge_method', 'base_model', 'models', 'slices', 'modules', 'parameters', 'dtype', 'out_dtype', 'tokenizer_source', 'tokenizer', 'chat_template'];

/**
 * Reads a recipe in mergekit's YAML and checks all that can be known without files: keys, the method and its parameters, numbers of models,
 * layer ranges. Every problem has its place in the text; a misspelt name comes with the one that is meant.
 */
export function checkRecipe(text: string): CheckedRecipe {
  const yaml = new YamlReader(text);
  if (!yaml.ok) return { recipe: null, problems: yaml.problems };
  if (yaml.root === null) {
    yaml.problem('missing', 'The recipe is empty. It needs at least merge_method and models.', null);
    return { recipe: null, problems: yaml.problems };
  }
  const top = yaml.entries(yaml.root, 'a recipe', KEYS);
  const recipe = top && readRecipe(yaml, top);
  return { recipe: yaml.ok ? recipe : null, problems: yaml.problems };
}

function readRecipe(yaml: YamlReader, top: ReadonlyMap<string, Entry>): MergeRecipe | null {
  const at = (key: string): Node | null => top.get(key)?.value ?? null;
  const method = readMethod(yaml, top);
  if (top.has('modules')) yaml.problem('unsupported', 'Recipes for models of several parts (`modules`) are not supported. Merge the parts one by one with `models` or `slices`.', top.get('modules')?.keyNode);
  const base = top.has('base_model') ? readReference(yaml, at('base_model'), '`base_model`') : null;
  const both = top.has('models') && top.has('slices');
  if (both) yaml.problem('conflict', 'A recipe has either `models` or `slices`, not both.', top.get('slices')?.keyNode);
  if (!top.has('models') && !top.has('slices') && !top.has('modules')) yaml.problem('missing', 'The recipe names no models: it needs `models` (whole models) or `slices` (layers).', yaml.root);
  const parameters = readSettings(yaml, at('parameters'), method, 'recipe');
  const models = top.has('models') ? readInputs(yaml, at('models'), method) : null;
  const slices = !both && top.has('slices') ? readSlices(yaml, at('slices'), method) : null;
  const dtype = readDtype(yaml, top.get('dtype')), outDtype = readDtype(yaml, top.get('out_dtype')), tokenizer = readTokenizer(yaml, top);
  const chat = top.has('chat_template') ? yaml.string(at('chat_template'), '`chat_template`') : null;
  if (chat !== null && NAMED_TEMPLATES.includes(chat)) yaml.problem('unsupported', `The built-in chat template "${chat}" is not part of Modulens. Write the template itself, or leave the key out to keep the base's.`, at('chat_template'));
  if (!method || !yaml.ok) return null;
  for (const group of models ? [{ inputs: models, base, parameters: {} as Settings, node: top.get('models')?.keyNode }] : (slices ?? []).map((s) => ({ inputs: s.sources, base: s.base ?? base, parameters: s.parameters, node: top.get('slices')?.keyNode, range: s.range }))) {
    checkGroup(yaml, method, group, parameters, top);
  }
  return { method: method.name, base, models, slices, parameters, dtype, outDtype, tokenizer, chatTemplate: chat === 'auto' ? null : chat };
}

function readMethod(yaml: YamlReader, top: ReadonlyMap<string, Entry>): MergeMethod | null {
  const entry = top.get('merge_method');
  if (!entry) {
    yaml.problem('missing', 'The recipe names no `merge_method`.', yaml.root);
    return null;
  }
  const name = yaml.string(entry.value, '`merge_method`');
  if (name === null) return null;
  if ((MERGE_METHODS as readonly string[]).includes(name)) return mergeMethod(name as MergeMethodName);
  const suggestion = nearest(name, MERGE_METHODS);
  yaml.problem('unknown-method', `There is no merge method \`${name}\`.${suggestion ? ` Did you mean \`${suggestion}\`?` : ` There are: ${MERGE_METHODS.join(', ')}.`}`, entry.value, suggestion);
  return null;
}

/** `path or hub id`, `@revision`, `+lora`. */
function readReference(yaml: YamlReader, node: Node | null, what: string): ModelReference | null {
  const text = yaml.string(node, what)?.trim();
  if (text === undefined) return null;
  const plus = text.lastIndexOf('+'), whole = plus > 0 ? text.slice(0, plus) : text, lora = plus > 0 ? text.slice(plus + 1) : null;
  if (lora === '') yaml.problem('missing', 'A "+" has to be followed by the folder of a LoRA.', node);
  const sign = whole.lastIndexOf('@'), model = sign > 0 ? whole.slice(0, sign) : whole;
  return { text, model, revision: sign > 0 ? whole.slice(sign + 1) : null, lora, range: yaml.rangeOf(node) };
}

function readInputs(yaml: YamlReader, node: Node | null, method: MergeMethodFacts | null): readonly RecipeInput[] {
  return (yaml.items(node, '`models`') ?? []).flatMap((item) => {
    const entries = yaml.entries(item, 'a model', ['model', 'parameters']);
    if (!entries) return [];
    if (!entries.has('model')) yaml.problem('missing', 'This entry names no `model`.', item);
    const model = entries.has('model') ? readReference(yaml, entries.get('model')?.value ?? null, '`model`') : null;
    const parameters = readSettings(yaml, entries.get('parameters')?.value ?? null, method, 'model');
    return model ? [{ model, parameters }] : [];
  });
}

function readSlices(yaml: YamlReader, node: Node | null, method: MergeMethodFacts | null): readonly RecipeSlice[] {
  const slices = (yaml.items(node, '`slices`') ?? []).flatMap((item): RecipeSlice[] => {
    const entries = yaml.entries(item, 'a slice', ['sources', 'base_model', 'parameters', 'residual_weight']);
    if (!entries) return [];
    if (entries.has('residual_weight')) yaml.problem('ignored', '`residual_weight` has never had an effect in mergekit and has none here. Remove it.', entries.get('residual_weight')?.keyNode, undefined, 'warning');
    if (!entries.has('sources')) yaml.problem('missing', 'A slice needs `sources`.', item);
    const sources = entries.has('sources') ? (yaml.items(entries.get('sources')?.value ?? null, '`sources`') ?? []).flatMap((source) => readSource(yaml, source, method)) : [];
    const lengths = new Set(sources.map(({ layers }) => layers[1] - layers[0]));
    if (lengths.size > 1) yaml.problem('layers', `All sources of a slice need the same number of layers; here they have ${[...lengths].join(', ')}.`, item);
    const base = entries.has('base_model') ? readReference(yaml, entries.get('base_model')?.value ?? null, '`base_model`') : null;
    return [{ sources, base, parameters: readSettings(yaml, entries.get('parameters')?.value ?? null, method, 'slice'), range: yaml.rangeOf(item) }];
  });
  if (slices.length === 0 && yaml.ok) yaml.problem('missing', '`slices` is empty.', node);
  return slices;
}

function readSource(yaml: YamlReader, node: Node, method: MergeMethodFacts | null): readonly RecipeSlice['sources'][number][] {
  const entries = yaml.entries(node, 'a source', ['model', 'layer_range', 'parameters']);
  if (!entries) return [];
  for (const key of ['model', 'layer_range']) if (!entries.has(key)) yaml.problem('missing', `A source needs \`${key}\`.`, node);
  const model = entries.has('model') ? readReference(yaml, entries.get('model')?.value ?? null, '`model`') : null, range = entries.get('layer_range');
  const ends = range ? (yaml.items(range.value, '`layer_range`') ?? []).map((item) => yaml.scalar(item)) : [];
  const whole = ends.length === 2 && ends.every((x) => typeof x === 'number' && Number.isInteger(x) && x >= 0);
  if (range && (!whole || (ends[0] as number) >= (ends[1] as number))) yaml.problem('layers', '`layer_range` has to be [first, end) with two whole numbers, the second larger: [0, 16] are the layers 0 to 15.', range.value);
  const parameters = readSettings(yaml, entries.get('parameters')?.value ?? null, method, 'model');
  return model && whole ? [{ model, parameters, layers: [ends[0] as number, ends[1] as number] }] : [];
}

function readDtype(yaml: YamlReader, entry: Entry | undefined): MergeDtype | null {
  if (!entry) return null;
  const value = yaml.scalar(entry.value);
  if (value === null || value === 'auto') return null;
  const known: Readonly<Record<string, MergeDtype>> = { float32: 'float32', float16: 'float16', bfloat16: 'bfloat16', float: 'float32', half: 'float16' };
  if (typeof value === 'string' && Object.hasOwn(known, value)) return known[value];
  const suggestion = nearest(String(value), MERGE_DTYPES) ?? ({ fp32: 'float32', fp16: 'float16', bf16: 'bfloat16', f32: 'float32', f16: 'float16' } as Readonly<Record<string, string>>)[String(value).toLowerCase()];
  yaml.problem('range', `\`${entry.key}\` has to be one of ${MERGE_DTYPES.join(', ')}.`, entry.value, suggestion);
  return null;
}

function readTokenizer(yaml: YamlReader, top: ReadonlyMap<string, Entry>): TokenizerChoice | null {
  const short = top.get('tokenizer_source'), long = top.get('tokenizer');
  if (short && long) yaml.problem('conflict', 'A recipe has either `tokenizer_source` or `tokenizer`, not both.', short.keyNode);
  const source = (node: Node | null): TokenizerChoice['source'] | null => {
    const value = yaml.scalar(node);
    return value === 'base' || value === 'union' ? value : readReference(yaml, node, '`source`');
  };
  if (short && !long) {
    if (yaml.scalar(short.value) === null) return null;
    const found = source(short.value);
    return found && { source: found, padToMultipleOf: null };
  }
  if (!long) return null;
  const entries = yaml.entries(long.value, '`tokenizer`', ['source', 'tokens', 'pad_to_multiple_of']);
  if (!entries) return null;
  if (entries.has('tokens')) yaml.problem('unsupported', 'Rules for single tokens (`tokens`) are not supported. Remove them: a token takes the base\u2019s vector, else the mean of the models that have it.', entries.get('tokens')?.keyNode);
  const found = entries.has('source') ? source(entries.get('source')?.value ?? null) : 'union', pad = entries.has('pad_to_multiple_of') ? yaml.scalar(entries.get('pad_to_multiple_of')?.value ?? null) : null;
  if (pad !== null && !(typeof pad === 'number' && Number.isInteger(pad) && pad > 0)) yaml.problem('range', '`pad_to_multiple_of` has to be a whole number above 0.', entries.get('pad_to_multiple_of')?.value);
  return found && { source: found, padToMultipleOf: typeof pad === 'number' ? pad : null };
}

interface Group { readonly inputs: readonly RecipeInput[]; readonly base: ModelReference | null; readonly parameters: Settings; readonly node: Node | undefined; readonly range?: RecipeSlice['range'] }

/** Numbers of models, and parameters that have to be given. */
function checkGroup(yaml: YamlReader, method: MergeMethod, { inputs, base, parameters: own, node, range }: Group, parameters: Settings, top: ReadonlyMap<string, Entry>): void {
  const add = (code: 'model-count' | 'missing' | 'base-unused' | 'duplicate', message: string, at: RecipeSlice['range'] | undefined, severity: 'error' | 'warning' = 'error'): void => { yaml.problems.push({ code, severity, message, range: at ?? yaml.rangeOf(node) }); };
  const listed = new Set<string>();
  for (const { model } of inputs) {
    if (listed.has(model.text)) add('duplicate', `${model.text} is listed twice. Give it once, with the sum of its weights.`, model.range, method.name === 'passthrough' ? 'warning' : 'error');
    listed.add(model.text);
  }
  const models = method.baseIsModel ? inputs : inputs.filter(({ model }) => model.text !== base?.text);
  const [least, most] = method.models, count = `${least}${most === null ? ' or more' : most === least ? '' : ` to ${most}`}`;
  if (method.base === 'required' && !base) yaml.problem('base-missing', `\`${method.name}\` works on differences from a base: name it with \`base_model\`.`, top.get('merge_method')?.value);
  else if (models.length < least || (most !== null && models.length > most)) add('model-count', `\`${method.name}\` merges ${count} ${count === '1' ? 'model' : 'models'}${method.base === 'required' ? ' beside the base' : ''}; here ${models.length === 1 ? 'is 1' : `are ${models.length}`}.`, range);
  if (method.base === 'unused' && base && method.name !== 'passthrough' && !inputs.some(({ model }) => model.text === base.text)) add('base-unused', `\`${method.name}\` has no base: \`base_model\` gives only the configuration and the tokenizer. List it under \`models\` if it should take part.`, base.range, 'warning');
  for (const { name, scope, default: byDefault } of method.parameters) {
    if (byDefault !== null || Object.hasOwn(own, name) || Object.hasOwn(parameters, name)) continue;
    if (scope === 'merge') add('missing', `\`${method.name}\` needs \`${name}\` under \`parameters\`.`, range ?? yaml.rangeOf(top.get('merge_method')?.value));
    else for (const { model, parameters: given } of models) if (!Object.hasOwn(given, name)) add('missing', `\`${method.name}\` needs \`${name}\` for ${model.text}. Add "parameters: {${name}: ...}" to the model, or to the recipe for all.`, model.range);
  }
}
