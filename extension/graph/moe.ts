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
}

/**
 * A mixture of experts on `[tokens, d_model]`. Experts come one after the other, so that beyond the weights in their file only one expert's
 * unpacked weights and activations `[tokens, width]` are alive at a time (with `gather`; otherwise the runtime may keep all weights unpacked).
 */
export function buildMoe(b: GraphBuilder, w: WeightBinder, moe: MoeSpec, x: Value, context: MoeContext): Value {
  const weights = routingWeights(b, w, moe, context.tapLogits(context.apply(moe.router, x)));
  const columns = b.split(weights, 1, moe.experts.map(() => 1));
  const run = (expert: ExpertSpec, rows: Value): Value => runExpert(b, expert, moe.activation, context.apply, rows);
  let out: Value | null = null;
  for (const [e, expert] of moe.experts.entries()) {
    if (context.gather) {
      const chosen = b.nonZero(b.reshape(columns[e], [-1], ['tokens']), `chosen.${e}`), rows = b.reshape(chosen, [-1], [`chosen.${e}`]);
      // An expert that no token chose costs nothing: neither its products nor the unpacking of its weights.
      const input = b.gather(x, rows, 0), used = b.greater(b.reduce('ReduceMax', b.reshape(columns[e], [1, -1], [1, 'tokens']), 1, false), b.scalar('zero', 0));
      const output = b.mul(b.branch(used, () => run(expert, input), () => input, input.shape), b.gather(columns[e], rows, 0));
      out = b.addRows(out ?? zeros(b, x), b.reshape(chosen, [-1, 1], [`chosen.${e}`, 1]), output);
    } else {
      const output = b.mul(run(expert, x), columns[e]);
      out = out ? b.add(out, output) : output;
    }
  }
  if (!out) throw new Error('a mixture without experts');
  if (!moe.shared) return out;
  const shared = run(moe.shared.expert, x);
  return b.add(out, moe.shared.gate ? b.mul(b.unary('Sigmoid', context.apply(moe.shared.gate, x)), shared) : shared);
}

/** Weights `[tokens, experts]`, 0 for experts that a token does not use; `routing/moeRule.ts` is the same rule outside a graph. */
function routingWeights(b: GraphBuilder, w: WeightBinder, { rule, k, weightScale }: MoeSpec, logits: Value): Value {
  const weights = rule.kind === 'softmaxGroups' || rule.kind === 'sigmoidGroups' ? groupedWeights(b, w, rule, k, logits) : topWeights(b, rule, k, logits);
  return weightScale === undefined ? weights : b.mul(weights, b.scalar('weight.scale', weightScale));
}

function topWeights(b: GraphBuilder, rule: Exclude<RouterRule, { readonly groups: number }>, k: number, logits: Value): Value {
  const scores = rule.kind === 'softmaxTopK' ? b.softmax(logits) : logits;
  const { values, indices } = b.topK(scores, k);
  const chosen = rule.kind === 'topKSoftmax' ? b.softmax(values) : rule.renormalise ? b.div(values, b.reduce('ReduceSum', values, -1, true)) : values;
  return b.scatter(zeros(b, logits), indices, chosen);
}

/** Chosen by scores with a bias inside the groups that stay; weighted by scores without it. */
function groupedWeights(b: GraphBuilder, w: WeightBinder, rule: Extract<RouterRule, { readonly groups: number }>, k: number, logits: Value): Value {
  const experts = Number(logits.shape[1]), { groups, keepGroups } = rule, size = experts / groups, sigmoid = rule.kind === 'sigmoidGroups';
  const scores = sigmoid ? b.unary('Sigmoid', logits) : b.softmax(logits);
  let by = sigmoid ? b.add(scores, w.tensor(rule.bias)) : scores;
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
