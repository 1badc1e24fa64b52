import path from 'node:path';
import { readJsonObject } from '../checkpoint/jsonFile';
import type { BoundModel } from '../architecture/resolve';
import { failure } from '../protocol/errors';
import { openLora } from './lora';
import type { LoweredModule, LowerOptions, PluggedModule } from './types';

/** Readers by `peft_type`. */
const PEFT_KINDS: ReadonlyMap<string, (folder: string) => Promise<PluggedModule>> = new Map([['LORA', openLora]]);

/**
 * Opens the folder of a plugged-in module of any kind that runs here; headers and settings only.
 * @throws module/unsupported-kind, module/unsupported-flag, module/unreadable and what reading files throws
 */
export async function openModule(folder: string): Promise<PluggedModule> {
  const { value: config } = await readJsonObject(path.join(folder, 'adapter_config.json'));
  const type = config['peft_type'], open = typeof type === 'string' ? PEFT_KINDS.get(type.toUpperCase()) : undefined;
  if (!open) throw failure('module/unsupported-kind', { path: folder, kind: typeof type === 'string' ? type : 'unknown' });
  return open(folder);
}

/**
 * The module's updates of linear maps as LoRA factors at strength 1: exact where they are of low rank by themselves, else the best of a lower rank.
 * @throws module/not-linear for a module that is no update of linear maps
 */
export async function loweredSites(module: PluggedModule, model: BoundModel, options: LowerOptions = {}): Promise<LoweredModule> {
  if (!module.lower) throw failure('module/not-linear', { path: module.path, kind: module.kind });
  return module.lower(model, options);
}
