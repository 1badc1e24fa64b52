import type { LayerRule } from '../protocol/transfer';

/** Layers between two that the paper's student keeps: a target of a quarter of the depth takes every fourth. */
export function paperStep(from: number, to: number): number {
  return Math.max(1, Math.floor(from / to));
}

/** Source layer of each target layer by the paper's rule (arXiv 2403.18804): every k-th; target layers beyond the source's last take none. */
export function paperLayers(from: number, to: number): readonly (readonly number[])[] {
  const k = paperStep(from, to);
  return Array.from({ length: to }, (_, l) => (l * k < from ? [l * k] : []));
}

/** Groups of k source layers that the paper's average merges into one. */
export function groupedLayers(from: number, to: number): readonly (readonly number[])[] {
  const k = paperStep(from, to);
  return Array.from({ length: to }, (_, l) => Array.from({ length: k }, (__, i) => l * k + i).filter((layer) => layer < from));
}

/** Source layer at the same relative depth: floor((l + 1/2) L_A / L_B), which takes each source layer alike where depths divide. */
export function proportionalLayers(from: number, to: number): readonly (readonly number[])[] {
  return Array.from({ length: to }, (_, l) => [Math.min(from - 1, Math.floor(((l + 0.5) * from) / to))]);
}

/**
 * Monotone alignment: the source layer of each target layer, never falling with depth, with the largest sum of likenesses `[to, from]`; ties go to
 * the lower source layer. A step over source layers that none takes, or staying on one, costs `penalty` for each layer of difference from the
 * proportional pace, so that noise does not move the alignment.
 */
export function monotoneLayers(likeness: ArrayLike<number>, from: number, to: number, penalty: number): readonly (readonly number[])[] {
  const best = new Float64Array(to * from), cameFrom = new Int32Array(to * from), pace = from / to;
  for (let l = 0; l < to; l++) {
    for (let s = 0; s < from; s++) {
      let value = 0, previous = -1;
      if (l > 0) {
        value = -Infinity;
        for (let p = 0; p <= s; p++) {
          const candidate = best[(l - 1) * from + p] - penalty * Math.abs(s - p - pace);
          if (candidate > value) {
            value = candidate;
            previous = p;
          }
        }
      }
      best[l * from + s] = value + likeness[l * from + s];
      cameFrom[l * from + s] = previous;
    }
  }
  let at = 0;
  for (let s = 1; s < from; s++) if (best[(to - 1) * from + s] > best[(to - 1) * from + at]) at = s;
  const out: (readonly number[])[] = [];
  for (let l = to - 1; l >= 0; l--) {
    out[l] = [at];
    at = cameFrom[l * from + at];
  }
  return out;
}

/** Layers by a rule; the alignment by activations is proportional until they are known. */
export function layersByRule(rule: LayerRule, from: number, to: number): readonly (readonly number[])[] {
  return rule === 'paper' ? paperLayers(from, to) : proportionalLayers(from, to);
}
