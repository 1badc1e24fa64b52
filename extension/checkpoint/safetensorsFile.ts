import { failure } from '../protocol/errors';
import { readRange, withFile } from './files';
import { MAX_SAFETENSORS_HEADER_BYTES } from './limits';
import { parseSafetensorsHeader } from './safetensorsHeader';
import type { FileStamp, TensorInfo } from './types';

/** What one weights file holds, whatever its format. */
export interface WeightsFile {
  /** In file order. */
  readonly tensors: readonly TensorInfo[];
  readonly metadata: ReadonlyMap<string, string>;
  /** The file itself, and the data files that it names. */
  readonly stamps: readonly FileStamp[];
  /** Remarks in words. */
  readonly remarks: readonly string[];
}

const LENGTH_BYTES = 8;

/**
 * Reads the header of a safetensors file, nothing else.
 * @throws checkpoint/truncated, header-too-long and everything of {@link parseSafetensorsHeader}
 */
export async function readSafetensorsFile(path: string): Promise<WeightsFile> {
  return withFile(path, async (file) => {
    if (file.size < LENGTH_BYTES) throw failure('checkpoint/truncated', { file: path, expected: LENGTH_BYTES, actual: file.size });
    const length = (await readRange(file, 0, LENGTH_BYTES)).readBigUInt64LE();
    if (length > BigInt(MAX_SAFETENSORS_HEADER_BYTES)) throw failure('checkpoint/header-too-long', { file: path, bytes: String(length), limit: MAX_SAFETENSORS_HEADER_BYTES });
    const dataStart = LENGTH_BYTES + Number(length);
    if (dataStart > file.size) throw failure('checkpoint/truncated', { file: path, expected: dataStart, actual: file.size });
    const header = parseSafetensorsHeader(path, await readRange(file, LENGTH_BYTES, Number(length)), file.size - dataStart);
    const tensors = header.entries.map((entry): TensorInfo => ({
      name: entry.name,
      dtype: entry.dtype,
      shape: entry.shape,
      file: path,
      realFile: file.realPath,
      offset: dataStart + entry.start,
      bytes: entry.end - entry.start,
      storage: PLAIN,
      inPlace: true,
    }));
    const remarks = header.repeated.map((name) => `The header names tensor "${name}" more than once; the last entry counts.`);
    return { tensors, metadata: header.metadata, stamps: [file.stamp], remarks };
  });
}

const PLAIN = { kind: 'plain' } as const;
