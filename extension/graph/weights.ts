import { type BoundModel, MXFP4_GROUP } from '../architecture/resolve';
import type { LinearSpec, NormSpec, SliceSpec } from '../architecture/spec';
import { elementCount } from '../checkpoint/dtypes';
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
    const { shape } = this.model.tensor(name);
    if (!rows) return this.part(name, 0, shape, '');
    return this.part(name, rows[0] * elementCount(shape.slice(1)), [rows[1] - rows[0], ...shape.slice(1)], `[${rows[0]}:${rows[1]}]`);
  }

  /** y = W x + b on `[tokens, in]`. */
  linear(spec: LinearSpec, x: Value): Value {
    if (spec.slice) return this.stacked(spec, spec.slice, x);
    return this.builder.gemm(x, this.cached(spec.weight), { transposed: spec.layout === 'outIn', width: spec.outWidth, ...(spec.bias ? { bias: this.cached(spec.bias) } : {}) });
  }

  /**
   * One map out of a stack. Outputs that lie in one piece are read by themselves; interleaved ones, and columns of an `inOut` matrix, are picked
   * from the product with the expert's whole matrix, which its neighbours share.
   */
  private stacked(spec: LinearSpec, slice: SliceSpec, x: Value): Value {
    const [, rows, columns] = slice.shape, b = this.builder, outputs = spec.layout === 'outIn' ? rows : columns, whole = spec.outWidth === outputs;
    const bias = (from: number, size: number): { readonly bias?: Value } => {
      const name = spec.bias, label = `[${slice.index}, ${from}:${from + size}]`;
      return name ? { bias: this.kept(name + label, () => this.part(name, slice.index * outputs + from, [size], label)) } : {};
    };
    if (spec.layout === 'outIn' && slice.step === 1) return b.gemm(x, this.matrix(spec, slice, slice.from, spec.outWidth), { transposed: true, width: spec.outWidth, ...bias(slice.from, spec.outWidth) });
    const all = this.kept(`${spec.weight}[${slice.index}] on ${x.name}`, () => b.gemm(x, this.matrix(spec, slice, 0, rows), { transposed: spec.layout === 'outIn', width: outputs, ...bias(0, outputs) }));
    if (whole) return all;
    const parts = this.splits.get(all.name) ?? (slice.step === 2
      ? b.split(b.reshape(all, [0, outputs / 2, 2], [x.shape[0], outputs / 2, 2]), 2, [1, 1]).map((half) => b.reshape(half, [0, outputs / 2], [x.shape[0], outputs / 2]))
      : b.split(all, 1, [outputs / 2, outputs / 2]));
    this.splits.set(all.name, parts);
    return parts[slice.from === 0 ? 0 : 1];
  }

  /** Rows [from, from + count) of one expert's matrix `[count, columns]`. */
  private matrix(spec: LinearSpec, slice: SliceSpec, from: number, count: number): Value {
    const [, rows, columns] = slice.shape, first = slice.index * rows + from, label = `[${slice.index}, ${from}:${from + count}]`;
    return this.kept(spec.weight + label, () => (spec.mxfp4 ? this.microscaled(spec.weight, spec.mxfp4.scales, first, count, columns, label) : this.part(spec.weight, first * columns, [count, columns], label)));
  }

  /** Unpacks MXFP4 in the graph, so that the file is read in place: a table gives a byte's two values, another a scale's power of two. */
  private microscaled(blocks: string, scales: string, first: number, count: number, columns: number, label: string): Value {
    const b = this.builder, groups = columns / MXFP4_GROUP;
    const bytes = (name: string, each: number, shape: readonly number[]): Value => {
      const info = this.model.tensor(name);
      if (!info.inPlace) throw new Error(`tensor ${info.name} is packed and not stored plainly`);
      return b.cast(b.constant(`weight:${info.name}${label}`, 'uint8', shape, { kind: 'file', file: info.realFile, offset: info.offset + first * groups * each, bytes: count * groups * each }), 'int32');
    };
    const values = b.gather(b.floats('mxfp4.values', [256, 2], MXFP4_PAIRS), bytes(blocks, MXFP4_GROUP / 2, [count, groups, MXFP4_GROUP / 2]), 0);
    const factors = b.gather(b.floats('mxfp4.scales', [256, 1], Float32Array.from({ length: 256 }, (_, i) => 2 ** (i - 127))), bytes(scales, 1, [count, groups]), 0);
    return b.reshape(b.mul(b.reshape(values, [count, groups, MXFP4_GROUP], [count, groups, MXFP4_GROUP]), factors), [count, columns], [count, columns]);
  }

  /** `shape` elements of a tensor from element `first` on, as float32. */
  private part(name: string, first: number, shape: readonly number[], label: string): Value {
    const info = this.model.tensor(name), total = elementCount(info.shape), count = elementCount(shape);
    const type = info.inPlace ? IN_PLACE_TYPES[info.dtype] : undefined;
    if (!type) {
      const all = this.decoded.get(info.name);
      if (!all) throw new Error(`tensor ${info.name} was not decoded before the graph was built`);
      return this.builder.constant(`weight:${info.name}${label}`, 'float32', shape, { kind: 'inline', bytes: bytesOf(all.subarray(first, first + count)) });
    }
    const width = info.bytes / Math.max(1, total);
    const value = this.builder.constant(`weight:${info.name}${label}`, type, shape, { kind: 'file', file: info.realFile, offset: info.offset + first * width, bytes: count * width });
    return this.builder.cast(value, 'float32');
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
  private readonly splits = new Map<string, readonly Value[]>();
  private cached(name: string): Value {
    return this.kept(name, () => this.tensor(name));
  }
  /** A value made once. */
  private kept(key: string, make: () => Value): Value {
    let value = this.values.get(key);
    if (!value) this.values.set(key, (value = make()));
    return value;
  }
}

/** The sixteen values of FP4 (E2M1). */
const FP4 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];
/** Values of a byte's low and high half `[256, 2]`. */
const MXFP4_PAIRS = Float32Array.from({ length: 512 }, (_, i) => FP4[i % 2 === 0 ? (i >> 1) & 15 : i >> 5]);

/** Tensors that the runtime cannot read in place, as float32, by name. */
export type DecodedTensors = ReadonlyMap<string, Float32Array>;

/** Whether the runtime can read the tensor from its file as it lies. */
export function readableInPlace(info: TensorInfo): boolean {
  return info.inPlace && IN_PLACE_TYPES[info.dtype] !== undefined;
}

/** Decodes those of `names` that cannot be read in place; packed values are unpacked in the graph. */
export async function decodeTensors(model: BoundModel, names: Iterable<string>): Promise<DecodedTensors> {
  const out = new Map<string, Float32Array>();
  for (const name of new Set(names)) {
    const info = model.tensor(name);
    if (info.dtype !== 'U8' && !readableInPlace(info)) out.set(info.name, await readTensor(info));
  }
  return out;
}
