import { matmulTransposed } from '../numerics/gemm';
import type { MatmulTransposed } from '../numerics/gemm';

/** Largest number of neurons whose key-by-key Gram matrix is kept in memory (float32: 256 MB). */
const GRAM_LIMIT = 8192;

/** Keys scaled to unit length, with what clustering needs of them. Made once per layer, used by every seed and start. */
export interface UnitKeys {
  readonly neurons: number;
  readonly width: number;
  /** `[neurons, width]`, rows of length 1; rows that were zero stay zero. */
  readonly rows: Float32Array;
  /** Squared length of each stored row in float64 `[neurons]`: 1 up to rounding, or 0. */
  readonly squares: Float64Array;
  /** Neurons whose key is zero or not finite ("dead keys"); they land where the sizes leave room. */
  readonly dead: Int32Array;
  /** `rows · rowsᵀ` `[neurons, neurons]`; null above 8,192 neurons. */
  readonly gram: Float32Array | null;
  readonly matmul: MatmulTransposed;
}

/** Scales keys `[neurons, width]` to unit rows and multiplies them with each other. `keys` is left as it is. */
export function unitKeys(keys: Float32Array, neurons: number, width: number, matmul: MatmulTransposed = matmulTransposed): UnitKeys {
  if (keys.length !== neurons * width) throw new RangeError(`${keys.length} key values for ${neurons} x ${width}`);
  const rows = new Float32Array(neurons * width);
  const squares = new Float64Array(neurons);
  const dead: number[] = [];
  for (let i = 0; i < neurons; i++) {
    const at = i * width;
    let sum = 0;
    for (let c = 0; c < width; c++) sum += keys[at + c] * keys[at + c];
    const norm = Math.sqrt(sum);
    if (!(norm > 1e-12) || norm === Infinity) {
      dead.push(i);
      continue;
    }
    let square = 0;
    for (let c = 0; c < width; c++) {
      rows[at + c] = keys[at + c] / norm;
      square += rows[at + c] * rows[at + c];
    }
    squares[i] = square;
  }
  const gram = neurons <= GRAM_LIMIT ? matmul(rows, rows, neurons, neurons, width) : null;
  return { neurons, width, rows, squares, dead: Int32Array.from(dead), gram, matmul };
}

/** Sum over clusters of squared distances of unit rows to the cluster's mean, float64 in neuron order. */
export function inertiaOf(keys: UnitKeys, labels: ArrayLike<number>, experts: number): number {
  const { neurons, width, rows } = keys;
  const centroids = new Float64Array(experts * width);
  const sizes = new Float64Array(experts);
  for (let i = 0; i < neurons; i++) {
    const to = labels[i] * width;
    sizes[labels[i]]++;
    for (let c = 0; c < width; c++) centroids[to + c] += rows[i * width + c];
  }
  for (let e = 0; e < experts; e++) for (let c = 0; c < width; c++) centroids[e * width + c] /= sizes[e];
  let inertia = 0;
  for (let i = 0; i < neurons; i++) {
    const from = labels[i] * width;
    for (let c = 0; c < width; c++) {
      const difference = rows[i * width + c] - centroids[from + c];
      inertia += difference * difference;
    }
  }
  return inertia;
}

/** Dot products of one unit key with all of them, written to `out` `[neurons]`. */
export function dotRow(keys: UnitKeys, neuron: number, out: Float64Array): void {
  const { neurons, width, rows, gram } = keys;
  if (gram !== null) {
    for (let i = 0, at = neuron * neurons; i < neurons; i++, at++) out[i] = gram[at];
    return;
  }
  const from = neuron * width;
  for (let i = 0; i < neurons; i++) {
    let sum = 0;
    for (let c = 0, at = i * width; c < width; c++, at++) sum += rows[at] * rows[from + c];
    out[i] = sum;
  }
}
