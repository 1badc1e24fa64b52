import { entropy } from '../numerics/statistics';

/** Jensen-Shannon divergence of distributions in nats, each with a weight (even by default); rows are normalised first. */
export function jensenShannon(rows: readonly ArrayLike<number>[], weights?: ArrayLike<number>): number {
  const total = rows.reduce((sum, _, i) => sum + (weights ? weights[i] : 1), 0), experts = rows[0]?.length ?? 0;
  const mixture = new Float64Array(experts);
  let within = 0;
  for (const [i, row] of rows.entries()) {
    const share = (weights ? weights[i] : 1) / total;
    let sum = 0;
    for (let e = 0; e < experts; e++) sum += row[e];
    for (let e = 0; e < experts; e++) mixture[e] += (share * row[e]) / sum;
    within += share * entropy(row);
  }
  return Math.max(0, entropy(mixture) - within);
}

/** Share of neighbours that differ; `breaks[t]` is 1 where t begins a new text. NaN without neighbours. */
export function switchRate(ids: ArrayLike<number>, breaks: ArrayLike<number>): number {
  let pairs = 0, switches = 0;
  for (let t = 1; t < ids.length; t++) if (!breaks[t]) { pairs++; if (ids[t] !== ids[t - 1]) switches++; }
  return pairs > 0 ? switches / pairs : NaN;
}
