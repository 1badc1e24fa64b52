import path from 'node:path';
import { openCheckpoint } from '../checkpoint/openCheckpoint';
import { readJsonObject } from '../checkpoint/jsonFile';
import { failure } from '../protocol/errors';
import { readPatterns } from './patterns';
import { bindLora, lowerLora } from './loraParts';
import type { LoraSite, PluggedLora } from './types';

type Json = Readonly<Record<string, unknown>>;

/** Settings that change the forward pass and that are not run yet; a value other than the harmless one is refused by name. */
const UNSUPPORTED: readonly { readonly flag: string; readonly harmless: (value: unknown) => boolean }[] = [
  { flag: 'use_dora', harmless: isOff }, { flag: 'use_qalora', harmless: isOff }, { flag: 'lora_bias', harmless: isOff }, { flag: 'alora_invocation_tokens', harmless: isEmpty }, { flag: 'layer_replication', harmless: isEmpty },
  { flag: 'bias', harmless: (v) => v === undefined || v === null || v === 'none' }, { flag: 'modules_to_save', harmless: isEmpty }, { flag: 'trainable_token_indices', harmless: isEmpty }, { flag: 'target_parameters', harmless: isEmpty },
  { flag: 'megatron_config', harmless: isEmpty }, { flag: 'arrow_config', harmless: isEmpty }, { flag: 'kasa_config', harmless: isEmpty }, { flag: 'monteclora_config', harmless: isEmpty }, { flag: 'use_bdlora', harmless: isOff },
  // PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA start by changing the base weights, which this folder does not hold.
  { flag: 'init_lora_weights', harmless: (v) => typeof v !== 'string' || ['true', 'gaussian', 'eva', 'orthogonal'].includes(v.toLowerCase()) },
];

/** PEFT's own defaults, for folders that leave the fields out. */
const DEFAULT_RANK = 8;
const DEFAULT_ALPHA = 8;

/**
 * Reads a PEFT LoRA folder: adapter_config.json and adapter_model.safetensors (or .bin). Scaling follows PEFT:
 * alpha / r, or alpha / sqrt(r) with use_rslora, where rank_pattern and alpha_pattern may name r and alpha by module path.
 * fan_in_fan_out matters only when a module is merged into stored weights: the factors lie the same way.
 */
export async function openLora(folder: string): Promise<PluggedLora> {
  const file = path.join(folder, 'adapter_config.json');
  const config: Json = (await readJsonObject(file)).value;
  const kind = config['peft_type'];
  if (kind !== 'LORA') throw failure('module/unsupported-kind', { path: folder, kind: typeof kind === 'string' ? kind : 'unknown' });
  for (const { flag, harmless } of UNSUPPORTED) {
    if (Object.hasOwn(config, flag) && !harmless(config[flag])) throw failure('module/unsupported-flag', { path: folder, flag, value: JSON.stringify(config[flag]).slice(0, 80) });
  }
  const rank = positive(config, 'r', folder), alpha = numeric(config['lora_alpha']) ?? DEFAULT_ALPHA;
  const ranks = readPatterns(config['rank_pattern'], 'rank_pattern', folder), alphas = readPatterns(config['alpha_pattern'], 'alpha_pattern', folder), root = config['use_rslora'] === true;
  const weights = await openCheckpoint(folder);
  const targets = new Map<string, { a?: string; b?: string }>();
  for (const name of weights.tensors.keys()) {
    const match = /^(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(name);
    if (!match) {
      const embedding = /lora_embedding_[AB]/.test(name);
      throw failure('module/unreadable', { path: folder, reason: `the tensor "${name}" is ${embedding ? 'a LoRA of an embedding, which is not run yet' : 'no LoRA factor'}` });
    }
    const entry = targets.get(match[1]) ?? {};
    entry[match[2] === 'A' ? 'a' : 'b'] = name;
    targets.set(match[1], entry);
  }
  if (targets.size === 0) throw failure('module/unreadable', { path: folder, reason: 'it holds no LoRA factors' });
  const sites = [...targets].map(([target, entry]): LoraSite => {
    const a = entry.a === undefined ? undefined : weights.tensors.get(entry.a), b = entry.b === undefined ? undefined : weights.tensors.get(entry.b);
    if (!a || !b) throw failure('module/unreadable', { path: folder, reason: `"${target}" lacks its factor ${a ? 'B' : 'A'}` });
    const expected = ranks.find(target) ?? rank, siteRank = a.shape[0];
    if (a.shape.length !== 2) throw failure('module/shape', { path: folder, tensor: a.name, expected: `${expected}, *`, found: a.shape.join(', ') });
    if (b.shape.length !== 2 || b.shape[1] !== siteRank) throw failure('module/shape', { path: folder, tensor: b.name, expected: `*, ${siteRank}`, found: b.shape.join(', ') });
    if (siteRank !== expected) throw failure('module/shape', { path: folder, tensor: a.name, expected: `${expected}, *`, found: a.shape.join(', ') });
    const siteAlpha = alphas.find(target) ?? alpha;
    return { target, a, b, rank: siteRank, scaling: siteAlpha / (root ? Math.sqrt(siteRank) : siteRank) };
  });
  const base = config['base_model_name_or_path'], task = config['task_type'], revision = config['revision'];
  const facts = { kind: 'lora' as const, path: folder, name: path.basename(path.resolve(folder)), base: typeof base === 'string' ? base : null, taskType: typeof task === 'string' ? task : null, rank, sites, extras: [], weights };
  return { ...facts, ...(typeof revision === 'string' ? { revision } : {}), bind: (model, options) => bindLora(facts, model, options), lower: () => lowerLora(facts) };
}

function isOff(value: unknown): boolean {
  return value === undefined || value === null || value === false;
}
function isEmpty(value: unknown): boolean {
  return isOff(value) || (Array.isArray(value) && value.length === 0) || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}
function numeric(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
function positive(config: Json, field: string, folder: string): number {
  const value = config[field] === undefined || config[field] === null ? DEFAULT_RANK : numeric(config[field]);
  if (value === null || value < 1 || !Number.isInteger(value)) throw failure('module/unreadable', { path: folder, reason: `adapter_config.json gives ${JSON.stringify(config[field])} as "${field}", which should be a whole number of at least 1` });
  return value;
}
