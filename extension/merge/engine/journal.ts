import { promises as fs } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { asWriteFailure } from '../../checkpoint/atomicFile';
import { errorCode } from '../../checkpoint/files';
import { failure } from '../../protocol/errors';

const JOURNAL = 'merge.journal';
const LOCK = 'merge.lock';

/** Names of files that belong to the unfinished merge and not to its result. */
export const WORKING_FILES: readonly string[] = [JOURNAL, LOCK];

/** Which tensors of an unfinished merge are complete on disk. Lines are added only after the bytes they speak of are safe. */
export class Journal {
  private constructor(private readonly folder: string, private readonly handle: FileHandle, readonly finished: ReadonlyMap<string, number>) {}

  /**
   * Opens the journal of a folder and takes its lock.
   * @throws merge/busy while another living process holds it
   */
  static async open(folder: string): Promise<Journal> {
    await lock(folder);
    try {
      const file = path.join(folder, JOURNAL), finished = new Map<string, number>();
      const text = await fs.readFile(file, 'utf8').catch(() => '');
      // A line without its end was being written when the process died.
      for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
        const entry = parse(line);
        if (entry) finished.set(entry.tensor, entry.clamped);
      }
      const handle = await fs.open(file, 'a');
      if (text !== '' && !text.endsWith('\n')) await handle.write('\n');
      return new Journal(folder, handle, finished);
    } catch (error) {
      throw asWriteFailure(folder, error);
    }
  }

  async add(tensors: readonly { readonly tensor: string; readonly clamped: number }[]): Promise<void> {
    if (tensors.length === 0) return;
    try {
      await this.handle.write(tensors.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
      await this.handle.datasync();
    } catch (error) {
      throw asWriteFailure(this.folder, error);
    }
  }

  /** Closes and removes journal and lock; the folder then holds only the result. */
  async remove(): Promise<void> {
    await this.close();
    await fs.rm(path.join(this.folder, JOURNAL), { force: true });
  }

  /** Closes; the journal stays for the next run. */
  async close(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await fs.rm(path.join(this.folder, LOCK), { force: true });
  }
}

function parse(line: string): { readonly tensor: string; readonly clamped: number } | null {
  try {
    const value = JSON.parse(line) as { readonly tensor?: unknown; readonly clamped?: unknown };
    return typeof value.tensor === 'string' ? { tensor: value.tensor, clamped: Number(value.clamped) || 0 } : null;
  } catch {
    return null;
  }
}

async function lock(folder: string): Promise<void> {
  const file = path.join(folder, LOCK);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await fs.writeFile(file, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw asWriteFailure(folder, error);
    }
    const pid = Number(await fs.readFile(file, 'utf8').catch(() => '0'));
    if (isAlive(pid)) throw failure('merge/busy', { path: folder, pid });
    await fs.rm(file, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
