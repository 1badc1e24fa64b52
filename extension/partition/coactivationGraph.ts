/**
 * Newman's modularity of a co-activation graph `A = HᵀH` without its diagonal (emergent.md 7.1):
 * `Q = sum over experts of W_c / 2m - (K_c / 2m)²`, W_c the weight inside, K_c the degrees.
 */
export interface CoactivationGraph {
  readonly neurons: number;
  /** Sum of edge weights of each neuron `[neurons]`. */
  readonly degrees: Float64Array;
  /** Sum of all degrees. */
  readonly total: number;
  /** Weight inside the experts of a labelling, ordered pairs, summed over experts. */
  readonly inside: (labels: ArrayLike<number>, experts: number) => number;
}

/** The graph of a symmetric matrix `[neurons, neurons]` whose diagonal is ignored. A labelling costs the sum of squared sizes. */
export function graphFromGram(gram: Float32Array | Float64Array, neurons: number): CoactivationGraph {
  if (gram.length !== neurons * neurons) throw new RangeError(`${gram.length} weights for ${neurons} neurons`);
  const degrees = new Float64Array(neurons);
  let total = 0;
  for (let i = 0; i < neurons; i++) {
    let sum = 0;
    for (let j = 0, at = i * neurons; j < neurons; j++, at++) sum += gram[at];
    degrees[i] = sum - gram[i * neurons + i];
    total += degrees[i];
  }
  const inside = (labels: ArrayLike<number>, experts: number): number => {
    let weight = 0;
    for (const members of membersOf(labels, experts)) {
      for (let p = 1; p < members.length; p++) {
        const row = members[p] * neurons;
        for (let q = 0; q < p; q++) weight += gram[row + members[q]];
      }
    }
    return 2 * weight;
  };
  return { neurons, degrees, total, inside };
}

/**
 * The graph of activations `[tokens, neurons]`, none negative, without ever forming the matrix: a labelling costs tokens x neurons
 * additions. Normalise tokens first where one large token would make all neurons look alike.
 */
export function graphFromActivations(activations: Float32Array | Uint8Array, tokens: number, neurons: number): CoactivationGraph {
  if (activations.length !== tokens * neurons) throw new RangeError(`${activations.length} activations for ${tokens} x ${neurons}`);
  const degrees = new Float64Array(neurons);
  const squares = new Float64Array(neurons);
  for (let t = 0; t < tokens; t++) {
    const row = t * neurons;
    let all = 0;
    for (let i = 0; i < neurons; i++) all += activations[row + i];
    for (let i = 0; i < neurons; i++) {
      const h = activations[row + i];
      degrees[i] += h * all;
      squares[i] += h * h;
    }
  }
  let total = 0;
  let square = 0;
  for (let i = 0; i < neurons; i++) {
    degrees[i] -= squares[i];
    total += degrees[i];
    square += squares[i];
  }
  const inside = (labels: ArrayLike<number>, experts: number): number => {
    const sums = new Float64Array(experts);
    let weight = 0;
    for (let t = 0; t < tokens; t++) {
      sums.fill(0);
      for (let i = 0, at = t * neurons; i < neurons; i++, at++) sums[labels[i]] += activations[at];
      for (let e = 0; e < experts; e++) weight += sums[e] * sums[e];
    }
    return weight - square;
  };
  return { neurons, degrees, total, inside };
}

/** Q of a labelling; NaN for a graph without edges. */
export function modularityOf(graph: CoactivationGraph, labels: ArrayLike<number>, experts: number): number {
  const degrees = new Float64Array(experts);
  for (let i = 0; i < graph.neurons; i++) degrees[labels[i]] += graph.degrees[i];
  let expected = 0;
  for (let e = 0; e < experts; e++) expected += (degrees[e] / graph.total) ** 2;
  return graph.inside(labels, experts) / graph.total - expected;
}

/** Mean of Q over random partitions into experts of size `neurons / experts`, in closed form. */
export function expectedModularity(graph: CoactivationGraph, experts: number): number {
  let squares = 0;
  for (const degree of graph.degrees) squares += (degree / graph.total) ** 2;
  return (-squares * (graph.neurons - graph.neurons / experts)) / (graph.neurons - 1);
}

/** Normalised cut: sum over experts of the weight that leaves it over its degrees (with the 1e-8 of the reference code); lower is more modular. */
export function normalisedCut(gram: Float32Array | Float64Array, neurons: number, labels: ArrayLike<number>, experts: number): number {
  const cut = new Float64Array(experts);
  const volume = new Float64Array(experts);
  for (let i = 0; i < neurons; i++) {
    for (let j = 0; j < neurons; j++) {
      if (i === j) continue;
      volume[labels[i]] += gram[i * neurons + j];
      if (labels[i] !== labels[j]) cut[labels[i]] += gram[i * neurons + j];
    }
  }
  let sum = 0;
  for (let e = 0; e < experts; e++) sum += cut[e] / (volume[e] + 1e-8);
  return sum;
}

/** Neurons of each expert, ascending. */
export function membersOf(labels: ArrayLike<number>, experts: number): number[][] {
  const members: number[][] = Array.from({ length: experts }, () => []);
  for (let i = 0; i < labels.length; i++) members[labels[i]].push(i);
  return members;
}

/** Divides each token's activations by their root of summed squares, in place, so that no single token dominates the graph. */
export function normaliseTokens(activations: Float32Array, tokens: number, neurons: number): Float32Array {
  for (let t = 0; t < tokens; t++) {
    let sum = 0;
    for (let i = 0, at = t * neurons; i < neurons; i++, at++) sum += activations[at] * activations[at];
    const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0;
    for (let i = 0, at = t * neurons; i < neurons; i++, at++) activations[at] *= scale;
  }
  return activations;
}
