import path from 'node:path';
import type { BoundModel } from '../architecture/resolve';
import { isJsonObject, readJsonObject } from '../checkpoint/jsonFile';
import { openCheckpoint } from '../checkpoint/openCheckpoint';
import { statOrNull } from '../checkpoint/files';
import type { Checkpoint, TensorInfo } from '../checkpoint/types';
import { failure } from '../protocol/errors';
import { readBottleneck } from './adapterHubBottleneck';
import { readHubLora } from './adapterHubLora';
import { readHubPrefix } from './adapterHubPrefix';
import type { BranchPart, LinearPart, ModuleParts } from './parts';
import { type Json, unreadable } from './peftFolder';
import type { BindOptions, LoweredModule, LowerOptions, ModuleExtra, ModuleSite, PluggedModule } from './types';

/** Tensors of an AdapterHub folder without the adapter's name: "bert.encoder.layer.0.output.adapters" + "adapter_up.weight". */
export interface HubTensor {
  /** Path of the module that holds the adapter, and the kind's own folder name ("adapters", "loras"). */
  readonly owner: string;
  readonly slot: string;
  /** What the tensor is there: "adapter_up.weight". */
  readonly part: string;
  readonly tensor: TensorInfo;
}

/** What one method of an AdapterHub configuration does; a union has several. */
export interface HubMethod {
  readonly kind: string;
  readonly rank: number | null;
  readonly sites: readonly ModuleSite[];
  bind(model: BoundModel, options: BindOptions): Promise<ModuleParts>;
  lower?(model: BoundModel, options: LowerOptions): Promise<LoweredModule>;
}

/** What a method's reader is given. */
export interface HubFolder {
  readonly path: string;
  readonly tensors: readonly HubTensor[];
}

/** Where the library keeps things, by the folder names of its methods; older files use the longer names. */
const SLOTS = /^(.*?)\.(adapters|attention_text_task_adapters|attention_text_lang_adapters|layer_text_task_adapters|layer_text_lang_adapters|loras|prefix_tunings|prefix_gates|refts|prompt_tunings|invertible_adapters|invertible_lang_adapters|shared_parameters)\.(.+)$/;

/** Names of files that the library writes, newest first. */
const WEIGHTS = ['adapter.safetensors', 'pytorch_adapter.bin'];
const HEADS = ['model_head.safetensors', 'pytorch_model_head.bin'];

/** Names that stand for whole configurations in old files. */
const PRESETS: ReadonlyMap<string, Json> = new Map<string, Json>([
  ['pfeiffer', { original_ln_before: true, mh_adapter: false, output_adapter: true, non_linearity: 'relu', reduction_factor: 16 }],
  ['houlsby', { original_ln_before: false, mh_adapter: true, output_adapter: true, non_linearity: 'swish', reduction_factor: 16 }],
  ['parallel', { ln_before: false, mh_adapter: false, output_adapter: true, is_parallel: true, scaling: 4, non_linearity: 'relu', reduction_factor: 2 }],
]);
const PRESET_NAMES: ReadonlyMap<string, string> = new Map([['seq_bn', 'pfeiffer'], ['double_seq_bn', 'houlsby'], ['par_bn', 'parallel']]);

/** Whether settings are AdapterHub's and not PEFT's. */
export function isAdapterHub(config: Json): boolean {
  return config['peft_type'] === undefined && (isJsonObject(config['config']) || (typeof config['config'] === 'string' && config['model_name'] !== undefined));
}

/**
 * Opens a folder of the library `adapters` (or adapter-transformers before it): bottleneck adapters, LoRA, IA3, prefixes and unions of them, with gates.
 * Prediction heads beside it are named and change nothing that is computed here.
 */
export async function openAdapterHub(folder: string, config: Json): Promise<PluggedModule> {
  const weights = await hubWeights(folder), name = typeof config['name'] === 'string' ? config['name'] : null;
  const { tensors, others } = sortTensors(folder, weights, name);
  const configs = configsOf(folder, config);
  // The library mends the scaling of old LoRAs only where they stand alone.
  const methods = configs.map((one) => readMethod({ path: folder, tensors }, one, configs.length === 1 ? config['version'] : undefined));
  const claimed = new Set(methods.flatMap(({ kind }) => SLOTS_OF[kind] ?? []));
  const stray = tensors.find(({ slot }) => !claimed.has(slot));
  if (stray) throw failure('module/unsupported-part', { path: folder, part: stray.tensor.name, reason: 'its settings have no method for it that is run' });
  const head = await headOf(folder);
  const extras: ModuleExtra[] = [...others.map((tensor) => ({ name: tensor.name, what: 'a tensor of no method', parameters: tensor.shape.reduce((n, s) => n * s, 1) })), ...(head ? [head] : [])];
  const lowering = methods.every((method) => method.lower !== undefined);
  return {
    kind: methods.length === 1 ? methods[0].kind : 'union', path: folder, name: path.basename(path.resolve(folder)), base: typeof config['model_name'] === 'string' ? config['model_name'] : null, taskType: null,
    rank: methods.find((method) => method.rank !== null)?.rank ?? null, sites: methods.flatMap(({ sites }) => sites), extras, weights,
    bind: async (model, options) => merged(await Promise.all(methods.map((method, i) => method.bind(model, { ...options, prefix: `${options.prefix}${i}.` }))), head ? [`The module's prediction head (${head.name}) is no part of what is computed here.`] : []),
    ...(lowering ? { lower: async (model: BoundModel, options: LowerOptions): Promise<LoweredModule> => {
      const parts = await Promise.all(methods.map((method) => method.lower?.(model, options) ?? Promise.resolve({ sites: [], left: [] })));
      return { sites: parts.flatMap(({ sites }) => sites), left: [...parts.flatMap(({ left }) => left), ...(head ? [{ name: head.name, reason: 'a prediction head is no low-rank update' }] : [])] };
    } } : {}),
  };
}

const SLOTS_OF: Readonly<Record<string, readonly string[]>> = { adapter: ['adapters'], lora: ['loras'], ia3: ['loras'], prefix: ['prefix_tunings', 'prefix_gates'] };

async function hubWeights(folder: string): Promise<Checkpoint> {
  for (const name of WEIGHTS) {
    const file = path.join(folder, name);
    if ((await statOrNull(file)) !== null) return openCheckpoint(file);
  }
  throw unreadable(folder, `it holds neither ${WEIGHTS.join(' nor ')}`);
}

async function headOf(folder: string): Promise<ModuleExtra | null> {
  const file = path.join(folder, 'head_config.json');
  if ((await statOrNull(file)) === null) return null;
  const { value } = await readJsonObject(file), found = (await Promise.all(HEADS.map(async (name) => ((await statOrNull(path.join(folder, name))) === null ? null : name)))).find((name) => name !== null);
  return { name: typeof value['name'] === 'string' ? value['name'] : 'head', what: `a prediction head${found ? ` in ${found}` : ' without weights'}`, parameters: 0 };
}

/** The configurations of all methods. */
function configsOf(folder: string, { config }: Json): readonly Json[] {
  if (typeof config === 'string') {
    const preset = PRESETS.get(PRESET_NAMES.get(config) ?? config);
    if (!preset) throw failure('module/unsupported-kind', { path: folder, kind: config });
    return [preset];
  }
  if (!isJsonObject(config)) throw unreadable(folder, 'adapter_config.json has no "config"');
  const union = config['architecture'] === 'union' ? config['configs'] : [config];
  if (!Array.isArray(union) || union.length === 0 || !union.every(isJsonObject)) throw unreadable(folder, '"configs" of the union is no list of configurations');
  return union;
}

function readMethod(folder: HubFolder, config: Json, version: unknown): HubMethod {
  const { architecture } = config;
  if (architecture === undefined || architecture === null) return readBottleneck(folder, config);
  if (architecture === 'lora') return readHubLora(folder, config, version);
  if (architecture === 'prefix_tuning') return readHubPrefix(folder, config);
  throw failure('module/unsupported-kind', { path: folder.path, kind: typeof architecture === 'string' ? `AdapterHub ${architecture}` : 'unknown' });
}

function sortTensors(folder: string, weights: Checkpoint, named: string | null): { readonly tensors: readonly HubTensor[]; readonly others: readonly TensorInfo[] } {
  const tensors: HubTensor[] = [], others: TensorInfo[] = [];
  for (const [name, tensor] of weights.tensors) {
    const match = SLOTS.exec(name);
    if (!match) {
      others.push(tensor);
      continue;
    }
    const [, owner, found, rest] = match, slot = /_text_(?:task|lang)_adapters$/.test(found) ? 'adapters' : found === 'invertible_lang_adapters' ? 'invertible_adapters' : found;
    // The adapter's name may hold dots; where the settings do not tell it, it has none.
    const own = named !== null && rest.startsWith(`${named}.`) ? named : rest.slice(0, Math.max(0, rest.indexOf('.')));
    tensors.push({ owner, slot, part: rest.slice(own.length + 1), tensor });
  }
  if (tensors.length === 0) throw unreadable(folder, 'it holds no tensor of an adapter');
  return { tensors, others };
}

/** What all methods do together. */
function merged(all: readonly ModuleParts[], remarks: readonly string[]): ModuleParts {
  const linears = new Map<string, readonly LinearPart[]>(), branches = new Map<string, BranchPart>();
  for (const parts of all) {
    for (const [weight, list] of parts.linears ?? []) linears.set(weight, [...(linears.get(weight) ?? []), ...list]);
    for (const [name, part] of parts.branches ?? []) branches.set(name, part);
  }
  const prefix = all.find((parts) => parts.prefix)?.prefix, said = [...all.flatMap((parts) => parts.remarks ?? []), ...remarks];
  return { linears, branches, ...(prefix ? { prefix } : {}), ...(all.some((parts) => parts.averages) ? { averages: true } : {}), ...(said.length > 0 ? { remarks: said } : {}) };
}
