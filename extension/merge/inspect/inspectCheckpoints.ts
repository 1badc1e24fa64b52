import { setImmediate as nextTick } from 'node:timers/promises';
import type { Dtype } from '../../checkpoint/dtypes';
import { readTensor, readTensorRows } from '../../checkpoint/readTensor';
import type { Checkpoint, TensorInfo } from '../../checkpoint/types';
import { failure } from '../../protocol/errors';
import { INSPECT_PARTS, type InspectCell, type InspectPart } from '../../protocol/mergeInspect';
import type { ReportProgress } from '../../protocol/progress';
import { layerNames } from '../plan/names';
import { partOf } from './parts';
import { addSums, noSums, type Sums, sumRows } from './sums';

/** Elements of one tensor of one model that are in memory at once. */
const CHUNK_ELEMENTS = 1 << 20;

export interface Walk {
  readonly signal: AbortSignal;
  readonly progress: ReportProgress;
}

/** Cells of a document, filled tensor by tensor. */
export class CellSums {
  private readonly cells = new Map<string, { readonly layer: number | null; readonly part: InspectPart; tensors: number; sums: Sums }>();

  constructor(private readonly models: number) {}

  add(layer: number | null, part: InspectPart, sums: Sums): void {
    const key = `${layer ?? ''} ${part}`, known = this.cells.get(key);
    if (!known) this.cells.set(key, { layer, part, tensors: 1, sums: addSums(noSums(this.models), sums) });
    else {
      known.tensors++;
      known.sums = addSums(known.sums, sums);
    }
  }

  /** Layers from the input on, then what lies outside; parts in the order of `INSPECT_PARTS`. */
  list(): readonly InspectCell[] {
    const place = (layer: number | null): number => layer ?? Infinity;
    return [...this.cells.values()].sort((a, b) => (place(a.layer) === place(b.layer) ? INSPECT_PARTS.indexOf(a.part) - INSPECT_PARTS.indexOf(b.part) : place(a.layer) < place(b.layer) ? -1 : 1))
      .map(({ layer, part, tensors, sums }) => ({ layer, part, tensors, deltas: sums.deltas, pairs: sums.pairs }));
  }
}

/** Differences of checkpoints from their base (or their own values without one), summed layer by layer and part by part. Weights are read once. */
export async function inspectCheckpoints(base: Checkpoint | null, models: readonly Checkpoint[], names: readonly string[], options: { readonly weight: number; readonly dtype: Dtype }, { signal, progress }: Walk): Promise<{ readonly cells: readonly InspectCell[]; readonly layers: number; readonly bytesRead: number }> {
  const reference = base ?? models[0], layerOf = layerNames(reference.tensors), cells = new CellSums(models.length);
  const infos = (name: string): readonly TensorInfo[] => [...(base ? [base] : []), ...models].map(({ tensors }) => tensors.get(name) as TensorInfo);
  const total = names.reduce((sum, name) => sum + infos(name).reduce((bytes, tensor) => bytes + tensor.bytes, 0), 0), start = performance.now();
  let done = 0;
  for (const name of names) {
    const tensors = infos(name), { shape } = tensors[0], place = layerOf.parse(name), layer = place?.layer ?? null;
    const row = Math.max(1, shape.at(-1) ?? 1), part = partOf(place?.rest ?? name, place !== null);
    for await (const pieces of piecesOf(tensors, signal)) {
      for (const [t, values] of pieces.entries()) if (!values.every(Number.isFinite)) throw failure('merge/not-finite', { tensor: name, file: tensors[t].file, what: values.some(Number.isNaN) ? 'NaN' : 'an infinite value' });
      cells.add(layer, part, sumRows(base ? pieces[0] : null, base ? pieces.slice(1) : pieces, { row, ...options }));
      done += pieces.reduce((bytes, values, t) => bytes + (tensors[t].bytes * values.length) / Math.max(1, shape.reduce((a, b) => a * b, 1)), 0);
      const seconds = (performance.now() - start) / 1000;
      progress({ stage: layer === null ? 'comparing what lies outside of the layers' : `comparing layer ${layer}`, done, total, etaSeconds: done > 0 ? (seconds * (total - done)) / done : null });
      await nextTick();
      signal.throwIfAborted();
    }
  }
  return { cells: cells.list(), layers: layerOf.count, bytesRead: total };
}

/** The same rows of several tensors of one shape, a piece at a time. */
async function* piecesOf(tensors: readonly TensorInfo[], signal: AbortSignal): AsyncGenerator<readonly Float32Array[]> {
  const { shape } = tensors[0], elements = shape.reduce((a, b) => a * b, 1);
  if (elements === 0) return;
  const outer = shape.length > 1 ? shape[0] : 1, width = elements / outer, step = Math.max(1, Math.floor(CHUNK_ELEMENTS / width));
  for (let from = 0; from < outer; from += step) {
    signal.throwIfAborted();
    const pieces: Float32Array[] = [];
    for (const tensor of tensors) pieces.push(outer === 1 ? await readTensor(tensor) : await readTensorRows(tensor, from, Math.min(outer, from + step)));
    yield pieces;
  }
}
