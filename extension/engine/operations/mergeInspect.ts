import { promises as fs } from 'node:fs';
import path from 'node:path';
import { elementCount } from '../../checkpoint/dtypes';
import { assertUnchanged } from '../../checkpoint/files';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import type { Checkpoint } from '../../checkpoint/types';
import { alignTensors, compareVocabularies } from '../../merge/inspect/align';
import { inspectCheckpoints } from '../../merge/inspect/inspectCheckpoints';
import { alignModules, inspectModules } from '../../merge/inspect/inspectModules';
import { openPlainLora } from '../../module/lora';
import type { LoraModule } from '../../module/types';
import { SCHEMA_VERSION } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { MergeInspectDocument, MergeInspectRequest } from '../../protocol/mergeInspect';
import { INSPECT_PARTS, type InspectModel } from '../../protocol/mergeInspect';
import { VERSION } from '../../protocol/version';
import type { OperationContext } from '../context';

const DTYPE_NAMES: Readonly<Record<string, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float64' };

/** How models lie to each other before they are merged. Reads all weights once, writes nothing. */
export async function run(request: MergeInspectRequest, context: OperationContext): Promise<MergeInspectDocument> {
  const { models: paths, base } = request;
  if (paths.length < (base === null ? 2 : 1)) throw failure('merge/too-few', { count: paths.length });
  const kinds = await Promise.all(paths.map(isModuleFolder));
  if (kinds.some((kind) => kind !== kinds[0])) throw failure('merge/mixed', {});
  return kinds[0] ? ofModules(paths, context) : ofCheckpoints(request, context);
}

async function ofCheckpoints({ models: paths, base: basePath, weight = 1 / paths.length }: MergeInspectRequest, context: OperationContext): Promise<MergeInspectDocument> {
  const start = performance.now(), base = basePath === null ? null : await openCheckpoint(basePath), models: Checkpoint[] = [];
  for (const one of paths) models.push(await openCheckpoint(one));
  const all = [...(base ? [base] : []), ...models], { names, alignment } = alignTensors(all, models.length);
  if (names.length === 0) throw failure('merge/tensors-differ', { model: models[0].name, other: (all.find((one) => one !== models[0]) ?? models[0]).name, missing: alignment.missing[0]?.names.join(', ') ?? 'all', count: alignment.tensors });
  const vocabularies = await compareVocabularies(all), reference = base ?? models[0];
  const dtype = commonDtype(reference), found = await inspectCheckpoints(base, models, names, { weight, dtype }, context);
  // A file that changed while it was read gives wrong numbers silently.
  await assertUnchanged(all.flatMap(({ files }) => files));
  return {
    ...head(start), what: 'checkpoints', base: base && modelOf(base), models: named(models.map(modelOf)), layers: found.layers, parts: INSPECT_PARTS.filter((part) => found.cells.some((cell) => cell.part === part)), cells: found.cells,
    alignment: { ...alignment, vocabularies }, dtype: DTYPE_NAMES[dtype] ?? dtype, weight, bytesRead: found.bytesRead,
  };
}

async function ofModules(paths: readonly string[], context: OperationContext): Promise<MergeInspectDocument> {
  const start = performance.now(), modules: LoraModule[] = [];
  for (const one of paths) modules.push(await openPlainLora(one));
  const { targets, alignment } = alignModules(modules), found = await inspectModules(modules, targets, context);
  await assertUnchanged(modules.flatMap(({ weights }) => weights.files));
  const models = modules.map((module): InspectModel => ({ ...modelOf(module.weights), name: module.name, path: module.path, rank: module.rank }));
  return { ...head(start), what: 'modules', base: null, models: named(models), layers: found.layers, parts: INSPECT_PARTS.filter((part) => found.cells.some((cell) => cell.part === part)), cells: found.cells, alignment, dtype: 'float32', weight: 1, bytesRead: found.bytesRead };
}

const head = (start: number) => ({ schemaVersion: SCHEMA_VERSION, kind: 'merge-inspect', program: { name: 'modulens', version: VERSION }, warnings: [], timings: { total: (performance.now() - start) / 1000 } }) as const;

function modelOf(checkpoint: Checkpoint): InspectModel {
  const tensors = [...checkpoint.tensors.values()], dtype = commonDtype(checkpoint);
  return { name: checkpoint.name, path: checkpoint.path, parameters: tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0), bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0), dtype: DTYPE_NAMES[dtype] ?? dtype };
}

/** The dtype of most bytes. */
function commonDtype({ tensors }: Checkpoint) {
  const bytes = new Map<string, number>();
  for (const tensor of tensors.values()) bytes.set(tensor.dtype, (bytes.get(tensor.dtype) ?? 0) + tensor.bytes);
  const most = [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0];
  return [...tensors.values()].find(({ dtype }) => dtype === most)?.dtype ?? 'F32';
}

/** Names that are told apart: models of the same name get the name of their folder's folder too. */
function named(models: readonly InspectModel[]): readonly InspectModel[] {
  return models.map((model) => (models.filter(({ name }) => name === model.name).length > 1 ? { ...model, name: `${path.basename(path.dirname(model.path))}/${model.name}` } : model));
}

async function isModuleFolder(target: string): Promise<boolean> {
  try {
    return (await fs.stat(path.join(target, 'adapter_config.json'))).isFile();
  } catch {
    return false;
  }
}
