import { randomBytes } from 'node:crypto';
import { promises as fs, rmSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as path from 'node:path';
import { failure, ModulensError } from '../protocol/errors';
import { errorCode } from './files';

/** Marks our temporary files, so that stale ones can be recognised. */
export const TEMPORARY_SUFFIX = '.modulens-tmp';

const open = new Set<string>();

/** Removes the temporary files of this process that are not finished; for signal handlers, hence synchronous. */
export function removeTemporaryFiles(): void {
  for (const file of open) rmSync(file, { force: true, recursive: true });
  open.clear();
}

/** Adds a file or folder to what `removeTemporaryFiles` removes; `forgetTemporary` takes it out again. */
export function rememberTemporary(file: string): void {
  open.add(file);
}
export function forgetTemporary(file: string): void {
  open.delete(file);
}

/** A write error as a typed failure; others pass through. */
export function asWriteFailure(target: string, error: unknown): unknown {
  if (error instanceof ModulensError) return error;
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return failure('output/disk-full', { path: target }, error);
  return code === '' ? error : failure('output/write-failed', { path: target, reason: code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? 'writing is not permitted there' : (error as Error).message }, error);
}

/** A file that appears under its name only when it is complete: written beside it, then renamed. */
export class AtomicFile {
  private constructor(readonly target: string, private readonly temporary: string, private readonly handle: FileHandle) {}

  /** Starts a file; its folder is made if need be. */
  static async create(target: string): Promise<AtomicFile> {
    const temporary = path.join(path.dirname(target), `.${path.basename(target).slice(0, 100)}.${process.pid}-${randomBytes(6).toString('hex')}${TEMPORARY_SUFFIX}`);
    try {
      await fs.mkdir(path.dirname(target), { recursive: true });
      const handle = await fs.open(temporary, 'wx');
      open.add(temporary);
      return new AtomicFile(target, temporary, handle);
    } catch (error) {
      throw asWriteFailure(target, error);
    }
  }

  /** Writes all bytes at a position. On an error the temporary file is removed. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength;) {
        const { bytesWritten } = await this.handle.write(bytes, done, Math.min(bytes.byteLength - done, MAX_WRITE_BYTES), position + done);
        done += bytesWritten;
      }
    } catch (error) {
      await this.abort();
      throw asWriteFailure(this.target, error);
    }
  }

  /** Sets the size, so that pieces can arrive in any order. */
  async resize(bytes: number): Promise<void> {
    try {
      await this.handle.truncate(bytes);
    } catch (error) {
      await this.abort();
      throw asWriteFailure(this.target, error);
    }
  }

  /** Puts the file under its name. @param durable wait until the disk has it, for what users keep */
  async finish(durable = true): Promise<void> {
    try {
      if (durable) await this.handle.sync();
      await this.handle.close();
      await renameWithRetry(this.temporary, this.target);
      open.delete(this.temporary);
    } catch (error) {
      await this.abort();
      throw asWriteFailure(this.target, error);
    }
  }

  /** Gives up: nothing is left behind. May be called more than once. */
  async abort(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await fs.rm(this.temporary, { force: true }).catch(() => undefined);
    open.delete(this.temporary);
  }
}

/** libuv takes a signed 32-bit length for one write. */
const MAX_WRITE_BYTES = 1024 * 1024 * 1024;

/** Windows refuses to replace a file that a virus scanner or another window has open for a moment. */
const RENAME_WAITS_MS = [20, 80, 300];

/** Renames; waits a little where Windows refuses because another program looks at the file. */
export async function renameWithRetry(from: string, to: string): Promise<void> {
  for (const wait of RENAME_WAITS_MS) {
    try {
      return await fs.rename(from, to);
    } catch (error) {
      if (!['EPERM', 'EACCES', 'EBUSY'].includes(errorCode(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  await fs.rename(from, to);
}

/** Writes a small file whole. */
export async function writeFileAtomic(target: string, data: Uint8Array | string): Promise<void> {
  const file = await AtomicFile.create(target);
  await file.write(typeof data === 'string' ? new TextEncoder().encode(data) : data, 0);
  await file.finish();
}

/**
 * Checks an output before any work: it must not exist, or be an empty folder, unless it may be overwritten. Makes the folder around it.
 * @throws output/not-empty, output/write-failed
 */
export async function prepareOutput(target: string, overwrite: boolean): Promise<void> {
  const absolute = path.resolve(target);
  try {
    const stats = await fs.stat(absolute).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    });
    if (stats !== null && !overwrite && (!stats.isDirectory() || (await fs.readdir(absolute)).length > 0)) throw failure('output/not-empty', { path: absolute });
    await fs.mkdir(path.dirname(absolute), { recursive: true });
    await fs.access(path.dirname(absolute), fs.constants.W_OK);
  } catch (error) {
    throw asWriteFailure(absolute, error);
  }
}
