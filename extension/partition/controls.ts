import { renumberByLowest } from '../numerics/labels';
import { Random } from '../numerics/random';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';

/** Labels of equal sizes (the first `neurons % experts` experts one larger) in index order: the "random cluster" control of EMoE's code. */
export function contiguousPartition(neurons: number, experts: number): Int32Array {
  if (!Number.isInteger(experts) || experts < 1 || experts > neurons) throw new RangeError(`${experts} experts for ${neurons} neurons`);
  const least = Math.floor(neurons / experts);
  const larger = neurons % experts;
  return Int32Array.from({ length: neurons }, (_, i) => (i < larger * (least + 1) ? Math.floor(i / (least + 1)) : larger + Math.floor((i - larger * (least + 1)) / least)));
}

/** A uniformly random partition into experts of equal size (up to one), numbered by lowest neuron. */
export function randomPartition(neurons: number, experts: number, seed: number): Int32Array {
  return renumberByLowest(new Random(seed, 'randomPartition', neurons, experts).shuffle(contiguousPartition(neurons, experts)));
}

/** Draw number `draw` of a label shuffle: the same sizes as `labels`, neurons dealt anew; a function of (seed, draw) alone. */
export function shuffledLabels(labels: ArrayLike<number>, seed: number, draw: number): Int32Array {
  return new Random(seed, 'shuffledLabels', draw).shuffle(Int32Array.from(labels));
}

/** Keys with each column permuted on its own `[neurons, width]`: every column keeps its values, what the columns say together is gone. */
export function permuteColumns(keys: Float32Array, neurons: number, width: number, seed: number, draw: number): Float32Array {
  return finish(permuteColumnsSteps(keys, neurons, width, seed, draw));
}

/** `permuteColumns` in steps. */
export function* permuteColumnsSteps(keys: Float32Array, neurons: number, width: number, seed: number, draw: number): Steps<Float32Array> {
  const out = new Float32Array(keys.length);
  const random = new Random(seed, 'permuteColumns', draw);
  const column = new Float32Array(neurons);
  for (let c = 0; c < width; c++) {
    for (let i = 0; i < neurons; i++) column[i] = keys[i * width + c];
    random.shuffle(column);
    for (let i = 0; i < neurons; i++) out[i * width + c] = column[i];
    yield;
  }
  return out;
}

/** Activations `[tokens, neurons]` with each neuron's values permuted over the tokens on its own: rates stay, co-activation is gone. */
export function permuteTokens(activations: Float32Array, tokens: number, neurons: number, seed: number, draw: number): Float32Array {
  return permuteColumns(activations, tokens, neurons, seed, draw);
}
