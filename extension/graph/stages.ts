import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec, StackSpec } from '../architecture/spec';
import { activate } from './activations';
import type { LinearHook, LinearInputHook } from './block';
import { GraphBuilder } from './builder';
import type { Graph, Value } from './ir';
import { decodeTensors, WeightBinder } from './weights';

/** What plugged-in modules do to the maps before and after the blocks. */
export interface StageHooks {
  readonly hook?: LinearHook;
  readonly before?: LinearInputHook;
}

/** A linear map with whatever is attached to it. */
function applyWith(b: GraphBuilder, w: WeightBinder, { hook, before }: StageHooks): (spec: LinearSpec, x: Value) => Value {
  return (spec, x) => {
    const y = w.linear(spec, before ? before(b, spec, x) : x);
    return hook ? hook(b, spec, x, y) : y;
  };
}

/** The linear maps before and after a stack's blocks, the decoder left out: it runs in slices. */
export function stageLinears(model: BoundModel, stack: StackSpec): readonly LinearSpec[] {
  const { head } = model.spec;
  return [stack.embedding.projection, head?.transform?.dense, head?.projection].filter((l): l is LinearSpec => l !== undefined);
}

/** Embedding rows are gathered outside; this graph norms and widens them. Null where there is nothing to do. */
export async function buildEmbeddingStage(model: BoundModel, stack: StackSpec, hooks: StageHooks = {}): Promise<Graph | null> {
  const { norm, projection, width } = stack.embedding;
  if (!norm && !projection) return null;
  const names = [norm?.weight, norm?.bias, projection?.weight, projection?.bias].filter((n): n is string => typeof n === 'string');
  const b = new GraphBuilder('embeddings');
  const w = new WeightBinder(model, b, await decodeTensors(model, names));
  const rows = b.input('rows', 'float32', ['tokens', width]);
  const normed = w.norm(norm, rows);
  b.output('hidden', projection ? applyWith(b, w, hooks)(projection, normed) : normed);
  return b.build();
}

/** From the last block's output to what the decoder multiplies: final norm, masked-LM transform, projection. */
export async function buildPreHead(model: BoundModel, stack: StackSpec, parts: { readonly final: boolean; readonly head: boolean }, hooks: StageHooks = {}): Promise<Graph> {
  const head = parts.head ? model.spec.head : undefined, t = head?.transform;
  const names = [parts.final ? stack.finalNorm?.weight : undefined, parts.final ? stack.finalNorm?.bias : undefined, t?.dense.weight, t?.dense.bias, t?.norm.weight, t?.norm.bias, head?.projection?.weight, head?.projection?.bias].filter((n): n is string => typeof n === 'string');
  const b = new GraphBuilder('preHead');
  const w = new WeightBinder(model, b, await decodeTensors(model, names));
  const apply = applyWith(b, w, hooks);
  let x: Value = b.input('hidden', 'float32', ['tokens', stack.dModel]);
  if (parts.final) x = b.output('final', w.norm(stack.finalNorm, x));
  if (t) x = w.norm(t.norm, activate(b, t.activation, apply(t.dense, x)));
  if (head?.projection) x = apply(head.projection, x);
  if (parts.head) b.output('decoderInput', x);
  return b.build();
}

/** What a slice of the vocabulary gives out: the logits themselves, or what a loss needs of them. */
export type HeadSliceKind = 'logits' | 'logSumExp';

/** Changes what rows [from, to) of the decoder give, before scale and softcap: `x` is `[tokens, in]`, `logits` `[tokens, to - from]`. */
export type HeadSliceHook = (builder: GraphBuilder, x: Value, logits: Value, rows: readonly [number, number]) => Value;

/**
 * Rows [from, to) of the decoder. `logits`: `[tokens, to - from]`. `logSumExp`: the slice's maximum and the sum of
 * exp(logit - maximum), `[tokens, 1]` each, to be merged over slices, so that `[tokens, vocabulary]` never exists.
 */
export async function buildHeadSlice(model: BoundModel, from: number, to: number, kind: HeadSliceKind, change?: HeadSliceHook): Promise<Graph> {
  const head = model.spec.head;
  if (!head) throw new Error('the model has no head');
  const names = [head.decoder.weight, ...(head.decoder.bias ? [head.decoder.bias] : [])];
  const b = new GraphBuilder(`head[${from}:${to}]`);
  const w = new WeightBinder(model, b, await decodeTensors(model, names));
  const x = b.input('decoderInput', 'float32', ['tokens', head.decoder.inWidth]);
  let logits = b.gemm(x, w.tensor(head.decoder.weight, [from, to]), { transposed: true, width: to - from, ...(head.decoder.bias ? { bias: w.tensor(head.decoder.bias, [from, to]) } : {}) });
  if (change) logits = change(b, x, logits, [from, to]);
  if (head.scale !== undefined) logits = b.mul(logits, b.scalar('head.scale', head.scale));
  if (head.softcap !== undefined) {
    const cap = b.scalar('head.softcap', head.softcap);
    logits = b.mul(b.unary('Tanh', b.div(logits, cap)), cap);
  }
  if (kind === 'logits') b.output('logits', logits);
  else {
    const top = b.output('max', b.reduce('ReduceMax', logits, 1, true));
    b.output('sum', b.reduce('ReduceSum', b.unary('Exp', b.sub(logits, top)), 1, true));
  }
  return b.build();
}
