import { failure } from '../protocol/errors';

/** Longest key that is compiled: keys come from a file, published ones have a few dozen characters. */
const KEY_LIMIT = 500;

/** Values of PEFT's `rank_pattern` and `alpha_pattern`, asked by module path. */
export interface PatternValues {
  /** Value of the first key that matches, undefined where none does. */
  find(target: string): number | undefined;
}

/**
 * Reads a pattern table as PEFT does (`get_pattern_key`): a key is a regular expression that must match the whole module
 * path or its end after a dot; the first key of the file wins. A key that is no regular expression here is an input error.
 */
export function readPatterns(value: unknown, field: string, folder: string): PatternValues {
  const entries: { readonly expression: RegExp; readonly value: number }[] = [];
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, n] of Object.entries(value)) {
      if (typeof n !== 'number' || !Number.isFinite(n)) throw unreadable(folder, `"${field}" gives ${JSON.stringify(n)} for "${key}", which is no number`);
      entries.push({ expression: compile(key, field, folder), value: n });
    }
  } else if (value !== undefined && value !== null) throw unreadable(folder, `"${field}" is no object`);
  return { find: (target) => entries.find(({ expression }) => expression.test(target))?.value };
}

function compile(key: string, field: string, folder: string): RegExp {
  if (key.length > KEY_LIMIT) throw unreadable(folder, `"${field}" has a key of ${key.length} characters, more than ${KEY_LIMIT}`);
  try {
    return new RegExp(`^(?:.*\\.)?(?:${key})$`);
  } catch {
    throw unreadable(folder, `"${field}" has the key "${key}", which is no regular expression that can be followed here`);
  }
}

function unreadable(path: string, reason: string): Error {
  return failure('module/unreadable', { path, reason });
}
