import type { BoundModel } from '../architecture/resolve';
import { type AttentionSpec, type BlockSpec, type FfnSpec, type LatentQkvSpec, type LinearSpec, type NormSpec, type QkvSpec, requireFfn, type RoutedQkvSpec, type RopeSpec, type StackSpec } from '../architecture/spec';
import { linearsOf, normsOf, vectorsOf } from '../architecture/resolve';
import { activate } from './activations';
import { GraphBuilder } from './builder';
import type { Graph, Value } from './ir';
import { buildMoe, mixExperts, type PickRows, routingWeights } from './moe';
import { decodeTensors, type DecodedTensors, WeightBinder } from './weights';

/** Inner tensors of a block that can be tapped, `[tokens, width]` each. */
export const BLOCK_TAPS = ['input', 'attention.router.logits', 'attention.output', 'ffn.input', 'router.logits', 'ffn.gate', 'ffn.up', 'ffn.hidden', 'ffn.output', 'output'] as const;
export type BlockTap = (typeof BLOCK_TAPS)[number];

/** The taps that a block of this shape has. */
export function tapsOf(block: BlockSpec): readonly BlockTap[] {
  const { ffn, attention } = block, dense = ffn.kind === 'ffn';
  const absent: readonly BlockTap[] = [...(dense ? [] : FFN_TAPS), ...(dense && !ffn.gate ? ['ffn.gate' as const] : []), ...(dense ? ['router.logits' as const] : []), ...(attention.qkv.kind === 'routed' ? [] : ['attention.router.logits' as const])];
  return BLOCK_TAPS.filter((tap) => !absent.includes(tap));
}

/** Taps as wide as a dense FFN. */
const FFN_TAPS: readonly BlockTap[] = ['ffn.gate', 'ffn.up', 'ffn.hidden'];

/** Width of a block's tap. */
export function tapWidthOf(block: BlockSpec, tap: BlockTap, dModel: number): number {
  const { ffn, attention } = block;
  if (tap === 'router.logits' && ffn.kind === 'moe') return ffn.experts.length;
  if (tap === 'attention.router.logits' && attention.qkv.kind === 'routed') return attention.qkv.experts.length;
  return FFN_TAPS.includes(tap) ? requireFfn(block).up.outWidth : dModel;
}

/** Changes the output of a linear map: plugged-in modules attach here. */
export type LinearHook = (builder: GraphBuilder, site: LinearSpec, x: Value, y: Value) => Value;

/** Changes what a linear map reads; `hook` still sees what reached it. */
export type LinearInputHook = (builder: GraphBuilder, site: LinearSpec, x: Value) => Value;

/** Where a sublayer's output meets the residual stream, `[tokens, d_model]` each. */
export interface SublayerJoin {
  readonly part: 'attention' | 'ffn';
  /** The stream that the sublayer branched off. */
  readonly residual: Value;
  /** What the sublayer gives to the sum. */
  readonly branch: Value;
  /** The norm after the sum, where there is one. */
  readonly norm: (sum: Value) => Value;
}

/** Gives keys and values that stand before those of the tokens; `x` `[tokens, d_model]` is what the attention reads. */
export type KeysHook = (builder: GraphBuilder, block: BlockSpec, x: Value) => { readonly key: Value; readonly value: Value };

/** Gives the stream after a sublayer; null leaves it as the model has it: the norm of residual plus branch. */
export type JoinHook = (builder: GraphBuilder, block: BlockSpec, at: SublayerJoin) => Value | null;

export interface BlockOptions {
  /** Taps to give out, named as in `BLOCK_TAPS`. */
  readonly taps?: ReadonlySet<BlockTap>;
  /** Take past keys and values and give out the extended ones. */
  readonly cache?: boolean;
  readonly hook?: LinearHook;
  readonly before?: LinearInputHook;
  readonly join?: JoinHook;
  /** Keys and values that stand before those of the tokens, as inputs like the past; nothing of them is given out. */
  readonly prefix?: boolean;
  /** The same made in the graph from what the attention reads, `[kvHeads, *, headDim]`. */
  readonly keys?: KeysHook;
  /** Adds inputs `ffn.mask` and `ffn.fill` `[d_ff]`: hidden = hidden * mask + fill. */
  readonly mask?: boolean;
  /** Leave out everything after the FFN's hidden activations (the last block of a probe that needs no output). */
  readonly stopAtHidden?: boolean;
  /** Mixtures of experts: run an expert on the tokens that chose it (CPU alone, see `MoeContext.gather`). */
  readonly gather?: boolean;
  /** Adds outputs computed from taps, e.g. statistics. */
  readonly extend?: (builder: GraphBuilder, taps: ReadonlyMap<BlockTap, Value>) => void;
}

/** Names of a block's inputs. `tokens` rows are packed sequences; what may see what is in the bias. */
export const BLOCK_INPUTS = {
  /** `[tokens, d_model]` */
  hidden: 'hidden',
  /** `[tokens, past + tokens]`: 0 where a query sees a key, a large negative number elsewhere. One per window size. */
  bias: (window: number | undefined): string => `bias.${window ?? 'full'}`,
  /** `[tokens, 1, rotaryDim]` */
  cos: (rope: string): string => `cos.${rope}`,
  sin: (rope: string): string => `sin.${rope}`,
  /** `[kvHeads, past, headDim]`; values have their own width in latent attention. */
  pastKey: 'past.key',
  pastValue: 'past.value',
  mask: 'ffn.mask',
  fill: 'ffn.fill',
  /** `[tokens, tokens]`: rows that average over a token's own sequence. */
  sequenceMean: 'sequence.mean',
  /** `[sequences, tokens]`: the same once per sequence. */
  sequenceRows: 'sequence.rows',
} as const;
export const BLOCK_OUTPUTS = { hidden: 'hidden.out', presentKey: 'present.key', presentValue: 'present.value' } as const;

/** The graph of one block over packed tokens. */
export async function buildBlock(model: BoundModel, stack: StackSpec, block: BlockSpec, options: BlockOptions = {}): Promise<Graph> {
  const decoded = await decodeTensors(model, tensorNamesOf(block));
  return assemble(model, stack, block, options, decoded);
}

/** Names of all tensors that a block reads. */
export function tensorNamesOf(block: BlockSpec): readonly string[] {
  const linears = linearsOf(block).flatMap((l) => [l.weight, l.bias, l.mxfp4?.scales]), norms = normsOf(block).flatMap((n) => [n.weight, n.bias]);
  return [...new Set([...linears, ...norms, ...vectorsOf(block, 0).map((v) => v.name)].filter((n): n is string => typeof n === 'string'))];
}

function assemble(model: BoundModel, stack: StackSpec, block: BlockSpec, options: BlockOptions, decoded: DecodedTensors): Graph {
  const b = new GraphBuilder(`blocks.${block.index}`);
  const w = new WeightBinder(model, b, decoded);
  const apply = (spec: LinearSpec, x: Value): Value => {
    const y = w.linear(spec, options.before ? options.before(b, spec, x) : x);
    return options.hook ? options.hook(b, spec, x, y) : y;
  };
  const taps = new Map<BlockTap, Value>();
  const tap = (name: BlockTap, value: Value): Value => { taps.set(name, value); return value; };

  const hidden = tap('input', b.input(BLOCK_INPUTS.hidden, 'float32', ['tokens', stack.dModel]));
  const attention = (x: Value): Value => tap('attention.output', buildAttention({ b, w, stack, spec: block.attention, apply, tap, gather: options.gather === true }, x, options, block));
  const ffn = (x: Value): Value => {
    if (block.ffn.kind === 'ffn') return buildFfn(b, block.ffn, apply, tap, x, options);
    // Masks and early stops are about the neurons of a dense FFN.
    if (options.mask || options.stopAtHidden) requireFfn(block);
    return tap('ffn.output', buildMoe(b, w, block.ffn, x, { apply, tapLogits: (logits) => tap('router.logits', logits), gather: options.gather === true, hooked: options.hook !== undefined }));
  };
  const scaled = (branch: Value): Value => (block.residualScale === undefined ? branch : b.mul(branch, b.scalar('residual.scale', block.residualScale)));
  const a = block.attention.norms, f = block.ffn.norms;
  if (block.residual === 'parallel') {
    const left = scaled(w.norm(a.branch, attention(w.norm(a.before, hidden))));
    const right = scaled(w.norm(f.branch, ffn(tap('ffn.input', w.norm(f.before, hidden)))));
    if (!options.stopAtHidden) tap('output', b.add(b.add(right, left), hidden));
  } else {
    const joined = (part: SublayerJoin['part'], after: NormSpec | undefined, residual: Value, branch: Value): Value => {
      const norm = (sum: Value): Value => w.norm(after, sum);
      return options.join?.(b, block, { part, residual, branch, norm }) ?? norm(b.add(residual, branch));
    };
    const middle = joined('attention', a.after, hidden, scaled(w.norm(a.branch, attention(w.norm(a.before, hidden)))));
    const branch = scaled(w.norm(f.branch, ffn(tap('ffn.input', w.norm(f.before, middle)))));
    if (!options.stopAtHidden) tap('output', joined('ffn', f.after, middle, branch));
  }
  for (const name of BLOCK_TAPS) {
    const value = taps.get(name);
    if (value && options.taps?.has(name)) b.output(`tap:${name}`, value);
  }
  const output = taps.get('output');
  if (output) b.output(BLOCK_OUTPUTS.hidden, output);
  options.extend?.(b, taps);
  return b.build(block.ffn.kind === 'moe' ? { unpackEachRun: options.gather === true } : {});
}

function buildFfn(b: GraphBuilder, ffn: FfnSpec, apply: (spec: LinearSpec, x: Value) => Value, tap: (name: BlockTap, value: Value) => Value, x: Value, options: BlockOptions): Value {
  let hidden: Value;
  if (ffn.gate) {
    const gate = tap('ffn.gate', apply(ffn.gate, x));
    hidden = b.mul(activate(b, ffn.activation, gate), tap('ffn.up', apply(ffn.up, x)));
  } else hidden = activate(b, ffn.activation, tap('ffn.up', apply(ffn.up, x)));
  if (options.mask) {
    const width = ffn.up.outWidth;
    hidden = b.add(b.mul(hidden, b.input(BLOCK_INPUTS.mask, 'float32', [width])), b.input(BLOCK_INPUTS.fill, 'float32', [width]));
  }
  tap('ffn.hidden', hidden);
  return options.stopAtHidden ? hidden : tap('ffn.output', apply(ffn.down, hidden));
}

/** What every part of a block's attention needs. */
interface AttentionContext {
  readonly b: GraphBuilder;
  readonly w: WeightBinder;
  readonly stack: StackSpec;
  readonly spec: AttentionSpec;
  readonly apply: (spec: LinearSpec, x: Value) => Value;
  readonly tap: (name: BlockTap, value: Value) => Value;
  readonly gather: boolean;
}

function buildAttention(context: AttentionContext, x: Value, { cache, prefix, keys }: Pick<BlockOptions, 'cache' | 'prefix' | 'keys'>, block: BlockSpec): Value {
  const { b, w, spec, apply } = context, { kvHeads, headDim, valueDim = headDim, qkv } = spec;
  const [q, k, v] = qkv.kind === 'routed' ? [null, ...routedKeys(context, qkv, x)] : headsOf(context, qkv, x);
  let key = b.transpose(k, [1, 0, 2]), value = b.transpose(v, [1, 0, 2]);
  if (keys) {
    const before = keys(b, block, x);
    key = b.concat([before.key, key], 1, 'keys');
    value = b.concat([before.value, value], 1, 'keys');
  }
  if (cache || prefix) {
    key = b.concat([b.input(BLOCK_INPUTS.pastKey, 'float32', [kvHeads, 'past', headDim]), key], 1, 'keys');
    value = b.concat([b.input(BLOCK_INPUTS.pastValue, 'float32', [kvHeads, 'past', valueDim]), value], 1, 'keys');
  }
  if (cache) {
    b.output(BLOCK_OUTPUTS.presentKey, key);
    b.output(BLOCK_OUTPUTS.presentValue, value);
  }
  const keyT = b.reshape(b.transpose(key, [0, 2, 1]), [kvHeads, 1, headDim, -1], [kvHeads, 1, headDim, 'keys']);
  const bias = b.input(BLOCK_INPUTS.bias(spec.window), 'float32', ['tokens', 'keys']);
  if (q && spec.o) return apply(spec.o, attend(context, q, keyT, value, bias));
  if (qkv.kind !== 'routed') throw new Error('attention without an output map');
  const weights = routingWeights(b, w, qkv, context.tap('attention.router.logits', apply(qkv.router, x)));
  const mixed = mixExperts(b, weights, x, qkv.experts.length, context.gather, (e, pick) => {
    const input = pick(x), query = b.reshape(apply(qkv.experts[e].q, input), [0, kvHeads, headDim], [input.shape[0], kvHeads, headDim]);
    return apply(qkv.experts[e].o, attend(context, turned(context, query, headDim, pick), keyT, value, pick(bias)));
  });
  return b.add(mixed, w.tensor(qkv.bias));
}

/** Values `[tokens, heads * valueDim]` that queries `[tokens, heads, headDim]` see; `keyT` is `[kvHeads, 1, headDim, keys]`, `value` `[kvHeads, keys, valueDim]`. */
function attend({ b, w, spec }: AttentionContext, q: Value, keyT: Value, value: Value, bias: Value): Value {
  const { kvHeads, headDim, valueDim = headDim } = spec, heads = Number(q.shape[1]), group = heads / kvHeads, rows = q.shape[0];
  // [tokens, heads, headDim] -> [kvHeads, ...]: heads of one group share a key head.
  const query = b.transpose(b.reshape(q, [0, kvHeads, group, headDim], [rows, kvHeads, group, headDim]), [1, 2, 0, 3]);
  let scores = b.mul(b.matmul(query, keyT, [kvHeads, group, rows, 'keys']), b.scalar('attention.scale', spec.scale));
  if (spec.softcap !== undefined) {
    const cap = b.scalar('attention.softcap', spec.softcap);
    scores = b.mul(b.unary('Tanh', b.div(scores, cap)), cap);
  }
  let seen = b.add(scores, bias), values = value;
  if (spec.sinks !== undefined) {
    // A sink is one more key whose value is zero: it takes its share of the softmax and gives nothing.
    const sink = b.reshape(w.tensor(spec.sinks), [kvHeads, group, 1, 1], [kvHeads, group, 1, 1]);
    seen = b.concat([seen, b.add(b.mul(b.reduce('ReduceMax', seen, -1, true), b.scalar('zero', 0)), sink)], 3, 'keys+1');
    values = b.concat([value, b.floats(`zeros.${kvHeads}.${valueDim}`, [kvHeads, 1, valueDim], new Float32Array(kvHeads * valueDim))], 1, 'keys+1');
  }
  const mixed = b.matmul(b.softmax(seen), b.reshape(values, [kvHeads, 1, -1, valueDim], [kvHeads, 1, 'keys', valueDim]), [kvHeads, group, rows, valueDim]);
  return b.reshape(b.transpose(mixed, [2, 0, 1, 3]), [0, heads * valueDim], [rows, heads * valueDim]);
}

/** Rotated by position where the attention does that; `pick` chooses the tokens' rows of the tables. */
function turned({ b, stack, spec }: AttentionContext, value: Value, width: number, pick: PickRows = (table) => table): Value {
  const rope = spec.rope === undefined ? null : stack.ropes.get(spec.rope) ?? null;
  return rope && spec.rope !== undefined ? rotate(b, value, spec.rope, rope, width, pick) : value;
}

/** Keys, turned, and values that all experts of a mixture of heads share. */
function routedKeys(context: AttentionContext, qkv: RoutedQkvSpec, x: Value): readonly [Value, Value] {
  const { b, spec: { kvHeads, headDim }, apply } = context;
  const [k, v] = b.split(apply(qkv.kv, x), 1, [kvHeads * headDim, kvHeads * headDim]).map((half) => b.reshape(half, [0, kvHeads, headDim], ['tokens', kvHeads, headDim]));
  return [turned(context, k, headDim), v];
}

/** Queries, keys and values as `[tokens, heads, width]`, normed and turned. */
function headsOf(context: AttentionContext, qkv: Exclude<QkvSpec, RoutedQkvSpec>, x: Value): readonly [Value, Value, Value] {
  const { b, w, spec, apply } = context, { heads, kvHeads, headDim } = spec;
  if (qkv.kind === 'latent') return latentHeads(context, qkv, x);
  const [q, k, v] = qkvOf(b, spec, qkv, apply, x);
  const held = (value: Value): Value => (spec.clip === undefined ? value : b.clip(value, -spec.clip, spec.clip));
  const normed = (value: Value, norm: NormSpec | undefined, n: number): Value => {
    if (!norm || norm.width === headDim) return w.norm(norm, value);
    return b.reshape(w.norm(norm, b.reshape(value, [0, n * headDim], ['tokens', n * headDim])), [0, n, headDim], ['tokens', n, headDim]);
  };
  return [turned(context, held(normed(q, spec.qNorm, heads)), headDim), turned(context, held(normed(k, spec.kNorm, kvHeads)), headDim), held(v)];
}

/** Heads behind latents; the rotated part of the key is the same for all heads. */
function latentHeads(context: AttentionContext, qkv: LatentQkvSpec, x: Value): readonly [Value, Value, Value] {
  const { b, w, spec, apply } = context, { heads, headDim, valueDim = headDim } = spec, { plainDim, ropeDim, kvNorm } = qkv;
  const shaped = (value: Value, n: number, width: number): Value => b.reshape(value, [0, n, width], ['tokens', n, width]);
  const rotated = (value: Value, n: number): Value => {
    if (!qkv.interleaved) return turned(context, value, ropeDim);
    const halves = b.split(b.reshape(value, [0, n, ropeDim / 2, 2], ['tokens', n, ropeDim / 2, 2]), 3, [1, 1]);
    return turned(context, b.concat(halves.map((half) => shaped(half, n, ropeDim / 2)), 2, ropeDim), ropeDim);
  };
  const [qPlain, qRope] = b.split(shaped(apply(qkv.q, qkv.qLatent ? w.norm(qkv.qLatent.norm, apply(qkv.qLatent.down, x)) : x), heads, headDim), 2, [plainDim, ropeDim]);
  const [latent, kRope] = b.split(apply(qkv.kvDown, x), 1, [kvNorm.width, ropeDim]);
  const [kPlain, v] = b.split(shaped(apply(qkv.kvUp, w.norm(kvNorm, latent)), heads, plainDim + valueDim), 2, [plainDim, valueDim]);
  const shared = rotated(shaped(kRope, 1, ropeDim), 1);
  return [b.concat([qPlain, rotated(qRope, heads)], 2, headDim), b.concat([kPlain, b.concat(Array.from({ length: heads }, () => shared), 1, heads)], 2, headDim), v];
}

/** q, k, v as `[tokens, heads, headDim]`. */
function qkvOf(b: GraphBuilder, spec: AttentionSpec, qkv: Exclude<QkvSpec, LatentQkvSpec | RoutedQkvSpec>, apply: (spec: LinearSpec, x: Value) => Value, x: Value): readonly [Value, Value, Value] {
  const { heads, kvHeads, headDim } = spec;
  const shaped = (value: Value, n: number): Value => b.reshape(value, [0, n, headDim], ['tokens', n, headDim]);
  if (qkv.kind === 'separate') return [shaped(apply(qkv.q, x), heads), shaped(apply(qkv.k, x), kvHeads), shaped(apply(qkv.v, x), kvHeads)];
  const fused = apply(qkv.linear, x);
  if (qkv.arrangement === 'concat') {
    const [q, k, v] = b.split(fused, 1, [heads * headDim, kvHeads * headDim, kvHeads * headDim]);
    return [shaped(q, heads), shaped(k, kvHeads), shaped(v, kvHeads)];
  }
  const perHead = b.reshape(fused, [0, heads, 3 * headDim], ['tokens', heads, 3 * headDim]);
  const [q, k, v] = b.split(perHead, 2, [headDim, headDim, headDim]);
  return [q, k, v];
}

/** Rotary positions by halves: (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin) on the first rotaryDim features. */
function rotate(b: GraphBuilder, x: Value, name: string, rope: RopeSpec, headDim: number, pick: PickRows): Value {
  const { rotaryDim } = rope, half = rotaryDim / 2;
  const cos = pick(b.input(BLOCK_INPUTS.cos(name), 'float32', ['tokens', 1, rotaryDim])), sin = pick(b.input(BLOCK_INPUTS.sin(name), 'float32', ['tokens', 1, rotaryDim]));
  const [turned, rest] = rotaryDim < headDim ? b.split(x, 2, [rotaryDim, headDim - rotaryDim]) : [x, null];
  const [first, second] = b.split(turned, 2, [half, half]);
  const swapped = b.concat([b.unary('Neg', second), first], 2, rotaryDim);
  const out = b.add(b.mul(turned, cos), b.mul(swapped, sin));
  return rest ? b.concat([out, rest], 2, headDim) : out;
}
