import path from 'node:path';
import { bindModel } from '../architecture/resolve';
import { findCheckpoints } from '../checkpoint/findCheckpoints';
import { statOrNull } from '../checkpoint/files';
import { openCheckpoint } from '../checkpoint/openCheckpoint';
import { ModulensError } from '../protocol/errors';
import type { FoundCheckpoint } from '../protocol/engineRpc';
import { headTarget, mapFinder, unusedTarget } from './sites';
import type { PluggedLora, PluggedModule } from './types';

/** A checkpoint that may be the one that a module was trained on. */
export interface BaseCandidate {
  readonly path: string;
  readonly name: string;
  /** `path`: the settings give this very path. `name`: the settings' name. `shape`: only that the module fits it. */
  readonly by: 'path' | 'name' | 'shape';
  readonly where: 'settings' | 'beside' | 'folder' | 'huggingFaceCache';
  /** Whether every part of the module has its place in it. */
  readonly fits: boolean;
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
  const offer = async (candidate: Omit<BaseCandidate, 'fits'>): Promise<void> => {
    if (candidate.path === home || found.has(candidate.path)) return;
    const fitting = await fits(module, candidate.path);
    found.set(candidate.path, { ...candidate, fits: fitting, reason: fitting ? candidate.reason : `${candidate.reason} But the module does not fit it.` });
  };
  if (module.base !== null) {
    for (const from of [home, path.dirname(home)]) {
      const place = path.resolve(from, module.base);
      if (await holdsCheckpoint(place)) await offer({ path: place, name: path.basename(place), by: 'path', where: 'settings', reason: `The module's settings name this path as its base.` });
    }
  }
  const look = async (checkpoints: readonly FoundCheckpoint[], where: BaseCandidate['where'], place: string): Promise<void> => {
    for (const checkpoint of checkpoints) {
      if (checkpoint.kind !== 'checkpoint') continue;
      if (named !== null && sameName(checkpoint, named)) await offer({ path: checkpoint.path, name: checkpoint.name, by: 'name', where, reason: `It is called "${checkpoint.name}" and lies ${place}; the module's settings name "${module.base ?? ''}".` });
      else others.push({ checkpoint, where });
    }
  };
  await look(await findCheckpoints([path.dirname(home)], { depth: BESIDE_DEPTH }), 'beside', 'beside the module');
  await look(await findCheckpoints(folders), 'folder', 'in the folders that were searched');
  await look((await findCheckpoints([], { huggingFaceCache: true, ...(options.environment ? { environment: options.environment } : {}) })).filter(({ source }) => source === 'huggingFaceCache'), 'huggingFaceCache', 'in the Hugging Face cache');
  let opened = 0;
  for (const { checkpoint, where } of others) {
    if (found.has(checkpoint.path) || checkpoint.path === home || opened++ >= MOST_OPENED) continue;
    if (await fits(module, checkpoint.path)) await offer({ path: checkpoint.path, name: checkpoint.name, by: 'shape', where, reason: `Every part of the module has its place in it, in the right sizes. ${module.base === null ? 'The module\'s settings name no base.' : `The settings name another base, "${module.base}".`}` });
  }
  const order = ['path', 'name', 'shape'];
  return [...found.values()].sort((a, b) => Number(b.fits) - Number(a.fits) || order.indexOf(a.by) - order.indexOf(b.by));
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

/**
 * Whether every part of the module has its place in the checkpoint, in the right sizes. LoRA tells by its headers; other kinds are bound for a try, which
 * reads the module and little of the base.
 */
async function fits(module: PluggedModule, place: string): Promise<boolean> {
  try {
    const model = bindModel(await openCheckpoint(place)), find = mapFinder(model);
    if (!isLora(module)) {
      await module.bind(model, { strength: 1, prefix: 'try.' });
      return true;
    }
    return module.sites.every((site) => {
      const spec = find(site.target);
      return spec ? site.a.shape[1] === spec.inWidth && site.b.shape[0] === spec.outWidth : headTarget(site.target, model) || unusedTarget(site.target, model);
    });
  } catch (error) {
    if (error instanceof ModulensError) return false;
    throw error;
  }
}

function isLora(module: PluggedModule): module is PluggedLora {
  return module.sites.length > 0 && module.sites.every((site) => 'a' in site && 'b' in site);
}
