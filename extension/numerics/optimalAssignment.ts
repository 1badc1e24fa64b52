import { finish, type Steps } from './steps';

export interface OptimalAssignment {
  /** Column given to each row, -1 where there are fewer columns than rows and it got none `[rows]`. */
  readonly columns: Int32Array;
  /** Sum of the scores of all pairs. */
  readonly score: number;
}

/** Scores closer than this share of the largest count as equal when ties are broken. */
const TIE = 1e-12;

/**
 * One-to-one assignment of rows to columns with the largest sum of scores `[rows, columns]`, rectangular, by shortest augmenting paths
 * (Crouse 2016, doi 10.1109/TAES.2016.140952). Among assignments of the same sum, rows in order get the lowest column that a swap with one other
 * row, or a free column, can give them: the same on every machine. Scores that are not finite count as the lowest of all.
 */
export function optimalAssignment(scores: ArrayLike<number>, rows: number, columns: number): OptimalAssignment {
  return finish(optimalAssignmentSteps(scores, rows, columns));
}

/** `optimalAssignment` in steps: thousands of rows take seconds. */
export function* optimalAssignmentSteps(scores: ArrayLike<number>, rows: number, columns: number): Steps<OptimalAssignment> {
  if (scores.length !== rows * columns) throw new RangeError(`${scores.length} scores for ${rows} rows and ${columns} columns`);
  const out = new Int32Array(rows).fill(-1);
  if (rows === 0 || columns === 0) return { columns: out, score: 0 };
  let lowest = Infinity, largest = 0, highest = -Infinity;
  for (let i = 0; i < scores.length; i++) {
    const x = scores[i];
    if (!Number.isFinite(x)) continue;
    if (x < lowest) lowest = x;
    if (x > highest) highest = x;
    if (Math.abs(x) > largest) largest = Math.abs(x);
  }
  if (!Number.isFinite(lowest)) lowest = highest = 0;
  const at = (i: number, j: number): number => { const x = scores[i * columns + j]; return Number.isFinite(x) ? x : lowest; };
  // Costs `[shorter side, longer side]`, float32 where the scores are: a table of 11,008 units squared is half a gigabyte as it is.
  const flipped = rows > columns, n = Math.min(rows, columns), m = Math.max(rows, columns);
  const cost = scores instanceof Float32Array ? new Float32Array(n * m) : new Float64Array(n * m);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) cost[flipped ? j * m + i : i * m + j] = highest - at(i, j);
  const owner = yield* shortestPaths(cost, n, m);
  for (let j = 0; j < m; j++) if (owner[j] >= 0) out[flipped ? j : owner[j]] = flipped ? owner[j] : j;
  lowestOnTies(out, at, columns, TIE * largest);
  let score = 0;
  for (let i = 0; i < rows; i++) if (out[i] >= 0) score += at(i, out[i]);
  return { columns: out, score };
}

/** Row that each column of a cost table `[n, m]`, n <= m, is given to; -1 for none. One augmenting path a row, cheapest first (Dijkstra on reduced costs). */
function* shortestPaths(cost: Float32Array | Float64Array, n: number, m: number): Steps<Int32Array> {
  const owner = new Int32Array(m).fill(-1), columnOf = new Int32Array(n).fill(-1), rowDual = new Float64Array(n), columnDual = new Float64Array(m);
  const distance = new Float64Array(m), previous = new Int32Array(m), open = new Int32Array(m), seen = new Int32Array(m);
  for (let start = 0; start < n; start++) {
    distance.fill(Infinity);
    for (let j = 0; j < m; j++) open[j] = j;
    let left = m, row = start, reached = 0, sink = -1, visited = 0;
    while (sink < 0) {
      const base = row * m, offset = reached - rowDual[row];
      let best = Infinity, bestAt = -1, bestFree = false;
      for (let k = 0; k < left; k++) {
        const j = open[k], d = offset + cost[base + j] - columnDual[j];
        if (d < distance[j]) {
          distance[j] = d;
          previous[j] = row;
        }
        // A free column among equals ends the path.
        if (distance[j] < best || (distance[j] === best && !bestFree && owner[j] < 0)) {
          best = distance[j];
          bestAt = k;
          bestFree = owner[j] < 0;
        }
      }
      const column = open[bestAt];
      reached = best;
      seen[visited++] = column;
      open[bestAt] = open[--left];
      if (bestFree) sink = column;
      else row = owner[column];
    }
    rowDual[start] += reached;
    for (let k = 0; k < visited - 1; k++) {
      const j = seen[k];
      rowDual[owner[j]] += reached - distance[j];
      columnDual[j] -= reached - distance[j];
    }
    for (let j = sink; ;) {
      const i = previous[j], next = columnOf[i];
      owner[j] = i;
      columnOf[i] = j;
      if (i === start) break;
      j = next;
    }
    yield;
  }
  return owner;
}

/** Passes over all rows; each pass only lowers columns in lexicographic order, so that it ends. */
const MAX_PASSES = 8;

function lowestOnTies(given: Int32Array, at: (i: number, j: number) => number, columns: number, tolerance: number): void {
  const owner = new Int32Array(columns).fill(-1);
  for (let i = 0; i < given.length; i++) if (given[i] >= 0) owner[given[i]] = i;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    let changed = false;
    for (let i = 0; i < given.length; i++) {
      for (let j = 0; j < (given[i] < 0 ? columns : given[i]); j++) {
        const k = owner[j], mine = given[i];
        if (k >= 0 && k < i) continue;
        const before = (mine < 0 ? 0 : at(i, mine)) + (k < 0 ? 0 : at(k, j));
        const after = at(i, j) + (k < 0 || mine < 0 ? 0 : at(k, mine));
        if (Math.abs(after - before) > tolerance) continue;
        if (mine < 0 && k < 0) continue;
        given[i] = j;
        owner[j] = i;
        if (k >= 0) given[k] = mine;
        if (mine >= 0) owner[mine] = k;
        changed = true;
        break;
      }
    }
    if (!changed) return;
  }
}
