import type { ExpertActivation, ExpertSpec, LinearSpec, MoeSpec, RouterRule } from '../architecture/spec';
import { activate } from './activations';
import type { GraphBuilder } from './builder';
import type { Value } from './ir';
import type { WeightBinder } from './weights';

/** What a mixture's graph needs of its block. */
export interface MoeContext {
  /** A linear map with whatever is attached to it. */
  readonly apply: (spec: LinearSpec, x: Value) => Value;
  readonly tapLogits: (value: Value) => Value;
  /**
   * Run each expert on the tokens that chose it, found with operators that only the CPU has. Otherwise each expert runs on every token and its
   * output is multiplied by its weight, 0 for most: the same result at `experts / k` times the products.
   */
  readonly gather: boolean;
  /** Something is attached to the linear maps, the router's perhaps: logits of -1e8 - 64 are experts that nothing may choose. */
  readonly hooked?: boolean;
}

/** A mixture of FFN experts on `[tokens, d_model]`, with the shared expert and the bias beside it. */
export function buildMoe(b: GraphBuilder, w: WeightBinder, moe: MoeSpec, x: Value, context: MoeContext): Value {
  const weights = routingWeights(b, w, moe, context.tapLogits(context.apply(moe.router, x)), context.hooked);
  const run = (expert: ExpertSpec, rows: Value): Value => runExpert(b, expert, moe.activation, context.apply, rows);
  let out = mixExperts(b, weights, x, moe.experts.length, context.gather, (e, pick) => run(moe.experts[e], pick(x)));
  if (moe.bias) out = b.add(out, w.tensor(moe.bias));
  if (!moe.shared) return out;
  const shared = run(moe.shared.expert, x);
  return b.add(out, moe.shared.gate ? b.mul(b.unary('Sigmoid', context.apply(moe.shared.gate, x)), shared) : shared);
}

/** Rows of a value along an axis that belong to the tokens an expert runs on. */
export type PickRows = (value: Value, axis?: number) => Value;

/**
 * Sum over experts of weight `[tokens, E]` times output, which is as wide as x `[tokens, d_model]`. Experts come one after the other, so that
 * beyond the weights in their file only one expert's unpacked weights and activations are alive at a time (with `gather`; otherwise the runtime
 * may keep all weights unpacked).
 */
export function mixExperts(b: GraphBuilder, weights: Value, x: Value, experts: number, gather: boolean, run: (expert: number, pick: PickRows) => Value): Value {
  const columns = b.split(weights, 1, Array.from({ length: experts }, () => 1)), label = weights.name;
  let out: Value | null = null;
  for (const [e, column] of columns.entries()) {
    if (gather) {
      const size = `${label}.${e}`, chosen = b.nonZero(b.reshape(column, [-1], ['tokens']), size), rows = b.reshape(chosen, [-1], [size]);
      // An expert that no token chose costs nothing: neither its products nor the unpacking of its weights.
      const input = b.gather(x, rows, 0), used = b.greater(b.reduce('ReduceMax', b.reshape(column, [1, -1], [1, 'tokens']), 1, false), b.scalar('zero', 0));
      const output = b.mul(b.branch(used, () => run(e, (value, axis = 0) => (value === x ? input : b.gather(value, rows, axis))), () => input, input.shape), b.gather(column, rows, 0));
      out = b.addRows(out ?? zeros(b, x), b.reshape(chosen, [-1, 1], [size, 1]), output);
    } else {
      const output = b.mul(run(e, (value) => value), column);
      out = out ? b.add(out, output) : output;
    }
  }
  if (!out) throw new Error('a mixture without experts');
  return out;
}

/** Weights `[tokens, experts]`, 0 for experts that a token does not use; `routing/moeRule.ts` is the same rule outside a graph. */
export function routingWeights(b: GraphBuilder, w: WeightBinder, { rule, k, weightScale }: Pick<MoeSpec, 'rule' | 'k' | 'weightScale'>, logits: Value, hooked = false): Value {
  const weights = rule.kind === 'softmaxGroups' || rule.kind === 'sigmoidGroups' ? groupedWeights(b, w, rule, k, logits, hooked) : topWeights(b, rule, k, logits);
  return weightScale === undefined ? weights : b.mul(weights, b.scalar('weight.scale', weightScale));
}

function topWeights(b: GraphBuilder, rule: Exclude<RouterRule, { readonly groups: number }>, k: number, logits: Value): Value {
  const scores = rule.kind === 'softmaxTopK' ? b.softmax(logits) : logits;
  const { values, indices } = b.topK(scores, k);
  const chosen = rule.kind === 'topKSoftmax' ? b.softmax(values) : rule.renormalise ? b.div(values, b.reduce('ReduceSum', values, -1, true)) : values;
  return b.scatter(zeros(b, logits), indices, chosen);
}

/** Chosen by scores with a bias inside the groups that stay; weighted by scores without it. */
function groupedWeights(b: GraphBuilder, w: WeightBinder, rule: Extract<RouterRule, { readonly groups: number }>, k: number, logits: Value, hooked: boolean): Value {
  const experts = Number(logits.shape[1]), { groups, keepGroups } = rule, size = experts / groups, sigmoid = rule.kind === 'sigmoidGroups';
  const scores = sigmoid ? b.unary('Sigmoid', logits) : b.softmax(logits);
  let by = sigmoid ? b.add(scores, w.tensor(rule.bias)) : scores;
  // A sigmoid of such a logit is 0, but its bias could still win: 64 less, which no score makes up for. What is added to all others is zero.
  if (sigmoid && hooked) by = b.add(by, b.clip(b.add(logits, b.scalar('taken.out', 1e8)), null, 0));
  if (keepGroups < groups) {
    const grouped = b.reshape(by, [0, groups, size], ['tokens', groups, size]);
    const value = sigmoid ? b.reduce('ReduceSum', b.topK(grouped, Math.min(2, size)).values, -1, false) : b.reduce('ReduceMax', grouped, -1, false);
    const stay = b.reshape(marked(b, value, keepGroups), [0, groups, 1], ['tokens', groups, 1]);
    // Scores of groups that stay keep all their bits: what is added to them is zero.
    const away = b.mul(b.sub(stay, b.scalar('one', 1)), b.scalar('out.of.reach', OUT_OF_REACH));
    by = b.reshape(b.add(grouped, away), [0, experts], ['tokens', experts]);
  }
  const weights = b.mul(scores, marked(b, by, k));
  if (!sigmoid || !rule.renormalise) return weights;
  return b.div(weights, b.add(b.reduce('ReduceSum', weights, -1, true), b.scalar('tiny', 1e-20)));
}

/** Larger than any score with its bias. */
const OUT_OF_REACH = 1e30;

/** 1 at the k largest of each row, 0 elsewhere. */
function marked(b: GraphBuilder, x: Value, k: number): Value {
  const { values, indices } = b.topK(x, k);
  return b.scatter(zeros(b, x), indices, b.add(zeros(b, values), b.scalar('one', 1)));
}

function zeros(b: GraphBuilder, x: Value): Value {
  return b.mul(x, b.scalar('zero', 0));
}

function runExpert(b: GraphBuilder, expert: ExpertSpec, activation: ExpertActivation, apply: MoeContext['apply'], x: Value): Value {
  const gate = apply(expert.gate, x), up = apply(expert.up, x);
  return apply(expert.down, b.mul(...expertHidden(b, activation, gate, up)));
}

/** The two factors of an expert's hidden activations. */
function expertHidden(b: GraphBuilder, activation: ExpertActivation, gate: Value, up: Value): readonly [Value, Value] {
  if (typeof activation === 'string') return [activate(b, activation, gate), up];
  const { alpha, limit } = activation, low = b.clip(gate, null, limit);
  const swish = b.mul(low, b.unary('Sigmoid', b.mul(low, b.scalar('swiglu.alpha', alpha))));
  return [swish, b.add(b.clip(up, -limit, limit), b.scalar('one', 1))];
}
