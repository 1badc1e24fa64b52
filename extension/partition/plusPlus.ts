import type { Random } from '../numerics/random';
import type { Steps } from '../numerics/steps';
import { dotRow } from './keys';
import type { UnitKeys } from './keys';

/**
 * k-means++ with greedy trials (Arthur and Vassilvitskii 2007; 2 + floor(ln E) candidates per centre, the one that leaves the least
 * sum of squared distances). Returns `|c|² - 2 x·c` of each key to each chosen key `[neurons, experts]`.
 */
export function* plusPlusCosts(keys: UnitKeys, experts: number, random: Random): Steps<Float64Array> {
  const n = keys.neurons;
  const trials = 2 + Math.floor(Math.log(experts));
  const costs = new Float64Array(n * experts);
  const nearest = new Float64Array(n).fill(Infinity);
  let row = new Float64Array(n);
  let bestRow = new Float64Array(n);
  for (let e = 0; e < experts; e++) {
    yield;
    let bestSum = Infinity;
    let chosen = 0;
    for (let trial = 0; trial < (e === 0 ? 1 : trials); trial++) {
      const candidate = e === 0 ? random.integer(n) : drawByWeight(nearest, random);
      dotRow(keys, candidate, row);
      let sum = 0;
      for (let i = 0; i < n; i++) sum += Math.min(nearest[i], squaredDistance(keys, i, candidate, row[i]));
      if (sum < bestSum) {
        bestSum = sum;
        chosen = candidate;
        [row, bestRow] = [bestRow, row];
      }
    }
    for (let i = 0; i < n; i++) {
      nearest[i] = Math.min(nearest[i], squaredDistance(keys, i, chosen, bestRow[i]));
      costs[i * experts + e] = keys.squares[chosen] - 2 * bestRow[i];
    }
  }
  return costs;
}

function squaredDistance(keys: UnitKeys, i: number, j: number, dot: number): number {
  return i === j ? 0 : Math.max(0, keys.squares[i] + keys.squares[j] - 2 * dot);
}

/** Index drawn with probability proportional to weight; uniform where all weights are 0. */
function drawByWeight(weights: Float64Array, random: Random): number {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i];
  if (!(total > 0)) return random.integer(weights.length);
  const target = random.uniform() * total;
  let running = 0;
  for (let i = 0; i < weights.length; i++) {
    running += weights[i];
    if (running > target) return i;
  }
  return weights.length - 1;
}
