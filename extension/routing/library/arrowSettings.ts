import { failure } from '../../protocol/errors';
import type { ArrowSettings } from './types';

/** PEFT's own defaults (ArrowConfig). */
export const ARROW_TOP_K = 3;
export const ARROW_TEMPERATURE = 1;

/**
 * `arrow_config` of an adapter_config.json: what PEFT's Arrow router was set to; null where the adapter is no such router.
 * No tensor on disk tells an Arrow set: prototypes are derived from the adapters when they are used.
 */
export function readArrowSettings(config: Readonly<Record<string, unknown>>, folder: string): ArrowSettings | null {
  const value = config['arrow_config'];
  if (value === undefined || value === null || value === false) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw failure('routing/library', { path: folder, reason: '"arrow_config" of its adapter_config.json is no object. Take the file from its source again' });
  const fields = value as Readonly<Record<string, unknown>>;
  return {
    topK: positive(fields, 'top_k', ARROW_TOP_K, true, folder), temperature: positive(fields, 'router_temperature', ARROW_TEMPERATURE, false, folder),
    taskNames: names(fields, 'task_adapter_names', folder), generalNames: names(fields, 'gks_adapter_names', folder), useGks: fields['use_gks'] === true,
  };
}

function positive(fields: Readonly<Record<string, unknown>>, field: string, fallback: number, whole: boolean, folder: string): number {
  const value = fields[field] ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0 || (whole && !Number.isInteger(value))) throw failure('routing/library', { path: folder, reason: `"${field}" of its arrow_config is ${JSON.stringify(value).slice(0, 60)}, which should be a ${whole ? 'whole ' : ''}number above 0` });
  return value;
}

function names(fields: Readonly<Record<string, unknown>>, field: string, folder: string): readonly string[] {
  const value = fields[field] ?? [];
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string')) throw failure('routing/library', { path: folder, reason: `"${field}" of its arrow_config is no list of names` });
  return [...new Set(value)];
}
