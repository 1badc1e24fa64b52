import { elementCount } from '../checkpoint/dtypes';
import type { TensorInfo } from '../checkpoint/types';
import { failure } from '../protocol/errors';
import { bindLora, lowerLora } from './loraParts';
import { readPatterns } from './patterns';
import { expectShape, isEmpty, isOff, type Json, keepsTies, listOf, numberOr, openPeftFolder, type PeftFolder, positive, refuseFlags, type RefusedFlag, unreadable } from './peftFolder';
import { savedExtras, wholeTensors } from './saved';
import type { EmbeddingSite, LoraModule, LoraSite, PluggedLora, PluggedModule } from './types';

/** Settings that change the forward pass and that are not run yet; a value other than the harmless one is refused by name. */
const REFUSED: readonly RefusedFlag[] = [
  { flag: 'use_qalora', harmless: isOff }, { flag: 'alora_invocation_tokens', harmless: isEmpty }, { flag: 'layer_replication', harmless: isEmpty },
  { flag: 'trainable_token_indices', harmless: isEmpty }, { flag: 'target_parameters', harmless: isEmpty },
  { flag: 'megatron_config', harmless: isEmpty }, { flag: 'arrow_config', harmless: isEmpty }, { flag: 'kasa_config', harmless: isEmpty }, { flag: 'monteclora_config', harmless: isEmpty }, { flag: 'use_bdlora', harmless: isOff },
  { flag: 'velora_config', harmless: isEmpty },
  // PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA start by changing the base weights, which this folder does not hold.
  { flag: 'init_lora_weights', harmless: (v) => typeof v !== 'string' || ['true', 'gaussian', 'eva', 'orthogonal'].includes(v.toLowerCase()) },
];

/** What makes a LoRA more than factors at linear maps; whoever mixes factors refuses these. */
const NOT_PLAIN: readonly RefusedFlag[] = [{ flag: 'use_dora', harmless: isOff }, { flag: 'lora_bias', harmless: isOff }, { flag: 'bias', harmless: (v) => v === undefined || v === null || v === 'none' }, { flag: 'modules_to_save', harmless: isEmpty }];

/** PEFT's own defaults, for folders that leave the fields out. */
const DEFAULT_RANK = 8;
const DEFAULT_ALPHA = 8;

type Part = 'a' | 'b' | 'magnitude' | 'bias';
const PARTS: ReadonlyMap<string, Part> = new Map([['lora_A.weight', 'a'], ['lora_B.weight', 'b'], ['lora_B.bias', 'bias'], ['lora_magnitude_vector', 'magnitude'], ['lora_magnitude_vector.weight', 'magnitude'], ['lora_embedding_A', 'a'], ['lora_embedding_B', 'b']]);

/**
 * Reads a PEFT LoRA folder: adapter_config.json and adapter_model.safetensors (or .bin). Scaling follows PEFT: alpha / r, or alpha / sqrt(r) with
 * use_rslora, where rank_pattern and alpha_pattern may name r and alpha by module path. fan_in_fan_out matters only when a module is merged into stored
 * weights: the factors lie the same way. Tensors that are no factors are weights of the base saved whole.
 */
export async function openLora(path: string): Promise<PluggedLora> {
  return readLora(await openPeftFolder(path));
}

/** The same for uses that know factors of linear maps only. @throws module/unsupported-flag for anything else in the folder */
export async function openPlainLora(path: string): Promise<LoraModule> {
  const folder = await openPeftFolder(path);
  refuseFlags(folder, NOT_PLAIN);
  const { extras, sites, ...module } = readLora(folder);
  if (extras.length > 0) throw failure('module/not-plain', { path, name: extras[0].name, what: extras[0].what });
  return { ...module, sites };
}

/** A LoRA whose folder has been read. */
export function readLora(folder: PeftFolder): PluggedLora {
  const { path, config } = folder;
  if (config['peft_type'] !== 'LORA') throw failure('module/unsupported-kind', { path, kind: typeof config['peft_type'] === 'string' ? config['peft_type'] : 'unknown' });
  refuseFlags(folder, REFUSED);
  const rank = positive(folder, 'r', DEFAULT_RANK), scalingOf = scalings(config, path, rank), { linear, embedding, rest } = sorted(folder);
  if (linear.size + embedding.size === 0) throw unreadable(path, 'it holds no LoRA factors');
  const sites = [...linear].map(([target, parts]): LoraSite => {
    const { a, b } = pairOf(path, target, parts), scaling = scalingOf(target, a, b);
    if (config['use_dora'] === true && !parts.magnitude) throw unreadable(path, `adapter_config.json sets use_dora, but "${target}" lacks its lora_magnitude_vector`);
    if (parts.bias && parts.magnitude) throw failure('module/unsupported-flag', { path, flag: 'use_dora', value: 'true together with lora_bias' });
    return { target, a, b, ...scaling, ...(parts.magnitude ? { magnitude: parts.magnitude } : {}), ...(parts.bias ? { bias: parts.bias } : {}) };
  });
  const embeddings = [...embedding].map(([target, parts]): EmbeddingSite => {
    if (parts.magnitude) throw failure('module/unsupported-flag', { path, flag: 'use_dora', value: `true for the embedding "${target}"` });
    const { a, b } = pairOf(path, target, parts);
    return { target, a, b, ...scalingOf(target, a, b) };
  });
  if (embeddings.length > 0 && config['ensure_weight_tying'] === true) throw failure('module/unsupported-flag', { path, flag: 'ensure_weight_tying', value: 'true, with factors for an embedding' });
  const whole = wholeTensors(rest), dora = sites.some((site) => site.magnitude), bias = sites.some((site) => site.bias);
  const extras = [
    ...embeddings.map(({ target, a, b }) => ({ name: target, what: 'factors for an embedding', parameters: elementCount(a.shape) + elementCount(b.shape) })),
    ...(dora ? [{ name: 'lora_magnitude_vector', what: 'magnitudes (DoRA)', parameters: total(sites.map((s) => s.magnitude)) }] : []),
    ...(bias ? [{ name: 'lora_B.bias', what: 'biases of the factors B', parameters: total(sites.map((s) => s.bias)) }] : []),
    ...savedExtras(whole),
  ];
  const content = { ...folder.facts, sites, embeddings, whole, copies: listOf(config['modules_to_save']), keepTies: keepsTies(config) };
  const module: PluggedModule & LoraModule = {
    ...folder.facts, kind: 'lora', rank, sites, extras,
    bind: (model, options) => bindLora(content, model, options), lower: (model, options) => lowerLora(content, model, options),
  };
  return module;
}

function total(tensors: readonly (TensorInfo | undefined)[]): number {
  return tensors.reduce((sum, tensor) => sum + (tensor ? elementCount(tensor.shape) : 0), 0);
}

/** Tensors by what they are for. */
function sorted(folder: PeftFolder): { readonly linear: Map<string, Partial<Record<Part, TensorInfo>>>; readonly embedding: Map<string, Partial<Record<Part, TensorInfo>>>; readonly rest: Map<string, TensorInfo> } {
  const linear = new Map<string, Partial<Record<Part, TensorInfo>>>(), embedding = new Map<string, Partial<Record<Part, TensorInfo>>>(), rest = new Map<string, TensorInfo>();
  const embedded = new Set([...folder.tensors.keys()].flatMap((name) => /^(.+)\.lora_embedding_[AB]$/.exec(name)?.[1] ?? []));
  for (const [name, tensor] of folder.tensors) {
    const match = /^(.+?)\.(lora_.+)$/.exec(name), part = match ? PARTS.get(match[2].replace(/\.default(?=\.|$)/, '')) : undefined;
    if (match && !part) throw unreadable(folder.path, `the tensor "${tensor.name}" is no LoRA factor that is known here`);
    if (!match || !part) rest.set(name, tensor);
    else {
      const table = embedded.has(match[1]) ? embedding : linear, entry = table.get(match[1]) ?? {};
      entry[part] = tensor;
      table.set(match[1], entry);
    }
  }
  return { linear, embedding, rest };
}

function pairOf(path: string, target: string, { a, b }: Partial<Record<Part, TensorInfo>>): { readonly a: TensorInfo; readonly b: TensorInfo } {
  if (!a || !b) throw unreadable(path, `"${target}" lacks its factor ${a ? 'B' : 'A'}`);
  return { a, b };
}

/** Rank and scaling of each target; the factors must have that rank. */
function scalings(config: Json, path: string, rank: number): (target: string, a: TensorInfo, b: TensorInfo) => { readonly rank: number; readonly scaling: number } {
  const alpha = numberOr(config, 'lora_alpha', DEFAULT_ALPHA), ranks = readPatterns(config['rank_pattern'], 'rank_pattern', path), alphas = readPatterns(config['alpha_pattern'], 'alpha_pattern', path), root = config['use_rslora'] === true;
  return (target, a, b) => {
    const expected = ranks.find(target) ?? rank;
    expectShape(path, a, [expected, null]);
    expectShape(path, b, [null, expected]);
    return { rank: expected, scaling: (alphas.find(target) ?? alpha) / (root ? Math.sqrt(expected) : expected) };
  };
}
