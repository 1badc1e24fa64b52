/**
 * Softmax of scores `[tokens, experts]` that were first standardised over the experts of each token (mean 0, standard deviation 1): how far an
 * expert stands out among the others, whatever the length of the token's vector. For routers that run their chosen experts unweighted.
 */
export function standardisedShares(scores: Float32Array, tokens: number, experts: number): Float32Array {
  const out = new Float32Array(scores.length);
  for (let t = 0; t < tokens; t++) {
    const at = t * experts;
    let mean = 0, square = 0;
    for (let e = 0; e < experts; e++) mean += scores[at + e];
    mean /= experts;
    for (let e = 0; e < experts; e++) square += (scores[at + e] - mean) ** 2;
    const sd = Math.sqrt(square / experts);
    let most = -Infinity, sum = 0;
    for (let e = 0; e < experts; e++) most = Math.max(most, scores[at + e]);
    for (let e = 0; e < experts; e++) sum += out[at + e] = sd > 0 ? Math.exp((scores[at + e] - most) / sd) : 1;
    for (let e = 0; e < experts; e++) out[at + e] /= sum;
  }
  return out;
}

/** Each row of non-negative numbers `[tokens, experts]` divided by its sum; rows of zeros become even. */
export function rowShares(values: Float32Array, tokens: number, experts: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let t = 0; t < tokens; t++) {
    let sum = 0;
    for (let e = 0; e < experts; e++) sum += values[t * experts + e];
    for (let e = 0; e < experts; e++) out[t * experts + e] = sum > 0 ? values[t * experts + e] / sum : 1 / experts;
  }
  return out;
}
