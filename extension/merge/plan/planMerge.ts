import { createHash } from 'node:crypto';
import path from 'node:path';
import { byteCount, type Dtype, elementCount, isFloatDtype } from '../../checkpoint/dtypes';
import { fingerprint } from '../../checkpoint/fingerprint';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import type { TensorInfo } from '../../checkpoint/types';
import type { Notice } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { MergeDtype, MergeRecipe, ModelReference, RecipeInput, Settings } from '../../protocol/merge';
import { VERSION } from '../../protocol/version';
import { mergeMethod } from '../methods/index';
import type { MergeMethod, MergeTask } from '../methods/types';
import { filtersOf, settingFor } from '../recipe/settings';
import { type ReferencePlaces, resolveModel } from '../references';
import { mergedConfig } from './config';
import { layOutFiles, SHARD_BYTES } from './layout';
import { type LoraUse, useLora } from './lora';
import { isBeforeLayers, isBuffer, isEmbedding, isHead, type LayerNames, layerNames } from './names';
import type { MergePlan, OpenedModel, PlannedTensor, TensorSource } from './types';
import { planVocabulary, type Vocabulary } from './vocabulary';

/** Bump when the same recipe may give other bytes: unfinished merges of the old version are then not continued. */
const ENGINE_VERSION = 1;

export interface PlanOptions {
  readonly recipeText: string;
  readonly places: ReferencePlaces;
  readonly seed?: number;
  readonly shardBytes?: number;
  readonly asMergekit?: boolean;
}

const DTYPES: Readonly<Record<MergeDtype, Dtype>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' };
const NAMES = new Map<Dtype, MergeDtype>(Object.entries(DTYPES).map(([name, dtype]) => [dtype, name as MergeDtype]));
const MERGEABLE: ReadonlySet<Dtype> = new Set<Dtype>(['F32', 'F16', 'BF16', 'F64']);
/** Names that an error lists. */
const SHOWN = 6;

interface Opened { readonly model: OpenedModel; readonly names: LayerNames; readonly lora: LoraUse | null }
/** The models of one slice, all with the same number of layers. */
interface Group {
  readonly sources: readonly { readonly opened: Opened; readonly input: RecipeInput; readonly from: number }[];
  readonly base: Opened | null;
  readonly parameters: readonly Settings[];
  readonly layers: number;
}

/** Opens every model of a recipe and checks all that headers tell; reads no weights beyond the fingerprints' samples. */
export async function planMerge(recipe: MergeRecipe, options: PlanOptions): Promise<MergePlan> {
  const method = mergeMethod(recipe.method), warnings: Notice[] = [], remarks: MergePlan['remarks'] = new Map();
  const opened = new Map<string, Opened>();
  const open = async (reference: ModelReference): Promise<Opened> => {
    const found = opened.get(reference.text);
    if (found) return found;
    const made = await openModel(reference, options.places);
    opened.set(reference.text, made);
    return made;
  };
  const groups = await groupsOf(recipe, method, open), recipeBase = recipe.base ? await open(recipe.base) : null;
  const template = recipeBase ?? groups[0].base ?? groups[0].sources[0].opened;
  const vocabulary = await planVocabulary(recipe.tokenizer, template.model, [...new Map([...opened.values()].map((o) => [o.model.path, o.model])).values()], async (reference) => (await open(reference)).model);

  const outDtype = recipe.outDtype ?? recipe.dtype, seed = options.seed ?? 0, asMergekit = options.asMergekit === true;
  const builder = new TensorBuilder(method, seed, asMergekit, outDtype ? DTYPES[outDtype] : null, vocabulary, remarks);
  const single = groups.length === 1 && groups[0].layers === groups[0].sources[0].opened.names.count && groups[0].sources.every(({ from }) => from === 0);
  for (const name of template.names.outside) {
    const group = isBeforeLayers(name) ? groups[0] : groups[groups.length - 1];
    builder.add(name, group, group.sources.map(({ opened: o }) => ({ opened: o, name })), group.base && { opened: group.base, name }, 0);
  }
  // Only an untied model has a head of its own: if any has one, the result has one.
  const head = groups[groups.length - 1].sources.map(({ opened: o }) => o.names.outside.find(isHead)).find((name) => name !== undefined);
  const writesHead = head !== undefined && !template.names.outside.includes(head);
  if (writesHead) builder.add(head, groups[groups.length - 1], groups[groups.length - 1].sources.map(({ opened: o }) => ({ opened: o, name: head })), groups[groups.length - 1].base && { opened: groups[groups.length - 1].base as Opened, name: head }, 0);
  const templateLayers: number[] = [];
  let layer = 0;
  for (const group of groups) {
    const lead = group.sources.find(({ opened: o }) => o === group.base) ?? group.sources[0];
    for (let i = 0; i < group.layers; i++, layer++) {
      const t = group.layers > 1 ? i / (group.layers - 1) : 1;
      templateLayers.push(lead.from + i);
      for (const rest of lead.opened.names.restsOf(lead.from + i)) {
        const nameIn = (o: Opened, from: number): string => `${o.names.container ?? ''}${from + i}${rest}`;
        builder.add(`${template.names.container ?? ''}${layer}${rest}`, group, group.sources.map(({ opened: o, from }) => ({ opened: o, name: nameIn(o, from) })), group.base && { opened: group.base, name: nameIn(group.base, lead.from) }, t);
      }
    }
  }
  builder.finish();
  // In the order of the template's files, so that inputs are read from front to back.
  const order = new Map([...template.model.checkpoint.tensors.keys()].map((name, i) => [name, i]));
  const tensors = single ? [...builder.tensors].sort((a, b) => (order.get(a.name) ?? Infinity) - (order.get(b.name) ?? Infinity)) : builder.tensors;
  warnUnusedFilters(recipe, tensors, warnings);
  for (const { model } of opened.values()) warnings.push(...model.checkpoint.warnings);
  if (writesHead) warnings.push({ code: 'merge/untied', message: `One of the models has a head of its own, so the result has one too ("${head}") and tie_word_embeddings is false.` });

  const models = [...opened.values()].map(({ model }) => model);
  const prints = await Promise.all(models.map(async (model) => [model.reference, await fingerprint(model.checkpoint), ...(model.lora ? [await fingerprint(model.lora.weights)] : [])]));
  const metadata = { format: 'pt', modulens: JSON.stringify({ version: VERSION, method: method.name, seed, ...(asMergekit ? { asMergekit } : {}), recipe: options.recipeText.length <= MAX_RECIPE_IN_HEADER ? options.recipeText : null, inputs: prints }) };
  const files = layOutFiles(tensors, options.shardBytes ?? SHARD_BYTES, metadata);
  const config = template.model.checkpoint.config;
  const common = mostFrequent(tensors.map(({ dtype, bytes }) => [dtype, bytes] as const));
  const stamps = models.flatMap(({ checkpoint, lora }) => [...checkpoint.files, ...(lora?.weights.files ?? [])]);
  return {
    recipe, recipeText: options.recipeText, method, seed, asMergekit, models, template: template.model, base: recipeBase?.model ?? null, tensors, files, layers: layer,
    config: config && mergedConfig(config, { dtype: outDtype ?? NAMES.get(common as Dtype) ?? null, layers: single ? null : templateLayers, vocabulary: vocabulary?.size ?? null, untied: writesHead }),
    made: vocabulary?.files ?? new Map(), tokenizerFolder: vocabulary?.folder ?? template.model.checkpoint.folder, dtype: common, vocabulary: vocabulary?.size ?? null,
    id: createHash('sha256').update(JSON.stringify([ENGINE_VERSION, VERSION, recipe, seed, asMergekit, prints, stamps, [...(vocabulary?.files ?? [])], files.map((file) => Buffer.from(file.head).toString('latin1'))])).digest('hex').slice(0, 12),
    warnings, remarks,
  };
}

/** A longer recipe stands only in the model card. */
const MAX_RECIPE_IN_HEADER = 65_536;

async function openModel(reference: ModelReference, places: ReferencePlaces): Promise<Opened> {
  const { path: folder, lora } = await resolveModel(reference, places), checkpoint = await openCheckpoint(folder);
  if (checkpoint.format === 'onnx' || checkpoint.kind === 'adapter') throw failure('merge/storage', { file: folder, tensor: [...checkpoint.tensors.keys()][0] ?? '' });
  const use = lora === null ? null : await useLora(lora, folder, checkpoint.tensors);
  return { model: { reference: reference.text, path: folder, checkpoint, lora: use?.module ?? null }, names: layerNames(checkpoint.tensors), lora: use };
}

async function groupsOf(recipe: MergeRecipe, method: MergeMethod, open: (reference: ModelReference) => Promise<Opened>): Promise<readonly Group[]> {
  const group = async (inputs: readonly (RecipeInput & { readonly layers?: readonly [number, number] })[], baseReference: ModelReference | null, parameters: readonly Settings[]): Promise<Group> => {
    const base = baseReference && !method.baseIsModel ? await open(baseReference) : null;
    const all = [];
    // One after the other: their order stands in the result's header.
    for (const input of inputs) all.push({ input, opened: await open(input.model), from: input.layers?.[0] ?? 0, count: input.layers ? input.layers[1] - input.layers[0] : null });
    for (const { opened, input } of all) if (input.layers && input.layers[1] > opened.names.count) throw failure('merge/layers', { model: opened.model.path, layers: opened.names.count, asked: `[${input.layers.join(', ')}]` });
    const layers = all.map(({ count, opened }) => count ?? opened.names.count), other = all.find((_, i) => layers[i] !== layers[0]);
    if (other) throw failure('merge/layers', { model: other.opened.model.path, layers: other.opened.names.count, asked: `${layers[0]}, as ${all[0].opened.model.path} has` });
    // A base that is listed among the models is the origin, not one of them.
    const sources = all.filter(({ opened }) => method.baseIsModel || opened !== base);
    return { sources: sources.length > 0 ? sources : all, base, parameters, layers: layers[0] };
  };
  if (recipe.models) return [await group(recipe.models, recipe.base, [recipe.parameters])];
  const groups: Group[] = [];
  for (const slice of recipe.slices ?? []) groups.push(await group(slice.sources, slice.base ?? recipe.base, [slice.parameters, recipe.parameters]));
  return groups;
}

/** Collects the tensors of the result and everything that does not fit. */
class TensorBuilder {
  readonly tensors: PlannedTensor[] = [];
  private readonly missing = new Map<string, { readonly model: string; readonly other: string; readonly names: string[] }>();

  constructor(private readonly method: MergeMethod, private readonly seed: number, private readonly asMergekit: boolean, private readonly dtype: Dtype | null, private readonly vocabulary: Vocabulary | null, private readonly remarks: MergePlan['remarks']) {}

  /** One tensor of the result, from the tensor of each model that stands for it. */
  add(name: string, group: Group, inputs: readonly { readonly opened: Opened; readonly name: string }[], base: { readonly opened: Opened; readonly name: string } | null, t: number): void {
    const all = base ? [base, ...inputs] : inputs, lead = all.map(({ opened, name: n }) => lookUp(opened, n)).find((tensor) => tensor !== undefined);
    if (!lead) return;
    if (isBuffer(lead) || !isFloatDtype(lead.dtype)) {
      const from = all.find(({ opened, name: n }) => lookUp(opened, n) === lead) ?? all[0];
      this.tensors.push({ name, dtype: lead.dtype, shape: lead.shape, elements: elementCount(lead.shape), bytes: lead.bytes, sources: [sourceOf(from.opened, lead, null)], task: null });
      return;
    }
    const sources: TensorSource[] = [];
    const rows = this.vocabulary !== null && (isEmbedding(name) || isHead(name)) ? this.vocabulary : null;
    for (const { opened, name: n } of all) {
      const tensor = lookUp(opened, n);
      if (!tensor) { this.note(opened, n, (all.find(({ opened: o, name: m }) => lookUp(o, m) === lead) ?? all[0]).opened); continue; }
      if (!MERGEABLE.has(tensor.dtype)) throw failure('merge/dtype', { tensor: tensor.name, model: opened.model.path, dtype: tensor.dtype });
      if (tensor.storage.kind !== 'plain') throw failure('merge/storage', { file: tensor.file, tensor: tensor.name });
      if (!rows) this.compare(tensor, lead, opened, all[0].opened);
      sources.push(sourceOf(opened, tensor, rows ? rows.rowsFor(opened.model, tensor, (model) => all.flatMap(({ opened: o, name: m }) => (o.model === model ? [lookUp(o, m)] : [])).at(0)) : null));
    }
    if (sources.length < all.length) return;
    const shape = rows ? [rows.size, ...lead.shape.slice(1)] : lead.shape, dtype = this.dtype ?? lead.dtype;
    const tensor: PlannedTensor = { name, dtype, shape, elements: elementCount(shape), bytes: byteCount(dtype, shape), sources, task: this.taskOf(name, shape, group, base !== null, t) };
    const reason = this.method.check?.(tensor.task as MergeTask);
    if (reason) throw failure('merge/method', { method: this.method.name, tensor: name, reason });
    this.tensors.push(tensor);
  }

  /** @throws merge/tensors-differ */
  finish(): void {
    for (const { model, other, names } of this.missing.values()) throw failure('merge/tensors-differ', { model, other, count: names.length, missing: names.slice(0, SHOWN).join(', ') + (names.length > SHOWN ? ', ...' : '') });
  }

  private note(opened: Opened, name: string, other: Opened): void {
    const found = this.missing.get(opened.model.path) ?? { model: opened.model.path, other: other.model.path, names: [] };
    found.names.push(name);
    this.missing.set(opened.model.path, found);
  }

  private compare(tensor: TensorInfo, lead: TensorInfo, opened: Opened, first: Opened): void {
    if (tensor.shape.length === lead.shape.length && tensor.shape.every((size, i) => size === lead.shape[i])) return;
    const table = (isEmbedding(tensor.name) || isHead(tensor.name)) && tensor.shape.length === 2 && tensor.shape[1] === lead.shape[1];
    if (table) throw failure('merge/vocabulary', { model: opened.model.path, other: first.model.path, rows: tensor.shape[0], expected: lead.shape[0] });
    throw failure('merge/shape', { tensor: tensor.name, model: opened.model.path, shape: tensor.shape.join(', '), other: first.model.path, expected: lead.shape.join(', ') });
  }

  private taskOf(tensor: string, shape: readonly number[], group: Group, hasBase: boolean, t: number): MergeTask {
    const { method } = this, parameterOf = (name: string) => method.parameters.find((p) => p.name === name);
    const value = (name: string, settings: readonly Settings[], reference: string | null): number | boolean => {
      const parameter = parameterOf(name);
      for (const own of settings) if (Object.hasOwn(own, name)) { const found = settingFor(own[name], tensor, t); if (found !== undefined) return found; }
      if (parameter && parameter.default !== null) return parameter.default;
      throw failure('merge/method', { method: method.name, tensor, reason: `no value of ${name} fits it${reference === null ? '' : ` in ${reference}`}. Add one without a filter: "- value: ...".` });
    };
    const task: MergeTask = {
      tensor, shape, elements: elementCount(shape), hasBase, models: group.sources.length, names: group.sources.map(({ input }) => input.model.text), seed: this.seed, asMergekit: this.asMergekit,
      number: (name) => Number(value(name, group.parameters, null)), flag: (name) => value(name, group.parameters, null) === true,
      of: (model, name) => Number(value(name, [group.sources[model].input.parameters, ...group.parameters], group.sources[model].input.model.text)),
      warn: (code, message) => { const found = this.remarks.get(code); if (found) found.count++; else this.remarks.set(code, { message, count: 1 }); },
    };
    // Every setting is looked up once now, so that a filter without a match is found before anything is read.
    for (const { name, scope } of method.parameters) if (scope === 'merge') value(name, group.parameters, null); else group.sources.forEach((_, k) => task.of(k, name));
    return task;
  }
}

/** A model whose head is tied to its embedding gives the embedding where a head is asked for. */
function lookUp({ model, names }: Opened, name: string): TensorInfo | undefined {
  const { tensors } = model.checkpoint, found = tensors.get(name);
  if (found || !isHead(name)) return found;
  const tied = names.outside.find(isEmbedding);
  return tied === undefined ? undefined : tensors.get(tied);
}

function sourceOf(opened: Opened, tensor: TensorInfo, rows: TensorSource['rows']): TensorSource {
  return { model: opened.model, tensor, loras: opened.lora?.factorsFor(tensor.name) ?? null, rows };
}

function warnUnusedFilters(recipe: MergeRecipe, tensors: readonly PlannedTensor[], warnings: Notice[]): void {
  const settings = [recipe.parameters, ...(recipe.models ?? []).map((m) => m.parameters), ...(recipe.slices ?? []).flatMap((s) => [s.parameters, ...s.sources.map((m) => m.parameters)])];
  const filters = new Set(settings.flatMap((s) => Object.values(s).flatMap(filtersOf)));
  for (const filter of filters) if (!tensors.some(({ name }) => name.includes(filter))) warnings.push({ code: 'merge/filter-unused', message: `The filter "${filter}" fits no tensor; names look like ${tensors.slice(0, 2).map(({ name }) => name).join(' and ')}.` });
}

function mostFrequent(items: readonly (readonly [string, number])[]): string {
  const sums = new Map<string, number>();
  for (const [name, weight] of items) sums.set(name, (sums.get(name) ?? 0) + weight);
  return [...sums].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'F32';
}

/** Every file that the merge reads. */
export function inputFiles(plan: MergePlan): readonly string[] {
  return [...new Set(plan.models.flatMap(({ checkpoint, lora }) => [...checkpoint.weightFiles, ...(lora?.weights.weightFiles ?? [])].map((file) => path.resolve(file))))];
}
