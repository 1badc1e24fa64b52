import { join } from 'node:path';
import type { BoundModel } from '../architecture/resolve';
import { readJsonObject } from '../checkpoint/jsonFile';
import { failure } from '../protocol/errors';
import { isAdapterHub, openAdapterHub } from './adapterHub';
import { readIa3 } from './ia3';
import { readLora } from './lora';
import { openPeftFolder, type PeftFolder } from './peftFolder';
import { readLoha, readLokr } from './products';
import { readPrefix, readPrompt } from './prompt';
import type { LoweredModule, LowerOptions, PluggedModule } from './types';
import { readVera } from './vera';

/** Readers by `peft_type`. */
const PEFT_KINDS: ReadonlyMap<string, (folder: PeftFolder) => PluggedModule> = new Map([
  ['LORA', readLora], ['IA3', readIa3], ['LOHA', readLoha], ['LOKR', readLokr], ['VERA', readVera], ['PROMPT_TUNING', readPrompt], ['P_TUNING', readPrompt], ['PREFIX_TUNING', readPrefix],
]);

/**
 * Opens the folder of a plugged-in module of any kind that runs here; headers and settings only.
 * @throws module/unsupported-kind, module/unsupported-flag, module/unsupported-part, module/unreadable and what reading files throws
 */
export async function openModule(path: string): Promise<PluggedModule> {
  const { value: config } = await readJsonObject(join(path, 'adapter_config.json'));
  if (isAdapterHub(config)) return openAdapterHub(path, config);
  const folder = await openPeftFolder(path), type = folder.config['peft_type'], read = typeof type === 'string' ? PEFT_KINDS.get(type.toUpperCase()) : undefined;
  if (!read) throw failure('module/unsupported-kind', { path, kind: typeof type === 'string' ? type : 'unknown' });
  return read(folder);
}

/**
 * The module's updates of linear maps as LoRA factors at strength 1: exact where they are of low rank by themselves, else the best of a lower rank.
 * @throws module/not-linear for a module that is no update of linear maps
 */
export async function loweredSites(module: PluggedModule, model: BoundModel, options: LowerOptions = {}): Promise<LoweredModule> {
  if (!module.lower) throw failure('module/not-linear', { path: module.path, kind: module.kind });
  return module.lower(model, options);
}
