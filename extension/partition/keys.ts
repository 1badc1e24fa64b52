import { gramSteps, matmulTransposedSteps } from '../numerics/gemm';
import { Random } from '../numerics/random';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';

/** Most neurons whose key-by-key Gram matrix is kept in memory (float32: 256 MB). */
const GRAM_LIMIT = 8192;
/** Width to which keys are projected for choosing starts where there is no Gram matrix. */
const SKETCH_WIDTH = 128;

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
  /** Least entry of each row of `gram` `[neurons]`: bounds how far apart two keys can lie; empty without it. */
  readonly leastDots: Float32Array;
  /** Random projection of the rows `[neurons, 128]` that keeps dot products roughly; only without `gram`, only for choosing starts. */
  readonly sketch: Float32Array | null;
}

/** Scales keys `[neurons, width]` to unit rows and multiplies them with each other. `keys` is left as it is. */
export function unitKeys(keys: Float32Array, neurons: number, width: number): UnitKeys {
  return finish(unitKeysSteps(keys, neurons, width));
}

/** `unitKeys` in steps. `gramLimit` is for tests. */
export function* unitKeysSteps(keys: Float32Array, neurons: number, width: number, gramLimit = GRAM_LIMIT): Steps<UnitKeys> {
  if (keys.length !== neurons * width) throw new RangeError(`${keys.length} key values for ${neurons} x ${width}`);
  const rows = new Float32Array(neurons * width);
  const squares = new Float64Array(neurons);
  const dead: number[] = [];
  for (let i = 0; i < neurons; i++) {
    squares[i] = scaleRow(keys, rows, i * width, width);
    if (squares[i] === 0) dead.push(i);
    if (i % 1024 === 0) yield;
  }
  const gram = neurons <= gramLimit ? yield* gramSteps(rows, neurons, width) : null;
  const leastDots = gram === null ? new Float32Array(0) : rowMinima(gram, neurons);
  const sketch = gram === null ? yield* sketchOf(rows, neurons, width) : null;
  return { neurons, width, rows, squares, dead: Int32Array.from(dead), gram, leastDots, sketch };
}

/** Least entry of each row of a square matrix. */
export function rowMinima(matrix: Float32Array, size: number): Float32Array {
  const out = new Float32Array(size);
  for (let i = 0, at = 0; i < size; i++) {
    let least = Infinity;
    for (let j = 0; j < size; j++, at++) if (matrix[at] < least) least = matrix[at];
    out[i] = least;
  }
  return out;
}

/** Writes a row scaled to unit length; returns its squared length as stored, 0 for a row without a direction. */
function scaleRow(keys: Float32Array, rows: Float32Array, at: number, width: number): number {
  let sum = 0;
  for (let c = at; c < at + width; c++) sum += keys[c] * keys[c];
  const norm = Math.sqrt(sum);
  if (!(norm > 1e-12) || norm === Infinity) return 0;
  let square = 0;
  for (let c = at; c < at + width; c++) {
    const value = Math.fround(keys[c] / norm);
    rows[c] = value;
    square += value * value;
  }
  return square;
}

/** Rows scaled to unit length `[count, width]`; rows without a direction (zero or not finite) become zero. */
export function unitRows(values: Float32Array, count: number, width: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < count; r++) scaleRow(values, out, r * width, width);
  return out;
}

/** Projection on random signs (Achlioptas 2003), the same for all keys of a width. */
function* sketchOf(rows: Float32Array, neurons: number, width: number): Steps<Float32Array> {
  const random = new Random(0, 'sketch', width);
  const scale = 1 / Math.sqrt(SKETCH_WIDTH);
  const signs = new Float32Array(SKETCH_WIDTH * width);
  for (let at = 0; at < signs.length; at += 32) {
    const word = random.uint32();
    for (let bit = 0; bit < Math.min(32, signs.length - at); bit++) signs[at + bit] = ((word >>> bit) & 1) === 1 ? scale : -scale;
  }
  return yield* matmulTransposedSteps(rows, signs, neurons, SKETCH_WIDTH, width);
}

/** Dot products of one unit key with all of them (approximate without a Gram matrix), written to `out` `[neurons]`. */
export function dotRow(keys: UnitKeys, neuron: number, out: Float64Array): void {
  const { neurons, gram, sketch } = keys;
  if (gram !== null) {
    for (let i = 0, at = neuron * neurons; i < neurons; i++, at++) out[i] = gram[at];
    return;
  }
  const from = neuron * SKETCH_WIDTH;
  for (let i = 0; i < neurons; i++) {
    let sum = 0;
    for (let c = 0, at = i * SKETCH_WIDTH; c < SKETCH_WIDTH; c++, at++) sum += sketch![at] * sketch![from + c];
    out[i] = sum;
  }
}

/** Sum over experts of squared distances of unit rows to the expert's mean, float64 in neuron order. */
export function inertiaOf(keys: UnitKeys, labels: ArrayLike<number>, experts: number): number {
  const { neurons, width, rows } = keys;
  const { means } = centroidsOf(rows, neurons, width, labels, experts);
  let inertia = 0;
  for (let i = 0; i < neurons; i++) {
    const from = labels[i] * width;
    for (let c = 0, at = i * width; c < width; c++, at++) {
      const difference = rows[at] - means[from + c];
      inertia += difference * difference;
    }
  }
  return inertia;
}

/** Means of the rows of each expert `[experts, width]` in float64, and the experts' sizes. An empty expert has a zero mean. */
export function centroidsOf(rows: Float32Array, neurons: number, width: number, labels: ArrayLike<number>, experts: number): { readonly means: Float64Array; readonly sizes: Int32Array } {
  const means = new Float64Array(experts * width);
  const sizes = new Int32Array(experts);
  for (let i = 0; i < neurons; i++) {
    const to = labels[i] * width;
    sizes[labels[i]]++;
    for (let c = 0, at = i * width; c < width; c++, at++) means[to + c] += rows[at];
  }
  for (let e = 0; e < experts; e++) for (let c = 0; c < width; c++) means[e * width + c] /= Math.max(1, sizes[e]);
  return { means, sizes };
}
