import { scoreAgainstNull } from '../numerics/nullScore';
import { quantile } from '../numerics/statistics';
import type { Score } from '../protocol/score';
import { membersOf } from './coactivationGraph';
import { shuffledLabels } from './controls';

/** Share of tokens from which on a neuron counts as resident: always on, whatever the text. */
export const RESIDENT_SHARE = 0.9;

export interface Activity {
  /** 1 where the neuron was active on no token. Said as "not seen active in N tokens", never "dead" `[neurons]`. */
  readonly notSeenActive: Uint8Array;
  /** 1 where it was active on at least 90 % of tokens `[neurons]`. */
  readonly resident: Uint8Array;
  /** 1 where it is neither: what rankings by label may use `[neurons]`. */
  readonly eligible: Uint8Array;
  readonly notSeenActiveCount: number;
  readonly residentCount: number;
}

/** Sorts neurons by how often they were active: `activeTokens` `[neurons]` out of `tokens`. */
export function neuronActivity(activeTokens: ArrayLike<number>, tokens: number, residentShare = RESIDENT_SHARE): Activity {
  const n = activeTokens.length;
  const notSeenActive = Uint8Array.from({ length: n }, (_, i) => (activeTokens[i] === 0 ? 1 : 0));
  const resident = Uint8Array.from({ length: n }, (_, i) => (tokens > 0 && activeTokens[i] >= residentShare * tokens ? 1 : 0));
  const count = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0);
  return {
    notSeenActive,
    resident,
    eligible: Uint8Array.from({ length: n }, (_, i) => (notSeenActive[i] === 0 && resident[i] === 0 ? 1 : 0)),
    notSeenActiveCount: count(notSeenActive),
    residentCount: count(resident),
  };
}

export interface ShareBand {
  /** Share of the total that each expert holds `[experts]`, sums to 1. */
  readonly shares: Float32Array;
  /** Central 95 % of a share under random partitions of the same sizes. */
  readonly band: readonly [number, number];
  /** One score per expert: its share against random groups of its size. */
  readonly scores: readonly Score[];
}

/** Shares of a non-negative quantity per neuron (mean output norm, mean squared output norm) by expert, beside random groups of the same sizes. */
export function massShares(values: ArrayLike<number>, labels: ArrayLike<number>, experts: number, tokens: number, seed: number, draws = 200): ShareBand {
  const shares = sharesOf(values, labels, experts);
  const drawn = Array.from({ length: draws }, (_, draw) => sharesOf(values, shuffledLabels(labels, seed, draw), experts));
  const sorted = Float64Array.from(drawn.flatMap((d) => [...d])).sort();
  const scores = Array.from({ length: experts }, (_, e) =>
    scoreAgainstNull({ value: shares[e], draws: drawn.map((d) => d[e]), n: tokens, nOf: 'tokens', unit: 'share', direction: 'greater', nullKind: 'random groups of the same size' }),
  );
  return { shares: new Float32Array(shares), band: [quantile(sorted, 0.025), quantile(sorted, 0.975)], scores };
}

function sharesOf(values: ArrayLike<number>, labels: ArrayLike<number>, experts: number): Float64Array {
  const shares = new Float64Array(experts);
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    shares[labels[i]] += values[i];
    total += values[i];
  }
  for (let e = 0; e < experts; e++) shares[e] = total > 0 ? shares[e] / total : NaN;
  return shares;
}

export interface RankBand {
  /** Neurons of the group by falling value, and those values. */
  readonly ids: Int32Array;
  readonly values: Float32Array;
  /** 2.5 % and 97.5 % of the value at the same rank in random groups of the same size. */
  readonly nullLow: Float32Array;
  readonly nullHigh: Float32Array;
  readonly nullDraws: number;
}

/** The neurons of an expert by falling value (output norm) beside random groups of the same size at the same ranks. */
export function rankedNeurons(values: ArrayLike<number>, labels: ArrayLike<number>, expert: number, experts: number, seed: number, draws = 200): RankBand {
  const falling = (members: readonly number[]): number[] => [...members].sort((a, b) => values[b] - values[a] || a - b);
  const ids = falling(membersOf(labels, experts)[expert]);
  const drawn = Array.from({ length: draws }, (_, draw) => falling(membersOf(shuffledLabels(labels, seed, draw), experts)[expert]).map((i) => values[i]));
  const band = (p: number): Float32Array => Float32Array.from(ids, (_, rank) => quantile(Float64Array.from(drawn, (d) => d[rank]).sort(), p));
  return { ids: Int32Array.from(ids), values: Float32Array.from(ids, (i) => values[i]), nullLow: band(0.025), nullHigh: band(0.975), nullDraws: draws };
}
