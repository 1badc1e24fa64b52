import path from 'node:path';
import { bindModel } from '../architecture/resolve';
import { findCheckpoints } from '../checkpoint/findCheckpoints';
import { statOrNull } from '../checkpoint/files';
import { openCheckpoint } from '../checkpoint/openCheckpoint';
import { ModulensError } from '../protocol/errors';
import type { FoundCheckpoint } from '../protocol/engineRpc';
import { headTarget, mapFinder, tokenTarget, unusedTarget } from './sites';
import type { LoraSite, PluggedModule } from './types';

/** A checkpoint that may be the one that a module was trained on. */
export interface BaseCandidate {
  readonly path: string;
  readonly name: string;
  /** `path`: the settings give this very path. `name`: the settings' name. `shape`: only that the module fits it. */
  readonly by: 'path' | 'name' | 'shape';
  readonly where: 'settings' | 'beside' | 'folder' | 'huggingFaceCache';
  /** Why it is offered, as a whole sentence. */
  readonly reason: string;
}

export interface FindBaseOptions {
  /** For tests: where the environment is read from. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Folders below the module's own parent that are looked at: siblings and what lies in them. */
const BESIDE_DEPTH = 1;
/** Checkpoints whose headers are read to see whether the module fits them. */
const MOST_OPENED = 40;

/**
 * Looks for the base that a module's settings name: at that path, beside the module, in the given folders and in the local Hugging Face cache. Nothing is
 * ever downloaded. Checkpoints of another name that every part of the module fits come last, because shapes alone prove little.
 * @returns the likeliest first
 */
export async function findBase(module: PluggedModule, folders: readonly string[], options: FindBaseOptions = {}): Promise<readonly BaseCandidate[]> {
  const home = path.resolve(module.path), found = new Map<string, BaseCandidate>(), others: { readonly checkpoint: FoundCheckpoint; readonly where: BaseCandidate['where'] }[] = [];
  const named = module.base === null ? null : module.base.replaceAll('\\', '/').replace(/\/+$/, '');
  const offer = (candidate: BaseCandidate): void => { if (candidate.path !== home && !found.has(candidate.path)) found.set(candidate.path, candidate); };
  if (module.base !== null) {
    for (const from of [home, path.dirname(home)]) {
      const place = path.resolve(from, module.base);
      if (await holdsCheckpoint(place)) offer({ path: place, name: path.basename(place), by: 'path', where: 'settings', reason: `The module's settings name this path as its base.` });
    }
  }
  const look = (checkpoints: readonly FoundCheckpoint[], where: BaseCandidate['where'], place: string): void => {
    for (const checkpoint of checkpoints) {
      if (checkpoint.kind !== 'checkpoint') continue;
      if (named !== null && sameName(checkpoint, named)) offer({ path: checkpoint.path, name: checkpoint.name, by: 'name', where, reason: `It is called "${checkpoint.name}" and lies ${place}; the module's settings name "${module.base ?? ''}".` });
      else others.push({ checkpoint, where });
    }
  };
  look(await findCheckpoints([path.dirname(home)], { depth: BESIDE_DEPTH }), 'beside', 'beside the module');
  look(await findCheckpoints(folders), 'folder', 'in the folders that were searched');
  look((await findCheckpoints([], { huggingFaceCache: true, ...(options.environment ? { environment: options.environment } : {}) })).filter(({ source }) => source === 'huggingFaceCache'), 'huggingFaceCache', 'in the Hugging Face cache');
  let opened = 0;
  for (const { checkpoint, where } of others) {
    if (found.has(checkpoint.path) || checkpoint.path === home || opened++ >= MOST_OPENED) continue;
    if (await fits(module, checkpoint.path)) offer({ path: checkpoint.path, name: checkpoint.name, by: 'shape', where, reason: `Every part of the module has its place in it, in the right sizes. ${module.base === null ? 'The module\'s settings name no base.' : `The settings name another base, "${module.base}".`}` });
  }
  const order = ['path', 'name', 'shape'];
  return [...found.values()].sort((a, b) => order.indexOf(a.by) - order.indexOf(b.by));
}

async function holdsCheckpoint(place: string): Promise<boolean> {
  if ((await statOrNull(place)) === null) return false;
  return openCheckpoint(place).then(({ kind }) => kind === 'model', (error: unknown) => { if (error instanceof ModulensError) return false; throw error; });
}

/** Whether a checkpoint carries the name: whole in the cache, its last part elsewhere. */
function sameName({ name, source }: FoundCheckpoint, base: string): boolean {
  const last = (text: string): string => text.slice(text.lastIndexOf('/') + 1).toLowerCase();
  if (source === 'huggingFaceCache' && base.includes('/')) return name.toLowerCase() === base.toLowerCase() || base.toLowerCase().endsWith(`/${name.toLowerCase()}`);
  return last(name) === last(base);
}

/** Whether every site of the module is in the checkpoint, with factors of the right widths where the sites have factors. */
async function fits(module: PluggedModule, place: string): Promise<boolean> {
  if (module.sites.length === 0) return false;
  try {
    const model = bindModel(await openCheckpoint(place)), find = mapFinder(model);
    return module.sites.every((site) => {
      const spec = find(site.target), { a, b } = site as Partial<LoraSite>;
      if (!spec) return headTarget(site.target, model) || tokenTarget(site.target, model) || unusedTarget(site.target, model);
      return !a || !b || (a.shape[1] === spec.inWidth && b.shape[0] === spec.outWidth);
    });
  } catch (error) {
    if (error instanceof ModulensError) return false;
    throw error;
  }
}
