import { renumberByLowest } from './labels';
import type { Random } from './random';

/** Rows as a flat matrix `[n, width]`. */
export interface Points {
  readonly n: number;
  readonly width: number;
  readonly data: Float64Array;
}

export interface KMeans {
  /** Clusters numbered by their lowest point `[n]`. */
  readonly labels: Int32Array;
  /** Sum of squared distances to the centroids. */
  readonly inertia: number;
}

const MAX_ROUNDS = 300;
/** Starts from which the best is kept, as scikit-learn's `n_init=10`. */
const STARTS = 10;

/**
 * Lloyd's k-means from k-means++ starts (Arthur and Vassilvitskii 2007), best of ten by inertia, for a few hundred points.
 * Each start draws from its own stream, ties go to the lowest cluster: same seed, same labels.
 */
export function kMeans(points: Points, clusters: number, random: Random): KMeans {
  if (!(clusters >= 1 && clusters <= points.n)) throw new RangeError(`${clusters} clusters of ${points.n} points`);
  let best: KMeans | null = null;
  for (let start = 0; start < STARTS; start++) {
    const found = lloyd(points, plusPlus(points, clusters, random.fork('start', start)));
    if (best === null || found.inertia < best.inertia) best = found;
  }
  return best as KMeans;
}

/** Squared distance of a point to a row of another matrix of the same width. */
function squaredDistance(points: Points, i: number, other: Float64Array, j: number): number {
  let sum = 0;
  for (let k = 0; k < points.width; k++) {
    const d = points.data[i * points.width + k] - other[j * points.width + k];
    sum += d * d;
  }
  return sum;
}

function plusPlus(points: Points, clusters: number, random: Random): Float64Array {
  const { n, width, data } = points, centres = new Float64Array(clusters * width), nearest = new Float64Array(n).fill(Infinity);
  for (let c = 0; c < clusters; c++) {
    const chosen = c === 0 ? random.integer(n) : drawn(nearest, random);
    centres.set(data.subarray(chosen * width, (chosen + 1) * width), c * width);
    for (let i = 0; i < n; i++) nearest[i] = Math.min(nearest[i], squaredDistance(points, i, centres, c));
  }
  return centres;
}

function drawn(weights: Float64Array, random: Random): number {
  const total = weights.reduce((sum, w) => sum + w, 0);
  if (!(total > 0)) return random.integer(weights.length);
  let left = random.uniform() * total;
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i];
    if (left < 0) return i;
  }
  return weights.length - 1;
}

function lloyd(points: Points, centres: Float64Array): KMeans {
  const { n, width, data } = points, clusters = centres.length / width;
  const labels = new Int32Array(n).fill(-1), distances = new Float64Array(n);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let moved = false;
    for (let i = 0; i < n; i++) {
      let best = 0, least = Infinity;
      for (let c = 0; c < clusters; c++) {
        const d = squaredDistance(points, i, centres, c);
        if (d < least) [best, least] = [c, d];
      }
      distances[i] = least;
      if (labels[i] !== best) {
        labels[i] = best;
        moved = true;
      }
    }
    if (!moved) break;
    const sizes = new Int32Array(clusters);
    for (const label of labels) sizes[label]++;
    centres.fill(0);
    for (let i = 0; i < n; i++) for (let k = 0; k < width; k++) centres[labels[i] * width + k] += data[i * width + k] / sizes[labels[i]];
    for (let c = 0; c < clusters; c++) {
      if (sizes[c] > 0) continue;
      // An empty cluster takes the point that fits worst.
      let worst = 0;
      for (let i = 1; i < n; i++) if (distances[i] > distances[worst]) worst = i;
      distances[worst] = 0;
      centres.set(data.subarray(worst * width, (worst + 1) * width), c * width);
    }
  }
  return { labels: renumberByLowest(labels), inertia: distances.reduce((sum, d) => sum + d, 0) };
}

/**
 * Mean silhouette (Rousseeuw 1987) with Euclidean distances: (b - a) / max(a, b), a = mean distance to the own cluster's
 * other points, b = least mean distance to another cluster; 0 for a cluster of one. NaN where there is one cluster only.
 */
export function silhouette(points: Points, labels: Int32Array): number {
  const { n } = points, clusters = labels.reduce((m, l) => Math.max(m, l), -1) + 1, sizes = new Int32Array(clusters);
  for (const label of labels) sizes[label]++;
  if (sizes.filter((s) => s > 0).length < 2) return NaN;
  let total = 0;
  for (let i = 0; i < n; i++) {
    if (sizes[labels[i]] === 1) continue;
    const sums = new Float64Array(clusters);
    for (let j = 0; j < n; j++) if (j !== i) sums[labels[j]] += Math.sqrt(squaredDistance(points, i, points.data, j));
    const own = sums[labels[i]] / (sizes[labels[i]] - 1);
    let other = Infinity;
    for (let c = 0; c < clusters; c++) if (c !== labels[i] && sizes[c] > 0) other = Math.min(other, sums[c] / sizes[c]);
    const larger = Math.max(own, other);
    if (larger > 0) total += (other - own) / larger;
  }
  return total / n;
}
