import { type FfnWeights, readKeys, readValues, rowNorms } from '../../architecture/ffnWeights';
import { takeRows } from '../../numerics/rows';
import { finishInTurns, type Steps } from '../../numerics/steps';
import { balancedKMeansSteps } from '../../partition/balancedKMeans';
import { expertMatrixSteps } from '../../partition/expertMatrix';
import { unitKeysSteps } from '../../partition/keys';
import { routerGeometrySteps } from '../../partition/routerGeometry';
import { weightScoresSteps } from '../../partition/weightScores';
import { Random } from '../../numerics/random';
import type { LayerResult } from '../../protocol/documents';
import type { ResolvedOptions } from './options';
import type { WeightsRecord } from './records';

/** Draws of the clustering null. Nine cost 30 clusterings a layer and give a Student-t prediction with 8 degrees of freedom. */
const CLUSTER_DRAWS = 9;
/** Values of keys above which only five draws are made, the least that the nulls may have: clusterings then take most of a second. */
const LARGE_KEYS = 2 << 20;
/** Most neurons in a similarity matrix; wider layers show a sample of each expert's neurons. */
export const MATRIX_NEURONS = 4096;

/** Everything that a layer's weights alone tell. */
export async function weightsStage(ffn: FfnWeights, options: ResolvedOptions, signal: AbortSignal): Promise<WeightsRecord> {
  const keys = await readKeys(ffn), values = await readValues(ffn);
  const norms = rowNorms(values ?? keys, ffn.dFf);
  return finishInTurns(weightsSteps(ffn, keys, norms, values ? 'output' : 'key', options), signal);
}

function* weightsSteps(ffn: FfnWeights, keys: Float32Array, norms: Float32Array, normOf: 'output' | 'key', options: ResolvedOptions): Steps<WeightsRecord> {
  const { dFf, dModel } = ffn, { experts, seed } = options;
  const unit = yield* unitKeysSteps(keys, dFf, dModel);
  const draws = keys.length > LARGE_KEYS ? 5 : CLUSTER_DRAWS;
  const { labels, inertia } = yield* balancedKMeansSteps(unit, { experts, seed });
  const scores = yield* weightScoresSteps(keys, dFf, dModel, { experts, seed, draws }, unit);
  const chosen = neuronSample(labels, experts, MATRIX_NEURONS, seed);
  const gram = unit.gram !== null && chosen === null ? unit.gram : (yield* unitKeysSteps(takeRows(keys, dModel, chosen ?? range(dFf)), (chosen ?? labels).length, dModel)).gram;
  if (gram === null) throw new Error('the similarity matrix was not made');
  const matrix = yield* expertMatrixSteps(gram, (chosen ?? labels).length, chosen ? chosen.map((i) => labels[i]) : labels, experts, seed);
  const router = yield* routerGeometrySteps(keys, dFf, dModel, labels, experts, seed);
  return {
    index: ffn.index, labels, inertia, stability: scores.stability, compactness: scores.compactness, norms, normOf,
    similarity: matrix, router: { cosine: router.cosine, nullMean: router.nullMean, nullBand: router.nullBand, nullLow: router.nullLow, nullHigh: router.nullHigh, nullDraws: router.nullDraws },
  };
}

/** The result of a layer from its weights alone. */
export function weightsResult(record: WeightsRecord, options: ResolvedOptions): LayerResult {
  return {
    index: record.index,
    partition: { method: 'keys', experts: options.experts, sizes: sizesOf(record.labels, options.experts), labels: [...record.labels], inertia: record.inertia },
    scores: { stability: record.stability, compactness: record.compactness },
    notSeenActive: null, resident: null, specialised: null,
  };
}

export function sizesOf(labels: Int32Array, experts: number): number[] {
  const sizes = new Array<number>(experts).fill(0);
  for (const label of labels) sizes[label]++;
  return sizes;
}

/** Neurons to show where a layer has more than `limit`: an equal part of each expert, ascending; null = all of them. */
export function neuronSample(labels: Int32Array, experts: number, limit: number, seed: number): Int32Array | null {
  if (labels.length <= limit) return null;
  const each = Math.max(2, Math.floor(limit / experts));
  const out: number[] = [];
  for (let e = 0; e < experts; e++) {
    const members: number[] = [];
    for (let i = 0; i < labels.length; i++) if (labels[i] === e) members.push(i);
    const order = new Random(seed, 'neuronSample', e).permutation(members.length);
    for (let i = 0; i < Math.min(each, members.length); i++) out.push(members[order[i]]);
  }
  return Int32Array.from(out).sort();
}

function range(n: number): Int32Array {
  return Int32Array.from({ length: n }, (_, i) => i);
}
