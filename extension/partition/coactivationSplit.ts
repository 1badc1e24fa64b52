import { renumberByLowest } from '../numerics/labels';
import { Random } from '../numerics/random';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';
import { balancedKMeansSteps } from './balancedKMeans';
import { ClusterSums } from './clusterSums';
import { exchange } from './exchange';
import { rowMinima, unitKeysSteps } from './keys';
import type { UnitKeys } from './keys';

export interface CoactivationSplitOptions {
  readonly experts: number;
  readonly seed: number;
  /** Grown starts besides the one from activation profiles; 2 by default. */
  readonly growths?: number;
  /**
   * 'cut' (default): most weight inside experts, as MoEfication asks of METIS. 'modularity': most weight beyond what the degrees
   * explain, so that neurons that fire all the time do not gather in one expert merely for that.
   */
  readonly objective?: 'cut' | 'modularity';
}

export interface CoactivationSplitResult {
  /** Expert of each neuron, experts numbered by their lowest neuron `[neurons]`. */
  readonly labels: Int32Array;
  /** Share of all edge weight that lies inside experts. */
  readonly insideShare: number;
}

/**
 * MoEfication's co-activation split (arXiv 2110.01786, section 3.1), deterministic: a balanced partition of the graph whose weights are
 * the co-activations `gram` `[neurons, neurons]` (symmetric, none negative; the diagonal is ignored). Starts are grown
 * greedily from heavy neurons, and one comes from balanced k-means on the neurons' co-activation profiles; each is refined by
 * exchanges until none adds weight inside experts, and the best is kept.
 */
export function coactivationSplit(gram: Float32Array, neurons: number, options: CoactivationSplitOptions): CoactivationSplitResult {
  return finish(coactivationSplitSteps(gram, neurons, options));
}

/** `coactivationSplit` in steps. */
export function* coactivationSplitSteps(gram: Float32Array, neurons: number, options: CoactivationSplitOptions): Steps<CoactivationSplitResult> {
  const { experts, seed } = options;
  if (gram.length !== neurons * neurons) throw new RangeError(`${gram.length} weights for ${neurons} neurons`);
  if (!Number.isInteger(experts) || experts < 1 || experts > neurons) throw new RangeError(`${experts} experts for ${neurons} neurons`);
  const weights = scaledWeights(gram, neurons, options.objective ?? 'cut');
  const graph = asKeys(weights, neurons);
  const profiles = yield* unitKeysSteps(profilesOf(gram, neurons), neurons, neurons);
  const starts: Int32Array[] = [(yield* balancedKMeansSteps(profiles, { experts, seed, inits: 1 })).labels];
  for (let g = 0; g < (options.growths ?? 2); g++) {
    starts.push(yield* grow(weights, neurons, experts, new Random(seed, 'coactivationSplit', 'growth', g)));
  }
  let best: Int32Array | null = null;
  let most = -Infinity;
  for (const start of starts) {
    const sums = new ClusterSums(graph, experts);
    yield* sums.rebuild(start);
    yield* exchange(graph, start, sums);
    const gain = -sums.inertia();
    if (gain > most) {
      most = gain;
      best = start;
    }
  }
  return { labels: renumberByLowest(best!), insideShare: insideShare(gram, neurons, best!) };
}

/** Weights with a zero diagonal on the scale of one for the mean degree, less the expected weight when modularity is asked for. */
function scaledWeights(gram: Float32Array, n: number, objective: 'cut' | 'modularity'): Float32Array {
  const degrees = new Float64Array(n);
  let total = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) if (i !== j) degrees[i] += gram[i * n + j];
    total += degrees[i];
  }
  const out = new Float32Array(n * n);
  if (!(total > 0)) return out;
  const scale = n / total;
  for (let i = 0; i < n; i++) {
    const share = objective === 'modularity' ? degrees[i] / total : 0;
    for (let j = 0; j < n; j++) if (i !== j) out[i * n + j] = (gram[i * n + j] - share * degrees[j]) * scale;
  }
  return out;
}

/** The graph in the shape that the exchange search reads: its weights stand where dot products of keys stand. */
function asKeys(weights: Float32Array, neurons: number): UnitKeys {
  return { neurons, width: 0, rows: new Float32Array(0), squares: new Float64Array(neurons), dead: new Int32Array(0), gram: weights, leastDots: rowMinima(weights, neurons), sketch: null };
}

/** Rows of the graph divided by the square roots of both degrees: what a neuron fires with, whatever its rate. */
function profilesOf(gram: Float32Array, n: number): Float32Array {
  const roots = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) if (i !== j) sum += gram[i * n + j];
    roots[i] = sum > 0 ? 1 / Math.sqrt(sum) : 0;
  }
  const out = new Float32Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) out[i * n + j] = gram[i * n + j] * roots[i] * roots[j];
  return out;
}

/** Fills experts one after the other: starts at a heavy free neuron (one of the ten heaviest, drawn) and adds the most attached. */
function* grow(weights: Float32Array, n: number, experts: number, random: Random): Steps<Int32Array> {
  const labels = new Int32Array(n).fill(-1);
  const pull = new Float64Array(n);
  const degrees = new Float64Array(n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) degrees[i] += Math.max(0, weights[i * n + j]);
  const heavy = Array.from({ length: n }, (_, i) => i).sort((a, b) => degrees[b] - degrees[a] || a - b);
  for (let e = 0; e < experts; e++) {
    yield;
    const size = Math.floor(n / experts) + (e < n % experts ? 1 : 0);
    const free = heavy.filter((i) => labels[i] < 0).slice(0, 10);
    let next = free[random.integer(free.length)];
    pull.fill(0);
    for (let member = 0; member < size; member++) {
      labels[next] = e;
      const row = weights.subarray(next * n, next * n + n);
      let best = -Infinity;
      for (let j = 0; j < n; j++) {
        pull[j] += row[j];
        if (labels[j] < 0 && pull[j] > best) {
          best = pull[j];
          next = j;
        }
      }
    }
  }
  return labels;
}

function insideShare(gram: Float32Array, n: number, labels: Int32Array): number {
  let inside = 0;
  let all = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      all += gram[i * n + j];
      if (labels[i] === labels[j]) inside += gram[i * n + j];
    }
  }
  return all > 0 ? inside / all : NaN;
}
