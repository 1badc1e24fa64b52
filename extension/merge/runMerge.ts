import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { asWriteFailure, prepareOutput } from '../checkpoint/atomicFile';
import { assertUnchanged } from '../checkpoint/files';
import type { Notice } from '../protocol/documents';
import type { ReportProgress } from '../protocol/progress';
import { type Executed, executeMerge } from './engine/executeMerge';
import { Journal } from './engine/journal';
import { checkSpace, checkTarget, realPath, replaceFolder, syncFolder } from './output/target';
import { writeSmallFiles } from './output/smallFiles';
import { inputFiles } from './plan/planMerge';
import type { MergePlan } from './plan/types';

/** Threads where the user names no number: more only wait for the disk. */
const MOST_THREADS = 8;

export interface RunOptions {
  readonly out: string;
  readonly overwrite?: boolean;
  /** 0: as many as the machine has cores. */
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly progress: ReportProgress;
  readonly chunkElements?: number;
  readonly durableBytes?: number;
}

export interface MergeResult extends Executed {
  readonly out: string;
  readonly threads: number;
  readonly warnings: readonly Notice[];
  readonly timings: Readonly<Record<string, number>>;
}

/** The folder of an unfinished merge: beside the target, so that it is on the same disk; its name says what it will become. */
export function unfinishedFolder(plan: MergePlan, out: string): string {
  return `${path.resolve(out)}.tmp-${plan.id}`;
}

/** Checks everything about a target that can be known before a byte is written. @returns bytes free, null where unknown */
export async function checkBefore(plan: MergePlan, out: string, overwrite: boolean): Promise<number | null> {
  await checkTarget(out, [...new Set([...inputFiles(plan), ...plan.models.flatMap(({ checkpoint, lora }) => [checkpoint.folder, ...(lora ? [lora.path] : [])])])]);
  await prepareOutput(out, overwrite);
  const bytes = plan.files.reduce((sum, file) => sum + file.bytes, 0);
  return checkSpace(path.dirname(path.resolve(out)), bytes, await bytesIn(unfinishedFolder(plan, out)));
}

/**
 * Writes a planned merge. Everything happens in a folder beside the target, which takes its name at the very end. A merge that was killed goes on
 * from its journal with the same bytes; a cancelled or failed one leaves nothing.
 */
export async function runMerge(plan: MergePlan, options: RunOptions): Promise<MergeResult> {
  const began = performance.now(), timings: Record<string, number> = {};
  const timed = async <T>(stage: string, work: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    try { return await work(); } finally { timings[stage] = (timings[stage] ?? 0) + (performance.now() - start) / 1000; }
  };
  const out = await realPath(options.out), threads = options.threads > 0 ? options.threads : Math.min(MOST_THREADS, os.availableParallelism());
  await timed('check', () => checkBefore(plan, out, options.overwrite === true));
  const folder = unfinishedFolder(plan, out);
  try {
    await fs.mkdir(folder, { recursive: true });
  } catch (error) {
    throw asWriteFailure(folder, error);
  }
  const journal = await Journal.open(folder);
  let finished = false;
  try {
    const executed = await timed('merge', () => executeMerge(plan, folder, journal, { threads, signal: options.signal, progress: options.progress, ...(options.chunkElements === undefined ? {} : { chunkElements: options.chunkElements }), ...(options.durableBytes === undefined ? {} : { durableBytes: options.durableBytes }) }));
    await assertUnchanged(plan.models.flatMap(({ checkpoint, lora }) => [...checkpoint.files, ...(lora?.weights.files ?? [])]));
    await timed('write', async () => {
      for (const file of plan.files) await durable(path.join(folder, file.name));
      await writeSmallFiles(plan, folder, executed);
      await journal.remove();
      await syncFolder(folder);
      options.signal.throwIfAborted();
      await replaceFolder(folder, out);
    });
    finished = true;
    const remarks = [...plan.remarks].map(([code, { message, count }]): Notice => ({ code, message: `${count} ${message}.` }));
    const clamped = [...executed.clamped].map(([tensor, count]): Notice => ({ code: 'merge/clamped', message: `${count} values of "${tensor}" were too large for float16 and were set to 65504.` }));
    return { ...executed, out, threads, warnings: [...plan.warnings, ...remarks, ...clamped], timings: { ...timings, total: (performance.now() - began) / 1000 } };
  } finally {
    if (!finished) {
      await journal.close();
      await fs.rm(folder, { recursive: true, force: true });
    }
  }
}

async function durable(file: string): Promise<void> {
  try {
    const handle = await fs.open(file, 'r+');
    try { await handle.sync(); } finally { await handle.close(); }
  } catch (error) {
    throw asWriteFailure(file, error);
  }
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await fs.readdir(folder).catch(() => [])) bytes += ((await fs.stat(path.join(folder, name)).catch(() => null))?.blocks ?? 0) * 512;
  return bytes;
}
