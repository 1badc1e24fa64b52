import { matmulTransposed } from '../numerics/gemm';
import { Random } from '../numerics/random';
import { centroidsOf, unitRows } from './keys';

/**
 * Routers without training, as pure score functions: `[tokens, experts]`, higher is better. Token vectors `x` `[tokens, width]` are what the
 * FFN matrices multiply; `keys` `[neurons, width]` are rows of W_in (gate rows in gated FFNs).
 */
export interface RouterInput {
  readonly x: Float32Array;
  readonly tokens: number;
  readonly keys: Float32Array;
  readonly neurons: number;
  readonly width: number;
  readonly labels: ArrayLike<number>;
  readonly experts: number;
}

/** Rows of the avg-k router: the mean key of each expert, not normalised `[experts, width]` (EMoE, arXiv 2310.10908). */
export function avgKRows(keys: Float32Array, neurons: number, width: number, labels: ArrayLike<number>, experts: number): Float32Array {
  return new Float32Array(centroidsOf(keys, neurons, width, labels, experts).means);
}

/** avg-k: x · mean key = the mean pre-activation (without bias) of the expert's neurons. */
export function avgKScores(input: RouterInput): Float32Array {
  const rows = avgKRows(input.keys, input.neurons, input.width, input.labels, input.experts);
  return matmulTransposed(input.x, rows, input.tokens, input.experts, input.width);
}

/** avg-k from pre-activations `[tokens, neurons]` instead of keys: the mean over each expert, optionally with the biases that the keys know nothing of. */
export function meanPerExpert(values: Float32Array, tokens: number, labels: ArrayLike<number>, experts: number): Float32Array {
  const sums = sumPerExpert(values, tokens, labels, experts);
  const sizes = new Float64Array(experts);
  for (let i = 0; i < labels.length; i++) sizes[labels[i]]++;
  for (let t = 0, at = 0; t < tokens; t++) for (let e = 0; e < experts; e++, at++) sums[at] /= Math.max(1, sizes[e]);
  return sums;
}

/** Sum over each expert's neurons of `[tokens, neurons]` values: `[tokens, experts]`, float64 sums in neuron order. */
export function sumPerExpert(values: Float32Array, tokens: number, labels: ArrayLike<number>, experts: number): Float32Array {
  const neurons = labels.length;
  if (values.length !== tokens * neurons) throw new RangeError(`${values.length} values for ${tokens} tokens x ${neurons} neurons`);
  const out = new Float32Array(tokens * experts);
  const sums = new Float64Array(experts);
  for (let t = 0; t < tokens; t++) {
    sums.fill(0);
    for (let i = 0, at = t * neurons; i < neurons; i++, at++) sums[labels[i]] += values[at];
    out.set(sums, t * experts);
  }
  return out;
}

/** Similarity (MoEfication): minus the Euclidean distance of the unit token to the mean of the expert's unit keys, that mean not renormalised. */
export function similarityScores({ x, tokens, keys, neurons, width, labels, experts }: RouterInput): Float32Array {
  return similarityToMeans(unitRows(x, tokens, width), tokens, width, similarityMeans(keys, neurons, width, labels, experts), experts);
}

/** Mean unit key of each expert, not renormalised `[experts, width]`. */
export function similarityMeans(keys: Float32Array, neurons: number, width: number, labels: ArrayLike<number>, experts: number): Float64Array {
  return centroidsOf(unitRows(keys, neurons, width), neurons, width, labels, experts).means;
}

/** Minus the distances of unit tokens `[tokens, width]` to the means: `[tokens, experts]`. */
export function similarityToMeans(unit: Float32Array, tokens: number, width: number, means: Float64Array, experts: number): Float32Array {
  const products = matmulTransposed(unit, new Float32Array(means), tokens, experts, width);
  const squares = new Float64Array(experts);
  for (let e = 0; e < experts; e++) for (let c = 0; c < width; c++) squares[e] += means[e * width + c] ** 2;
  for (let t = 0, at = 0; t < tokens; t++) {
    let own = 0;
    for (let c = 0; c < width; c++) own += unit[t * width + c] ** 2;
    for (let e = 0; e < experts; e++, at++) products[at] = -Math.sqrt(Math.max(0, own + squares[e] - 2 * products[at]));
  }
  return products;
}

/** Oracle: the sum of positive activations of each expert (MoEfication's ground truth) from activations `[tokens, neurons]`. For GELU and SiLU give magnitudes or squared output norms. */
export function oracleScores(activations: Float32Array, tokens: number, labels: ArrayLike<number>, experts: number): Float32Array {
  return sumPerExpert(activations.map((value) => Math.max(0, value)), tokens, labels, experts);
}

/** Random: x · one arbitrary neuron's key per expert. */
export function randomScores(input: RouterInput, seed: number): Float32Array {
  const { x, tokens, keys, width, labels, experts } = input;
  const random = new Random(seed, 'randomRouter');
  const members: number[][] = Array.from({ length: experts }, () => []);
  for (let i = 0; i < input.neurons; i++) members[labels[i]].push(i);
  const rows = new Float32Array(experts * width);
  members.forEach((list, e) => {
    if (list.length > 0) {
      const from = list[random.integer(list.length)] * width;
      rows.set(keys.subarray(from, from + width), e * width);
    }
  });
  return matmulTransposed(x, rows, tokens, experts, width);
}

export interface TopK {
  /** Chosen experts per token, best first; ties go to the lowest expert `[tokens, k]`. */
  readonly experts: Int32Array;
  /** Score of the k-th minus score of the (k+1)-th expert `[tokens]`; Infinity when all are chosen. */
  readonly margins: Float32Array;
  readonly tokens: number;
  readonly k: number;
}

/** The k best experts of each token. */
export function topK(scores: Float32Array, tokens: number, experts: number, k: number): TopK {
  if (!Number.isInteger(k) || k < 1 || k > experts) throw new RangeError(`top ${k} of ${experts} experts`);
  const chosen = new Int32Array(tokens * k);
  const margins = new Float32Array(tokens).fill(Infinity);
  const taken = new Uint8Array(experts);
  for (let t = 0; t < tokens; t++) {
    taken.fill(0);
    let last = 0;
    for (let slot = 0; slot < Math.min(experts, k + 1); slot++) {
      let best = -1;
      for (let e = 0; e < experts; e++) if (taken[e] === 0 && (best < 0 || scores[t * experts + e] > scores[t * experts + best])) best = e;
      taken[best] = 1;
      if (slot < k) {
        chosen[t * k + slot] = best;
        last = scores[t * experts + best];
      } else margins[t] = last - scores[t * experts + best];
    }
  }
  return { experts: chosen, margins, tokens, k };
}

/** 0/1 per token and expert `[tokens, experts]`. */
export function expertMask(choice: TopK, experts: number): Uint8Array {
  const mask = new Uint8Array(choice.tokens * experts);
  for (let at = 0; at < choice.experts.length; at++) mask[Math.floor(at / choice.k) * experts + choice.experts[at]] = 1;
  return mask;
}
