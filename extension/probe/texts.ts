import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { failure } from '../protocol/errors';

export interface ProbeText {
  readonly text: string;
  readonly label: string | null;
}

export interface TextFile {
  readonly name: string;
  readonly texts: readonly ProbeText[];
  readonly sha256: string;
}

/** One document of an evaluation. */
export interface DataRow {
  readonly text: string;
  readonly text2: string | null;
  readonly label: string | null;
}

/** Text files are read as a whole; more than this is a corpus, not a probe. */
const TEXT_FILE_LIMIT = 256 << 20;

/** Reads `--text` / `--probe`: .txt (one text a line) or .jsonl with `text` and optional `label`. UTF-8, BOM dropped, blank lines skipped. */
export async function readTexts(file: string): Promise<TextFile> {
  const { bytes, lines } = await readLines(file);
  const jsonl = isJsonLines(file);
  const texts = lines.map(({ line, number }): ProbeText => {
    if (!jsonl) return { text: line, label: null };
    const row = parseRow(file, line, number);
    return { text: textField(row, 'text', file, number), label: optionalField(row, 'label', file, number) };
  });
  if (texts.length === 0) throw failure('probe/empty', { file });
  return { name: path.basename(file), texts, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Reads `--data`: .jsonl with `text`, or `text` / `text2` / `label`; .txt works as one document a line. */
export async function readData(file: string): Promise<{ readonly rows: readonly DataRow[]; readonly sha256: string }> {
  const { bytes, lines } = await readLines(file);
  const jsonl = isJsonLines(file);
  const rows = lines.map(({ line, number }): DataRow => {
    if (!jsonl) return { text: line, text2: null, label: null };
    const row = parseRow(file, line, number);
    return { text: textField(row, 'text', file, number), text2: optionalField(row, 'text2', file, number), label: optionalField(row, 'label', file, number) };
  });
  if (rows.length === 0) throw failure('probe/empty', { file });
  return { rows, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Reads `--tokens`: `{"input_ids": [[...], ...]}`. */
export async function readTokenRows(file: string): Promise<readonly Int32Array[]> {
  const { bytes } = await readFile(file);
  let parsed: unknown;
  try {
    parsed = JSON.parse(decodeUtf8(bytes, file));
  } catch (error) {
    throw failure('probe/json', { file, line: 0, reason: error instanceof Error ? error.message : String(error) });
  }
  const rows: unknown = typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>)['input_ids'] : undefined;
  if (!Array.isArray(rows) || rows.length === 0) throw failure('probe/token-rows', { file, reason: 'it has no list "input_ids"' });
  return rows.map((row: unknown, i) => {
    if (!Array.isArray(row) || row.length === 0) throw failure('probe/token-rows', { file, reason: `row ${i} is not a list of ids` });
    for (const id of row as unknown[]) if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) throw failure('probe/token-rows', { file, reason: `row ${i} holds ${JSON.stringify(id)}, which is no token id` });
    return Int32Array.from(row as number[]);
  });
}

function isJsonLines(file: string): boolean {
  return /\.(jsonl|ndjson)$/i.test(file);
}

async function readFile(file: string): Promise<{ readonly bytes: Buffer }> {
  try {
    const stat = await fs.stat(file);
    if (stat.size > TEXT_FILE_LIMIT) throw failure('probe/too-large', { file, bytes: stat.size, limit: TEXT_FILE_LIMIT });
    return { bytes: await fs.readFile(file) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR' || code === 'ENOTDIR') throw failure('probe/unreadable', { file, reason: code === 'ENOENT' ? 'it does not exist' : code === 'EACCES' ? 'it may not be read' : 'it is no file' });
    throw error;
  }
}

function decodeUtf8(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw failure('probe/unreadable', { file, reason: 'it is not UTF-8 text' });
  }
}

async function readLines(file: string): Promise<{ readonly bytes: Buffer; readonly lines: readonly { readonly line: string; readonly number: number }[] }> {
  const { bytes } = await readFile(file);
  const lines = decodeUtf8(bytes, file).split(/\r?\n/).map((line, i) => ({ line, number: i + 1 })).filter(({ line }) => line.trim() !== '');
  return { bytes, lines };
}

function parseRow(file: string, line: string, number: number): Readonly<Record<string, unknown>> {
  try {
    const row: unknown = JSON.parse(line);
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Record<string, unknown>;
  } catch (error) {
    throw failure('probe/json', { file, line: number, reason: error instanceof Error ? error.message : String(error) });
  }
  throw failure('probe/json', { file, line: number, reason: 'it is not an object' });
}

function textField(row: Readonly<Record<string, unknown>>, field: string, file: string, line: number): string {
  const value = Object.hasOwn(row, field) ? row[field] : undefined;
  if (typeof value !== 'string') throw failure('probe/json', { file, line, reason: `it has no string "${field}"` });
  return value;
}
function optionalField(row: Readonly<Record<string, unknown>>, field: string, file: string, line: number): string | null {
  const value = Object.hasOwn(row, field) ? row[field] : undefined;
  if (value === undefined || value === null) return null;
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : textField(row, field, file, line);
}
