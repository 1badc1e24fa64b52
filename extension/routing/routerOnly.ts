import type { RouterGate, RouterOnlySite } from '../architecture/routerOnly';
import { readTensor } from '../checkpoint/readTensor';
import type { Checkpoint } from '../checkpoint/types';
import { matmulTransposed } from '../numerics/gemm';
import { normalCdf } from '../numerics/distributions';
import { failure } from '../protocol/errors';
import type { RoutingSite } from '../protocol/routing';
import { moeWeights, rulesInWords } from './moeRule';

/** Said wherever such a routing is shown. */
export const ROUTER_ONLY = 'router only: this family\u2019s attention is not built yet';
/** All of these families choose by a softmax over all experts and keep its values. */
const RULE = { kind: 'softmaxTopK', renormalise: false } as const;

/** Routing of a site, and how many tokens its experts had no room for. */
export interface RouterOnlyRouting {
  readonly logits: Float32Array;
  readonly weights: Float32Array;
  readonly overflown: number;
}

/**
 * A router on what it reads `[tokens, width]`. `starts`: where a text begins, because an expert's room is counted by text.
 * @throws model/missing-tensor, model/tensor-shape
 */
export async function routeAlone(checkpoint: Checkpoint, { gate, experts, k, width, capacity }: RouterOnlySite, x: Float32Array, starts: ReadonlySet<number>): Promise<RouterOnlyRouting> {
  const tokens = x.length / width, logits = await logitsOf(checkpoint, gate, experts, width, x, tokens), { weights } = moeWeights(logits, tokens, { ...RULE, k });
  if (capacity === null) return { logits, weights, overflown: 0 };
  const taken = new Int32Array(experts);
  let overflown = 0;
  for (let t = 0; t < tokens; t++) {
    if (starts.has(t)) taken.fill(0);
    for (let e = 0; e < experts; e++) {
      if (weights[t * experts + e] === 0) continue;
      if (++taken[e] <= capacity) continue;
      weights[t * experts + e] = 0;
      overflown++;
    }
  }
  return { logits, weights, overflown };
}

/** A site as traces describe it. */
export function describeAlone({ id, layer, module, experts: E, k, capacity }: RouterOnlySite): RoutingSite {
  const room = capacity === null ? '' : ` An expert takes ${capacity} tokens of a text, in their order; later ones get no expert, and weight 0 here.`;
  return {
    id, layer, module, kind: 'moe', semantics: 'sub-simplex', E, labels: Array.from({ length: E }, (_, e) => String(e)), k, temperature: 1, scale: 1,
    note: `The model\u2019s own router${module === 'attention' ? ' of attention heads' : ''} on hidden states that were recorded elsewhere (${ROUTER_ONLY}): ${rulesInWords({ ...RULE, k })}.${room}`,
  };
}

async function logitsOf(checkpoint: Checkpoint, gate: RouterGate, experts: number, width: number, x: Float32Array, tokens: number): Promise<Float32Array> {
  const read = async (name: string, ...shape: readonly (number | null)[]): Promise<{ readonly data: Float32Array; readonly rows: number }> => {
    const tensor = checkpoint.tensors.get(name);
    if (!tensor) throw failure('model/missing-tensor', { path: checkpoint.path, tensor: name, tried: name });
    if (tensor.shape.length !== shape.length || shape.some((n, i) => n !== null && tensor.shape[i] !== n)) throw failure('model/tensor-shape', { path: checkpoint.path, tensor: name, expected: shape.map((n) => n ?? 'any').join(', '), found: tensor.shape.join(', ') });
    return { data: await readTensor(tensor), rows: tensor.shape[0] };
  };
  if (gate.kind === 'linear') {
    const { data } = await read(gate.weight, experts, width), logits = matmulTransposed(x, data, tokens, experts, width);
    return gate.bias === undefined ? logits : plus(logits, (await read(gate.bias, experts)).data);
  }
  const { data: inner, rows: size } = await read(gate.weight, null, width), z = matmulTransposed(x, inner, tokens, size, width);
  if (gate.kind === 'mlp') {
    const biased = plus(z, (await read(gate.bias, size)).data);
    return matmulTransposed(biased.map((v) => v * normalCdf(v)), (await read(gate.out, experts, size)).data, tokens, experts, size);
  }
  const centroids = unitRows((await read(gate.centroids, experts, size)).data, experts, size), [temperature] = (await read(gate.temperature, 1)).data;
  return matmulTransposed(unitRows(z, tokens, size), centroids, tokens, experts, size).map((v) => v * Math.exp(temperature));
}

function plus(rows: Float32Array, bias: Float32Array): Float32Array {
  return rows.map((v, i) => v + bias[i % bias.length]);
}

/** Rows divided by their length (at least 1e-12, as the reference has it). */
function unitRows(rows: Float32Array, count: number, width: number): Float32Array {
  const out = new Float32Array(rows.length);
  for (let r = 0; r < count; r++) {
    let square = 0;
    for (let i = r * width; i < (r + 1) * width; i++) square += rows[i] * rows[i];
    const length = Math.max(Math.sqrt(square), 1e-12);
    for (let i = r * width; i < (r + 1) * width; i++) out[i] = rows[i] / length;
  }
  return out;
}
