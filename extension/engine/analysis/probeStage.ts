import type { BoundModel } from '../../architecture/resolve';
import { type FfnWeights, readKeys, readValues } from '../../architecture/ffnWeights';
import type { BlockSpec } from '../../architecture/spec';
import { matmulTransposedSteps } from '../../numerics/gemm';
import { bitRowBytes } from '../../numerics/pairCounts';
import { takeRows } from '../../numerics/rows';
import { finishInTurns, type Steps } from '../../numerics/steps';
import { massShares, neuronActivity } from '../../partition/activity';
import { graphFromGram } from '../../partition/coactivationGraph';
import { contiguousPartition, randomPartition } from '../../partition/controls';
import { coactivationSplitSteps } from '../../partition/coactivationSplit';
import { modularityInterval } from '../../partition/documentBootstrap';
import { correlationFromGram, expertMatrixSteps } from '../../partition/expertMatrix';
import { inertiaOf, unitKeysSteps } from '../../partition/keys';
import { labelEnrichmentSteps, labelSelectivity } from '../../partition/labelEnrichment';
import { heldOutModularitySteps, methodAgreement } from '../../partition/modularityScore';
import { routerGeometrySteps } from '../../partition/routerGeometry';
import { avgKScores, sumPerExpert, topK } from '../../partition/routers';
import { capturedMassSteps, reconstructionScoreSteps, routerAgreement } from '../../partition/routingScores';
import type { ProbeArrays } from '../../probe/arrays';
import type { ForwardEnvironment } from '../../probe/forward';
import type { HalfActivations } from '../../probe/layerProbe';
import type { ProbePlan } from '../../probe/plan';
import { LayerStatistics, type NeuronStatistics } from '../../probe/statistics';
import { isControl, type LayerResult, type LayerScoreName } from '../../protocol/documents';
import type { Score } from '../../protocol/score';
import type { ResolvedOptions } from './options';
import { type ProbeRecord, TOP_TOKENS, type WeightsRecord } from './records';
import { MATRIX_NEURONS, neuronSample, sizesOf } from './weightsStage';
import { expertWrites } from './writes';

/** Tokens on which routers and captured mass are scored, and on which reconstruction is. */
const ROUTING_TOKENS = 1024;
const RECONSTRUCTION_TOKENS = 128;
/** Additions that label shuffles of Q may take in all; at least MIN_SHUFFLES are made. */
const SHUFFLE_BUDGET = 6e8;
const MIN_SHUFFLES = 39;
const MAX_SHUFFLES = 200;

export interface ProbeStageInput {
  readonly model: BoundModel;
  readonly block: BlockSpec;
  readonly ffn: FfnWeights;
  readonly weights: WeightsRecord;
  readonly halves: readonly [HalfActivations, HalfActivations];
  /** What the co-activation matrices are written to. */
  readonly arrays: ProbeArrays;
  readonly plan: ProbePlan;
  readonly options: ResolvedOptions;
  readonly environment: ForwardEnvironment;
  readonly signal: AbortSignal;
  readonly say: (what: string) => void;
}

/** Scores a layer's partition on text: made on one half, scored on the other. */
export async function probeStage(input: ProbeStageInput): Promise<ProbeRecord> {
  const { model, block, ffn, weights, plan, options, environment, signal, say } = input;
  const { experts, seed } = options, [split, score] = input.halves, f = ffn.dFf;
  const statistics = new LayerStatistics(model, block, environment, input.arrays);
  const labelOf = (half: HalfActivations) => (token: number): number => plan.labels[half.sequence[token]];
  say('measuring activity');
  const epsilon = await statistics.threshold(split, weights.norms);
  const onSplit = await statistics.neurons(split, weights.norms, epsilon, 0, labelOf(split));
  const onScore = await statistics.neurons(score, weights.norms, epsilon, plan.labelNames.length, labelOf(score));

  say('counting co-activation');
  const chosen = neuronSample(weights.labels, experts, MATRIX_NEURONS, seed);
  const bitsOf = (s: NeuronStatistics): Uint8Array => (chosen ? takeRows(s.bits, bitRowBytes(s.tokens), chosen) : s.bits);
  const gramOf = (half: string, bits: Uint8Array, tokens: number): Promise<Float32Array> => statistics.coactivation(half, bits, tokens, chosen?.length ?? f);
  const bitsScore = bitsOf(onScore), gramSplit = await gramOf('split', bitsOf(onSplit), onSplit.tokens), gramScore = await gramOf('score', bitsScore, onScore.tokens);
  const keys = await readKeys(ffn), values = await readValues(ffn);
  return finishInTurns(scoreSteps(input, { keys, values, onSplit, onScore, gramSplit, gramScore, bitsScore, chosen }), signal);
}

interface Gathered {
  readonly keys: Float32Array;
  readonly values: Float32Array | null;
  readonly onSplit: NeuronStatistics;
  readonly onScore: NeuronStatistics;
  readonly gramSplit: Float32Array;
  readonly gramScore: Float32Array;
  /** Activity bits of the neurons of the matrices on the scored half. */
  readonly bitsScore: Uint8Array;
  /** Neurons of the matrices; null = all. */
  readonly chosen: Int32Array | null;
}

function* scoreSteps(input: ProbeStageInput, gathered: Gathered): Steps<ProbeRecord> {
  const { ffn, weights, plan, options, say } = input, [, score] = input.halves;
  const { keys, values, onSplit, onScore, gramSplit, gramScore, bitsScore, chosen } = gathered;
  const { experts, seed, topK: k } = options, f = ffn.dFf, d = ffn.dModel;
  const sampled = chosen?.length ?? f;
  const sample = (labels: ArrayLike<number>): ArrayLike<number> => (chosen ? Array.from(chosen, (i) => labels[i]) : labels);

  say('splitting by co-activation');
  // Larger layers would need a co-activation matrix of all neurons; there the split is not made and its score says why. A control is compared with neither method.
  const isOwn = !isControl(options.method);
  const byActivity = chosen === null && isOwn ? (yield* coactivationSplitSteps(gramSplit, f, { experts, seed })).labels : null;
  const labels = partitionOf(options, weights.labels, byActivity);
  const inertia = labels === weights.labels ? weights.inertia : inertiaOf(yield* unitKeysSteps(keys, f, d, 0), labels, experts);

  say('shuffling labels');
  const graph = graphFromGram(gramScore, sampled);
  const shuffles = Math.round(Math.min(MAX_SHUFFLES, Math.max(MIN_SHUFFLES, SHUFFLE_BUDGET / (sampled * sampled))));
  const interval = modularityInterval({ bits: bitsScore, tokens: onScore.tokens, labels: sample(labels), experts, document: score.sequence }, seed);
  const modularity = yield* heldOutModularitySteps({ graph, labels: sample(labels), experts, tokens: onScore.tokens, seed, draws: shuffles, ...(interval ? { interval } : {}) });
  const matrix = yield* expertMatrixSteps(correlationFromGram(gramScore, chosen ? Array.from(chosen, (i) => onScore.count[i]) : onScore.count, onScore.tokens, sampled), sampled, sample(labels), experts, seed);

  say('routing tokens');
  const rows = spread(score.tokens, ROUTING_TOKENS), n = rows.length, document = Array.from(rows, (row) => score.sequence[row]);
  const x = takeRows(score.input, d, rows), hidden = takeRows(score.hidden, f, rows);
  const neuronMass = Float32Array.from(hidden);
  for (let t = 0, at = 0; t < n; t++) for (let i = 0; i < f; i++, at++) { const o = hidden[at] * weights.norms[i]; neuronMass[at] = o * o; }
  const preActivations = yield* matmulTransposedSteps(x, keys, n, f, d);
  const captured = yield* capturedMassSteps({ neuronMass, preActivations, tokens: n, labels, experts, k, seed, document });
  const routerInput = { x, tokens: n, keys, neurons: f, width: d, labels, experts };
  const chosenExperts = topK(avgKScores(routerInput), n, experts, k), oracle = topK(sumPerExpert(neuronMass, n, labels, experts), n, experts, k);
  const agreement = routerAgreement(chosenExperts, oracle, experts, seed, 200, document);
  const router = yield* routerGeometrySteps(keys, f, d, labels, experts, seed);
  let errorLeft: Score | null = null;
  if (values) {
    say('rebuilding outputs');
    const few = spread(n, RECONSTRUCTION_TOKENS), fewX = takeRows(x, d, few);
    const scoresOf = (by: ArrayLike<number>): Float32Array => avgKScores({ ...routerInput, x: fewX, tokens: few.length, labels: by });
    errorLeft = yield* reconstructionScoreSteps({ hidden: takeRows(hidden, f, few), values: transposeOf(values, f, d), tokens: few.length, width: d, labels, experts, document: Array.from(few, (t) => document[t]) }, k, seed, scoresOf);
  }

  say('comparing labels');
  const activity = neuronActivity(onScore.count, onScore.tokens);
  const labelled = plan.labelNames.length > 1;
  const selectivity = labelled ? labelSelectivity({ sums: onScore.labelSum, tokens: plan.facts.tokensPerLabel, neurons: f }) : new Float64Array();
  const enrichment = labelled ? yield* labelEnrichmentSteps({ selectivity, textLabels: plan.labelNames.length, labels, experts, eligible: activity.eligible, tokens: onScore.tokens, seed }) : null;

  say('collecting examples');
  const mass = massShares(onScore.meanOutput, labels, experts, onScore.tokens, seed);
  const top = topTokens(score, weights.norms, labels, experts);
  const writes = values ? yield* expertWrites({ hidden, tokens: n, values, norms: weights.norms, labels, experts, width: d, seed }) : { real: new Float32Array(), drawn: new Float32Array(), draws: 0 };
  const meanHidden = Float32Array.from(onSplit.mean, (m, i) => (m * onSplit.tokens + onScore.mean[i] * onScore.tokens) / Math.max(1, onSplit.tokens + onScore.tokens));

  const scores: Partial<Record<LayerScoreName, Score>> = {
    // Those two are about the clustering of keys, which a control is not.
    ...(isOwn ? { stability: weights.stability, compactness: weights.compactness } : {}), modularity, captured: captured.router,
    ...(enrichment ? { specialised: enrichment.specialised } : {}),
    ...(byActivity ? { agreement: methodAgreement(weights.labels, byActivity, seed) } : {}),
    ...(errorLeft ? { errorLeft } : {}), oracleAgreement: agreement,
  };
  const result: LayerResult = {
    index: ffn.index, partition: { method: labels === weights.labels ? 'keys' : options.method, experts, sizes: sizesOf(Int32Array.from(labels), experts), labels: [...labels], inertia }, scores,
    notSeenActive: activity.notSeenActiveCount, resident: activity.residentCount, specialised: enrichment?.specialised.value ?? null,
  };
  return {
    index: ffn.index, labels: Int32Array.from(labels), inertia, result, mass: mass.shares, massBand: mass.band, massScores: mass.scores, matrix,
    router: { cosine: router.cosine, nullMean: router.nullMean, nullBand: router.nullBand, nullLow: router.nullLow, nullHigh: router.nullHigh, nullDraws: router.nullDraws },
    dominant: enrichment?.dominant ?? new Int16Array(experts).fill(-1), fold: enrichment ? Float32Array.from(enrichment.fold, (x0) => Math.log2(x0)) : new Float32Array(), q: enrichment ? Float32Array.from(enrichment.q) : new Float32Array(),
    selectivity: Float32Array.from(selectivity), listed: enrichment?.listed ?? 0, eligible: activity.eligible, meanOutput: Float32Array.from(onScore.meanOutput), notSeenActive: activity.notSeenActive, resident: activity.resident,
    bits: onScore.bits, tokens: onScore.tokens, topTokens: top.rows, topActivations: top.activations,
    writes: writes.real, nullWrites: writes.drawn, writeDraws: writes.draws, chosen: chosenExperts.experts, oracle: oracle.experts, sample: n, meanHidden,
  };
}

/** The labels that are scored. */
function partitionOf({ method, experts, seed }: ResolvedOptions, byKeys: Int32Array, byActivity: Int32Array | null): Int32Array {
  if (method === 'random') return randomPartition(byKeys.length, experts, seed);
  if (method === 'contiguous') return contiguousPartition(byKeys.length, experts);
  return method === 'coactivation' && byActivity ? byActivity : byKeys;
}

/** `count` indices spread evenly over 0 .. total - 1. */
function spread(total: number, count: number): Int32Array {
  const n = Math.min(total, count);
  return Int32Array.from({ length: n }, (_, i) => Math.floor((i * total) / n));
}
function transposeOf(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j];
  return out;
}

/** The tokens on which each expert writes most (sum of its neurons' output norms), at most two of one text. */
function topTokens(half: HalfActivations, norms: Float32Array, labels: ArrayLike<number>, experts: number): { readonly rows: Int32Array; readonly activations: Float32Array } {
  const f = norms.length, sums = new Float32Array(half.tokens * experts);
  for (let t = 0; t < half.tokens; t++) for (let i = 0, at = t * f; i < f; i++, at++) sums[t * experts + labels[i]] += Math.abs(half.hidden[at]) * norms[i];
  const rows = new Int32Array(experts * TOP_TOKENS).fill(-1), activations = new Float32Array(experts * TOP_TOKENS);
  const order = new Int32Array(half.tokens);
  for (let e = 0; e < experts; e++) {
    for (let t = 0; t < half.tokens; t++) order[t] = t;
    order.sort((a, b) => sums[b * experts + e] - sums[a * experts + e] || a - b);
    const perText = new Map<number, number>();
    let found = 0;
    for (const t of order) {
      const text = half.sequence[t], seen = perText.get(text) ?? 0;
      if (seen >= 2) continue;
      perText.set(text, seen + 1);
      rows[e * TOP_TOKENS + found] = t;
      activations[e * TOP_TOKENS + found] = sums[t * experts + e];
      if (++found === TOP_TOKENS) break;
    }
  }
  return { rows, activations };
}
