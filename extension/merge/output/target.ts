import { promises as fs } from 'node:fs';
import path from 'node:path';
import { asWriteFailure } from '../../checkpoint/atomicFile';
import { errorCode, statOrNull } from '../../checkpoint/files';
import { failure } from '../../protocol/errors';

/** Room for what the file system adds, and for the small files. */
const SPACE_MARGIN = 1.05;
/** Entries of an existing target that are compared with the inputs; a model folder has a few dozen. */
const MAX_ENTRIES = 10_000;

/**
 * Refuses a target that is an input, lies inside one, contains one, or shares a file with one by a hard or symbolic link.
 * @param inputs weight files and folders of all inputs
 * @throws merge/output-is-input
 */
export async function checkTarget(out: string, inputs: readonly string[]): Promise<void> {
  const target = await realPath(out), files = new Map<string, string>();
  for (const input of inputs) {
    const real = await realPath(input), stats = await statOrNull(input);
    if (same(real, target)) throw failure('merge/output-is-input', { out, input, how: 'is' });
    if (stats?.isDirectory() && inside(target, real)) throw failure('merge/output-is-input', { out, input, how: 'lies inside' });
    if (inside(real, target)) throw failure('merge/output-is-input', { out, input, how: 'contains' });
    if (stats?.isFile() && stats.ino !== 0) files.set(`${stats.dev}:${stats.ino}`, input);
  }
  let seen = 0;
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await fs.readdir(folder, { withFileTypes: true }).catch(() => [])) {
      if (++seen > MAX_ENTRIES) return;
      const full = path.join(folder, entry.name);
      if (entry.isDirectory()) { await visit(full); continue; }
      const stats = await statOrNull(full).catch(() => null), input = stats ? files.get(`${stats.dev}:${stats.ino}`) : undefined;
      if (input !== undefined) throw failure('merge/output-is-input', { out, input, how: `links (by ${entry.name}) to` });
    }
  };
  await visit(target);
}

/** @throws merge/space when the disk has less than the result needs; `there` are bytes that an unfinished merge has already taken. */
export async function checkSpace(folder: string, bytes: number, there: number): Promise<number | null> {
  let free: number;
  try {
    const { bavail, bsize } = await fs.statfs(folder);
    free = bavail * bsize;
  } catch {
    return null;
  }
  const needed = Math.ceil(bytes * SPACE_MARGIN) - there;
  if (free < needed) throw failure('merge/space', { path: folder, needed, free });
  return free;
}

/** The place after every symbolic link; of a path that does not exist yet, the nearest folder that does decides. */
export async function realPath(target: string): Promise<string> {
  const absolute = path.resolve(target), rest: string[] = [];
  for (let at = absolute; ; at = path.dirname(at)) {
    try {
      return path.join(await fs.realpath(at), ...rest);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || path.dirname(at) === at) return absolute;
      rest.unshift(path.basename(at));
    }
  }
}

/** Case counts except where the platform's file systems usually ignore it. */
function fold(name: string): string {
  return process.platform === 'win32' || process.platform === 'darwin' ? name.toLowerCase() : name;
}
function same(a: string, b: string): boolean {
  return fold(a) === fold(b);
}
function inside(inner: string, outer: string): boolean {
  const relative = path.relative(fold(outer), fold(inner));
  return relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
}

/** Puts a finished folder under its name; an old one that may be overwritten is moved away first and removed last. */
export async function replaceFolder(finished: string, target: string): Promise<void> {
  const old = `${target}.old-${path.basename(finished).split('-').at(-1) ?? ''}`;
  try {
    const existing = await fs.lstat(target).catch(() => null);
    if (existing) await fs.rename(target, old);
    try {
      await fs.rename(finished, target);
    } catch (error) {
      if (existing) await fs.rename(old, target);
      throw error;
    }
    if (existing) await fs.rm(old, { recursive: true, force: true });
    await syncFolder(path.dirname(target));
  } catch (error) {
    throw asWriteFailure(target, error);
  }
}

/** Makes a folder's entries durable; not every platform can. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await fs.open(folder, 'r');
    try { await handle.sync(); } finally { await handle.close(); }
  } catch {
    // Windows has no such call; there the rename itself is journalled.
  }
}
