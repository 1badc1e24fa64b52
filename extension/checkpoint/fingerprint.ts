import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import * as path from 'node:path';
import { asReadFailure, readRange, statOrNull, withFile, type OpenedFile } from './files';
import { MAX_CONFIG_BYTES, MAX_TOKENIZER_BYTES } from './limits';
import type { Checkpoint, TensorInfo } from './types';

/** Bump when the same files may get another fingerprint. */
const FINGERPRINT_VERSION = 1;

/** Bytes of a sample; three per tensor: first, middle, last. */
const SAMPLE_BYTES = 64 * 1024;

/** All samples of a checkpoint together: 64 MB hash in about 0.1 s. With more tensors the samples become shorter. */
const MAX_SAMPLED_BYTES = 64 * 1024 * 1024;

/** Reads of a checkpoint: 6,000 take about 0.2 s. Beyond 2,000 tensors evenly spaced ones are sampled. */
const MAX_SAMPLED_TENSORS = 2_000;

/** Config and tokenizer files whose bytes decide what a checkpoint computes. */
const SMALL_FILES = ['config.json', 'adapter_config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json', 'vocab.json', 'merges.txt', 'vocab.txt', 'tokenizer.model', 'spiece.model'] as const;

/**
 * SHA-256, as hexadecimal text, over facts that do not depend on where the checkpoint lies: names, dtypes, shapes and places of all tensors,
 * bytes before the first tensor, config and tokenizer bytes, file sizes, and samples of tensor data. Milliseconds for 14 GB.
 * Equal bytes give equal fingerprints; an edit between the samples of a large tensor is not seen (`sha256OfFiles` sees everything).
 */
export async function fingerprint(checkpoint: Checkpoint): Promise<string> {
  const hash = createHash('sha256').update(`modulens ${FINGERPRINT_VERSION}\n${checkpoint.format}\n`);
  await hashSmallFiles(hash, checkpoint.folder);
  const byFile = new Map<string, TensorInfo[]>();
  for (const file of checkpoint.weightFiles) byFile.set(file, []);
  for (const tensor of checkpoint.tensors.values()) {
    const list = byFile.get(tensor.file);
    if (list === undefined) byFile.set(tensor.file, [tensor]);
    else list.push(tensor);
  }
  const sampled = Math.min(checkpoint.tensors.size, MAX_SAMPLED_TENSORS);
  const step = Math.max(1, checkpoint.tensors.size / MAX_SAMPLED_TENSORS);
  const sample = Math.max(64, Math.min(SAMPLE_BYTES, Math.floor(MAX_SAMPLED_BYTES / (3 * Math.max(1, sampled)))));
  let seen = 0;
  let next = 0;
  for (const [file, tensors] of byFile) {
    await withFile(file, async (opened) => {
      hash.update(`file ${opened.size}\n`);
      const ordered = [...tensors].sort((a, b) => a.offset - b.offset || (a.name < b.name ? -1 : 1));
      const first = ordered.find(({ storage }) => storage.kind !== 'memory');
      hash.update(await readRange(opened, 0, Math.min(first?.offset ?? opened.size, MAX_SAMPLED_BYTES, opened.size)));
      for (const tensor of ordered) {
        hash.update(`${JSON.stringify(tensor.name)} ${tensor.dtype} ${tensor.shape.join()} ${tensor.offset} ${tensor.bytes}\n`);
        if (seen++ < next) continue;
        next += step;
        await hashSamples(hash, opened, tensor, sample);
      }
    });
  }
  return hash.digest('hex');
}

async function hashSmallFiles(hash: Hash, folder: string): Promise<void> {
  for (const name of SMALL_FILES) {
    const file = path.join(folder, name);
    const stats = await statOrNull(file);
    if (stats === null || !stats.isFile()) continue;
    const limit = name.endsWith('config.json') ? MAX_CONFIG_BYTES : MAX_TOKENIZER_BYTES;
    hash.update(`${name} ${stats.size}\n`);
    await withFile(file, async (opened) => hash.update(await readRange(opened, 0, Math.min(opened.size, limit))));
  }
}

async function hashSamples(hash: Hash, file: OpenedFile, tensor: TensorInfo, sample: number): Promise<void> {
  if (tensor.storage.kind === 'memory') {
    hash.update(tensor.storage.data);
    return;
  }
  const bytes = Math.min(tensor.storage.kind === 'deflated' ? tensor.storage.compressedBytes : tensor.bytes, file.size - tensor.offset);
  if (bytes <= 3 * sample) {
    hash.update(await readRange(file, tensor.offset, bytes));
    return;
  }
  for (const at of [0, Math.floor((bytes - sample) / 2), bytes - sample]) hash.update(await readRange(file, tensor.offset + at, sample));
}

/** Full SHA-256 over the bytes of files in the given order, as hexadecimal text; for `--hash`. */
export async function sha256OfFiles(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    try {
      for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
    } catch (error) {
      throw asReadFailure(file, error);
    }
  }
  return hash.digest('hex');
}
