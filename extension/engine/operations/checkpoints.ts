import path from 'node:path';
import fs from 'node:fs/promises';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { elementCount } from '../../checkpoint/dtypes';
import { isJsonObject, readJsonFile } from '../../checkpoint/jsonFile';
import { openLora } from '../../module/lora';
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

/** A PEFT folder's facts; null where there is no adapter_config.json. A module that does not run yet says why. */
async function describeModule(target: string): Promise<ModuleFacts | null> {
  const file = path.join(target, 'adapter_config.json');
  if (!(await fs.stat(file).catch(() => null))) return null;
  const { value } = await readJsonFile(file), config = isJsonObject(value) ? value : {};
  const text = (field: string): string | null => { const x = config[field]; return typeof x === 'string' ? x : null; };
  const weights = await openCheckpoint(target);
  let parameters = 0;
  for (const tensor of weights.tensors.values()) parameters += elementCount(tensor.shape);
  const base = { path: target, kind: text('peft_type') ?? 'unknown', base: text('base_model_name_or_path'), parameters };
  try {
    const lora = await openLora(target);
    return { ...base, rank: lora.rank, sites: lora.sites.length };
  } catch (error) {
    if (!(error instanceof ModulensError)) throw error;
    const rank = config['r'];
    return { ...base, rank: typeof rank === 'number' ? rank : null, sites: 0, cannotRun: error.message };
  }
}
