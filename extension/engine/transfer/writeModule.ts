import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { asWriteFailure } from '../../checkpoint/atomicFile';
import { type LoraFactors, loraFolderFiles } from '../../module/writeLora';
import { linearFinder } from '../../module/attach';
import type { TransferDocument } from '../../protocol/transfer';
import type { TransferModel } from '../../transfer/types';


/** Writes the PEFT folder of carried factors. `folder` exists and is empty. */
export async function writeModule(folder: string, factors: readonly LoraFactors[], target: TransferModel, taskType: string | null, metadata: Readonly<Record<string, string>>): Promise<TransferDocument['files']> {
  const files = loraFolderFiles({ base: baseName(target), taskType, sites: factors, metadata, fanInFanOut: storedAsInputs(target, factors) });
  for (const { name, bytes } of files) await write(folder, name, bytes);
  return files.map(({ name, bytes }) => ({ file: name, bytes: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex') }));
}

/** Writes one more file of the folder. */
export async function write(folder: string, name: string, content: Uint8Array | string): Promise<void> {
  const file = path.join(folder, name);
  try {
    await fs.writeFile(file, content, { flag: 'wx' });
  } catch (error) {
    throw asWriteFailure(file, error);
  }
}

/** Bytes that the folder will take, about: float32 factors and their descriptions. */
export function moduleBytes(factors: readonly { readonly a: Float32Array; readonly b: Float32Array }[]): number {
  return factors.reduce((sum, f) => sum + f.a.byteLength + f.b.byteLength + 512, 1 << 20);
}

/** How a PEFT folder names its base: the hub's id for a checkpoint in the hub's cache, else where it lies. */
export function baseName(target: TransferModel): string {
  const parts = target.facts.path.split(/[\\/]/), cached = /^models--(.+)$/.exec(parts.find((p) => p.startsWith('models--')) ?? '');
  return cached ? cached[1].replace('--', '/') : path.resolve(target.facts.path);
}

/** Whether the target keeps these maps as `[in, out]` (GPT-2's Conv1D), which PEFT must be told. */
function storedAsInputs(target: TransferModel, factors: readonly LoraFactors[]): boolean {
  const find = linearFinder(target.model);
  return factors.some(({ target: name }) => find(name)?.layout === 'inOut');
}

