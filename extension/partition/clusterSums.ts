import { matmulTransposedSteps } from '../numerics/gemm';
import type { Steps } from '../numerics/steps';
import { centroidsOf } from './keys';
import type { UnitKeys } from './keys';

/**
 * Sums of dot products between every key and every cluster. With the Gram matrix a round costs neurons² additions, whatever the
 * width; without it one product of keys and means.
 */
export class ClusterSums {
  readonly sizes: Float64Array;
  /** `toCluster[e * neurons + i]` = sum over members j of cluster e of key i · key j. */
  readonly toCluster: Float64Array;
  /** Sum over members i, j of cluster e of key i · key j = squared length of the cluster's sum. */
  readonly within: Float64Array;

  constructor(private readonly keys: UnitKeys, private readonly experts: number) {
    this.sizes = new Float64Array(experts);
    this.toCluster = new Float64Array(experts * keys.neurons);
    this.within = new Float64Array(experts);
  }

  /** Starts anew from labels. */
  *rebuild(labels: Int32Array): Steps<void> {
    const { keys, sizes, toCluster, within } = this;
    const n = keys.neurons;
    sizes.fill(0);
    within.fill(0);
    for (let i = 0; i < n; i++) sizes[labels[i]]++;
    if (keys.gram !== null) this.addRows(labels, keys.gram);
    else yield* this.multiplyMeans(labels);
    for (let i = 0; i < n; i++) within[labels[i]] += toCluster[labels[i] * n + i];
  }

  private addRows(labels: Int32Array, gram: Float32Array): void {
    const n = this.keys.neurons;
    this.toCluster.fill(0);
    for (let j = 0; j < n; j++) {
      const sums = this.toCluster.subarray(labels[j] * n, labels[j] * n + n);
      const row = gram.subarray(j * n, j * n + n);
      for (let i = 0; i < n; i++) sums[i] += row[i];
    }
  }

  private *multiplyMeans(labels: Int32Array): Steps<void> {
    const { neurons: n, width, rows } = this.keys;
    const { means } = centroidsOf(rows, n, width, labels, this.experts);
    const products = yield* matmulTransposedSteps(new Float32Array(means), rows, this.experts, n, width);
    for (let e = 0; e < this.experts; e++) for (let i = 0; i < n; i++) this.toCluster[e * n + i] = products[e * n + i] * this.sizes[e];
  }

  /** `|c|² - 2 x·c` of each key to the mean of each cluster `[neurons, experts]`, written to `out`. */
  costs(out: Float64Array): Float64Array {
    const { keys, experts, sizes, toCluster, within } = this;
    const n = keys.neurons;
    for (let e = 0; e < experts; e++) {
      const size = sizes[e];
      const square = within[e] / (size * size);
      const twice = 2 / size;
      for (let i = 0, at = e; i < n; i++, at += experts) out[at] = square - twice * toCluster[e * n + i];
    }
    return out;
  }

  /** The inertia that the sums imply: exact up to the rounding of the float32 dot products. */
  inertia(): number {
    let total = 0;
    for (const square of this.keys.squares) total += square;
    for (let e = 0; e < this.experts; e++) total -= this.within[e] / this.sizes[e];
    return total;
  }

  /** Moves a key between clusters: sums, sizes and within-cluster totals follow. Needs the Gram matrix. */
  move(neuron: number, from: number, to: number): void {
    const { keys, sizes, toCluster, within } = this;
    const n = keys.neurons;
    const gram = keys.gram!;
    const self = gram[neuron * n + neuron];
    within[from] += self - 2 * toCluster[from * n + neuron];
    within[to] += self + 2 * toCluster[to * n + neuron];
    sizes[from]--;
    sizes[to]++;
    const row = gram.subarray(neuron * n, neuron * n + n);
    const leave = toCluster.subarray(from * n, from * n + n);
    const enter = toCluster.subarray(to * n, to * n + n);
    for (let i = 0; i < n; i++) {
      const value = row[i];
      leave[i] -= value;
      enter[i] += value;
    }
  }

  /** Exchanges key i of cluster a with key j of cluster b. Needs the Gram matrix. */
  swap(i: number, a: number, j: number, b: number): void {
    const { keys, toCluster, within } = this;
    const n = keys.neurons;
    const gram = keys.gram!;
    const both = gram[i * n + i] + gram[j * n + j] - 2 * gram[i * n + j];
    within[a] += both + 2 * (toCluster[a * n + j] - toCluster[a * n + i]);
    within[b] += both + 2 * (toCluster[b * n + i] - toCluster[b * n + j]);
    const rowI = gram.subarray(i * n, i * n + n);
    const rowJ = gram.subarray(j * n, j * n + n);
    const toA = toCluster.subarray(a * n, a * n + n);
    const toB = toCluster.subarray(b * n, b * n + n);
    for (let x = 0; x < n; x++) {
      const difference = rowI[x] - rowJ[x];
      toA[x] -= difference;
      toB[x] += difference;
    }
  }

  /** Follows labels from one round to the next: neuron by neuron where few moved, else from the start. */
  *follow(before: Int32Array, after: Int32Array): Steps<void> {
    let moved = 0;
    for (let i = 0; i < after.length; i++) if (before[i] !== after[i]) moved++;
    if (this.keys.gram === null || 2 * moved >= after.length) {
      yield* this.rebuild(after);
      return;
    }
    for (let i = 0; i < after.length; i++) if (before[i] !== after[i]) this.move(i, before[i], after[i]);
  }
}
