import { readKeys } from '../../architecture/ffnWeights';
import { finishInTurns } from '../../numerics/steps';
import { balancedKMeansSteps } from '../../partition/balancedKMeans';
import { unitKeysSteps } from '../../partition/keys';
import { failure } from '../../protocol/errors';
import type { RouterRequest } from '../../routing/types';
import { ANALYSIS_VERSION, type ResolvedOptions } from '../analysis/options';
import { analysisStore } from '../analysis/session';
import type { OperationContext } from '../context';
import type { DescribedModel } from '../modelFacts';

/**
 * The partition by keys of a layer: from an analysis of the same checkpoint, experts and seed if there was one, else made now. Both give
 * the same labels.
 */
export function partitionsOf(described: DescribedModel, options: ResolvedOptions, context: OperationContext): RouterRequest['partition'] {
  const { experts, seed } = options, store = analysisStore(context), key = store.key([ANALYSIS_VERSION, described.facts.fingerprint, experts, seed]);
  return async (layer) => {
    const ffn = described.ffn.find((one) => one.index === layer);
    if (!ffn) throw failure('analysis/layers', { layers: String(layer), count: described.ffn.length });
    const stored = await store.weights(key, layer);
    if (stored) return { ffn, labels: stored.labels, experts };
    const keys = await readKeys(ffn);
    const labels = await finishInTurns((function* () { return (yield* balancedKMeansSteps(yield* unitKeysSteps(keys, ffn.dFf, ffn.dModel), { experts, seed })).labels; })(), context.signal);
    return { ffn, labels, experts };
  };
}
