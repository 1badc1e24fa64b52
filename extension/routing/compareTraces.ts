import { scoreAgainstNull } from '../numerics/nullScore';
import { Random } from '../numerics/random';
import type { Steps } from '../numerics/steps';
import { failure } from '../protocol/errors';
import { type ComparedSite, type RoutingComparison, type RoutingHead, type RoutingTrace, whatIfTitle } from '../protocol/routing';
import { entropy } from '../protocol/routingMetrics';
import { BLOCK, blockOrder, type Places, placesOf } from './places';

/** Draws of the nulls: shares are counted fast, divergences are not. */
const AGREEMENT_DRAWS = 99;
const DIVERGENCE_DRAWS = 39;

/** Two traces side by side, with numbers token by token `[tokens, compared sites]`. */
export interface ComparedTraces extends RoutingComparison {
  /** In nats; NaN where one of the two gives no weight. */
  readonly divergences: Float32Array;
  /** First experts of either. */
  readonly firsts: readonly [Uint16Array, Uint16Array];
}

/** A router and how it was set, in words. */
export function routerName({ router, sites, whatIf }: RoutingHead): string {
  const [first] = sites, k = first !== undefined && first.k < first.E ? [`k = ${first.k}`] : [], temperature = whatIf?.temperature === undefined ? first?.temperature : 1;
  return [router, ...k, ...(temperature === undefined || temperature === null || temperature === 1 ? [] : [`temperature ${temperature}`]), ...(whatIf ? [`what if: ${whatIfTitle(whatIf)}`] : [])].join(', ');
}

/**
 * How far two routers agree on the same tokens: first experts and weight rows, site by site. Only sites where both choose
 * between the same experts are compared; the null shuffles the second router's tokens in blocks, so that experts which
 * either prefers anyway do not count as agreement.
 * @throws routing/no-comparison for other tokens or no site in common
 */
export function* compareSteps(a: RoutingTrace, b: RoutingTrace, seed: number): Steps<ComparedTraces> {
  const names = [routerName(a), routerName(b)] as const, refuse = (reason: string): never => { throw failure('routing/no-comparison', { a: names[0], b: names[1], reason }); };
  if (a.tokens.length !== b.tokens.length || a.tokens.some((token, t) => token.id !== b.tokens[t].id || token.record !== b.tokens[t].record)) refuse('they routed different tokens. Route the same text with both');
  const pairs = a.sites.flatMap((site, i) => { const j = b.sites.findIndex((other) => other.id === site.id && other.kind === site.kind && other.E === site.E && other.labels.every((label, e) => label === site.labels[e])); return j < 0 ? [] : [[i, j] as const]; });
  if (pairs.length === 0) refuse('nowhere do they choose between the same experts. Choose two routers over one set of experts, such as avg-k and similarity, or Arrow with two settings');
  const places = placesOf(a, []), tokens = a.tokens.length, width = pairs.length;
  const divergences = new Float32Array(tokens * width), firsts = [new Uint16Array(tokens * width), new Uint16Array(tokens * width)] as const, sites: ComparedSite[] = [];
  for (const [column, [i, j]] of pairs.entries()) {
    const left = rowsOf(a, i), right = rowsOf(b, j), { E } = a.sites[i];
    for (let t = 0; t < tokens; t++) {
      const at = t * width + column;
      divergences[at] = divergenceOf(left, t, right, t, E);
      firsts[0][at] = left.first[t];
      firsts[1][at] = right.first[t];
    }
    sites.push({ id: a.sites[i].id, layer: a.sites[i].layer, sites: [i, j], ...(yield* scores(left, right, E, places, new Random(seed, 'routers compared', column))) });
  }
  const used = new Set(sites.map(({ id }) => id)), left = [...new Set([...a.sites, ...b.sites].map(({ id }) => id))].filter((id) => !used.has(id));
  return { names, tokens: places.tokens.length, sites, left, divergences, firsts };
}

/** Rows of one site: shares of the experts `[tokens, E]`, their entropies, first experts. Rows of nothing are NaN. */
interface Rows {
  readonly shares: Float64Array;
  readonly entropies: Float64Array;
  readonly first: Uint16Array;
}

function rowsOf({ sites, tokens, slots, ids, weights }: RoutingTrace, site: number): Rows {
  const { E } = sites[site], n = tokens.length, shares = new Float64Array(n * E), entropies = new Float64Array(n), first = new Uint16Array(n), kept = Math.min(slots, E);
  for (let t = 0; t < n; t++) {
    const at = (t * sites.length + site) * slots, row = shares.subarray(t * E, (t + 1) * E);
    let sum = 0;
    for (let i = 0; i < kept; i++) sum += Math.max(0, weights[at + i]);
    if (sum > 0) for (let i = 0; i < kept; i++) row[ids[at + i]] = Math.max(0, weights[at + i]) / sum;
    else row.fill(NaN);
    entropies[t] = sum > 0 ? entropy(row) : NaN;
    first[t] = ids[at];
  }
  return { shares, entropies, first };
}

function divergenceOf(a: Rows, s: number, b: Rows, t: number, E: number): number {
  let mixed = 0;
  for (let e = 0, i = s * E, j = t * E; e < E; e++, i++, j++) {
    const share = (a.shares[i] + b.shares[j]) / 2;
    if (share > 0) mixed -= share * Math.log(share);
  }
  // Rows of nothing carry NaN in their entropy.
  return Math.max(0, mixed - (a.entropies[s] + b.entropies[t]) / 2);
}

function* scores(left: Rows, right: Rows, E: number, places: Places, random: Random): Steps<Pick<ComparedSite, 'agreement' | 'divergence'>> {
  const { tokens } = places, n = tokens.length, nullKind = `tokens of the second router shuffled in blocks of ${BLOCK}`;
  const agree = (order: ArrayLike<number> | null): number => { let same = 0; for (let i = 0; i < n; i++) if (left.first[tokens[i]] === right.first[tokens[order ? order[i] : i]]) same++; return same / n; };
  const apart = (order: ArrayLike<number> | null): number => {
    let sum = 0, known = 0;
    for (let i = 0; i < n; i++) { const value = divergenceOf(left, tokens[i], right, tokens[order ? order[i] : i], E); if (Number.isFinite(value)) { sum += value; known++; } }
    return sum / known;
  };
  const agreements: number[] = [], divergences: number[] = [];
  for (let draw = 0; draw < AGREEMENT_DRAWS; draw++) {
    const order = blockOrder(places, random);
    agreements.push(agree(order));
    if (draw < DIVERGENCE_DRAWS) divergences.push(apart(order));
    yield;
  }
  return {
    agreement: scoreAgainstNull({ value: agree(null), draws: agreements, n, nOf: 'tokens', unit: 'share', direction: 'greater', nullKind }),
    divergence: scoreAgainstNull({ value: apart(null), draws: divergences, n, nOf: 'tokens', unit: 'nats', direction: 'less', nullKind }),
  };
}
