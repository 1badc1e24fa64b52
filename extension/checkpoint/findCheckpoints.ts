import { promises as fs } from 'node:fs';
import type { Dirent } from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { FoundCheckpoint } from '../protocol/engineRpc';
import { MAX_SEARCH_ENTRIES } from './limits';
import { parseShardName } from './shards';
import { WEIGHTS_FORMATS } from './weightsFormat';

export interface FindOptions {
  /** How many levels below the given folders are searched; 0 = the folders themselves only. */
  readonly depth?: number;
  readonly huggingFaceCache?: boolean;
  /** For tests: where the environment is read from. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

const DEFAULT_DEPTH = 4;

/** Weights of a module folder that the library adapters wrote, and of a head beside it. */
const ADAPTER_HUB_FILES = ['adapter.safetensors', 'model_head.safetensors'];

/** Folders that never hold a user's checkpoints but hold very many files. */
const SKIPPED = new Set(['node_modules', '__pycache__', 'venv', 'site-packages']);

/**
 * Finds model folders, PEFT folders and lone .safetensors or .onnx files by their names; opens nothing.
 * Folders that cannot be read are passed over; the search stops after a named number of entries, so that a huge tree cannot hang it.
 * @returns sorted by path, the folders' first
 */
export async function findCheckpoints(folders: readonly string[], options: FindOptions = {}): Promise<readonly FoundCheckpoint[]> {
  const budget = { entries: MAX_SEARCH_ENTRIES };
  const found = new Map<string, FoundCheckpoint>();
  for (const folder of folders) await search(path.resolve(folder), options.depth ?? DEFAULT_DEPTH, budget, found);
  const inFolders = [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const cached = options.huggingFaceCache === true ? await searchCache(options.environment ?? process.env) : [];
  return [...inFolders, ...cached.filter(({ path: cachedPath }) => !found.has(cachedPath))];
}

interface Budget {
  entries: number;
}

/** Breadth first, so that what is near is found before the budget ends. */
async function search(root: string, depth: number, budget: Budget, found: Map<string, FoundCheckpoint>): Promise<void> {
  let level = [root];
  for (let below = 0; below <= depth && level.length > 0; below++) {
    const next: string[] = [];
    for (const folder of level) {
      if (budget.entries <= 0) return;
      const entries = await list(folder);
      budget.entries -= entries.length + 1;
      for (const item of classify(folder, entries)) found.set(item.path, item);
      for (const entry of entries) if (entry.isDirectory() && !entry.name.startsWith('.') && !SKIPPED.has(entry.name)) next.push(path.join(folder, entry.name));
    }
    level = next.sort();
  }
}

async function list(folder: string): Promise<readonly Dirent[]> {
  try {
    return await fs.readdir(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** What a folder is, from the names in it: one model or module, or lone weight files. */
function classify(folder: string, entries: readonly Dirent[]): readonly FoundCheckpoint[] {
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const has = (name: string | null): boolean => name !== null && names.includes(name);
  const item = (at: string, kind: FoundCheckpoint['kind']): FoundCheckpoint => ({ path: at, name: path.basename(at), kind, source: 'folder' });
  const result: FoundCheckpoint[] = [];
  const isModel = WEIGHTS_FORMATS.some(({ single, index }) => single.some(has) || has(index)) && (has('config.json') || WEIGHTS_FORMATS.some(({ index }) => has(index)));
  const isModule = has('adapter_config.json');
  if (isModel) result.push(item(folder, 'checkpoint'));
  if (isModule) result.push(item(folder, 'module'));
  const shardStems = new Set<string>();
  for (const name of [...names].sort()) {
    if (isModule && (WEIGHTS_FORMATS.some(({ adapter }) => adapter === name) || ADAPTER_HUB_FILES.includes(name))) continue;
    if (isModel && WEIGHTS_FORMATS.some(({ single }) => single.includes(name))) continue;
    if (!name.toLowerCase().endsWith('.safetensors') && !name.toLowerCase().endsWith('.onnx')) continue;
    const shard = parseShardName(name);
    if (shard !== null) {
      if (isModel || shardStems.has(shard.stem)) continue;
      shardStems.add(shard.stem);
    }
    result.push(item(path.join(folder, name), 'checkpoint'));
  }
  return result;
}

/** The folder of the Hugging Face cache, by the rules of huggingface_hub: HF_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub. */
export function huggingFaceCacheFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const direct = environment.HF_HUB_CACHE ?? environment.HUGGINGFACE_HUB_CACHE;
  if (direct !== undefined && direct !== '') return path.resolve(expandHome(direct));
  if (environment.HF_HOME !== undefined && environment.HF_HOME !== '') return path.resolve(expandHome(environment.HF_HOME), 'hub');
  const cache = environment.XDG_CACHE_HOME !== undefined && environment.XDG_CACHE_HOME !== '' ? expandHome(environment.XDG_CACHE_HOME) : path.join(os.homedir(), '.cache');
  return path.resolve(cache, 'huggingface', 'hub');
}

function expandHome(text: string): string {
  return text === '~' || text.startsWith('~/') || text.startsWith('~\\') ? path.join(os.homedir(), text.slice(1)) : text;
}

/** Models of the cache: `models--organisation--name/snapshots/REVISION`; the revision of refs/main, else the newest. */
async function searchCache(environment: Readonly<Record<string, string | undefined>>): Promise<readonly FoundCheckpoint[]> {
  const root = huggingFaceCacheFolder(environment);
  const found: FoundCheckpoint[] = [];
  let budget = MAX_SEARCH_ENTRIES;
  for (const repository of [...(await list(root))].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!repository.name.startsWith('models--') || budget <= 0) continue;
    const folder = path.join(root, repository.name);
    const snapshot = await chooseSnapshot(folder);
    if (snapshot === null) continue;
    const entries = await list(snapshot);
    budget -= entries.length + 3;
    const name = repository.name.slice('models--'.length).replaceAll('--', '/');
    for (const item of classify(snapshot, entries)) found.push({ ...item, name: item.path === snapshot ? name : `${name}/${item.name}`, source: 'huggingFaceCache' });
  }
  return found;
}

async function chooseSnapshot(repository: string): Promise<string | null> {
  const snapshots = path.join(repository, 'snapshots');
  const main = await fs.readFile(path.join(repository, 'refs', 'main'), 'utf8').catch(() => '');
  const revisions = (await list(snapshots)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  if (revisions.includes(main.trim())) return path.join(snapshots, main.trim());
  const dated = await Promise.all(revisions.map(async (name) => ({ name, time: (await fs.stat(path.join(snapshots, name)).catch(() => null))?.mtimeMs ?? 0 })));
  dated.sort((a, b) => b.time - a.time || (a.name < b.name ? -1 : 1));
  return dated.length > 0 ? path.join(snapshots, dated[0].name) : null;
}
