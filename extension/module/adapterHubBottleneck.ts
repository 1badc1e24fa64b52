import type { BoundModel } from '../architecture/resolve';
import type { BlockSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { activate } from '../graph/activations';
import { BLOCK_INPUTS, type SublayerJoin } from '../graph/block';
import type { GraphBuilder } from '../graph/builder';
import { floats, type HostTensor } from '../graph/hostTensor';
import type { Value } from '../graph/ir';
import { failure } from '../protocol/errors';
import type { HubFolder, HubMethod } from './adapterHub';
import { controlFactors } from './controls';
import { type BranchPart, branchName, type ModuleParts } from './parts';
import { expectShape, isOff, type Json, refuseFlags, unreadable } from './peftFolder';
import type { BindOptions } from './types';

/** Where in a block a bottleneck stands, and its tensors by part. */
interface Place {
  readonly target: string;
  readonly block: number;
  readonly part: SublayerJoin['part'];
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** What the settings say about the way through a bottleneck (`adapters`, BnConfig). */
interface Wiring {
  readonly parallel: boolean;
  readonly originalBefore: boolean;
  readonly originalAfter: boolean;
  readonly residualBefore: boolean | 'post_add';
  readonly ownResidualFirst: boolean;
  readonly normBefore: boolean;
  readonly normAfter: boolean;
  readonly gated: boolean;
  /** A number, or learned: its tensor is `scaling`. */
  readonly scaling: number | null;
  readonly activation: (b: GraphBuilder, x: Value) => Value;
}

/** Epsilon of torch's LayerNorm, which the adapter's own norms have. */
const EPSILON = 1e-5;

/** Bottleneck adapters: down, activation, up, added to what they stand behind or beside; residual and norm as the settings say. */
export function readBottleneck(folder: HubFolder, config: Json): HubMethod {
  const { path } = folder;
  refuseFlags({ path, config }, [{ flag: 'phm_layer', harmless: isOff }]);
  const wiring = wiringOf(path, config), places = placesOf(folder), task = places.map((place) => place.target);
  if (task.length === 0) throw unreadable(path, 'it holds no bottleneck adapters, though its settings describe them');
  const inv = config['inv_adapter'] ?? config['invertible_adapter'];
  if (!isOff(inv) && folder.tensors.some(({ slot }) => slot === 'invertible_adapters')) throw failure('module/unsupported-flag', { path, flag: 'inv_adapter', value: JSON.stringify(inv) });
  const down = places[0].tensors.get('down.weight');
  return {
    kind: 'adapter', rank: down?.shape[0] ?? null, sites: places.map(({ target }) => ({ target })),
    bind: async (model: BoundModel, options: BindOptions): Promise<ModuleParts> => {
      const branches = new Map<string, BranchPart>(), { blocks } = model.spec.stacks[0];
      for (const [i, place] of places.entries()) {
        const block = blocks.at(place.block);
        if (!block || !hasLayer(model, place.target)) throw failure('module/no-site', { path, target: place.target });
        checkBlock(path, place, block, wiring);
        branches.set(branchName(block.index, place.part), await branchPart(path, place, wiring, model.spec.stacks[0].dModel, `${options.prefix}${i}.`, options));
      }
      return { branches, ...(wiring.gated ? { averages: true } : {}) };
    },
  };
}

function wiringOf(path: string, config: Json): Wiring {
  const value = (name: string, old: string, fallback: unknown): unknown => config[name] ?? config[old] ?? fallback;
  const flag = (name: string, fallback: boolean, old = name): boolean => value(name, old, fallback) === true;
  const residual = value('residual_before_ln', 'residual_before_ln', true), scaling = value('scaling', 'scaling', 1);
  if (typeof scaling !== 'number' && scaling !== 'learned' && scaling !== 'channel') throw failure('module/unsupported-flag', { path, flag: 'scaling', value: JSON.stringify(scaling) });
  return {
    parallel: flag('is_parallel', false), originalBefore: flag('original_ln_before', false), originalAfter: flag('original_ln_after', true), residualBefore: residual === 'post_add' ? 'post_add' : residual !== false,
    ownResidualFirst: flag('adapter_residual_before_ln', false), normBefore: flag('ln_before', false, 'LN_before'), normAfter: flag('ln_after', false, 'LN_after'), gated: flag('use_gating', false),
    scaling: typeof scaling === 'number' ? scaling : null, activation: activationOf(path, config['non_linearity']),
  };
}

/** Activations by the names of transformers. */
function activationOf(path: string, name: unknown): Wiring['activation'] {
  switch (typeof name === 'string' ? name.toLowerCase() : 'relu') {
    case 'relu': return (b, x) => activate(b, 'relu', x);
    case 'gelu': return (b, x) => activate(b, 'gelu', x);
    case 'gelu_new': case 'gelu_pytorch_tanh': case 'gelu_fast': return (b, x) => activate(b, 'geluTanh', x);
    case 'quick_gelu': return (b, x) => activate(b, 'quickGelu', x);
    case 'swish': case 'silu': return (b, x) => activate(b, 'silu', x);
    case 'tanh': return (b, x) => activate(b, 'tanh', x);
    case 'sigmoid': return (b, x) => activate(b, 'sigmoid', x);
    case 'relu2': return (b, x) => activate(b, 'relu2', x);
    case 'linear': return (_b, x) => x;
    // torch's slope of 0.01 below zero.
    case 'leakyrelu': return (b, x) => b.add(b.mul(b.unary('Relu', x), b.scalar('leaky.above', 0.99)), b.mul(x, b.scalar('leaky.below', 0.01)));
    default: throw failure('module/unsupported-flag', { path, flag: 'non_linearity', value: JSON.stringify(name) });
  }
}

/** Bottlenecks by place; those behind attention have "attention" in their path below the layer. */
function placesOf(folder: HubFolder): readonly Place[] {
  const places = new Map<string, { readonly block: number; readonly part: SublayerJoin['part']; readonly tensors: Map<string, TensorInfo> }>();
  for (const { owner, slot, part, tensor } of folder.tensors) {
    if (slot !== 'adapters') continue;
    const match = /\.(\d+)\.([^0-9]*)$/.exec(owner);
    if (!match || /albert_layer_groups|cross/.test(owner)) throw failure('module/unsupported-part', { path: folder.path, part: tensor.name, reason: 'adapters are run behind the attention and the FFN of numbered layers' });
    const entry = places.get(owner) ?? { block: Number(match[1]), part: match[2].includes('attention') ? 'attention' as const : 'ffn' as const, tensors: new Map<string, TensorInfo>() };
    const down = /^adapter_down\.(\d+)\.(weight|bias)$/.exec(part);
    // The norm before stands in the sequence too, under the number that the matrix has otherwise.
    const matrix = down ? folder.tensors.find((other) => other.owner === owner && other.part === `adapter_down.${down[1]}.weight`)?.tensor.shape.length === 2 : false;
    if (!down || matrix) entry.tensors.set(down ? `down.${down[2]}` : part, tensor);
    places.set(owner, entry);
  }
  return [...places].map(([target, place]) => ({ target, ...place }));
}

/** Whether the base has tensors below the layer that a path goes through: "bert.encoder.layer.0". */
function hasLayer({ checkpoint, spec }: BoundModel, target: string): boolean {
  const layer = /^(.*\.\d+)\.[^0-9]*$/.exec(target)?.[1] ?? target, names = [...checkpoint.tensors.keys()];
  const bare = spec.bodyPrefixes.flatMap((prefix) => (prefix !== '' && layer.startsWith(prefix) ? [layer.slice(prefix.length)] : []));
  const spellings = [layer, ...[layer, ...bare].flatMap((text) => spec.bodyPrefixes.map((prefix) => prefix + text))];
  return spellings.some((spelling) => names.some((name) => name.startsWith(`${spelling}.`)));
}

function checkBlock(path: string, place: Place, block: BlockSpec, wiring: Wiring): void {
  const after = (place.part === 'attention' ? block.attention : block.ffn).norms.after;
  if (block.residual === 'parallel') throw failure('module/unsupported-part', { path, part: place.target, reason: 'attention and FFN of this base stand side by side, and nothing stands between them' });
  if (wiring.residualBefore === 'post_add' && !(wiring.originalBefore && after)) throw failure('module/unsupported-flag', { path, flag: 'residual_before_ln', value: '"post_add" on a base without a norm after the sum' });
}

async function branchPart(path: string, place: Place, wiring: Wiring, d: number, id: string, { strength, control }: BindOptions): Promise<BranchPart> {
  const need = (part: string): TensorInfo => {
    const tensor = place.tensors.get(part);
    if (!tensor) throw unreadable(path, `"${place.target}" lacks "${part}"`);
    return tensor;
  };
  const bottleneck = need('down.weight').shape[0], shapes = new Map<string, readonly number[]>([['down.weight', [bottleneck, d]], ['down.bias', [bottleneck]], ['adapter_up.weight', [d, bottleneck]], ['adapter_up.bias', [d]]]);
  if (wiring.normBefore) for (const part of ['weight', 'bias']) shapes.set(`adapter_norm_before.${part}`, [d]);
  if (wiring.normAfter) for (const part of ['weight', 'bias']) shapes.set(`adapter_norm_after.${part}`, [d]);
  if (wiring.gated) { shapes.set('gate.weight', [1, d]); shapes.set('gate.bias', [1]); }
  const values = new Map<string, Float32Array>();
  for (const [part, shape] of shapes) {
    expectShape(path, need(part), shape);
    values.set(part, await readTensor(need(part)));
  }
  if (control) {
    const drawn = controlFactors({ a: values.get('down.weight') ?? new Float32Array(0), b: values.get('adapter_up.weight') ?? new Float32Array(0) }, bottleneck, control, place.target);
    values.set('down.weight', drawn.a);
    values.set('adapter_up.weight', drawn.b);
  }
  const learned = wiring.scaling === null ? await readTensor(need('scaling')) : Float32Array.of(wiring.scaling), fading = fades(wiring);
  const inputs: Record<string, HostTensor> = Object.fromEntries([...values].map(([part, data]) => [id + part, floats(shapes.get(part) ?? [], data)]));
  inputs[`${id}scale`] = floats([learned.length], fading ? learned.map((x) => x * strength) : learned);
  if (!fading) inputs[`${id}strength`] = floats([1], Float32Array.of(strength));
  const input = (b: GraphBuilder, part: string): Value => b.input(id + part, 'float32', shapes.get(part) ?? []);
  return {
    inputs,
    join: (b, block, at) => {
      const hasNorm = (at.part === 'attention' ? block.attention : block.ffn).norms.after !== undefined, norm = (part: string, x: Value): Value => b.node('LayerNormalization', [x, input(b, `${part}.weight`), input(b, `${part}.bias`)], { axis: -1, epsilon: { float: EPSILON } }, x.shape);
      const delta = (x: Value): Value => {
        const inner = wiring.activation(b, b.gemm(wiring.normBefore ? norm('adapter_norm_before', x) : x, input(b, 'down.weight'), { transposed: true, width: bottleneck, bias: input(b, 'down.bias') }));
        const up = b.mul(b.gemm(inner, input(b, 'adapter_up.weight'), { transposed: true, width: d, bias: input(b, 'adapter_up.bias') }), b.input(`${id}scale`, 'float32', [learned.length]));
        if (!wiring.gated) return up;
        const open = b.unary('Sigmoid', b.gemm(x, input(b, 'gate.weight'), { transposed: true, width: 1, bias: input(b, 'gate.bias') }));
        return b.mul(up, b.matmul(b.input(BLOCK_INPUTS.sequenceMean, 'float32', ['tokens', 'tokens']), open, ['tokens', 1]));
      };
      const stream = wiring.parallel ? beside(b, at, wiring, delta, norm) : behind(b, at, wiring, hasNorm, delta, norm);
      if (fading) return stream;
      // Where an adapter of no effect would not be the base, strength moves the stream between both.
      const base = at.norm(b.add(at.residual, at.branch));
      return b.add(base, b.mul(b.sub(stream, base), b.input(`${id}strength`, 'float32', [1])));
    },
  };
}

/** Whether the base is what is left when the bottleneck gives zero. */
function fades({ parallel, originalAfter, residualBefore, normAfter }: Wiring): boolean {
  return originalAfter && !normAfter && (parallel || residualBefore === true);
}

type Norm = (part: string, x: Value) => Value;

/** The bottleneck reads what the sublayer gives, after the base's norm where the settings say so. */
function behind(b: GraphBuilder, { residual, branch, norm }: SublayerJoin, wiring: Wiring, hasNorm: boolean, delta: (x: Value) => Value, own: Norm): Value {
  let x = branch, through = branch;
  if (wiring.originalBefore) {
    const sum = b.add(x, residual);
    if (hasNorm && wiring.residualBefore === 'post_add') through = sum;
    x = hasNorm ? norm(sum) : sum;
  }
  if (wiring.residualBefore === false) through = x;
  let out = delta(x);
  if (wiring.ownResidualFirst) out = b.add(out, through);
  if (wiring.normAfter) out = own('adapter_norm_after', out);
  if (!wiring.ownResidualFirst) out = b.add(out, through);
  return wiring.originalAfter ? norm(b.add(out, residual)) : out;
}

/** The bottleneck reads the stream that the sublayer branched off, and adds to what that gives. */
function beside(b: GraphBuilder, { residual, branch, norm }: SublayerJoin, wiring: Wiring, delta: (x: Value) => Value, own: Norm): Value {
  const out = delta(residual), sum = b.add(wiring.normAfter ? own('adapter_norm_after', out) : out, branch);
  return wiring.originalAfter ? norm(b.add(sum, residual)) : sum;
}
