import { entropy, jensenShannon, switchRate as rateOfSwitches } from '../../extension/protocol/routingMetrics';

/**
 * Figures of routing decisions, over plain arrays. Undefined figures are null (no tokens, one expert): pages show a dash.
 * Load balance (f, P, auxiliary loss): Shazeer et al. 2017, Fedus et al. 2021; specialisation, co-activation and saturation: OLMoE, 2024, section 5.
 */

export { entropy };

/** Entropy over its largest value ln E; null for one expert. */
export function normalisedEntropy(weights: ArrayLike<number>): number | null {
  return weights.length > 1 ? entropy(weights) / Math.log(weights.length) : null;
}

/** Number of equally used experts with the same entropy: exp(H). */
export function effectiveExperts(weights: ArrayLike<number>): number {
  return Math.exp(entropy(weights));
}

export interface LoadMetrics {
  /** Share of tokens that use each expert; even use is k/E. */
  readonly specialisation: readonly number[];
  readonly uniform: number;
  /** Standard deviation over mean of the loads; even 0. */
  readonly variation: number;
  /** Gini coefficient of the loads; even 0. */
  readonly gini: number;
  /** Largest load over mean load; even 1. */
  readonly peak: number;
  /** E * sum of (share of tokens * mean weight); even k. Null without mean weights. */
  readonly auxiliary: number | null;
}

/** Balance of `loads` (tokens that use each expert, k experts each) over `tokens` tokens; null for no tokens. */
export function loadMetrics(loads: ArrayLike<number>, tokens: number, k: number, meanWeights?: ArrayLike<number>): LoadMetrics | null {
  const E = loads.length;
  const total = Array.from(loads).reduce((a, b) => a + b, 0);
  if (tokens <= 0 || E === 0 || total <= 0) return null;
  const mean = total / E;
  let squares = 0;
  let differences = 0;
  let largest = 0;
  for (let i = 0; i < E; i++) {
    const a = loads[i] ?? 0;
    squares += (a - mean) ** 2;
    largest = Math.max(largest, a);
    for (let j = 0; j < E; j++) differences += Math.abs(a - (loads[j] ?? 0));
  }
  const specialisation = Array.from(loads, (load) => load / tokens);
  return {
    specialisation, uniform: k / E, variation: Math.sqrt(squares / E) / mean, gini: differences / (2 * E * E * mean), peak: largest / mean,
    auxiliary: meanWeights ? E * specialisation.reduce((sum, share, e) => sum + share * (meanWeights[e] ?? 0), 0) : null,
  };
}

/** Jensen-Shannon divergence in nats between equally weighted distributions, each scaled to sum one; null for fewer than two. */
export function divergence(groups: readonly ArrayLike<number>[]): number | null {
  return groups.length < 2 ? null : jensenShannon(groups);
}

/** Share of neighbours that differ; `starts` are positions where a new text begins. Null without neighbours. */
export function switchRate(ids: ArrayLike<number>, starts: ReadonlySet<number> = new Set()): number | null {
  const rate = rateOfSwitches(ids, starts);
  return Number.isNaN(rate) ? null : rate;
}

/** Runs of equal ids as `[id, length]`. */
export function runs(ids: ArrayLike<number>): readonly (readonly [number, number])[] {
  const out: [number, number][] = [];
  for (let i = 0; i < ids.length; i++) {
    const last = out[out.length - 1];
    if (last && last[0] === ids[i]) last[1]++;
    else out.push([ids[i] ?? 0, 1]);
  }
  return out;
}

/** Experts that are used together. */
export interface Coactivation {
  readonly E: number;
  /** Tokens that use both `[E, E]`; the diagonal holds the tokens that use the expert. */
  readonly counts: Float64Array;
  readonly tokens: number;
}

/** Counts over all pairs of the `k` experts of each token; `chosen` is `[tokens, k]`, 65535 = none. */
export function coactivation(chosen: ArrayLike<number>, k: number, E: number): Coactivation {
  const counts = new Float64Array(E * E);
  const tokens = k > 0 ? Math.floor(chosen.length / k) : 0;
  for (let t = 0; t < tokens; t++) {
    for (let i = 0; i < k; i++) {
      const a = chosen[t * k + i] ?? E;
      if (a >= E) continue;
      for (let j = 0; j < k; j++) {
        const b = chosen[t * k + j] ?? E;
        if (b < E) counts[a * E + b] = (counts[a * E + b] ?? 0) + 1;
      }
    }
  }
  return { E, counts, tokens };
}

/** Share of the tokens of `a` that also use `b`; null when no token uses `a`. */
export function togetherWith(pairs: Coactivation, a: number, b: number): number | null {
  const own = pairs.counts[a * pairs.E + a] ?? 0;
  return own > 0 ? (pairs.counts[a * pairs.E + b] ?? 0) / own : null;
}

/** Share of experts that two sets of one size have in common. */
export function saturation(a: readonly number[], b: readonly number[]): number | null {
  if (a.length === 0) return null;
  const other = new Set(b);
  return a.filter((e) => other.has(e)).length / a.length;
}

/** Tokens that go from one expert to another between two sites. */
export interface Flow {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** What independent choices with the same loads would give. */
  readonly expected: number;
  /** (count - expected) / sqrt(expected + 0.5) */
  readonly z: number;
}

/** All flows between first experts at two sites, by `from`, then `to`. */
export function flows(before: ArrayLike<number>, after: ArrayLike<number>, experts: number): readonly Flow[] {
  const n = before.length;
  const counts = new Float64Array(experts * experts);
  const out = new Float64Array(experts);
  const into = new Float64Array(experts);
  for (let t = 0; t < n; t++) {
    const a = before[t] ?? 0;
    const b = after[t] ?? 0;
    counts[a * experts + b] = (counts[a * experts + b] ?? 0) + 1;
    out[a] = (out[a] ?? 0) + 1;
    into[b] = (into[b] ?? 0) + 1;
  }
  const found: Flow[] = [];
  for (let from = 0; from < experts; from++) {
    for (let to = 0; to < experts; to++) {
      const count = counts[from * experts + to] ?? 0;
      if (count === 0) continue;
      const expected = ((out[from] ?? 0) * (into[to] ?? 0)) / n;
      found.push({ from, to, count, expected, z: (count - expected) / Math.sqrt(expected + 0.5) });
    }
  }
  return found;
}

/** Share of the total that the first 0, 1, ... E experts of `order` hold; zeros when there is nothing. */
export function coverage(amounts: ArrayLike<number>, order: readonly number[]): readonly number[] {
  const total = order.reduce((sum, e) => sum + (amounts[e] ?? 0), 0);
  let held = 0;
  return [0, ...order.map((e) => {
    held += amounts[e] ?? 0;
    return total > 0 ? held / total : 0;
  })];
}
