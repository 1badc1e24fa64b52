import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import * as path from 'node:path';
import { failure } from '../protocol/errors';
import { asWriteFailure, forgetTemporary, prepareOutput, rememberTemporary, renameWithRetry, TEMPORARY_SUFFIX } from './atomicFile';
import { errorCode } from './files';

export interface OutputFolderOptions {
  /** Replace what stands there. */
  readonly overwrite: boolean;
  /** Files and folders that are read: the output may neither be, nor lie in, nor contain one of them. */
  readonly inputs: readonly string[];
  /** Bytes that will be written; checked against the free space with 5 % to spare. */
  readonly bytes: number;
}

/** A folder that appears under its name only when it is complete: built beside it, then renamed. */
export class OutputFolder {
  private constructor(readonly target: string, /** Where to write meanwhile. */ readonly folder: string, private readonly overwrite: boolean) {}

  /**
   * Checks the output and makes the temporary folder.
   * @throws output/not-empty, output/is-input, output/no-space, output/write-failed
   */
  static async create(target: string, options: OutputFolderOptions): Promise<OutputFolder> {
    const absolute = path.resolve(target);
    await checkOutputFolder(absolute, options);
    const folder = path.join(path.dirname(absolute), `.${path.basename(absolute).slice(0, 100)}.${process.pid}-${randomBytes(6).toString('hex')}${TEMPORARY_SUFFIX}`);
    try {
      await fs.mkdir(folder);
    } catch (error) {
      throw asWriteFailure(absolute, error);
    }
    rememberTemporary(folder);
    return new OutputFolder(absolute, folder, options.overwrite);
  }

  /** Puts the folder under its name once the disk has every file. What stood there before goes only after that. */
  async finish(): Promise<void> {
    try {
      for (const name of await fs.readdir(this.folder)) await sync(path.join(this.folder, name));
      await sync(this.folder);
      const old = `${this.folder}.old`;
      const replaced = await fs.lstat(this.target).then(() => true, () => false);
      if (replaced) {
        // An empty folder may have been filled since it was checked.
        if (!this.overwrite) await prepareOutput(this.target, false);
        await renameWithRetry(this.target, old);
      }
      await renameWithRetry(this.folder, this.target);
      forgetTemporary(this.folder);
      if (replaced) await fs.rm(old, { recursive: true, force: true });
      await sync(path.dirname(this.target));
    } catch (error) {
      await this.abort();
      throw asWriteFailure(this.target, error);
    }
  }

  /** Gives up: nothing is left behind. May be called more than once, and after `finish` does nothing. */
  async abort(): Promise<void> {
    await fs.rm(this.folder, { recursive: true, force: true }).catch(() => undefined);
    forgetTemporary(this.folder);
  }
}

/** The checks of `OutputFolder.create` alone, for use before long work. */
export async function checkOutputFolder(target: string, { overwrite, inputs, bytes }: OutputFolderOptions): Promise<void> {
  const absolute = path.resolve(target), real = await realTarget(absolute);
  for (const input of inputs) {
    const other = await fs.realpath(input).catch(() => path.resolve(input));
    if (contains(real, other) || contains(other, real)) throw failure('output/is-input', { path: absolute, input });
  }
  await prepareOutput(absolute, overwrite);
  const space = await fs.statfs(path.dirname(absolute)).catch(() => null);
  const free = space === null ? Infinity : space.bavail * space.bsize;
  if (free < bytes * SPARE) throw failure('output/no-space', { path: absolute, needed: Math.ceil(bytes * SPARE), free });
}

const SPARE = 1.05;

function contains(folder: string, other: string): boolean {
  const relative = path.relative(folder, other);
  return relative === '' || (!relative.startsWith(`..${path.sep}`) && relative !== '..' && !path.isAbsolute(relative));
}

/** Where a path that may not exist yet really lies: links in its existing part are followed. */
async function realTarget(absolute: string): Promise<string> {
  try {
    return await fs.realpath(absolute);
  } catch (error) {
    const parent = path.dirname(absolute);
    if (errorCode(error) !== 'ENOENT' || parent === absolute) return absolute;
    return path.join(await realTarget(parent), path.basename(absolute));
  }
}

/** Windows cannot sync a folder; there renames are durable enough. */
async function sync(file: string): Promise<void> {
  const handle = await fs.open(file, 'r').catch(() => null);
  if (!handle) return;
  try {
    await handle.sync();
  } catch (error) {
    if (!['EPERM', 'EINVAL', 'EISDIR', 'EBADF'].includes(errorCode(error))) throw error;
  } finally {
    await handle.close();
  }
}
