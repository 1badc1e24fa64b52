import { promises as fs } from 'node:fs';
import { decoderOf } from '../../checkpoint/decode';
import { DTYPE_BITS } from '../../checkpoint/dtypes';
import { readRange, withFile, type OpenedFile } from '../../checkpoint/files';
import type { TensorInfo } from '../../checkpoint/types';
import type { RowMap } from '../plan/types';

/** Rows that are gathered before they are written. */
const ROWS_AT_ONCE = 1024;

/** Writes a table in the order of another vocabulary as a file of float32 `[rows, width]`: rows of one source as they are, of several their mean, of none zeros. */
export async function writeRowTable({ rows }: RowMap, width: number, target: string): Promise<void> {
  const files = [...new Set(rows.flatMap((row) => row.map(({ source }) => source.realFile)))];
  await withFiles(files, new Map(), async (opened) => {
    const out = await fs.open(target, 'w');
    try {
      for (let from = 0; from < rows.length; from += ROWS_AT_ONCE) {
        const part = rows.slice(from, from + ROWS_AT_ONCE), values = new Float32Array(part.length * width);
        for (const [i, sources] of part.entries()) {
          const row = values.subarray(i * width, (i + 1) * width);
          for (const { source, row: number } of sources) {
            const one = await readRow(opened.get(source.realFile) as OpenedFile, source, number, width);
            for (let c = 0; c < width; c++) row[c] += one[c];
          }
          if (sources.length > 1) for (let c = 0; c < width; c++) row[c] /= sources.length;
        }
        await out.write(new Uint8Array(values.buffer), 0, values.byteLength, from * width * 4);
      }
    } finally {
      await out.close();
    }
  });
}

async function readRow(file: OpenedFile, source: TensorInfo, row: number, width: number): Promise<Float32Array> {
  const bytes = (width * DTYPE_BITS[source.dtype]) / 8, out = new Float32Array(width), decode = decoderOf(source.dtype);
  decode?.(await readRange(file, source.offset + row * bytes, bytes), out);
  return out;
}

async function withFiles<T>(paths: readonly string[], opened: Map<string, OpenedFile>, use: (opened: ReadonlyMap<string, OpenedFile>) => Promise<T>): Promise<T> {
  const [first, ...rest] = paths;
  if (first === undefined) return use(opened);
  return withFile(first, (file) => withFiles(rest, opened.set(first, file), use));
}
