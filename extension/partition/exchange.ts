import type { ClusterSums } from './clusterSums';
import type { UnitKeys } from './keys';

/** Sweeps over all neurons; each ends in fewer exchanges, and a handful suffices in practice. */
const MOST_SWEEPS = 50;
/** Least drop of the inertia that counts, far above the rounding of float32 dot products. */
const LEAST_GAIN = 1e-6;

/**
 * Lowers the inertia by exchanging two neurons of different clusters, or moving one from a larger cluster to a smaller one, until no
 * such step helps (Späth 1977's exchange method under size bounds). `labels` and `sums` are changed in place. Without the
 * Gram matrix nothing is done. Returns the number of steps.
 */
export function exchange(keys: UnitKeys, labels: Int32Array, sums: ClusterSums): number {
  if (keys.gram === null) return 0;
  const search = new ExchangeSearch(keys, keys.gram, labels, sums);
  let steps = 0;
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let changed = 0;
    for (let i = 0; i < keys.neurons; i++) if (search.improve(i)) changed++;
    steps += changed;
    if (changed === 0) break;
    sums.rebuild(labels);
    search.refresh();
  }
  return steps;
}

class ExchangeSearch {
  private readonly n: number;
  private readonly experts: number;
  /** Sum of dot products of each neuron with its own cluster, itself included. */
  private readonly own: Float64Array;

  constructor(keys: UnitKeys, private readonly gram: Float32Array, private readonly labels: Int32Array, private readonly sums: ClusterSums) {
    this.n = keys.neurons;
    this.experts = sums.sizes.length;
    this.own = new Float64Array(this.n);
    this.refresh();
  }

  refresh(): void {
    for (let i = 0; i < this.n; i++) this.own[i] = this.sums.toCluster[this.labels[i] * this.n + i];
  }

  /** Takes the best improving step of neuron i; false when there is none. */
  improve(i: number): boolean {
    const { n, gram, labels, own, experts } = this;
    const { toCluster, sizes, within } = this.sums;
    const a = labels[i];
    const selfI = gram[i * n + i];
    let bestGain = LEAST_GAIN;
    let bestNeuron = -1;
    let bestMove = -1;
    for (let b = 0; b < experts; b++) {
      if (sizes[a] - sizes[b] < 1 || b === a) continue;
      const gain = (within[a] - 2 * own[i] + selfI) / (sizes[a] - 1) - within[a] / sizes[a] + (within[b] + 2 * toCluster[b * n + i] + selfI) / (sizes[b] + 1) - within[b] / sizes[b];
      if (gain > bestGain) {
        bestGain = gain;
        bestMove = b;
      }
    }
    const toA = toCluster.subarray(a * n, a * n + n);
    const row = gram.subarray(i * n, i * n + n);
    for (let j = i + 1; j < n; j++) {
      const b = labels[j];
      if (b === a) continue;
      const both = selfI + gram[j * n + j] - 2 * row[j];
      const gain = (both + 2 * (toA[j] - own[i])) / sizes[a] + (both + 2 * (toCluster[b * n + i] - own[j])) / sizes[b];
      if (gain > bestGain) {
        bestGain = gain;
        bestNeuron = j;
        bestMove = -1;
      }
    }
    if (bestMove >= 0) this.apply(i, a, bestMove, -1);
    else if (bestNeuron >= 0) this.apply(i, a, labels[bestNeuron], bestNeuron);
    return bestMove >= 0 || bestNeuron >= 0;
  }

  private apply(i: number, a: number, b: number, j: number): void {
    const { labels, own, n } = this;
    this.sums.move(i, a, b);
    labels[i] = b;
    if (j >= 0) {
      this.sums.move(j, b, a);
      labels[j] = a;
    }
    for (let x = 0; x < n; x++) if (labels[x] === a || labels[x] === b) own[x] = this.sums.toCluster[labels[x] * n + x];
  }
}
