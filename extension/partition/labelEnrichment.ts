import { hypergeometricTail } from '../numerics/distributions';
import { scoreAgainstNull } from '../numerics/nullScore';
import { benjaminiHochberg, entropy, median } from '../numerics/statistics';
import { finish } from '../numerics/steps';
import type { Steps } from '../numerics/steps';
import type { Score } from '../protocol/score';
import { SIGNIFICANCE } from '../protocol/score';
import { shuffledLabels } from './controls';

export interface LabelSums {
  /** Sum over the label's tokens of a neuron's activity (magnitude or output norm) `[textLabels, neurons]`. */
  readonly sums: Float64Array | Float32Array;
  /** Sum of squares of the same `[textLabels, neurons]`, where it was gathered: then the score is Welch's t. */
  readonly squares?: Float64Array | Float32Array;
  /** Tokens of each label `[textLabels]`. */
  readonly tokens: ArrayLike<number>;
  readonly neurons: number;
}

/**
 * How much more a neuron is active on a label's tokens than on all others `[textLabels, neurons]`: Welch's t of the two means where squares are
 * given, else `(m - r) / (m + r + median mean)`, which lies in -1..1 and does not favour neurons that are hardly ever active.
 * NaN for labels without tokens or without other labels.
 */
export function labelSelectivity({ sums, squares, tokens, neurons }: LabelSums): Float64Array {
  const labels = tokens.length;
  const out = new Float64Array(labels * neurons).fill(NaN);
  let all = 0;
  for (let l = 0; l < labels; l++) all += tokens[l];
  const totals = new Float64Array(neurons);
  const totalSquares = new Float64Array(neurons);
  for (let l = 0; l < labels; l++) {
    for (let i = 0; i < neurons; i++) {
      totals[i] += sums[l * neurons + i];
      if (squares) totalSquares[i] += squares[l * neurons + i];
    }
  }
  const typical = median(totals) / Math.max(1, all);
  for (let l = 0; l < labels; l++) {
    const inside = tokens[l];
    const outside = all - inside;
    if (inside < 2 || outside < 2) continue;
    for (let i = 0; i < neurons; i++) {
      const at = l * neurons + i;
      const m = sums[at] / inside;
      const r = (totals[i] - sums[at]) / outside;
      if (!squares) out[at] = m + r + typical > 0 ? (m - r) / (m + r + typical) : 0;
      else {
        const varianceIn = Math.max(0, (squares[at] / inside - m * m) / (inside - 1));
        const varianceOut = Math.max(0, ((totalSquares[i] - squares[at]) / outside - r * r) / (outside - 1));
        const spread = Math.sqrt(varianceIn + varianceOut);
        out[at] = spread > 0 ? (m - r) / spread : 0;
      }
    }
  }
  return out;
}

export interface EnrichmentInput {
  /** Score of each neuron for each text label `[textLabels, neurons]`; NaN rows are left out. */
  readonly selectivity: Float64Array;
  readonly textLabels: number;
  readonly labels: ArrayLike<number>;
  readonly experts: number;
  /** Neurons that may be ranked (1) or not (0: resident, not seen active) `[neurons]`; all by default. */
  readonly eligible?: ArrayLike<number>;
  /** Neurons listed per label; by default 5 % of the eligible ones, at least two per expert, at most a quarter. */
  readonly listed?: number;
  readonly tokens: number;
  readonly seed: number;
  /** Shuffles of expert labels; 200 by default. */
  readonly draws?: number;
}

export interface Enrichment {
  /** Listed neurons of a label that lie in an expert `[experts, textLabels]`. */
  readonly counts: Float64Array;
  /** Count over the count expected by the expert's size `[experts, textLabels]`; NaN for labels left out. */
  readonly fold: Float64Array;
  /** P(at least this count) by the hypergeometric distribution, and its Benjamini-Hochberg q-value over all experts and labels. */
  readonly p: Float64Array;
  readonly q: Float64Array;
  /** Label of highest fold among those with q < 0.05, -1 where there is none `[experts]`. */
  readonly dominant: Int16Array;
  /** Neurons listed per label. */
  readonly listed: number;
  /** Experts enriched for some label at q < 0.05; null: the expert labels of neurons shuffled, with the same test. */
  readonly specialised: Score;
}

/**
 * Specialisation of experts by text label (emergent.md 3.1): each label lists the neurons that score highest for it; an expert is enriched where
 * it holds more of them than draws without replacement explain (hypergeometric), corrected over all experts and labels.
 * The count of specialised experts is compared with shuffled expert labels because lists of different labels overlap.
 */
export function labelEnrichment(input: EnrichmentInput): Enrichment {
  return finish(labelEnrichmentSteps(input));
}

/** `labelEnrichment` in steps. */
export function* labelEnrichmentSteps(input: EnrichmentInput): Steps<Enrichment> {
  const { textLabels, labels, experts } = input;
  const neurons = labels.length;
  const eligible = Array.from({ length: neurons }, (_, i) => i).filter((i) => !input.eligible || input.eligible[i] !== 0);
  const listed = Math.min(eligible.length, input.listed ?? Math.max(1, Math.min(Math.floor(eligible.length / 4), Math.max(Math.ceil(0.05 * eligible.length), 2 * experts))));
  const lists = Array.from({ length: textLabels }, (_, l) => topNeurons(input.selectivity.subarray(l * neurons, (l + 1) * neurons), eligible, listed));
  const tails = new TailTable(eligible.length, listed);
  const real = test(lists, eligible, labels, experts, tails);
  const draws: number[] = [];
  for (let draw = 0; draw < (input.draws ?? 200); draw++) {
    draws.push(countSpecialised(test(lists, eligible, shuffledLabels(labels, input.seed, draw), experts, tails).q, experts, textLabels));
    yield;
  }
  const dominant = new Int16Array(experts).fill(-1);
  for (let e = 0; e < experts; e++) {
    for (let l = 0; l < textLabels; l++) {
      const at = e * textLabels + l;
      if (real.q[at] < SIGNIFICANCE && (dominant[e] < 0 || real.fold[at] > real.fold[e * textLabels + dominant[e]])) dominant[e] = l;
    }
  }
  const specialised = scoreAgainstNull({ value: countSpecialised(real.q, experts, textLabels), draws, n: input.tokens, nOf: 'labelled tokens', unit: 'experts', direction: 'greater', nullKind: 'neurons dealt to experts at random, sizes kept' });
  return { ...real, dominant, listed, specialised };
}

/** The best neurons of a label, or null when the label has no scores. */
function topNeurons(scores: Float64Array, eligible: readonly number[], count: number): readonly number[] | null {
  if (eligible.some((i) => Number.isNaN(scores[i]))) return null;
  return [...eligible].sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count);
}

function test(lists: readonly (readonly number[] | null)[], eligible: readonly number[], labels: ArrayLike<number>, experts: number, tails: TailTable): { counts: Float64Array; fold: Float64Array; p: Float64Array; q: Float64Array } {
  const width = lists.length;
  const sizes = new Int32Array(experts);
  for (const i of eligible) sizes[labels[i]]++;
  const counts = new Float64Array(experts * width);
  const fold = new Float64Array(experts * width).fill(NaN);
  const p = new Float64Array(experts * width).fill(NaN);
  lists.forEach((list, l) => {
    if (list === null) return;
    for (const i of list) counts[labels[i] * width + l]++;
    for (let e = 0; e < experts; e++) {
      const at = e * width + l;
      const expected = (sizes[e] * list.length) / eligible.length;
      fold[at] = expected > 0 ? counts[at] / expected : NaN;
      p[at] = tails.atLeast(counts[at], sizes[e]);
    }
  });
  return { counts, fold, p, q: benjaminiHochberg(p) };
}

/** P(X >= count) of the hypergeometric distribution, remembered: shuffles ask for the same few values again and again. */
class TailTable {
  private readonly known = new Map<number, number>();
  constructor(private readonly population: number, private readonly listed: number) {}

  atLeast(count: number, size: number): number {
    const key = size * (this.listed + 1) + count;
    let value = this.known.get(key);
    if (value === undefined) {
      value = hypergeometricTail(count - 1, this.population, size, this.listed);
      this.known.set(key, value);
    }
    return value;
  }
}

function countSpecialised(q: Float64Array, experts: number, textLabels: number): number {
  let count = 0;
  for (let e = 0; e < experts; e++) {
    let any = false;
    for (let l = 0; l < textLabels; l++) if (q[e * textLabels + l] < SIGNIFICANCE) any = true;
    if (any) count++;
  }
  return count;
}

/** Entropy in nats of a neuron's or expert's activity over labels; low is specific (LAPE, arXiv 2402.16438). `normalised` divides by ln(labels). */
export function labelEntropy(rates: ArrayLike<number>): { readonly nats: number; readonly normalised: number } {
  const nats = entropy(rates);
  return { nats, normalised: rates.length > 1 ? nats / Math.log(rates.length) : 0 };
}
