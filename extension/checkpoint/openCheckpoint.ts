import { promises as fs } from 'node:fs';
import * as path from 'node:path';
import type { Notice } from '../protocol/documents';
import { failure, ModulensError } from '../protocol/errors';
import { asReadFailure, statOrNull } from './files';
import { readJsonObject } from './jsonFile';
import { completeSet, indexNameOf, parseShardName, readShardIndex, type ShardIndex } from './shards';
import type { Checkpoint, FileStamp, TensorInfo } from './types';
import { formatOfFile, WEIGHTS_FORMATS, type WeightsFormat } from './weightsFormat';

/** What to read, decided from names alone. */
interface Plan {
  readonly format: WeightsFormat;
  readonly kind: 'model' | 'adapter';
  readonly folder: string;
  readonly files: readonly string[];
  readonly index: ShardIndex | null;
  readonly warnings: readonly Notice[];
  /** The user named the folder or config.json, so a broken config.json is an error; beside a lone file it is a remark. */
  readonly configRequired: boolean;
}

/**
 * Opens a checkpoint: reads headers, the index and config.json, never weights.
 * @param target a model folder, a PEFT folder, a .safetensors, .bin, .pt, .pth or .onnx file, one shard, an index, config.json
 * @throws a typed failure that names the file, the tensor or field, and the remedy
 */
export async function openCheckpoint(target: string): Promise<Checkpoint> {
  const absolute = path.resolve(target);
  const stats = await statOrNull(absolute);
  if (stats === null) throw failure('checkpoint/not-found', { path: absolute });
  const plan = stats.isDirectory() ? await planFolder(absolute) : await planFile(absolute);
  return read(absolute, plan);
}

async function planFolder(folder: string): Promise<Plan> {
  const names = await listFolder(folder);
  const there = async (name: string): Promise<boolean> => (name.includes('/') ? (await statOrNull(path.join(folder, name))) !== null : names.includes(name));
  const base = { folder, index: null, warnings: [], configRequired: true } as const;
  for (const format of WEIGHTS_FORMATS) {
    for (const name of format.single) {
      if (!(await there(name))) continue;
      const warnings = format.index !== null && names.includes(format.index) ? [notice('checkpoint/single-and-index', `The folder holds both ${name} and ${format.index}; ${name} was read, as transformers does. Remove the one that is out of date.`)] : [];
      return { ...base, format, kind: 'model', folder: path.dirname(path.join(folder, name)), files: [path.join(folder, name)], warnings };
    }
    if (format.index !== null && names.includes(format.index)) return { ...(await planIndex(path.join(folder, format.index), format)), configRequired: true };
  }
  for (const format of WEIGHTS_FORMATS) {
    if (format.adapter !== null && names.includes(format.adapter)) return { ...base, format, kind: 'adapter', files: [path.join(folder, format.adapter)] };
  }
  return planUnusualFolder(folder, names);
}

/** A folder whose weights carry other names: one file, or one complete set of shards. PyTorch's are left out: training arguments and optimisers are .bin and .pt too. */
async function planUnusualFolder(folder: string, names: readonly string[]): Promise<Plan> {
  for (const format of WEIGHTS_FORMATS.filter(({ format: name }) => name !== 'pytorch')) {
    const files = names.filter((name) => formatOfFile(name) === format).sort();
    if (files.length === 0) continue;
    const base = { format, kind: 'model', folder, index: null, configRequired: true } as const;
    if (files.length === 1) return { ...base, files: [path.join(folder, files[0])], warnings: [] };
    const indices = names.filter((name) => format.extensions.some((extension) => name.endsWith(`${extension}.index.json`)));
    if (indices.length === 1) return { ...(await planIndex(path.join(folder, indices[0]), format)), configRequired: true };
    const shard = parseShardName(files[0]);
    const set = shard === null ? null : completeSet(shard, files);
    if (set !== null && set.length === files.length) return planSet(folder, format, set);
    throw failure('checkpoint/ambiguous', { path: folder, files: `${files.slice(0, 5).join(', ')}${files.length > 5 ? ', ...' : ''}` });
  }
  throw failure('checkpoint/no-weights', { path: folder, looked: WEIGHTS_FORMATS.flatMap(({ single, index, adapter }) => [...single, index, adapter].filter((name) => name !== null)).join(', ') });
}

async function planFile(file: string): Promise<Plan> {
  const folder = path.dirname(file);
  const name = path.basename(file);
  if (name === 'config.json' || name === 'adapter_config.json') return planFolder(folder);
  if (name.endsWith('.index.json')) return planIndex(file, formatOfFile(name.slice(0, -'.index.json'.length)));
  const format = formatOfFile(name);
  if (format === null) throw failure('checkpoint/unknown-file', { path: file });
  const shard = parseShardName(name);
  if (shard !== null) {
    const index = path.join(folder, indexNameOf(shard));
    if ((await statOrNull(index)) !== null) {
      const plan = await planIndex(index, format);
      if (plan.files.includes(file)) return plan;
    } else {
      const set = completeSet(shard, await listFolder(folder));
      if (set !== null) return planSet(folder, format, set);
    }
  }
  return { format, kind: name === format.adapter ? 'adapter' : 'model', folder, files: [file], index: null, warnings: [], configRequired: false };
}

async function planIndex(file: string, format: WeightsFormat | null): Promise<Plan> {
  if (format === null || format.index === null) throw failure('checkpoint/unknown-file', { path: file });
  const index = await readShardIndex(file);
  return { format, kind: 'model', folder: path.dirname(file), files: index.shards, index, warnings: [], configRequired: false };
}

function planSet(folder: string, format: WeightsFormat, names: readonly string[]): Plan {
  const warnings = [notice('checkpoint/no-index', `The folder holds ${names.length} shards and no index; all of them were read.`)];
  return { format, kind: 'model', folder, files: names.map((name) => path.join(folder, name)), index: null, warnings, configRequired: false };
}

async function read(absolute: string, plan: Plan): Promise<Checkpoint> {
  const warnings: Notice[] = [...plan.warnings];
  const files: FileStamp[] = plan.index === null ? [] : [plan.index.stamp];
  const config = await readConfig(plan, files, warnings);
  const tensors = new Map<string, TensorInfo>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const file of plan.files) {
    const weights = await plan.format.read(file);
    files.push(...weights.stamps);
    if (file === plan.files[0]) metadata = weights.metadata;
    for (const remark of weights.remarks) warnings.push(notice('checkpoint/file', `${path.basename(file)}: ${remark}`));
    for (const tensor of weights.tensors) {
      const other = tensors.get(tensor.name);
      const wanted = plan.index?.shardOf.get(tensor.name);
      if (other !== undefined) warnings.push(notice('checkpoint/tensor-twice', `Tensor "${tensor.name}" is in ${path.basename(other.file)} and in ${path.basename(file)}; the index decides, else the last one counts.`));
      if (other === undefined || other.file !== wanted) tensors.set(tensor.name, tensor);
    }
  }
  if (plan.index !== null) warnings.push(...compareWithIndex(plan.index, tensors));
  return { path: absolute, folder: plan.folder, name: nameOf(absolute, plan, config !== null), format: plan.format.format, kind: plan.kind, config, tensors, metadata, warnings, files, weightFiles: plan.files };
}

function compareWithIndex(index: ShardIndex, tensors: ReadonlyMap<string, TensorInfo>): readonly Notice[] {
  for (const [tensor, shard] of index.shardOf) {
    if (!tensors.has(tensor)) throw failure('checkpoint/index-tensor-missing', { file: index.file, tensor, shard: path.basename(shard) });
  }
  const moved = [...tensors.values()].filter(({ name, file }) => index.shardOf.has(name) && index.shardOf.get(name) !== file);
  const extra = [...tensors.keys()].filter((name) => !index.shardOf.has(name));
  const notices: Notice[] = [];
  if (moved.length > 0) notices.push(notice('checkpoint/index-moved', `The index places ${moved.length} tensors in other shards than those that hold them, "${moved[0].name}" first; they were read where they are.`));
  if (extra.length > 0) notices.push(notice('checkpoint/index-extra', `The shards hold ${extra.length} tensors that the index does not name, "${extra[0]}" first; they were read too.`));
  return notices;
}

async function readConfig(plan: Plan, files: FileStamp[], warnings: Notice[]): Promise<Checkpoint['config']> {
  const candidates = [path.join(plan.folder, 'config.json')];
  if (plan.format.format === 'onnx' && path.basename(plan.folder) === 'onnx') candidates.push(path.join(path.dirname(plan.folder), 'config.json'));
  for (const file of candidates) {
    if ((await statOrNull(file)) === null) continue;
    try {
      const { value, stamp } = await readJsonObject(file);
      files.push(stamp);
      return value;
    } catch (error) {
      if (plan.configRequired || !(error instanceof ModulensError)) throw error;
      warnings.push(notice('checkpoint/config', `${error.message} The weights were read without it.`));
      return null;
    }
  }
  return null;
}

function nameOf(absolute: string, plan: Plan, hasConfig: boolean): string {
  const cached = /[\\/]models--([^\\/]+)[\\/]snapshots[\\/][^\\/]+/.exec(plan.folder);
  if (cached !== null) return cached[1].replaceAll('--', '/');
  if (plan.files.length === 1 && !hasConfig && plan.kind === 'model' && plan.files[0] === absolute) return path.basename(absolute);
  const folder = path.basename(plan.folder) === 'onnx' ? path.dirname(plan.folder) : plan.folder;
  return path.basename(folder) || folder;
}

async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return await fs.readdir(folder);
  } catch (error) {
    throw asReadFailure(folder, error);
  }
}

function notice(code: string, message: string): Notice {
  return { code, message };
}
