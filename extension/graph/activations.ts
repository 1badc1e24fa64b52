import type { Activation } from '../architecture/spec';
import type { GraphBuilder } from './builder';
import type { Value } from './ir';

/** An activation in primitive operators (GELU is one, with both of its forms). */
export function activate(b: GraphBuilder, kind: Activation, x: Value): Value {
  switch (kind) {
    case 'relu': return b.unary('Relu', x);
    case 'relu2': { const r = b.unary('Relu', x); return b.mul(r, r); }
    case 'gelu': return b.node('Gelu', [x], { approximate: 'none' }, x.shape);
    case 'geluTanh': return b.node('Gelu', [x], { approximate: 'tanh' }, x.shape);
    case 'quickGelu': return b.mul(x, b.unary('Sigmoid', b.mul(x, b.scalar('quickGelu.factor', 1.702))));
    case 'silu': return b.mul(x, b.unary('Sigmoid', x));
    case 'tanh': return b.unary('Tanh', x);
    case 'sigmoid': return b.unary('Sigmoid', x);
  }
}
