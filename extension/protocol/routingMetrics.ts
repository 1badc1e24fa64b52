/** Shannon entropy in nats of non-negative weights, scaled to sum one; 0 for nothing. */
export function entropy(weights: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i] ?? 0;
  if (!(total > 0)) return 0;
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const share = (weights[i] ?? 0) / total;
    if (share > 0) sum -= share * Math.log(share);
  }
  return sum;
}

/** Jensen-Shannon divergence of distributions in nats, each with a weight (even by default); rows are scaled to sum one first, rows of nothing stay nothing. */
export function jensenShannon(rows: readonly ArrayLike<number>[], weights?: ArrayLike<number>): number {
  const total = rows.reduce((sum, _, i) => sum + (weights?.[i] ?? 1), 0), experts = rows[0]?.length ?? 0, mixture = new Float64Array(experts);
  let within = 0;
  for (const [i, row] of rows.entries()) {
    const share = (weights?.[i] ?? 1) / total;
    let sum = 0;
    for (let e = 0; e < experts; e++) sum += row[e] ?? 0;
    for (let e = 0; e < experts; e++) mixture[e] = (mixture[e] ?? 0) + (sum > 0 ? (share * (row[e] ?? 0)) / sum : 0);
    within += share * entropy(row);
  }
  return Math.max(0, entropy(mixture) - within);
}

/** Share of neighbours that differ; `starts`: where a new text begins. NaN without neighbours. */
export function switchRate(ids: ArrayLike<number>, starts: { readonly has: (index: number) => boolean }): number {
  let pairs = 0, switches = 0;
  for (let i = 1; i < ids.length; i++) if (!starts.has(i)) { pairs++; if (ids[i] !== ids[i - 1]) switches++; }
  return pairs > 0 ? switches / pairs : NaN;
}
