import { matmulTransposed } from '../numerics/gemm';
import { scoreAgainstNull } from '../numerics/nullScore';
import { Random } from '../numerics/random';
import { mean } from '../numerics/statistics';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';
import type { Score } from '../protocol/score';
import { shuffledLabels } from './controls';
import { meanInterval } from './documentBootstrap';
import { expertMask, meanPerExpert, sumPerExpert, topK } from './routers';
import type { TopK } from './routers';

/** Share of each token's mass that the chosen experts hold `[tokens]`; NaN for tokens without mass. */
export function capturedShares(mass: Float32Array, experts: number, choice: TopK): Float64Array {
  const shares = new Float64Array(choice.tokens).fill(NaN);
  for (let t = 0; t < choice.tokens; t++) {
    let all = 0;
    let kept = 0;
    for (let e = 0; e < experts; e++) all += mass[t * experts + e];
    for (let s = 0; s < choice.k; s++) kept += mass[t * experts + choice.experts[t * choice.k + s]];
    if (all > 0) shares[t] = kept / all;
  }
  return shares;
}

/** Mean of `capturedShares` over the tokens that have mass. */
export function capturedShare(mass: Float32Array, experts: number, choice: TopK): number {
  return mean(capturedShares(mass, experts, choice).filter(Number.isFinite));
}

export interface CapturedInput {
  /** Squared output norm of each neuron, `a² |W_out[:, i]|²` `[tokens, neurons]`. */
  readonly neuronMass: Float32Array;
  /** Pre-activations without bias `[tokens, neurons]`: their mean over an expert is the avg-k score. */
  readonly preActivations: Float32Array;
  readonly tokens: number;
  readonly labels: ArrayLike<number>;
  readonly experts: number;
  readonly k: number;
  readonly seed: number;
  /** Random partitions; 20 by default. */
  readonly draws?: number;
  /** Text of each token, for the interval of the value `[tokens]`. */
  readonly document?: ArrayLike<number>;
}

export interface CapturedScores {
  /** Mass in the experts that avg-k chooses; null: random partitions, routed by their own avg-k. */
  readonly router: Score;
  /** Mass in the heaviest k experts of each token; null: random partitions with their own oracle. */
  readonly oracle: Score;
}

/** Captured mass at top-k, by avg-k and by the oracle, each beside random partitions of the same sizes (emergent.md 7.5). */
export function capturedMass(input: CapturedInput): CapturedScores {
  return finish(capturedMassSteps(input));
}

/** `capturedMass` in steps. */
export function* capturedMassSteps(input: CapturedInput): Steps<CapturedScores> {
  const { tokens, labels, experts, k } = input;
  const each = (by: ArrayLike<number>): { router: Float64Array; oracle: Float64Array } => {
    const mass = sumPerExpert(input.neuronMass, tokens, by, experts);
    const scores = meanPerExpert(input.preActivations, tokens, by, experts);
    return { router: capturedShares(mass, experts, topK(scores, tokens, experts, k)), oracle: capturedShares(mass, experts, topK(mass, tokens, experts, k)) };
  };
  const average = (shares: Float64Array): number => mean(shares.filter(Number.isFinite));
  const real = each(labels);
  const router: number[] = [];
  const oracle: number[] = [];
  for (let draw = 0; draw < (input.draws ?? 20); draw++) {
    yield;
    const drawn = each(shuffledLabels(labels, input.seed, draw));
    router.push(average(drawn.router));
    oracle.push(average(drawn.oracle));
  }
  const interval = (shares: Float64Array, name: string): { interval?: readonly [number, number] } => (input.document ? { interval: meanInterval(shares, input.document, input.seed, name) } : {});
  const shared = { n: tokens, nOf: 'tokens', unit: 'share', direction: 'greater' as const };
  return {
    router: scoreAgainstNull({ ...shared, ...interval(real.router, 'captured'), value: average(real.router), draws: router, nullKind: 'random partitions of the same sizes, routed by their own avg-k' }),
    oracle: scoreAgainstNull({ ...shared, ...interval(real.oracle, 'captured by the oracle'), value: average(real.oracle), draws: oracle, nullKind: 'random partitions of the same sizes, with their own oracle' }),
  };
}

export interface ReconstructionInput {
  /** What the down projection multiplies `[tokens, neurons]`. */
  readonly hidden: Float32Array;
  /** Values as rows of the output: `W_out` `[width, neurons]`. */
  readonly values: Float32Array;
  readonly tokens: number;
  readonly width: number;
  readonly labels: ArrayLike<number>;
  readonly experts: number;
  /** Text of each token, for the interval of the value `[tokens]`. */
  readonly document?: ArrayLike<number>;
}

/**
 * `|FFN(x) - FFN_k(x)| / |FFN(x)|` of each token `[tokens]`, output biases left out (they are in both); NaN where the full output is 0.
 * The difference is what the experts that were not chosen would have written, so with all chosen it is exactly 0.
 */
export function reconstructionErrors(input: ReconstructionInput, choice: TopK): Float32Array {
  const { hidden, values, tokens, width, labels, experts } = input;
  const neurons = labels.length;
  const mask = expertMask(choice, experts);
  const missing = hidden.slice();
  for (let t = 0; t < tokens; t++) for (let i = 0, at = t * neurons; i < neurons; i++, at++) if (mask[t * experts + labels[i]] === 1) missing[at] = 0;
  const lost = matmulTransposed(missing, values, tokens, width, neurons);
  const full = matmulTransposed(hidden, values, tokens, width, neurons);
  return Float32Array.from({ length: tokens }, (_, t) => norm(lost, t, width) / norm(full, t, width));
}

function norm(values: Float32Array, row: number, width: number): number {
  let sum = 0;
  for (let c = row * width; c < (row + 1) * width; c++) sum += values[c] * values[c];
  return Math.sqrt(sum);
}

/**
 * Mean reconstruction error at top-k by avg-k (or, with `scoresOf`, another router) against random partitions of the same sizes with the
 * same kind of router. `scoresOf(labels)` returns `[tokens, experts]`.
 */
export function* reconstructionScoreSteps(input: ReconstructionInput, k: number, seed: number, scoresOf: (labels: ArrayLike<number>) => Float32Array, draws = 5): Steps<Score> {
  const each = (labels: ArrayLike<number>): Float32Array => reconstructionErrors({ ...input, labels }, topK(scoresOf(labels), input.tokens, input.experts, k));
  const average = (errors: Float32Array): number => mean(errors.filter(Number.isFinite));
  const real = each(input.labels);
  const drawn: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    yield;
    drawn.push(average(each(shuffledLabels(input.labels, seed, draw))));
  }
  const interval = input.document && meanInterval(real, input.document, seed, 'reconstruction');
  return scoreAgainstNull({ value: average(real), ...(interval ? { interval } : {}), draws: drawn, n: input.tokens, nOf: 'tokens', unit: 'relative error', direction: 'less', nullKind: 'random partitions of the same sizes, routed the same way' });
}

/** Share of experts that two choices have in common, of each token `[tokens]`; with `order` token t of `a` meets token order[t] of `b`. */
export function choiceOverlaps(a: TopK, b: TopK, experts: number, order?: ArrayLike<number>): Float64Array {
  const mask = expertMask(b, experts);
  const shares = new Float64Array(a.tokens);
  for (let t = 0; t < a.tokens; t++) {
    const other = order ? order[t] : t;
    for (let s = 0; s < a.k; s++) shares[t] += mask[other * experts + a.experts[t * a.k + s]];
    shares[t] /= a.k;
  }
  return shares;
}

/** Agreement of two routers on the same tokens; null: the choices of one router for another token, so that popular experts do not count. */
export function routerAgreement(a: TopK, b: TopK, experts: number, seed: number, draws = 200, document?: ArrayLike<number>): Score {
  const values = Float64Array.from({ length: draws }, (_, draw) => mean(choiceOverlaps(a, b, experts, new Random(seed, 'routerAgreement', draw).permutation(a.tokens))));
  const real = choiceOverlaps(a, b, experts), interval = document && meanInterval(real, document, seed, 'router agreement');
  return scoreAgainstNull({ value: mean(real), ...(interval ? { interval } : {}), draws: values, n: a.tokens, nOf: 'tokens', unit: 'share of top-k in common', direction: 'greater', nullKind: 'choices made for other tokens' });
}
