import path from 'node:path';
import fs from 'node:fs/promises';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { isJsonObject, readJsonFile } from '../../checkpoint/jsonFile';
import { openModule } from '../../module/openModule';
import { parametersOf } from '../../module/peftFolder';
import type { ModelFacts } from '../../protocol/documents';
import type { ModuleFacts } from '../../protocol/engineRpc';
import { type ErrorRecord, ModulensError, toErrorRecord } from '../../protocol/errors';
import type { OperationContext } from '../context';
import { describeModel } from '../modelFacts';

interface Description {
  readonly path: string;
  readonly facts: ModelFacts | null;
  readonly module: ModuleFacts | null;
  readonly error: ErrorRecord | null;
}

/** Cheap facts of checkpoints and PEFT folders, one by one; a place that cannot be read gives its error. */
export async function describe(params: { readonly paths: readonly string[] }, context: OperationContext): Promise<Description[]> {
  const out: Description[] = [];
  for (const target of params.paths) {
    context.signal.throwIfAborted();
    try {
      const module = await describeModule(target);
      out.push({ path: target, module, facts: module ? null : (await describeModel(await openCheckpoint(target))).facts, error: null });
    } catch (error) {
      out.push({ path: target, facts: null, module: null, error: toErrorRecord(error) });
    }
  }
  return out;
}

/** A module folder's facts; null where there is no adapter_config.json. A module that does not run yet says why. */
async function describeModule(target: string): Promise<ModuleFacts | null> {
  const file = path.join(target, 'adapter_config.json');
  if (!(await fs.stat(file).catch(() => null))) return null;
  const { value } = await readJsonFile(file), config = isJsonObject(value) ? value : {};
  const text = (...fields: string[]): string | null => fields.map((field) => config[field]).find((x): x is string => typeof x === 'string') ?? null;
  try {
    const module = await openModule(target);
    return { path: target, kind: text('peft_type') ?? module.kind, base: module.base, parameters: parametersOf(module.weights.tensors.values()), rank: module.rank, sites: module.sites.length };
  } catch (error) {
    if (!(error instanceof ModulensError)) throw error;
    const rank = config['r'], weights = await openCheckpoint(target).catch(() => null);
    return { path: target, kind: text('peft_type') ?? 'unknown', base: text('base_model_name_or_path', 'model_name'), parameters: weights ? parametersOf(weights.tensors.values()) : 0, rank: typeof rank === 'number' ? rank : null, sites: 0, cannotRun: error.message };
  }
}
