import type { Random } from '../../../extension/numerics/random';

/** Keys `[neurons, width]`: unit normals plus `strength` times a normal centre per expert; equal sizes, members dealt at random. */
export function plantedKeys(random: Random, neurons: number, width: number, experts: number, strength: number): { readonly keys: Float32Array; readonly labels: Int32Array } {
  const labels = Int32Array.from({ length: neurons }, (_, i) => i % experts);
  random.shuffle(labels);
  const centres = Float32Array.from({ length: experts * width }, () => random.normal());
  const keys = Float32Array.from({ length: neurons * width }, (_, at) => random.normal() + strength * centres[labels[Math.floor(at / width)] * width + (at % width)]);
  return { keys, labels };
}

/**
 * Non-negative activations `[tokens, neurons]` in which the neurons of an expert fire together: every token switches each expert on with
 * probability `on`; members of a switched-on expert fire with probability 0.8, others with `background`.
 */
export function plantedActivations(random: Random, tokens: number, labels: ArrayLike<number>, experts: number, on: number, background: number): Float32Array {
  const neurons = labels.length;
  const out = new Float32Array(tokens * neurons);
  const lit = new Uint8Array(experts);
  for (let t = 0; t < tokens; t++) {
    for (let e = 0; e < experts; e++) lit[e] = random.uniform() < on ? 1 : 0;
    for (let i = 0; i < neurons; i++) if (random.uniform() < (lit[labels[i]] === 1 ? 0.8 : background)) out[t * neurons + i] = 0.5 + random.uniform();
  }
  return out;
}
