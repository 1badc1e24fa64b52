import { balancedAssignment } from '../numerics/balancedAssignment';
import { renumberByLowest } from '../numerics/labels';
import { Random } from '../numerics/random';
import { ClusterSums } from './clusterSums';
import { exchange } from './exchange';
import { inertiaOf } from './keys';
import type { UnitKeys } from './keys';
import { plusPlusCosts } from './plusPlus';

export interface KMeansOptions {
  readonly experts: number;
  readonly seed: number;
  /** Independent starts, the best is kept; 4 by default. */
  readonly inits?: number;
  /** Most rounds of assignment and means per start; 100 by default. */
  readonly maxIterations?: number;
  /** 2: the assignment lowers the objective itself. 1: plain distances, as k-means-constrained and so EMoE and MoEfication do. */
  readonly costExponent?: 1 | 2;
}

export interface KMeansResult {
  /** Expert of each neuron, experts numbered by their lowest neuron `[neurons]`. */
  readonly labels: Int32Array;
  /** Sum of squared distances of unit-norm keys to the mean of their expert. */
  readonly inertia: number;
  /** Rounds of the start that was kept. */
  readonly iterations: number;
  /** Start that was kept, 0-based. */
  readonly init: number;
}

/**
 * Balanced k-means on unit-norm keys (the partition of EMoE, arXiv 2310.10908, and of MoEfication's parameter clustering,
 * arXiv 2110.01786): sizes differ by at most one, every assignment is exact. k-means++ with greedy trials, then rounds of exact
 * balanced assignment and means, then (exponent 2) exchanges of neurons while one lowers the inertia. All decisions are float64 in fixed
 * order: labels depend on keys, options and seed alone.
 */
export function balancedKMeans(keys: UnitKeys, options: KMeansOptions): KMeansResult {
  const { experts, seed } = options;
  const inits = options.inits ?? 4;
  if (!Number.isInteger(experts) || experts < 1 || experts > keys.neurons) throw new RangeError(`${experts} experts for ${keys.neurons} neurons`);
  const random = new Random(seed, 'balancedKMeans');
  let best: KMeansResult | null = null;
  for (let init = 0; init < inits; init++) {
    const run = oneStart(keys, options, random.fork('init', init));
    const inertia = inertiaOf(keys, run.labels, experts);
    if (best === null || inertia < best.inertia) best = { labels: run.labels, inertia, iterations: run.iterations, init };
  }
  return { ...best!, labels: renumberByLowest(best!.labels) };
}

function oneStart(keys: UnitKeys, options: KMeansOptions, random: Random): { readonly labels: Int32Array; readonly iterations: number } {
  const { experts } = options;
  const n = keys.neurons;
  const exponent = options.costExponent ?? 2;
  const least = Math.floor(n / experts);
  const lower = new Int32Array(experts).fill(least);
  const upper = new Int32Array(experts).fill(n % experts === 0 ? least : least + 1);
  let cost = plusPlusCosts(keys, experts, random);
  const sums = new ClusterSums(keys, experts);
  let labels: Int32Array | null = null;
  let prices: Float64Array | undefined;
  let iterations = 0;
  const most = options.maxIterations ?? 100;
  while (iterations < most) {
    if (exponent === 1) distances(cost, keys, experts);
    const next = balancedAssignment({ cost, items: n, clusters: experts, lower, upper, prices });
    iterations++;
    prices = next.prices;
    if (labels !== null && sameLabels(labels, next.labels)) break;
    labels = next.labels;
    sums.rebuild(labels);
    cost = sums.costs(cost);
  }
  if (exponent === 2) exchange(keys, labels!, sums);
  return { labels: labels!, iterations };
}

function sameLabels(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** From `|c|² - 2 x·c` to the plain distance, in place. */
function distances(cost: Float64Array, keys: UnitKeys, experts: number): void {
  for (let i = 0, at = 0; i < keys.neurons; i++) for (let e = 0; e < experts; e++, at++) cost[at] = Math.sqrt(Math.max(0, cost[at] + keys.squares[i]));
}
