import { matchedGroup } from '../../partition/matchedGroups';
import { membersOf } from '../../partition/coactivationGraph';
import type { Steps } from '../../numerics/steps';

/** Tokens whose mean counts as "when the expert is most active". */
const STRONGEST = 32;
/** Matched random groups per expert; fewer where they would take too much memory. */
const DRAWS = 10;
const FLOAT_LIMIT = 4 << 20;

export interface WritesInput {
  /** Hidden activations of the routing sample `[tokens, d_ff]`. */
  readonly hidden: Float32Array;
  readonly tokens: number;
  /** `[d_ff, d_model]` */
  readonly values: Float32Array;
  readonly norms: Float32Array;
  readonly labels: ArrayLike<number>;
  readonly experts: number;
  readonly width: number;
  readonly seed: number;
}

/**
 * What each expert adds to the residual stream on the tokens where it is most active, above what it adds on average
 * `[experts, d_model]`, and the same for random groups of the same size and norms `[experts, draws, d_model]`.
 */
export function* expertWrites(input: WritesInput): Steps<{ readonly real: Float32Array; readonly drawn: Float32Array; readonly draws: number }> {
  const { labels, experts, width, norms, seed } = input;
  const draws = Math.max(2, Math.min(DRAWS, Math.floor(FLOAT_LIMIT / (experts * width))));
  const means = columnMeans(input.hidden, input.tokens, norms.length);
  const real = new Float32Array(experts * width), drawn = new Float32Array(experts * draws * width);
  const members = membersOf(labels, experts);
  for (let e = 0; e < experts; e++) {
    write(input, means, members[e], real.subarray(e * width, (e + 1) * width));
    for (let draw = 0; draw < draws; draw++) {
      write(input, means, matchedGroup(norms, members[e], seed, e * draws + draw), drawn.subarray((e * draws + draw) * width, (e * draws + draw + 1) * width));
    }
    yield;
  }
  return { real, drawn, draws };
}

function write(input: WritesInput, means: Float64Array, members: ArrayLike<number>, out: Float32Array): void {
  const { hidden, tokens, values, norms, width } = input, f = norms.length;
  const sums = new Float64Array(tokens);
  for (let t = 0; t < tokens; t++) for (let m = 0; m < members.length; m++) sums[t] += Math.abs(hidden[t * f + members[m]]) * norms[members[m]];
  const order = Array.from(sums.keys()).sort((a, b) => sums[b] - sums[a] || a - b).slice(0, STRONGEST);
  for (let m = 0; m < members.length; m++) {
    const i = members[m];
    let mean = 0;
    for (const t of order) mean += hidden[t * f + i];
    const above = mean / Math.max(1, order.length) - means[i];
    for (let c = 0; c < width; c++) out[c] += above * values[i * width + c];
  }
}

function columnMeans(matrix: Float32Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c] += matrix[r * columns + c];
  for (let c = 0; c < columns; c++) out[c] /= Math.max(1, rows);
  return out;
}
