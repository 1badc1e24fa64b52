import type { GraphBuilder } from '../../graph/builder';
import type { Value } from '../../graph/ir';

/** Far below any logit, and not so far that adding a logit overflows. */
const LEFT_OUT = 3e38;

/** Up to this many experts all pairs are compared, which takes memory tokens x experts^2; beyond, the runtime sorts. */
const COMPARED_EXPERTS = 32;

/**
 * Softmax(logits / temperature) over the k largest logits of each row `[tokens, experts]`, 0 for the others; of equal
 * logits the lower index is taken. An expert's rank is the number of experts before it: larger logits, and equal ones
 * with a lower index, so that ties are decided the same way on every device.
 */
export function topKSoftmax(b: GraphBuilder, logits: Value, experts: number, k: number, temperature: number): Value {
  const scaled = b.div(logits, b.scalar(`arrow.temperature.${temperature}`, temperature));
  if (k >= experts) return b.softmax(scaled);
  if (experts > COMPARED_EXPERTS) {
    const { values, indices } = b.topK(scaled, k);
    return b.scatter(b.mul(logits, b.scalar('arrow.zero', 0)), indices, b.softmax(values));
  }
  const [tokens] = logits.shape;
  const own = b.reshape(logits, [0, experts, 1], [tokens, experts, 1]), other = b.reshape(logits, [0, 1, experts], [tokens, 1, experts]);
  const larger = b.cast(b.greater(other, own), 'float32'), smaller = b.cast(b.greater(own, other), 'float32');
  const lower = new Float32Array(experts * experts);
  for (let e = 0; e < experts; e++) lower.fill(1, e * experts, e * experts + e);
  const equal = b.sub(b.sub(b.scalar('arrow.one', 1), larger), smaller);
  const before = b.add(larger, b.mul(equal, b.floats(`arrow.lower.${experts}`, [1, experts, experts], lower)));
  const rank = b.reduce('ReduceSum', before, -1, false);
  const kept = b.cast(b.greater(b.scalar(`arrow.k.${k}`, k - 0.5), rank), 'float32');
  return b.softmax(b.add(scaled, b.mul(b.sub(kept, b.scalar('arrow.one', 1)), b.scalar('arrow.leftOut', LEFT_OUT))));
}
