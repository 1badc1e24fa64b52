/**
 * Average precision of scores for binary labels: sum of (recall step) x precision over falling thresholds. Equal scores form
 * one threshold, so constant scores give the prevalence of the label; NaN without a positive.
 */
export function averagePrecision(positive: ArrayLike<number>, scores: ArrayLike<number>): number {
  const order = new Int32Array(scores.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  order.sort((a, b) => scores[b] - scores[a] || a - b);
  return averagePrecisionOrdered(positive, scores, order);
}

/** The same from a cached falling order, so that one sort serves all labels and label permutations. */
export function averagePrecisionOrdered(positive: ArrayLike<number>, scores: ArrayLike<number>, fallingOrder: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < positive.length; i++) if (positive[i] !== 0) total++;
  if (total === 0) return NaN;
  let hits = 0;
  let hitsBefore = 0;
  let sum = 0;
  for (let i = 0; i < fallingOrder.length; i++) {
    if (positive[fallingOrder[i]] !== 0) hits++;
    const last = i + 1 === fallingOrder.length || scores[fallingOrder[i + 1]] !== scores[fallingOrder[i]];
    if (last) {
      sum += ((hits - hitsBefore) / total) * (hits / (i + 1));
      hitsBefore = hits;
    }
  }
  return sum;
}
