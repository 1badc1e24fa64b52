import { Random } from '../numerics/random';

/** Norm bands from which stand-ins are drawn: wide enough to hold candidates, narrow enough to keep the norm. */
const BANDS = 10;

/**
 * A random group of the same layer, size and norms as `members`: for each member a neuron of the same tenth of the layer by
 * norm, drawn without repetition among neurons outside the group; where a band has none left, the nearest free neuron by
 * rank of norm. Ascending neuron indices; a function of (seed, draw) and its input. At most half of the layer can be matched.
 */
export function matchedGroup(norms: ArrayLike<number>, members: ArrayLike<number>, seed: number, draw: number): Int32Array {
  const n = norms.length;
  if (2 * members.length > n) throw new RangeError(`a group of ${members.length} out of ${n} neurons has no stand-ins outside itself`);
  const random = new Random(seed, 'matchedGroup', draw);
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => norms[a] - norms[b] || a - b);
  const rank = new Int32Array(n);
  order.forEach((neuron, at) => (rank[neuron] = at));
  const free = new Uint8Array(n).fill(1);
  for (let m = 0; m < members.length; m++) free[members[m]] = 0;
  const bandOf = (at: number): number => Math.floor((at * BANDS) / n);
  const bands: number[][] = Array.from({ length: BANDS }, () => []);
  for (let at = 0; at < n; at++) if (free[order[at]] === 1) bands[bandOf(at)].push(order[at]);
  const chosen: number[] = [];
  const left: number[] = [];
  for (let m = 0; m < members.length; m++) {
    const band = bands[bandOf(rank[members[m]])];
    if (band.length === 0) {
      left.push(members[m]);
      continue;
    }
    const [neuron] = band.splice(random.integer(band.length), 1);
    free[neuron] = 0;
    chosen.push(neuron);
  }
  for (const member of left) {
    const neuron = nearestFree(order, free, rank[member]);
    free[neuron] = 0;
    chosen.push(neuron);
  }
  return Int32Array.from(chosen).sort();
}

function nearestFree(order: readonly number[], free: Uint8Array, at: number): number {
  for (let distance = 1; distance < order.length; distance++) {
    if (at - distance >= 0 && free[order[at - distance]] === 1) return order[at - distance];
    if (at + distance < order.length && free[order[at + distance]] === 1) return order[at + distance];
  }
  throw new RangeError('no free neuron is left');
}
