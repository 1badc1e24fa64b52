import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { statOrNull } from '../checkpoint/files';
import { failure } from '../protocol/errors';
import type { ModelReference } from '../protocol/merge';

/** Where model references are looked for. */
export interface ReferencePlaces {
  /** Folder of the recipe. */
  readonly recipeFolder: string;
  readonly currentFolder: string;
  /** Further folders, for instance those of the workspace. */
  readonly folders: readonly string[];
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Folder of the local Hugging Face cache: HF_HUB_CACHE, HF_HOME/hub, or ~/.cache/huggingface/hub. */
export function hubCache(environment: Readonly<Record<string, string | undefined>>): string {
  const { HF_HUB_CACHE: cache, HF_HOME: home, XDG_CACHE_HOME: xdg } = environment;
  if (cache) return cache;
  return path.join(home ? home : path.join(xdg ? xdg : path.join(os.homedir(), '.cache'), 'huggingface'), 'hub');
}

/**
 * The folder or file that a reference means: a path relative to the recipe, then to the current folder, then a hub id in the local cache, then a
 * path in one of the further folders. Never downloads.
 * @throws merge/model-not-found with the list of places
 */
export async function resolveReference(text: { readonly model: string; readonly revision: string | null }, written: string, places: ReferencePlaces): Promise<string> {
  const looked: string[] = [], environment = places.environment ?? process.env;
  const there = async (candidate: string): Promise<boolean> => {
    if (looked.includes(candidate)) return false;
    looked.push(candidate);
    return (await statOrNull(candidate)) !== null;
  };
  const home = (name: string): string => (name === '~' || /^~[\\/]/.test(name) ? path.join(os.homedir(), name.slice(1)) : name);
  // A folder may have @ in its name: what is written counts first.
  const names = [...new Set([text.revision === null ? text.model : `${text.model}@${text.revision}`, ...(text.revision === null ? [] : [text.model])])].map(home);
  for (const folder of [places.recipeFolder, places.currentFolder]) for (const name of names) {
    const candidate = path.resolve(folder, name);
    if (await there(candidate)) return candidate;
  }
  if (/^[^\\/.~][^\\/]*(?:\/[^\\/]+)?$/.test(text.model)) {
    const found = await findInCache(path.join(hubCache(environment), `models--${text.model.replace('/', '--')}`), text.revision ?? 'main', looked);
    if (found !== null) return found;
  }
  for (const folder of places.folders) for (const name of names) {
    const candidate = path.resolve(folder, name);
    if (await there(candidate)) return candidate;
  }
  for (const folder of places.folders) if (path.basename(folder) === path.basename(text.model) && (await there(folder))) return folder;
  throw failure('merge/model-not-found', { reference: written, looked: looked.join(', ') });
}

/** Resolves the model of a reference, and its LoRA. */
export async function resolveModel(reference: ModelReference, places: ReferencePlaces): Promise<{ readonly path: string; readonly lora: string | null }> {
  try {
    const folder = await resolveReference(reference, reference.text, places);
    return { path: folder, lora: reference.lora === null ? null : await resolveReference({ model: reference.lora, revision: null }, reference.lora, places) };
  } catch (error) {
    // A folder may have + in its name.
    if (reference.lora === null) throw error;
    for (const folder of [places.recipeFolder, places.currentFolder]) {
      const whole = path.resolve(folder, reference.text);
      if ((await statOrNull(whole)) !== null) return { path: whole, lora: null };
    }
    throw error;
  }
}

async function findInCache(folder: string, revision: string, looked: string[]): Promise<string | null> {
  const snapshots = path.join(folder, 'snapshots'), direct = path.join(snapshots, revision);
  if (/[\\/]|^\.\.?$/.test(revision)) return null;
  looked.push(`${folder} (${revision})`);
  if ((await statOrNull(direct)) !== null) return direct;
  const commit = await fs.readFile(path.join(folder, 'refs', revision), 'utf8').catch(() => null);
  if (commit === null || !/^[0-9a-f]{4,64}$/.test(commit.trim())) return null;
  const snapshot = path.join(snapshots, commit.trim());
  return (await statOrNull(snapshot)) === null ? null : snapshot;
}
