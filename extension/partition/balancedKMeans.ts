import { balancedAssignmentSteps } from '../numerics/balancedAssignment';
import { renumberByLowest } from '../numerics/labels';
import { Random } from '../numerics/random';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';
import { ClusterSums } from './clusterSums';
import { exchange } from './exchange';
import { inertiaOf } from './keys';
import type { UnitKeys } from './keys';
import { plusPlusCosts } from './plusPlus';

export interface KMeansOptions {
  readonly experts: number;
  readonly seed: number;
  /** Independent starts. By default 16 up to 1,024 neurons, where local optima lie far apart and cost little, else 3. */
  readonly inits?: number;
  /** Most rounds of assignment and means per start; 100 by default. */
  readonly maxIterations?: number;
  /**
   * 2 (default): the assignment lowers the objective itself. 1: plain distances, as k-means-constrained and so EMoE and MoEfication
   * do; the two differ under size bounds. With 1 nothing is exchanged afterwards.
   */
  readonly costExponent?: 1 | 2;
}

export interface KMeansResult {
  /** Expert of each neuron, experts numbered by their lowest neuron `[neurons]`. */
  readonly labels: Int32Array;
  /** Sum of squared distances of unit-norm keys to the mean of their expert. */
  readonly inertia: number;
  /** Rounds of assignment and means of the start that was kept, refinement included. */
  readonly iterations: number;
  /** Exchanges of neurons after the rounds. */
  readonly exchanges: number;
}

interface Start {
  readonly labels: Int32Array;
  readonly sums: ClusterSums;
  readonly prices: Float64Array;
  readonly iterations: number;
  readonly exchanges: number;
}

/** Up to this many neurons every start is refined by exchanges, above only the best one. */
const REFINE_ALL = 1024;
/** Exchanges and rounds alternate until neither helps; two turns are usual. */
const MOST_TURNS = 10;

/**
 * Balanced k-means on unit-norm keys (the partition of EMoE, arXiv 2310.10908, and of MoEfication's parameter clustering,
 * arXiv 2110.01786): sizes differ by at most one, every assignment is exact. k-means++ with greedy trials, then rounds of exact
 * balanced assignment and means; the best start (in small layers every start) is refined by exchanging neurons while that
 * lowers the inertia. All decisions are float64 in fixed order: labels depend on keys, options and seed alone.
 */
export function balancedKMeans(keys: UnitKeys, options: KMeansOptions): KMeansResult {
  return finish(balancedKMeansSteps(keys, options));
}

/** `balancedKMeans` in steps. */
export function* balancedKMeansSteps(keys: UnitKeys, options: KMeansOptions): Steps<KMeansResult> {
  const { experts, seed } = options;
  if (!Number.isInteger(experts) || experts < 1 || experts > keys.neurons) throw new RangeError(`${experts} experts for ${keys.neurons} neurons`);
  const random = new Random(seed, 'balancedKMeans');
  const small = keys.neurons <= REFINE_ALL;
  const exchanging = (options.costExponent ?? 2) === 2;
  let best: Start | null = null;
  for (let init = 0; init < Math.max(1, options.inits ?? (small ? 16 : 3)); init++) {
    const cost = yield* plusPlusCosts(keys, experts, random.fork('init', init));
    let start = yield* rounds(keys, options, cost, null);
    if (small && exchanging) start = yield* refine(keys, options, start);
    if (best === null || start.sums.inertia() < best.sums.inertia()) best = start;
  }
  if (!small && exchanging) best = yield* refine(keys, options, best!);
  const { labels, iterations, exchanges } = best!;
  return { labels: renumberByLowest(labels), inertia: inertiaOf(keys, labels, experts), iterations, exchanges };
}

/** Exact assignment and means in turn, until labels stay as they are. */
function* rounds(keys: UnitKeys, options: KMeansOptions, cost: Float64Array, from: Start | null): Steps<Start> {
  const { experts } = options;
  const n = keys.neurons;
  const least = Math.floor(n / experts);
  const lower = new Int32Array(experts).fill(least);
  const upper = new Int32Array(experts).fill(n % experts === 0 ? least : least + 1);
  const sums = from?.sums ?? new ClusterSums(keys, experts);
  let labels = from?.labels ?? null;
  let prices = from?.prices;
  let iterations = 0;
  const most = Math.max(1, options.maxIterations ?? 100);
  while (iterations < most) {
    yield;
    if (options.costExponent === 1) toDistances(cost, keys, experts);
    const next = yield* balancedAssignmentSteps({ cost, items: n, clusters: experts, lower, upper, prices });
    prices = next.prices;
    iterations++;
    if (labels === null) yield* sums.rebuild(next.labels);
    else if (moved(labels, next.labels) > 0) yield* sums.follow(labels, next.labels);
    else break;
    labels = next.labels;
    sums.costs(cost);
  }
  return { labels: labels!, sums, prices: prices!, iterations, exchanges: 0 };
}

/** Exchanges, then rounds as long as an assignment still lowers the inertia. */
function* refine(keys: UnitKeys, options: KMeansOptions, start: Start): Steps<Start> {
  let current: Start = start;
  let exchanges = 0;
  let iterations = start.iterations;
  const cost = new Float64Array(keys.neurons * options.experts);
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const steps = yield* exchange(keys, current.labels, current.sums);
    exchanges += steps;
    if (steps === 0) break;
    const before = current.labels.slice();
    current = yield* rounds(keys, options, current.sums.costs(cost), current);
    iterations += current.iterations;
    if (moved(before, current.labels) === 0) break;
  }
  return { ...current, iterations, exchanges };
}

function moved(a: Int32Array, b: Int32Array): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  return count;
}

/** From `|c|² - 2 x·c` to the plain distance, in place. */
function toDistances(cost: Float64Array, keys: UnitKeys, experts: number): void {
  for (let i = 0, at = 0; i < keys.neurons; i++) for (let e = 0; e < experts; e++, at++) cost[at] = Math.sqrt(Math.max(0, cost[at] + keys.squares[i]));
}
