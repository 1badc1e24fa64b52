import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec, NormSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { TensorInfo } from '../checkpoint/types';
import { type GraphBuilder, bytesOf } from './builder';
import type { ElementType, Value } from './ir';

const IN_PLACE_TYPES: Readonly<Partial<Record<string, ElementType>>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/**
 * Brings weights of a checkpoint into graphs as float32 values: plain F32, F16 and BF16 tensors are read in place by the
 * runtime, everything else must have been decoded before (`decoded`).
 */
export class WeightBinder {
  constructor(readonly model: BoundModel, private readonly builder: GraphBuilder, private readonly decoded: DecodedTensors) {}

  /** A whole tensor, or rows [from, to) of it. */
  tensor(name: string, rows?: readonly [number, number]): Value {
    const info = this.model.tensor(name);
    const label = rows ? `${info.name}[${rows[0]}:${rows[1]}]` : info.name;
    const shape = rows ? [rows[1] - rows[0], ...info.shape.slice(1)] : info.shape;
    const type = info.inPlace ? IN_PLACE_TYPES[info.dtype] : undefined;
    if (!type) {
      const all = this.decoded.get(info.name);
      if (!all) throw new Error(`tensor ${info.name} was not decoded before the graph was built`);
      const width = all.length / Math.max(1, info.shape[0] ?? 1);
      return this.builder.constant(`weight:${label}`, 'float32', shape, { kind: 'inline', bytes: bytesOf(rows ? all.subarray(rows[0] * width, rows[1] * width) : all) });
    }
    const rowBytes = info.bytes / Math.max(1, info.shape[0] ?? 1);
    const [offset, bytes] = rows ? [info.offset + rows[0] * rowBytes, (rows[1] - rows[0]) * rowBytes] : [info.offset, info.bytes];
    const value = this.builder.constant(`weight:${label}`, type, shape, { kind: 'file', file: info.realFile, offset, bytes });
    return this.builder.cast(value, 'float32');
  }

  /** y = W x + b on `[tokens, in]`. */
  linear(spec: LinearSpec, x: Value): Value {
    return this.builder.gemm(x, this.cached(spec.weight), { transposed: spec.layout === 'outIn', width: spec.outWidth, ...(spec.bias ? { bias: this.cached(spec.bias) } : {}) });
  }

  norm(spec: NormSpec | undefined, x: Value): Value {
    if (!spec) return x;
    const b = this.builder;
    if (spec.kind === 'layer') {
      const scale = spec.weight ? this.cached(spec.weight) : b.floats(`ones.${spec.width}`, [spec.width], new Float32Array(spec.width).fill(1));
      return b.node('LayerNormalization', [x, scale, ...(spec.bias ? [this.cached(spec.bias)] : [])], { axis: -1, epsilon: { float: spec.epsilon } }, x.shape);
    }
    const square = b.reduce('ReduceMean', b.mul(x, x), -1, true);
    const normal = b.div(x, b.unary('Sqrt', b.add(square, b.scalar(`epsilon.${spec.epsilon}`, spec.epsilon))));
    if (!spec.weight) return normal;
    const weight = this.cached(spec.weight);
    return b.mul(normal, spec.addOne ? b.add(weight, b.scalar('one', 1)) : weight);
  }

  private readonly values = new Map<string, Value>();
  private cached(name: string): Value {
    let value = this.values.get(name);
    if (!value) this.values.set(name, (value = this.tensor(name)));
    return value;
  }
}

/** Tensors that the runtime cannot read in place, as float32, by name. */
export type DecodedTensors = ReadonlyMap<string, Float32Array>;

/** Whether the runtime can read the tensor from its file as it lies. */
export function readableInPlace(info: TensorInfo): boolean {
  return info.inPlace && IN_PLACE_TYPES[info.dtype] !== undefined;
}

/** Decodes those of `names` that cannot be read in place. */
export async function decodeTensors(model: BoundModel, names: Iterable<string>): Promise<DecodedTensors> {
  const out = new Map<string, Float32Array>();
  for (const name of names) {
    const info = model.tensor(name);
    if (!readableInPlace(info)) out.set(info.name, await readTensor(info));
  }
  return out;
}
