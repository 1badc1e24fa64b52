import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { GraphBuilder } from './builder';
import type { Graph } from './ir';
import { decodeTensors, WeightBinder } from './weights';

/**
 * Statistics of FFN activations on a slice of tokens. Inputs: `hidden` `[n, f]`, `norms` `[f]` (length of what a neuron writes),
 * `epsilon` `[1]`, `labels` `[labels, n]` one-hot. Outputs: `sum`, `sumAbs`, `sumSquare`, `sumOutput`, `count` `[f]`, `labelSum` `[labels, f]` (output
 * norms per label) and `active` `[f, n]` (1 where the output norm exceeds epsilon).
 */
export function buildStatistics(f: number, labels: number): Graph {
  const b = new GraphBuilder('statistics');
  const hidden = b.input('hidden', 'float32', ['n', f]), norms = b.input('norms', 'float32', [f]), epsilon = b.input('epsilon', 'float32', [1]);
  const magnitude = b.unary('Abs', hidden), output = b.mul(magnitude, norms);
  const active = b.cast(b.greater(output, epsilon), 'float32');
  b.output('sum', b.reduce('ReduceSum', hidden, 0, false));
  b.output('sumAbs', b.reduce('ReduceSum', magnitude, 0, false));
  b.output('sumSquare', b.reduce('ReduceSum', b.mul(hidden, hidden), 0, false));
  b.output('sumOutput', b.reduce('ReduceSum', output, 0, false));
  b.output('count', b.reduce('ReduceSum', active, 0, false));
  if (labels > 0) b.output('labelSum', b.gemm(b.input('labels', 'float32', [labels, 'n']), output, { transposed: false, width: f }));
  b.output('active', b.transpose(active, [1, 0]));
  return b.build();
}

/** `left` `[m, t]` times `right` `[n, t]` transposed: one panel of a Gram matrix. */
export function buildGramPanel(): Graph {
  const b = new GraphBuilder('gramPanel');
  b.output('product', b.gemm(b.input('left', 'float32', ['m', 't']), b.input('right', 'float32', ['n', 't']), { transposed: true, width: 'n' }));
  return b.build();
}

/** The down projection without bias on `hidden` `[n, f]`: `output` `[n, d]`. */
export async function buildDown(model: BoundModel, down: LinearSpec): Promise<Graph> {
  const b = new GraphBuilder('downProjection');
  const { bias: _, ...plain } = down;
  const w = new WeightBinder(model, b, await decodeTensors(model, [down.weight]));
  b.output('output', w.linear(plain, b.input('hidden', 'float32', ['n', down.inWidth])));
  return b.build();
}
