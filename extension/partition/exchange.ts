import type { Steps } from '../numerics/steps';
import type { ClusterSums } from './clusterSums';
import type { UnitKeys } from './keys';

/** Passes over all pairs of clusters; each leaves fewer pairs to look at, and some twenty suffice on pure noise. */
const MOST_PASSES = 200;
/** Least drop of the inertia that counts: above the rounding of float32 dot products. */
const LEAST_GAIN = 1e-6;

/**
 * Lowers the inertia by exchanging two neurons of different clusters, or moving one from a larger cluster to a smaller one, until no
 * such step helps (the exchange method of Späth 1977, under size bounds). Goes through pairs of clusters and takes the
 * best step of a pair while there is one; a pair is looked at again only after one of the two changed. `labels` and `sums` are
 * changed in place. Needs the Gram matrix, without it nothing is done. Returns the number of steps.
 */
export function* exchange(keys: UnitKeys, labels: Int32Array, sums: ClusterSums): Steps<number> {
  if (keys.gram === null) return 0;
  const search = new ExchangeSearch(keys, keys.gram, labels, sums);
  const experts = sums.sizes.length;
  // When a pair was last found without a step, and when a cluster last changed, in steps taken so far.
  const checked = new Int32Array(experts * experts).fill(-1);
  const changed = new Int32Array(experts);
  let steps = 0;
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const before = steps;
    for (let a = 0; a < experts; a++) {
      for (let b = a + 1; b < experts; b++) {
        const last = checked[a * experts + b];
        if (last >= changed[a] && last >= changed[b]) continue;
        while (search.improve(a, b)) {
          steps++;
          changed[a] = steps;
          changed[b] = steps;
        }
        checked[a * experts + b] = steps;
      }
      yield;
    }
    if (steps === before) break;
  }
  return steps;
}

class ExchangeSearch {
  private readonly n: number;
  private readonly diagonal: Float64Array;
  private readonly members: number[][];
  private readonly gainB: Float64Array;

  constructor(private readonly keys: UnitKeys, private readonly gram: Float32Array, private readonly labels: Int32Array, private readonly sums: ClusterSums) {
    this.n = keys.neurons;
    this.diagonal = Float64Array.from({ length: this.n }, (_, i) => gram[i * this.n + i]);
    this.members = Array.from({ length: sums.sizes.length }, () => []);
    for (let i = 0; i < this.n; i++) this.members[labels[i]].push(i);
    this.gainB = new Float64Array(this.n);
  }

  /**
   * Takes the best improving step between two clusters; false when there is none. An exchange of i and j lowers the inertia by
   * u_i + v_j - 2 w x_i·x_j with w = 1/|a| + 1/|b|.
   */
  improve(a: number, b: number): boolean {
    const { n, gram, diagonal, members, gainB } = this;
    const { toCluster, sizes } = this.sums;
    const inverseA = 1 / sizes[a];
    const inverseB = 1 / sizes[b];
    const weight = inverseA + inverseB;
    const listA = members[a];
    const listB = members[b];
    const rowA = a * n;
    const rowB = b * n;
    let most = -Infinity;
    for (let q = 0; q < listB.length; q++) {
      const j = listB[q];
      const gain = weight * diagonal[j] + 2 * (toCluster[rowA + j] * inverseA - toCluster[rowB + j] * inverseB);
      gainB[q] = gain;
      if (gain > most) most = gain;
    }
    const { leastDots } = this.keys;
    const twice = 2 * weight;
    let bestGain = LEAST_GAIN;
    let bestA = -1;
    let bestB = -1;
    for (let p = 0; p < listA.length; p++) {
      const i = listA[p];
      const gainA = weight * diagonal[i] + 2 * (toCluster[rowB + i] * inverseB - toCluster[rowA + i] * inverseA);
      // Reading the Gram matrix out of order is what costs, so candidates that even the least dot product of i cannot save are passed over.
      const reach = gainA - twice * leastDots[i];
      if (reach + most <= bestGain) continue;
      const row = i * n;
      for (let q = 0; q < listB.length; q++) {
        if (reach + gainB[q] <= bestGain) continue;
        const gain = gainA + gainB[q] - twice * gram[row + listB[q]];
        if (gain > bestGain) {
          bestGain = gain;
          bestA = p;
          bestB = q;
        }
      }
    }
    const single = this.bestMove(a, b, bestGain);
    if (single !== null) this.move(single.from, single.to, single.place);
    else if (bestA >= 0) this.swap(a, bestA, b, bestB);
    return single !== null || bestA >= 0;
  }

  /** The best move from the larger of two clusters to the smaller that gains more than `bestGain`. */
  private bestMove(a: number, b: number, bestGain: number): { readonly from: number; readonly to: number; readonly place: number } | null {
    const { sizes, within, toCluster } = this.sums;
    if (sizes[a] === sizes[b]) return null;
    const from = sizes[a] > sizes[b] ? a : b;
    const to = from === a ? b : a;
    let place = -1;
    let most = bestGain;
    const rest = within[from] / sizes[from] + within[to] / sizes[to];
    for (let p = 0; p < this.members[from].length; p++) {
      const i = this.members[from][p];
      const left = (within[from] - 2 * toCluster[from * this.n + i] + this.diagonal[i]) / (sizes[from] - 1);
      const gain = left + (within[to] + 2 * toCluster[to * this.n + i] + this.diagonal[i]) / (sizes[to] + 1) - rest;
      if (gain > most) {
        most = gain;
        place = p;
      }
    }
    return place < 0 ? null : { from, to, place };
  }

  private move(from: number, to: number, place: number): void {
    const i = this.members[from][place];
    this.members[from].splice(place, 1);
    this.members[to].push(i);
    this.labels[i] = to;
    this.sums.move(i, from, to);
  }

  private swap(a: number, p: number, b: number, q: number): void {
    const i = this.members[a][p];
    const j = this.members[b][q];
    this.members[a][p] = j;
    this.members[b][q] = i;
    this.labels[i] = b;
    this.labels[j] = a;
    this.sums.swap(i, a, j, b);
  }
}
