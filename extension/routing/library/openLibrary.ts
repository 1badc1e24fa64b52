import path from 'node:path';
import { promises as fs } from 'node:fs';
import { asReadFailure, stampFile, statOrNull } from '../../checkpoint/files';
import { readJsonObject } from '../../checkpoint/jsonFile';
import type { FileStamp } from '../../checkpoint/types';
import { openPlainLora } from '../../module/lora';
import { failure, ModulensError } from '../../protocol/errors';
import { readArrowSettings } from './arrowSettings';
import { remarksOn } from './remarks';
import type { Adapter, AdapterLibrary, ArrowSettings } from './types';

/** Adapters of one library: routing compares every pair per token and site, and a page has no room for more. */
export const MAX_ADAPTERS = 256;
/** Entries of a folder that are looked at. */
const MAX_ENTRIES = 5_000;

interface Found {
  readonly name: string;
  readonly folder: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly stamp: FileStamp;
}

/**
 * Opens a folder of PEFT LoRAs on one base: the folder itself, its sub-folders, or where those hold fewer than two
 * adapters their sub-folders. Other files and checkpoints beside them are left alone. PEFT's inert `arrow_router` gives
 * its settings and is no expert. Reads headers only.
 * @throws routing/library naming the adapter that cannot take part and the remedy
 */
export async function openLibrary(folder: string): Promise<AdapterLibrary> {
  const root = path.resolve(folder);
  const stats = await statOrNull(root);
  if (stats === null) throw failure('checkpoint/not-found', { path: root });
  if (!stats.isDirectory()) throw failure('routing/library', { path: root, reason: 'it is a file, and a library is a folder with one sub-folder per adapter. Choose the folder' });
  const folderStamp = await stampFile(root), found = await findAdapters(root);
  const skipped: { name: string; reason: string }[] = [], plain: Found[] = [];
  let arrow: ArrowSettings | null = null;
  for (const one of found) {
    const settings = readArrowSettings(one.config, one.folder);
    if (settings !== null) {
      arrow ??= settings;
      skipped.push({ name: one.name, reason: 'it is the router of an Arrow set, whose own factors do nothing' });
    } else if (one.config['peft_type'] !== 'LORA') skipped.push({ name: one.name, reason: `it is a module of kind ${JSON.stringify(one.config['peft_type'] ?? null)}, and Arrow routes between LoRAs` });
    else plain.push(one);
  }
  if (plain.length > MAX_ADAPTERS) throw failure('routing/library', { path: root, reason: `it holds ${plain.length} LoRAs, and at most ${MAX_ADAPTERS} can be routed at a time. Put those to compare into a folder of their own` });
  const isGeneral = (name: string): boolean => arrow !== null && (arrow.generalNames.includes(name) || /^gks_\d+$/.test(name));
  const chosen = orderedTasks(plain.filter(({ name }) => !isGeneral(name)), arrow, root);
  if (chosen.length < 2) throw failure('routing/library', { path: root, reason: `${foundText(chosen, skipped)}, and routing needs two or more on one base. Choose a folder that holds one sub-folder per adapter, each with its adapter_config.json` });
  const adapters = await openAll(chosen, root), general = await openAll(plain.filter(({ name }) => isGeneral(name)), root);
  if (arrow?.useGks === true) {
    const lacking = arrow.generalNames.filter((name) => !general.some((g) => g.name === name));
    if (lacking.length > 0 || general.length === 0) throw failure('routing/library', { path: root, reason: `its settings subtract general knowledge (use_gks), but the general ${lacking.length === 1 ? 'adapter' : 'adapters'} ${lacking.join(', ')} ${lacking.length === 1 ? 'is' : 'are'} missing. Put them back, or set "use_gks" to false in the router's adapter_config.json` });
  }
  const files = [folderStamp, ...found.map((f) => f.stamp), ...[...adapters, ...general].flatMap(({ lora }) => lora.weights.files)];
  return { path: root, adapters, general, arrow, skipped, remarks: remarksOn(adapters), files };
}

/** Folders with an adapter_config.json, nearest level first, names in natural order. */
async function findAdapters(root: string): Promise<readonly Found[]> {
  const own = await readConfig(root, path.basename(root));
  const children = await subfolders(root);
  const direct = (await Promise.all(children.map((name) => readConfig(path.join(root, name), name)))).filter((f) => f !== null);
  const nearest = own ? [own, ...direct] : direct;
  const real = nearest.filter(({ config }) => !isObject(config['arrow_config']));
  if (real.length >= 2) return nearest;
  const deeper: Found[] = [];
  for (const child of children) {
    for (const name of await subfolders(path.join(root, child))) {
      const one = await readConfig(path.join(root, child, name), name);
      if (one) deeper.push({ ...one, name: `${child}/${name}` });
    }
  }
  const short = new Map<string, number>();
  for (const { folder } of deeper) short.set(path.basename(folder), (short.get(path.basename(folder)) ?? 0) + 1);
  return [...nearest, ...deeper.map((f) => (short.get(path.basename(f.folder)) === 1 ? { ...f, name: path.basename(f.folder) } : f))];
}

async function subfolders(folder: string): Promise<readonly string[]> {
  let entries;
  try {
    entries = await fs.readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw asReadFailure(folder, error);
  }
  const names = entries.slice(0, MAX_ENTRIES).filter((e) => (e.isDirectory() || e.isSymbolicLink()) && !e.name.startsWith('.')).map((e) => e.name);
  const order = new Intl.Collator('en', { numeric: true });
  const folders = await Promise.all(names.map(async (name) => ((await statOrNull(path.join(folder, name)).catch(() => null))?.isDirectory() ? name : null)));
  return folders.filter((n) => n !== null).sort(order.compare);
}

async function readConfig(folder: string, name: string): Promise<Found | null> {
  const file = path.join(folder, 'adapter_config.json');
  if ((await statOrNull(file)) === null) return null;
  const { value, stamp } = await readJsonObject(file);
  return { name, folder, config: value, stamp };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** An Arrow set stacks its adapters in the order of its settings; adapters beyond them come after, as PEFT adds them. */
function orderedTasks(found: readonly Found[], arrow: ArrowSettings | null, root: string): readonly Found[] {
  if (arrow === null) return found;
  const byName = new Map(found.map((f) => [f.name, f]));
  const listed = arrow.taskNames.map((name) => {
    const one = byName.get(name);
    if (!one) throw failure('routing/library', { path: root, reason: `its settings name the adapter "${name}", which has no folder here. Put it back, or take it out of "task_adapter_names" in the router's adapter_config.json` });
    byName.delete(name);
    return one;
  });
  return [...listed, ...byName.values()];
}

function foundText(plain: readonly Found[], skipped: readonly { readonly name: string; readonly reason: string }[]): string {
  const there = plain.length === 1 ? `it holds one LoRA (${plain[0].name})` : 'it holds no LoRA';
  return skipped.length === 0 ? there : `${there}; ${skipped.map((s) => `"${s.name}" does not count: ${s.reason}`).join('; ')}`;
}

async function openAll(found: readonly Found[], root: string): Promise<readonly Adapter[]> {
  const out: Adapter[] = [];
  for (const { name, folder } of found) {
    try {
      out.push({ name, lora: await openPlainLora(folder) });
    } catch (error) {
      if (!(error instanceof ModulensError)) throw error;
      throw failure('routing/library', { path: root, reason: `the adapter "${name}" cannot take part: ${sentence(error.message)} Mend it, or move its folder elsewhere to route between the others` }, error);
    }
  }
  return out;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
