import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import * as path from 'node:path';
import { AtomicFile, TEMPORARY_SUFFIX } from '../checkpoint/atomicFile';
import { canonicalJson, type JsonLike } from './canonicalJson';
import { decodeRecord, encodeRecord } from './record';

/** What a results folder may take on disk unless the user says otherwise (setting and --cache-bytes). */
export const DEFAULT_STORE_BYTES = 2 * 1024 ** 3;

/** A temporary file older than this belongs to a process that died; a living one writes a record in seconds. */
const STALE_MS = 60 * 60 * 1000;

/** Eviction goes this far below the budget, so that it does not run at every put. */
const EVICT_TO = 0.9;

/** Other processes write too; our running total is counted anew at least this often. */
const RECOUNT_MS = 5 * 60 * 1000;

const SUFFIX = '.mlrc';

export interface StoreUsage {
  readonly bytes: number;
  readonly results: number;
}

interface Entry {
  readonly file: string;
  readonly bytes: number;
  readonly used: number;
}

/**
 * Results by content key, on disk, size-limited, shared by several processes. One file per record, written beside its place and renamed;
 * a record is complete or absent. Records that are cut short or damaged count as absent. Least recently used records go first
 * (the modification time is the time of last use). A long run puts each finished layer under its own key, so a run that was cancelled or killed
 * continues from what is there.
 */
export class ResultStore {
  private total: number | null = null;
  private countedAt = 0;

  /** @param root folder, made when needed @param budget bytes */
  constructor(readonly root: string, readonly budget: number = DEFAULT_STORE_BYTES) {}

  /** The key of what a result depends on: fingerprints, parameters, device class, the algorithm's version. 64 hexadecimal digits. */
  key(parts: JsonLike): string {
    return createHash('sha256').update(canonicalJson(parts)).digest('hex');
  }

  /** A stored value; undefined when there is none or it is damaged. The caller's type is trusted because the key holds the algorithm's version. */
  async get<T>(key: string): Promise<T | undefined> {
    const file = this.fileOf(key);
    const bytes = await fs.readFile(file).catch(() => null);
    if (bytes === null) return undefined;
    const record = decodeRecord(bytes);
    if (record === null) {
      await fs.rm(file, { force: true }).catch(() => undefined);
      return undefined;
    }
    const now = new Date();
    await fs.utimes(file, now, now).catch(() => undefined);
    return record.value as T;
  }

  /** Whether a record is there, without reading it. */
  async has(key: string): Promise<boolean> {
    return (await fs.stat(this.fileOf(key)).catch(() => null)) !== null;
  }

  /**
   * Stores a value that {@link encodeRecord} can write. A store that cannot be written (full disk, no permission) must not fail the work whose result it holds.
   * @returns the reason when it was not stored, null when it was
   */
  async put(key: string, value: unknown): Promise<string | null> {
    const bytes = encodeRecord(value);
    if (bytes.length > this.budget) return `a result of ${bytes.length} bytes is larger than the store's ${this.budget}`;
    try {
      const file = await AtomicFile.create(this.fileOf(key));
      await file.write(bytes, 0);
      await file.finish(false);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    await this.keepToBudget(bytes.length);
    return null;
  }

  async delete(key: string): Promise<void> {
    await fs.rm(this.fileOf(key), { force: true });
    this.total = null;
  }

  /** Removes all records and our temporary files. @returns the bytes that were freed */
  async clear(): Promise<{ readonly bytes: number }> {
    let bytes = 0;
    for (const entry of await this.entries()) {
      if (await fs.rm(entry.file, { force: true }).then(() => true, () => false)) bytes += entry.bytes;
    }
    this.total = null;
    return { bytes };
  }

  async usage(): Promise<StoreUsage> {
    const entries = await this.entries();
    return { bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0), results: entries.length };
  }

  private fileOf(key: string): string {
    if (!/^[0-9a-f]{64}$/.test(key)) throw new RangeError(`"${key}" is not a key of this store`);
    return path.join(this.root, key.slice(0, 2), key + SUFFIX);
  }

  private async keepToBudget(added: number): Promise<void> {
    if (this.total !== null && Date.now() - this.countedAt < RECOUNT_MS && this.total + added <= this.budget) {
      this.total += added;
      return;
    }
    const entries = [...(await this.entries())].sort((a, b) => a.used - b.used || (a.file < b.file ? -1 : 1));
    let total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total > this.budget) {
      for (const entry of entries) {
        if (total <= this.budget * EVICT_TO) break;
        if (await fs.rm(entry.file, { force: true }).then(() => true, () => false)) total -= entry.bytes;
      }
    }
    this.total = total;
    this.countedAt = Date.now();
  }

  /** All records; removes temporary files that nobody writes any more. */
  private async entries(): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for (const group of await fs.readdir(this.root).catch((): string[] => [])) {
      if (!/^[0-9a-f]{2}$/.test(group)) continue;
      const folder = path.join(this.root, group);
      for (const name of await fs.readdir(folder).catch((): string[] => [])) {
        const file = path.join(folder, name);
        const stats = await fs.stat(file).catch(() => null);
        if (stats === null) continue;
        if (name.endsWith(SUFFIX)) entries.push({ file, bytes: stats.size, used: stats.mtimeMs });
        else if (name.endsWith(TEMPORARY_SUFFIX) && Date.now() - stats.mtimeMs > STALE_MS) await fs.rm(file, { force: true }).catch(() => undefined);
      }
    }
    return entries;
  }
}
