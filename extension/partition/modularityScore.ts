import { adjustedRandIndex } from '../numerics/agreement';
import { scoreAgainstNull } from '../numerics/nullScore';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';
import type { Score } from '../protocol/score';
import { modularityOf } from './coactivationGraph';
import type { CoactivationGraph } from './coactivationGraph';
import { shuffledLabels } from './controls';

export interface ModularityInput {
  /** Graph of the tokens that the partition has not seen. */
  readonly graph: CoactivationGraph;
  readonly labels: ArrayLike<number>;
  readonly experts: number;
  /** Held-out tokens behind the graph. */
  readonly tokens: number;
  readonly seed: number;
  /** Label shuffles; 200 by default. */
  readonly draws?: number;
  /** 95 % interval of Q, where it was estimated (`modularityInterval`). */
  readonly interval?: readonly [number, number];
}

/** Newman's Q on held-out tokens against random partitions of the same sizes. */
export function heldOutModularity(input: ModularityInput): Score {
  return finish(heldOutModularitySteps(input));
}

/** `heldOutModularity` in steps. */
export function* heldOutModularitySteps(input: ModularityInput): Steps<Score> {
  const draws = new Float64Array(input.draws ?? 200);
  for (let draw = 0; draw < draws.length; draw++) {
    draws[draw] = modularityOf(input.graph, shuffledLabels(input.labels, input.seed, draw), input.experts);
    yield;
  }
  return modularityScore(input, draws, 'random partitions of the same sizes');
}

/**
 * Q on held-out tokens against a null that repeats the selection: each of `nullLabels` is a partition made by the same method from split-half
 * activations whose tokens were permuted per neuron (`permuteTokens`) or from permuted keys, and is scored on the same held-out tokens.
 */
export function selectionCorrectedModularity(input: Omit<ModularityInput, 'seed' | 'draws'>, nullLabels: readonly ArrayLike<number>[]): Score {
  const draws = Float64Array.from(nullLabels, (labels) => modularityOf(input.graph, labels, input.experts));
  return modularityScore(input, draws, 'the same method on data without co-activation, scored on the same tokens');
}

function modularityScore(input: Omit<ModularityInput, 'seed' | 'draws'>, draws: Float64Array, nullKind: string): Score {
  return scoreAgainstNull({ ...(input.interval ? { interval: input.interval } : {}), value: modularityOf(input.graph, input.labels, input.experts), draws, n: input.tokens, nOf: 'held-out tokens', unit: 'Q', direction: 'greater', nullKind });
}

/** ARI of two partitions of the same neurons against random partitions of the same sizes. */
export function methodAgreement(a: ArrayLike<number>, b: ArrayLike<number>, seed: number, draws = 200): Score {
  const values = Float64Array.from({ length: draws }, (_, draw) => adjustedRandIndex(a, shuffledLabels(b, seed, draw)));
  return scoreAgainstNull({ value: adjustedRandIndex(a, b), draws: values, n: a.length, nOf: 'neurons', unit: 'ARI', direction: 'greater', nullKind: 'random partitions of the same sizes' });
}
