import { promises as fs } from 'node:fs';
import path from 'node:path';
import { statOrNull } from '../../checkpoint/files';
import { readJsonObject } from '../../checkpoint/jsonFile';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import type { TensorInfo } from '../../checkpoint/types';
import { formatOfFile } from '../../checkpoint/weightsFormat';

/** Entries of a folder that are looked at, weight files that are opened for their names, and sub-folders that are entered. */
const MAX_ENTRIES = 5_000;
const MAX_FILES = 64;
export const MAX_UNITS = 64;

/** What one folder (or one file) shows from outside: names, shapes and settings. No weight is read and no pickle is run. */
export interface Unit {
  readonly path: string;
  readonly name: string;
  readonly fileNames: ReadonlySet<string>;
  /** adapter_config.json and its kin by file name. */
  readonly configs: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** Shape by tensor name, of all weight files together. */
  readonly tensors: ReadonlyMap<string, readonly number[]>;
  /** Files whose names could not be read, with the reason. */
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[];
}

const CONFIGS = ['config.json', 'adapter_config.json', 'adapter_fusion_config.json', 'mttl_config.json', 'xlora_config.json'];
/** Weight files by extension that hold no weights of a model. */
const NO_WEIGHTS = /^(optimizer|scheduler|training_args|rng_state.*|scaler)\./;

/** Reads a unit; what cannot be read is listed, never thrown. Null where nothing is. */
export async function readUnit(target: string): Promise<Unit | null> {
  const stats = await statOrNull(target).catch(() => null);
  if (stats === null) return null;
  const folder = stats.isDirectory() ? target : path.dirname(target);
  const names = await fs.readdir(folder).catch((): string[] => []);
  const listed = names.slice(0, MAX_ENTRIES).sort();
  const unreadable: { file: string; reason: string }[] = [], configs = new Map<string, Readonly<Record<string, unknown>>>(), tensors = new Map<string, readonly number[]>();
  const keep = (found: ReadonlyMap<string, TensorInfo>): void => { for (const [name, { shape }] of found) tensors.set(name, shape); };
  const failed = (file: string, error: unknown): void => { unreadable.push({ file, reason: error instanceof Error ? error.message : String(error) }); };
  for (const name of CONFIGS) {
    if (!listed.includes(name)) continue;
    await readJsonObject(path.join(folder, name)).then(({ value }) => configs.set(name, value), (error: unknown) => failed(name, error));
  }
  let opened: ReadonlySet<string> = new Set();
  if (stats.isDirectory()) {
    await openCheckpoint(target).then((c) => {
      keep(c.tensors);
      opened = new Set(c.weightFiles.map((f) => path.basename(f)));
    }, () => undefined);
  }
  // With shards the index or the set has named them all; other files may hold what lies beside a model (fusion layers, classifiers).
  const files = (stats.isDirectory() ? listed : [path.basename(target)]).filter((n) => formatOfFile(n) !== null && !opened.has(n) && !NO_WEIGHTS.test(n) && !(opened.size > 0 && formatOfFile(n)?.format === 'onnx'));
  for (const name of files.slice(0, MAX_FILES)) await openCheckpoint(path.join(folder, name)).then((c) => keep(c.tensors), (error: unknown) => failed(name, error));
  return { path: target, name: path.basename(target), fileNames: new Set(listed), configs, tensors, unreadable };
}

/** Sub-folders of a folder, in natural order, at most `MAX_UNITS`; none where it cannot be listed. */
export async function subfolderNames(folder: string): Promise<readonly string[]> {
  const entries = await fs.readdir(folder, { withFileTypes: true }).catch(() => []);
  const order = new Intl.Collator('en', { numeric: true });
  const names = entries.slice(0, MAX_ENTRIES).filter((e) => (e.isDirectory() || e.isSymbolicLink()) && !e.name.startsWith('.')).map((e) => e.name).sort(order.compare);
  return names.slice(0, MAX_UNITS);
}
