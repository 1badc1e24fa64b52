import { promises as fs, readSync } from 'node:fs';
import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { failure, ModulensError } from '../protocol/errors';
import { READ_CHUNK_BYTES } from './limits';
import type { FileStamp } from './types';

/** The `code` of a file system error, or ''. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** A file system error as a typed failure; others pass through. */
export function asReadFailure(path: string, error: unknown): unknown {
  if (error instanceof ModulensError) return error;
  const code = errorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return failure('checkpoint/not-found', { path }, error);
  if (code === 'EACCES' || code === 'EPERM') return failure('checkpoint/unreadable', { path, reason: 'permission denied' }, error);
  if (code === 'ELOOP') return failure('checkpoint/unreadable', { path, reason: 'its symbolic links lead in a circle' }, error);
  return code === '' ? error : failure('checkpoint/unreadable', { path, reason: (error as Error).message }, error);
}

/** Stats of what a path leads to; null where nothing is. */
export async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await fs.stat(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw asReadFailure(path, error);
  }
}

/** A regular file that is open for reading. */
export interface OpenedFile {
  readonly path: string;
  /** After every symbolic link. */
  readonly realPath: string;
  readonly size: number;
  readonly stamp: FileStamp;
  readonly handle: FileHandle;
}

/** Opens a regular file, hands it to `use` and closes it. Pipes, devices and folders are refused before they are opened. */
export async function withFile<T>(path: string, use: (file: OpenedFile) => Promise<T>): Promise<T> {
  let handle: FileHandle | null = null;
  try {
    if (!(await fs.stat(path)).isFile()) throw failure('checkpoint/not-a-file', { path });
    const realPath = await fs.realpath(path);
    handle = await fs.open(realPath, 'r');
    const stats = await handle.stat();
    return await use({ path, realPath, size: stats.size, stamp: stampOf(path, stats), handle });
  } catch (error) {
    throw asReadFailure(path, error);
  } finally {
    await handle?.close();
  }
}

/** Fills `target` from `offset`; a file that ends before is reported as changed, because its size was checked when it was opened. */
export async function readInto(file: OpenedFile, target: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < target.byteLength) {
    const { bytesRead } = await file.handle.read(target, done, Math.min(READ_CHUNK_BYTES, target.byteLength - done), offset + done);
    if (bytesRead === 0) throw failure('checkpoint/changed', { path: file.path });
    done += bytesRead;
  }
}

/** Reads `length` bytes from `offset`. The caller has checked `length` against the file's size or a limit. */
export async function readRange(file: OpenedFile, offset: number, length: number): Promise<Buffer> {
  const target = Buffer.allocUnsafeSlow(length);
  await readInto(file, target, offset);
  return target;
}

/** `readRange` without waiting: a request of a few kilobytes costs less than passing it to another thread. The thread stands still meanwhile. */
export function readRangeNow(file: OpenedFile, offset: number, length: number): Buffer {
  const target = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const bytesRead = readSync(file.handle.fd, target, done, length - done, offset + done);
    if (bytesRead === 0) throw failure('checkpoint/changed', { path: file.path });
    done += bytesRead;
  }
  return target;
}

function stampOf(path: string, stats: Stats): FileStamp {
  return { path, size: stats.size, mtimeMs: stats.mtimeMs, ino: stats.ino };
}

/** What a file looks like now. */
export async function stampFile(path: string): Promise<FileStamp> {
  try {
    return stampOf(path, await fs.stat(path));
  } catch (error) {
    throw asReadFailure(path, error);
  }
}

/**
 * Compares files with their stamps. Call after every block: mapped weights that are edited in place change results silently.
 * @throws checkpoint/changed for a file that is gone, was replaced, edited, or has another size
 */
export async function assertUnchanged(stamps: readonly FileStamp[]): Promise<void> {
  for (const stamp of stamps) {
    const now = await fs.stat(stamp.path).catch(() => null);
    if (now === null || now.size !== stamp.size || now.mtimeMs !== stamp.mtimeMs || now.ino !== stamp.ino) throw failure('checkpoint/changed', { path: stamp.path });
  }
}
