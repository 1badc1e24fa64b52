import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import { elementCount } from '../../checkpoint/dtypes';
import { readTensor } from '../../checkpoint/readTensor';
import type { Checkpoint, TensorInfo } from '../../checkpoint/types';
import { Random } from '../../numerics/random';
import { quantile } from '../../numerics/statistics';
import type { TensorStatistics, TensorTile } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { OperationContext } from '../context';

const BINS = 64;
/** Shuffles behind the norm bands of the inspector. */
const SHUFFLES = 20;
const MOST_CELLS = 512;
const MOST_PLACES = 64;

/** Checkpoints that pages look at; headers only, opened again when their files change. */
const opened = new Map<string, Promise<Checkpoint>>();

async function tensorOf(path: string, name: string): Promise<TensorInfo> {
  let checkpoint = opened.get(path);
  if (!checkpoint) {
    opened.clear();
    opened.set(path, (checkpoint = openCheckpoint(path)));
    checkpoint.catch(() => opened.delete(path));
  }
  const info = (await checkpoint).tensors.get(name);
  if (!info) throw failure('checkpoint/tensor-missing', { path, tensor: name });
  return info;
}

/** Statistics of tensors, each read once; between tensors others get their turn. */
export async function statistics(params: { readonly path: string; readonly names: readonly string[] }, context: OperationContext): Promise<TensorStatistics[]> {
  const out: TensorStatistics[] = [];
  for (const name of params.names) {
    context.signal.throwIfAborted();
    out.push(statisticsOf(name, await readTensor(await tensorOf(params.path, name))));
    await new Promise<void>((go) => { setImmediate(go); });
  }
  return out;
}

function statisticsOf(name: string, data: Float32Array): TensorStatistics {
  let zeros = 0, nan = 0, infinite = 0, sum = 0, finite = 0, square = 0, min = Infinity, max = -Infinity;
  for (const x of data) {
    if (x === 0) zeros++;
    if (Number.isNaN(x)) { nan++; continue; }
    if (!Number.isFinite(x)) { infinite++; continue; }
    finite++;
    sum += x;
    square += x * x;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  const mean = finite > 0 ? sum / finite : null, counts = new Float64Array(BINS);
  let second = 0, fourth = 0;
  if (mean !== null) {
    const scale = max > min ? BINS / (max - min) : 0;
    for (const x of data) {
      if (!Number.isFinite(x)) continue;
      const d = x - mean, dd = d * d;
      second += dd;
      fourth += dd * dd;
      if (x !== 0) counts[Math.min(BINS - 1, Math.floor((x - min) * scale))]++;
    }
  }
  const variance = finite > 0 ? second / finite : 0;
  return {
    name, elements: data.length, mean, sd: finite > 0 ? Math.sqrt(variance) : null, min: finite > 0 ? min : null, max: finite > 0 ? max : null, zeros, nan, infinite,
    l2: finite > 0 ? Math.sqrt(square) : null, kurtosis: variance > 0 ? fourth / finite / (variance * variance) - 3 : null, histogram: { from: finite > 0 ? min : 0, to: finite > 0 ? max : 0, counts },
  };
}

/** A picture of a tensor's last two dimensions: per cell the value of largest magnitude, norms of rows and columns beside shuffled values. */
export async function tile(params: { readonly path: string; readonly name: string; readonly leading: readonly number[]; readonly width: number; readonly height: number }, _context: OperationContext): Promise<TensorTile> {
  const info = await tensorOf(params.path, params.name), all = await readTensor(info);
  const shape = info.shape, columns = shape.length > 0 ? shape[shape.length - 1] : 1, rows = shape.length > 1 ? shape[shape.length - 2] : 1;
  let slice = 0;
  shape.slice(0, -2).forEach((size, i) => { slice = slice * size + Math.max(0, Math.min(size - 1, params.leading[i] ?? 0)); });
  const data = all.subarray(slice * rows * columns, (slice + 1) * rows * columns);
  const height = Math.max(1, Math.min(MOST_CELLS, Math.floor(params.height), rows)), width = Math.max(1, Math.min(MOST_CELLS, Math.floor(params.width), columns));
  const cells = new Float32Array(width * height), rowNorms = new Float32Array(rows), columnSquares = new Float64Array(columns), notFinite: [number, number][] = [];
  const columnCell = Int32Array.from({ length: columns }, (_, c) => Math.min(width - 1, Math.floor((c * width) / columns)));
  for (let r = 0; r < rows; r++) {
    const from = Math.min(height - 1, Math.floor((r * height) / rows)) * width;
    let square = 0;
    for (let c = 0, at = r * columns; c < columns; c++, at++) {
      const x = data[at], cell = from + columnCell[c];
      if (!Number.isFinite(x)) {
        if (notFinite.length < MOST_PLACES) notFinite.push([r, c]);
        cells[cell] = NaN;
        continue;
      }
      square += x * x;
      columnSquares[c] += x * x;
      if (!Number.isNaN(cells[cell]) && Math.abs(x) > Math.abs(cells[cell])) cells[cell] = x;
    }
    rowNorms[r] = Math.sqrt(square);
  }
  return { name: params.name, shape, width, height, data: cells, rowNorms, columnNorms: Float32Array.from(columnSquares, Math.sqrt), rowBand: shuffledBand(data, columns, params.name), columnBand: shuffledBand(data, rows, params.name), nullDraws: SHUFFLES, notFinite };
}

/** Central 95 % of the norm of `length` values drawn from the tensor at random. */
function shuffledBand(data: Float32Array, length: number, name: string): readonly [number, number] {
  if (elementCount([data.length]) === 0) return [0, 0];
  const norms: number[] = [], random = new Random(0, 'tensorNorms', name, length);
  // Enough rows per shuffle for the tails of a distribution of norms, whatever the tensor's shape.
  for (let draw = 0; draw < SHUFFLES * 10; draw++) {
    let square = 0;
    const taken = Math.min(length, 4096);
    for (let i = 0; i < taken; i++) { const x = data[random.integer(data.length)]; if (Number.isFinite(x)) square += x * x; }
    norms.push(Math.sqrt((square * length) / taken));
  }
  const sorted = Float64Array.from(norms).sort();
  return [quantile(sorted, 0.025), quantile(sorted, 0.975)];
}
