import type { RouterRule } from '../architecture/spec';
import type { WeightSemantics } from '../protocol/routing';

/** How a trained router of a mixture turns its logits z into a choice of experts and their weights. */
export type MoeRule = { readonly k: number } & (
  | Exclude<RouterRule, { readonly kind: 'sigmoidGroups' }>
  | (Omit<Extract<RouterRule, { readonly kind: 'sigmoidGroups' }>, 'bias'> & { readonly bias: ArrayLike<number> })
  /** The k largest z; each weight is the sigmoid of its own z (Llama 4). */
  | { readonly kind: 'topKSigmoid' });

/** Weights of experts `[tokens, E]`, 0 where an expert is not chosen, and what the choice was made by where that is not the logits. */
export interface MoeWeights {
  readonly weights: Float32Array;
  readonly ranking: Float32Array | null;
}

/** What an expert that was taken out (logit minus infinity) is set back by where a bias could still choose it; the graph does the same. */
const OUT_OF_CHOICE = 64;
/** What a renormalised sum is kept from zero by (the reference's own constant). */
const TINY = 1e-20;

/**
 * Weights from raw logits `[tokens, E]`, as the families' reference code computes them but for the factor that some multiply all weights by.
 * Ties go to the lower index; a logit of minus infinity is an expert that was taken out, whose weight is 0. Sources: research papers of the families and transformers' modelling files (Apache-2.0), formulas alone.
 */
export function moeWeights(logits: Float32Array, tokens: number, rule: MoeRule): MoeWeights {
  const E = tokens === 0 ? 0 : logits.length / tokens, weights = new Float32Array(logits.length), grouped = rule.kind === 'softmaxGroups' || rule.kind === 'sigmoidGroups';
  if (!Number.isInteger(E) || (tokens > 0 && (rule.k < 1 || rule.k > E))) throw new RangeError(`${logits.length} logits, ${tokens} tokens, k = ${rule.k}`);
  if (tokens > 0 && grouped && (E % rule.groups !== 0 || rule.keepGroups < 1 || rule.keepGroups > rule.groups)) throw new RangeError(`${E} experts in ${rule.groups} groups of which ${rule.keepGroups} stay`);
  const ranking = grouped ? new Float32Array(logits.length) : null;
  for (let t = 0; t < tokens; t++) {
    const z = logits.subarray(t * E, (t + 1) * E), scores = scoresOf(z, rule);
    const by = grouped ? groupedScores(scores, z, rule) : Float64Array.from(z);
    ranking?.set(by, t * E);
    const chosen = largest(by, rule.k), values = chosen.map((e) => scores[e]);
    const divisor = rule.kind === 'topKSoftmax' || (rule.kind === 'softmaxTopK' && rule.renormalise) ? sum(values) : rule.kind === 'sigmoidGroups' && rule.renormalise ? sum(values) + TINY : 1;
    chosen.forEach((e, i) => { weights[t * E + e] = values[i] / divisor; });
  }
  return { weights, ranking };
}

/** What a site's weights are under a rule. */
export function semanticsOf(rule: MoeRule): WeightSemantics {
  switch (rule.kind) {
    case 'topKSoftmax': return 'truncated';
    case 'softmaxTopK': return rule.renormalise ? 'truncated' : 'sub-simplex';
    case 'softmaxGroups': return 'sub-simplex';
    case 'sigmoidGroups': return rule.renormalise ? 'truncated' : 'sigmoid';
    case 'topKSigmoid': return 'sigmoid';
  }
}

/** A rule in words. */
export function rulesInWords(rule: MoeRule): string {
  switch (rule.kind) {
    case 'softmaxTopK': return rule.renormalise ? 'softmax over all experts, the largest kept and divided by their sum' : 'softmax over all experts, the largest kept as they are: the sum stays below 1';
    case 'topKSoftmax': return 'the largest logits kept, softmax over them';
    case 'softmaxGroups': return `softmax over all experts, the best ${rule.keepGroups} of ${rule.groups} groups kept, then the largest as they are`;
    case 'sigmoidGroups': return `sigmoid of each logit; chosen with a bias that weights do not hold, from the best ${rule.keepGroups} of ${rule.groups} groups${rule.renormalise ? ', then divided by their sum' : ''}`;
    case 'topKSigmoid': return 'the largest logits kept, each through a sigmoid of its own';
  }
}

/** What weights are made of, before any division: probabilities (a softmax over the chosen is their share of the chosen ones' sum) or sigmoids. */
function scoresOf(z: Float32Array, rule: MoeRule): Float64Array {
  if (rule.kind === 'sigmoidGroups' || rule.kind === 'topKSigmoid') return Float64Array.from(z, (v) => 1 / (1 + Math.exp(-v)));
  const top = z.reduce((a, b) => Math.max(a, b), -Infinity), powers = Float64Array.from(z, (v) => Math.exp(v - top)), total = sum(powers);
  return powers.map((v) => v / total);
}

/**
 * Scores that the choice is made by; experts of groups that do not stay are out of reach. (Some releases of the reference put them at 0, where a
 * bias below zero lets them win; the model's authors and later releases do not.)
 */
function groupedScores(scores: Float64Array, z: Float32Array, rule: Extract<MoeRule, { readonly groups: number }>): Float64Array {
  const by = rule.kind === 'sigmoidGroups' ? scores.map((s, e) => s + rule.bias[e] - (z[e] === -Infinity ? OUT_OF_CHOICE : 0)) : scores, size = scores.length / rule.groups;
  const value = Float64Array.from({ length: rule.groups }, (_, g) => {
    const sorted = by.slice(g * size, (g + 1) * size).sort();
    return rule.kind === 'sigmoidGroups' ? sum(sorted.slice(-2)) : sorted[size - 1];
  });
  const stay = new Set(largest(value, rule.keepGroups));
  return by.map((s, e) => (stay.has(Math.floor(e / size)) ? s : -Infinity));
}

/** Indices of the k largest, ascending. */
function largest(values: Float64Array, k: number): number[] {
  return Array.from(values, (_, i) => i).sort((a, b) => values[b] - values[a] || a - b).slice(0, k).sort((a, b) => a - b);
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}
