import { logFactorial } from './distributions';
import { entropy } from './statistics';

/** Counts of items by (label in a, label in b), with the margins. Labels may be any integers. */
export interface Contingency {
  readonly n: number;
  /** `[rows, columns]`, row-major. */
  readonly counts: Float64Array;
  readonly rows: Float64Array;
  readonly columns: Float64Array;
}

function compact(labels: ArrayLike<number>): { readonly ids: Int32Array; readonly count: number } {
  const seen = new Map<number, number>();
  const ids = new Int32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    let id = seen.get(labels[i]);
    if (id === undefined) {
      id = seen.size;
      seen.set(labels[i], id);
    }
    ids[i] = id;
  }
  return { ids, count: seen.size };
}

/** Cross table of two labellings of the same items. */
export function contingency(a: ArrayLike<number>, b: ArrayLike<number>): Contingency {
  if (a.length !== b.length) throw new RangeError(`two labellings of different length: ${a.length} and ${b.length}`);
  const left = compact(a);
  const right = compact(b);
  const counts = new Float64Array(left.count * right.count);
  const rows = new Float64Array(left.count);
  const columns = new Float64Array(right.count);
  for (let i = 0; i < a.length; i++) {
    counts[left.ids[i] * right.count + right.ids[i]]++;
    rows[left.ids[i]]++;
    columns[right.ids[i]]++;
  }
  return { n: a.length, counts, rows, columns };
}

function pairs(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += (value * (value - 1)) / 2;
  return sum;
}

/**
 * Adjusted Rand index (Hubert and Arabie 1985): 1 for equal partitions, 0 on average for random ones. Two trivial partitions
 * (one cluster each, or all singletons) agree perfectly: 1.
 */
export function adjustedRandIndex(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const table = contingency(a, b);
  const together = pairs(table.counts);
  const left = pairs(table.rows);
  const right = pairs(table.columns);
  const all = (table.n * (table.n - 1)) / 2;
  const expected = all > 0 ? (left * right) / all : 0;
  const largest = 0.5 * (left + right);
  return largest === expected ? 1 : (together - expected) / (largest - expected);
}

function mutualInformation(table: Contingency): number {
  let sum = 0;
  const width = table.columns.length;
  for (let r = 0; r < table.rows.length; r++) {
    for (let c = 0; c < width; c++) {
      const count = table.counts[r * width + c];
      if (count > 0) sum += (count / table.n) * Math.log((table.n * count) / (table.rows[r] * table.columns[c]));
    }
  }
  return Math.max(0, sum);
}

/** Normalised mutual information, arithmetic mean of the entropies below the line. Biased upwards with many clusters: never shown alone. */
export function normalisedMutualInformation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const table = contingency(a, b);
  const scale = 0.5 * (entropy(table.rows) + entropy(table.columns));
  return scale > 0 ? mutualInformation(table) / scale : 1;
}

/** Expected mutual information of two random labellings with these margins (Vinh, Epps and Bailey 2010, eq. 24a). */
function expectedMutualInformation(table: Contingency): number {
  const { n, rows, columns } = table;
  let sum = 0;
  const cache = new Map<number, number>();
  for (const a of rows) {
    for (const b of columns) {
      const key = a * (n + 1) + b;
      let part = cache.get(key);
      if (part === undefined) {
        part = expectedCell(n, a, b);
        cache.set(key, part);
      }
      sum += part;
    }
  }
  return sum;
}

function expectedCell(n: number, a: number, b: number): number {
  let sum = 0;
  const fixed = logFactorial(a) + logFactorial(b) + logFactorial(n - a) + logFactorial(n - b) - logFactorial(n);
  for (let k = Math.max(1, a + b - n); k <= Math.min(a, b); k++) {
    const logWeight = fixed - logFactorial(k) - logFactorial(a - k) - logFactorial(b - k) - logFactorial(n - a - b + k);
    sum += (k / n) * Math.log((n * k) / (a * b)) * Math.exp(logWeight);
  }
  return sum;
}

/** Adjusted mutual information, arithmetic mean: 0 on average for random partitions, 1 for equal ones. */
export function adjustedMutualInformation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const table = contingency(a, b);
  const left = entropy(table.rows);
  const right = entropy(table.columns);
  if (left === 0 && right === 0) return 1;
  const expected = expectedMutualInformation(table);
  const scale = 0.5 * (left + right) - expected;
  const gain = mutualInformation(table) - expected;
  return Math.abs(scale) < 1e-15 ? (Math.abs(gain) < 1e-15 ? 1 : 0) : gain / scale;
}
