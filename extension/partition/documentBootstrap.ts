import { bootstrapInterval, bootstrapMean } from '../numerics/bootstrap';
import { bitAt, bitRowBytes } from '../numerics/pairCounts';
import { Random } from '../numerics/random';

/** Resamples of an interval that is shown beside a score. */
const RESAMPLES = 1000;

/** Consecutive numbers for the documents that occur, whatever they are called. */
function documentsOf(document: ArrayLike<number>): { readonly of: Int32Array; readonly count: number } {
  const known = new Map<number, number>();
  const of = Int32Array.from(document, (name) => {
    const at = known.get(name) ?? known.size;
    known.set(name, at);
    return at;
  });
  return { of, count: known.size };
}

/**
 * 95 % interval of a mean over tokens when whole documents are drawn again: tokens of one text are not independent. `values` `[tokens]`,
 * those that are not finite left out; `document` `[tokens]` names the text of each token. Fewer than two documents: undefined.
 */
export function meanInterval(values: ArrayLike<number>, document: ArrayLike<number>, seed: number, name: string): readonly [number, number] | undefined {
  const { of, count } = documentsOf(document);
  if (count < 2) return undefined;
  const sums = new Float64Array(count), sizes = new Float64Array(count);
  for (let t = 0; t < values.length; t++) {
    if (!Number.isFinite(values[t])) continue;
    sums[of[t]] += values[t];
    sizes[of[t]]++;
  }
  return bootstrapMean(sums, { random: new Random(seed, `interval ${name}`, 0), resamples: RESAMPLES }, sizes);
}

export interface ActivityByDocument {
  /** Bit 1 where a neuron is active `[neurons, tokens]`, rows of `bitRowBytes(tokens)` bytes. */
  readonly bits: Uint8Array;
  readonly tokens: number;
  readonly labels: ArrayLike<number>;
  readonly experts: number;
  readonly document: ArrayLike<number>;
}

/** What each document adds to Newman's Q of the co-activation graph: weight inside the experts, and the experts' degrees. */
interface ModularityParts {
  readonly documents: number;
  /** `[documents]` */
  readonly inside: Float64Array;
  /** `[documents, experts]` */
  readonly degrees: Float64Array;
}

/** Sums over tokens: with s_c active neurons of expert c and s in all, a token adds s_c (s_c - 1) inside c and s_c (s - 1) to its degree. */
export function modularityParts({ bits, tokens, labels, experts, document }: ActivityByDocument): ModularityParts {
  const { of, count } = documentsOf(document);
  const perExpert = new Float64Array(tokens * experts);
  const rowBytes = bitRowBytes(tokens);
  for (let i = 0; i < labels.length; i++) for (let t = 0; t < tokens; t++) perExpert[t * experts + labels[i]] += bitAt(bits, rowBytes, i, t);
  const inside = new Float64Array(count), degrees = new Float64Array(count * experts);
  for (let t = 0; t < tokens; t++) {
    let all = 0;
    for (let c = 0; c < experts; c++) all += perExpert[t * experts + c];
    for (let c = 0; c < experts; c++) {
      const s = perExpert[t * experts + c];
      inside[of[t]] += s * (s - 1);
      degrees[of[t] * experts + c] += s * (all - 1);
    }
  }
  return { documents: count, inside, degrees };
}

/** Newman's Q of a resample that draws document d `weights[d]` times. */
export function modularityOfParts({ documents, inside, degrees }: ModularityParts, experts: number, weights: ArrayLike<number>): number {
  const degree = new Float64Array(experts);
  let within = 0, total = 0;
  for (let d = 0; d < documents; d++) {
    within += weights[d] * inside[d];
    for (let c = 0; c < experts; c++) degree[c] += weights[d] * degrees[d * experts + c];
  }
  for (let c = 0; c < experts; c++) total += degree[c];
  let expected = 0;
  for (let c = 0; c < experts; c++) expected += (degree[c] / total) ** 2;
  return within / total - expected;
}

/** 95 % interval of Newman's Q when whole documents are drawn again; fewer than two documents: undefined. */
export function modularityInterval(input: ActivityByDocument, seed: number): readonly [number, number] | undefined {
  const parts = modularityParts(input);
  if (parts.documents < 2) return undefined;
  return bootstrapInterval(parts.documents, (weights) => modularityOfParts(parts, input.experts, weights), { random: new Random(seed, 'interval modularity', 0), resamples: RESAMPLES });
}
