import { matmulTransposed } from '../../numerics/gemm';
import type { HeatmapTile, LayerPicture } from '../../protocol/documents';
import { quantile } from '../../numerics/statistics';
import type { ProbeRecord, WeightsRecord } from './records';
import { sizesOf } from './weightsStage';

/** The picture of a layer from what is stored of it. */
export function pictureOf(weights: WeightsRecord, probe: ProbeRecord | null, experts: number): LayerPicture {
  const labels = probe?.labels ?? weights.labels, matrix = probe?.matrix ?? weights.similarity, router = probe?.router ?? weights.router;
  return {
    index: weights.index, experts, sizes: Int32Array.from(sizesOf(labels, experts)), kind: probe ? 'coactivation' : 'keySimilarity',
    mass: probe?.mass ?? new Float32Array(), massBand: probe?.massBand ?? null, dominant: probe?.dominant ?? new Int16Array(experts).fill(-1),
    raw: matrix.raw, excess: matrix.excess, excessBand: matrix.excessBand, nullDraws: matrix.nullDraws, fold: probe?.fold ?? new Float32Array(), q: probe?.q ?? new Float32Array(),
    router: router.cosine.map((x) => x - router.nullMean), routerBand: router.nullBand,
  };
}

/** Neurons in the order of the map: by expert, inside an expert by falling mass. */
export function mapOrder(labels: Int32Array, weight: Float32Array): Int32Array {
  return Int32Array.from(labels.keys()).sort((a, b) => labels[a] - labels[b] || weight[b] - weight[a] || a - b);
}

export interface TileRequest {
  readonly kind: 'excess' | 'raw';
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
  readonly width: number;
  readonly height: number;
}

/** Cells of a tile at most: what a page can show, and what is computed in well under a second. */
const MOST_CELLS = 512;

/**
 * A part of the neuron-by-neuron map. A cell is the mean correlation of two runs of neurons, which is the product of their summed
 * standardised activity: no neuron-by-neuron matrix is made. `fixedLimit` keeps the colours of all tiles of a layer alike. A neuron with itself is left out. Rows of `vectors` `[neurons, width]` are the
 * neurons' standardised activities (or unit keys), so that a dot product is the correlation (or cosine).
 */
export function tileOf(layer: number, request: TileRequest, order: Int32Array, vectors: (neurons: Int32Array) => { readonly data: Float32Array; readonly width: number }, centre: number, fixedLimit: number | null): HeatmapTile {
  const n = order.length;
  const clamp = ([from, to]: readonly [number, number]): [number, number] => { const a = Math.max(0, Math.min(n - 1, Math.floor(from))); return [a, Math.max(a + 1, Math.min(n, Math.ceil(to)))]; };
  const rows = clamp(request.rows), columns = clamp(request.columns);
  const height = Math.max(1, Math.min(MOST_CELLS, Math.floor(request.height), rows[1] - rows[0])), width = Math.max(1, Math.min(MOST_CELLS, Math.floor(request.width), columns[1] - columns[0]));
  const same = rows[0] === columns[0] && rows[1] === columns[1] && width === height;
  const left = sums(order, rows, height, vectors), right = same ? left : sums(order, columns, width, vectors);
  const products = matmulTransposed(left.sums, right.sums, height, width, left.depth), data = new Float32Array(height * width);
  for (let r = 0; r < height; r++) for (let c = 0; c < width; c++) {
    let dot = products[r * width + c];
    const rowFrom = left.starts[r], rowTo = left.starts[r + 1], columnFrom = right.starts[c], columnTo = right.starts[c + 1];
    let pairs = (rowTo - rowFrom) * (columnTo - columnFrom);
    for (let i = Math.max(rowFrom, columnFrom); i < Math.min(rowTo, columnTo); i++) {
      pairs--;
      dot -= left.squareOf(i);
    }
    data[r * width + c] = pairs > 0 ? dot / pairs - (request.kind === 'excess' ? centre : 0) : NaN;
  }
  const magnitudes = Float64Array.from(data, Math.abs).filter(Number.isFinite).sort();
  const limit = fixedLimit ?? (magnitudes.length > 0 ? Math.max(1e-6, quantile(magnitudes, 0.995)) : 1);
  const single = height === rows[1] - rows[0] && width === columns[1] - columns[0];
  return { layer, kind: request.kind, rows, columns, width, height, data, limit, ...(single ? { rowNeurons: order.slice(rows[0], rows[1]), columnNeurons: order.slice(columns[0], columns[1]) } : {}) };
}

function sums(order: Int32Array, [from, to]: readonly [number, number], cells: number, vectors: (neurons: Int32Array) => { readonly data: Float32Array; readonly width: number }) {
  const starts = Int32Array.from({ length: cells + 1 }, (_, i) => from + Math.floor((i * (to - from)) / cells));
  const squares = new Float64Array(to - from);
  let out: Float32Array | null = null, depth = 0;
  for (let cell = 0; cell < cells; cell++) {
    const { data, width } = vectors(order.subarray(starts[cell], starts[cell + 1]));
    if (!out) { depth = width; out = new Float32Array(cells * depth); }
    for (let i = 0; i < starts[cell + 1] - starts[cell]; i++) {
      let square = 0;
      for (let t = 0; t < depth; t++) { const x = data[i * depth + t]; square += x * x; out[cell * depth + t] += x; }
      squares[starts[cell] - from + i] = square;
    }
  }
  return { starts, sums: out ?? new Float32Array(), depth, squareOf: (i: number): number => (i >= from && i < to ? squares[i - from] : 0) };
}

