import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import { GraphBuilder } from './builder';
import type { Graph } from './ir';
import { decodeTensors, WeightBinder } from './weights';

/**
 * Statistics of FFN activations on a slice of tokens. Inputs: `hidden` `[n, f]`, `norms` `[f]` (length of what a neuron writes),
 * `epsilon` `[1]`, `ones` `[1, n]`, `groups` `[1 + labels, n]` (a row of ones, then the labels one-hot); n is a multiple of 8. Outputs: `sum`,
 * `sumSquare` `[1, f]`, `sumAbs` `[1 + labels, f]` (of all tokens, then of each label's) and `active` `[n / 8, f]`: bit i of a whole number
 * below 256 is set where the output norm exceeds epsilon on the i-th of eight tokens.
 * Sums over tokens are products, because reductions along the first axis are several times as slow on the CPU.
 */
export function buildStatistics(f: number, labels: number): Graph {
  const b = new GraphBuilder('statistics');
  const hidden = b.input('hidden', 'float32', ['n', f]), norms = b.input('norms', 'float32', [f]), epsilon = b.input('epsilon', 'float32', [1]);
  const ones = b.input('ones', 'float32', [1, 'n']), groups = b.input('groups', 'float32', [1 + labels, 'n']);
  const magnitude = b.unary('Abs', hidden), over = { transposed: false, width: f };
  b.output('sum', b.gemm(ones, hidden, over));
  b.output('sumSquare', b.gemm(ones, b.mul(hidden, hidden), over));
  b.output('sumAbs', b.gemm(groups, magnitude, over));
  const active = b.cast(b.greater(b.mul(magnitude, norms), epsilon), 'float32');
  const eights = b.matmul(b.floats('powers', [1, 8], [1, 2, 4, 8, 16, 32, 64, 128]), b.reshape(active, [-1, 8, f], ['n/8', 8, f]), ['n/8', 1, f]);
  b.output('active', b.reshape(eights, [-1, f], ['n/8', f]));
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
