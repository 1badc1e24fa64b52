import { failure } from '../protocol/errors';
import { readRange, withFile } from './files';
import { MAX_CONFIG_BYTES } from './limits';
import type { FileStamp } from './types';

export interface JsonFile {
  readonly value: unknown;
  readonly stamp: FileStamp;
}

/**
 * Reads a JSON file of limited size. A byte order mark is dropped; NaN and Infinity, which Python writes, are read as numbers.
 * @param limit bytes
 * @throws checkpoint/json-too-large, checkpoint/json-invalid, checkpoint/not-found, checkpoint/unreadable
 */
export async function readJsonFile(path: string, limit: number = MAX_CONFIG_BYTES): Promise<JsonFile> {
  return withFile(path, async (file) => {
    if (file.size > limit) throw failure('checkpoint/json-too-large', { file: path, bytes: file.size, limit });
    const bytes = await readRange(file, 0, file.size);
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch (error) {
      throw failure('checkpoint/json-invalid', { file: path, reason: 'it is not UTF-8 text' }, error);
    }
    return { value: parseJson(path, text), stamp: file.stamp };
  });
}

/** The same for files whose top level is an object. */
export async function readJsonObject(path: string, limit?: number): Promise<JsonFile & { readonly value: Readonly<Record<string, unknown>> }> {
  const { value, stamp } = await readJsonFile(path, limit);
  if (!isJsonObject(value)) throw failure('checkpoint/json-invalid', { file: path, reason: 'an object was expected at the top' });
  return { value, stamp };
}

/** Whether a parsed JSON value is an object (not null, not an array). */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const repaired = withoutPythonNumbers(text);
    try {
      if (repaired !== text) return JSON.parse(repaired) as unknown;
    } catch {
      // The message of the text as it stands is the one that helps.
    }
    throw failure('checkpoint/json-invalid', { file, reason: error instanceof Error ? error.message : String(error) }, error);
  }
}

/** Python writes non-finite numbers as words; 1e999 reads as Infinity, and NaN has no JSON spelling at all. */
function withoutPythonNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/gs, (token) => (token === 'NaN' ? 'null' : token.endsWith('Infinity') ? token.replace('Infinity', '1e999') : token));
}
