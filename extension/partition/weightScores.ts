import { adjustedRandIndex } from '../numerics/agreement';
import { scoreAgainstNull } from '../numerics/nullScore';
import { mean } from '../numerics/statistics';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';
import type { Score } from '../protocol/score';
import { balancedKMeansSteps } from './balancedKMeans';
import type { KMeansResult } from './balancedKMeans';
import { permuteColumnsSteps } from './controls';
import { unitKeysSteps } from './keys';
import type { UnitKeys } from './keys';

export interface WeightScoreOptions {
  readonly experts: number;
  readonly seed: number;
  /** Single-start clusterings of the keys and of every draw, at least 2; by default 3, above 1,024 neurons 2. */
  readonly seeds?: number;
  /** Draws of permuted keys, at least 5 by contract; 5 by default. */
  readonly draws?: number;
}

export interface WeightScores {
  /** Mean inertia per neuron (0 to 1) of the single-start clusterings, less is more compact. */
  readonly compactness: Score;
  /** Mean pairwise ARI of the single-start clusterings, which differ in their seed only. */
  readonly stability: Score;
  /** Inertia per neuron and mean pairwise ARI of each null draw. */
  readonly nullInertia: Float64Array;
  readonly nullAgreement: Float64Array;
}

/** What the null of both weights-only scores is. */
export const COLUMN_NULL = 'keys with columns permuted independently, clustered the same way';

/**
 * The two scores that need weights only: key compactness and seed stability, each against keys whose columns were permuted
 * independently (same values per column, no joint structure) and clustered in exactly the same way. Single starts, because a
 * search that always finds the one optimum would be stable on noise as well, and because the layer's own partition, the
 * best of several starts, must not be compared with draws that were searched less. `keys` is `[neurons, width]` as in the
 * checkpoint; `unit` may pass what `unitKeys` made of it already.
 */
export function weightScores(keys: Float32Array, neurons: number, width: number, options: WeightScoreOptions, unit?: UnitKeys): WeightScores {
  return finish(weightScoresSteps(keys, neurons, width, options, unit));
}

/** `weightScores` in steps. */
export function* weightScoresSteps(keys: Float32Array, neurons: number, width: number, options: WeightScoreOptions, unit?: UnitKeys): Steps<WeightScores> {
  const draws = options.draws ?? 5;
  const prepared = unit ?? (yield* unitKeysSteps(keys, neurons, width));
  const real = yield* clusterings(prepared, options);
  const nullInertia = new Float64Array(draws);
  const nullAgreement = new Float64Array(draws);
  for (let draw = 0; draw < draws; draw++) {
    const columns = yield* permuteColumnsSteps(keys, neurons, width, options.seed, draw);
    const permuted = yield* clusterings(yield* unitKeysSteps(columns, neurons, width), options);
    nullInertia[draw] = meanInertia(permuted) / neurons;
    nullAgreement[draw] = meanPairwiseAgreement(permuted);
  }
  const shared = { n: neurons, nOf: 'neurons', nullKind: COLUMN_NULL };
  return {
    compactness: scoreAgainstNull({ ...shared, value: meanInertia(real) / neurons, draws: nullInertia, unit: 'inertia per neuron', direction: 'less' }),
    stability: scoreAgainstNull({ ...shared, value: meanPairwiseAgreement(real), draws: nullAgreement, unit: 'ARI', direction: 'greater' }),
    nullInertia,
    nullAgreement,
  };
}

function* clusterings(keys: UnitKeys, options: WeightScoreOptions): Steps<KMeansResult[]> {
  const results: KMeansResult[] = [];
  for (let s = 0; s < Math.max(2, options.seeds ?? (keys.neurons > 1024 ? 2 : 3)); s++) results.push(yield* balancedKMeansSteps(keys, { experts: options.experts, inits: 1, seed: options.seed + s }));
  return results;
}

function meanInertia(results: readonly KMeansResult[]): number {
  return mean(results.map((result) => result.inertia));
}

function meanPairwiseAgreement(results: readonly KMeansResult[]): number {
  const values: number[] = [];
  for (let a = 0; a < results.length; a++) for (let b = 0; b < a; b++) values.push(adjustedRandIndex(results[a].labels, results[b].labels));
  return mean(values);
}
