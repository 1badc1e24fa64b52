import path from 'node:path';
import { elementCount } from '../checkpoint/dtypes';
import { readJsonObject } from '../checkpoint/jsonFile';
import { openCheckpoint } from '../checkpoint/openCheckpoint';
import type { Checkpoint, TensorInfo } from '../checkpoint/types';
import { failure } from '../protocol/errors';

export type Json = Readonly<Record<string, unknown>>;

/** A PEFT folder before its kind is known: settings and headers. */
export interface PeftFolder {
  readonly path: string;
  readonly config: Json;
  readonly weights: Checkpoint;
  /** By name without PEFT's own prefix and the adapter's name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** What every kind tells of itself. */
  readonly facts: { readonly path: string; readonly name: string; readonly base: string | null; readonly taskType: string | null; readonly revision?: string; readonly weights: Checkpoint };
}

/** A setting that changes the forward pass unless it has a harmless value. */
export interface RefusedFlag {
  readonly flag: string;
  readonly harmless: (value: unknown) => boolean;
}

/** Reads adapter_config.json and the header of adapter_model.safetensors (or .bin). */
export async function openPeftFolder(folder: string): Promise<PeftFolder> {
  const { value: config } = await readJsonObject(path.join(folder, 'adapter_config.json')), weights = await openCheckpoint(folder);
  const text = (field: string): string | null => { const value = config[field]; return typeof value === 'string' && value !== '' ? value : null; };
  const revision = text('revision');
  return {
    path: folder, config, weights, tensors: new Map([...weights.tensors].map(([name, tensor]) => [name.replace(/^base_model\.(?:model\.)?/, '').replace(/\.default(?=\.weight$|\.bias$|$)/, ''), tensor])),
    facts: { path: folder, name: path.basename(path.resolve(folder)), base: text('base_model_name_or_path'), taskType: text('task_type'), ...(revision === null ? {} : { revision }), weights },
  };
}

/** @throws module/unsupported-flag for the first setting with a value that is not run */
export function refuseFlags({ path: folder, config }: Pick<PeftFolder, 'path' | 'config'>, flags: readonly RefusedFlag[]): void {
  for (const { flag, harmless } of flags) {
    if (Object.hasOwn(config, flag) && !harmless(config[flag])) throw failure('module/unsupported-flag', { path: folder, flag, value: JSON.stringify(config[flag]).slice(0, 80) });
  }
}

export function isOff(value: unknown): boolean {
  return value === undefined || value === null || value === false;
}
export function isEmpty(value: unknown): boolean {
  return isOff(value) || (Array.isArray(value) && value.length === 0) || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}

/** A whole number of at least 1 from the settings. @throws module/unreadable */
export function positive(folder: Pick<PeftFolder, 'path' | 'config'>, field: string, fallback: number): number {
  const found = folder.config[field], value = found === undefined || found === null ? fallback : found;
  if (typeof value !== 'number' || value < 1 || !Number.isInteger(value)) throw unreadable(folder.path, `adapter_config.json gives ${JSON.stringify(found)} as "${field}", which should be a whole number of at least 1`);
  return value;
}

/** Any number from the settings; the fallback where there is none. */
export function numberOr(config: Json, field: string, fallback: number): number {
  const value = config[field];
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
}

export function unreadable(folder: string, reason: string): Error {
  return failure('module/unreadable', { path: folder, reason });
}

/** @throws module/shape where a tensor has other sizes; null stands for any */
export function expectShape(folder: string, tensor: TensorInfo, expected: readonly (number | null)[]): void {
  const { shape } = tensor;
  if (shape.length === expected.length && shape.every((size, i) => expected[i] === null || expected[i] === size)) return;
  throw failure('module/shape', { path: folder, tensor: tensor.name, expected: expected.map((size) => size ?? '*').join(', '), found: shape.join(', ') });
}

/** Elements of all tensors. */
export function parametersOf(tensors: Iterable<TensorInfo>): number {
  let sum = 0;
  for (const { shape } of tensors) sum += elementCount(shape);
  return sum;
}

/** The texts of a list in the settings. */
export function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

/** Whether copies of a tied embedding are the decoder's too. PEFT knows the tie by these two names only, and lets the setting pass for others. */
export function keepsTies(config: Json): boolean {
  return config['ensure_weight_tying'] === true && listOf(config['modules_to_save']).some((name) => ['embed_tokens', 'lm_head'].includes(name.split('.').at(-1) ?? ''));
}
