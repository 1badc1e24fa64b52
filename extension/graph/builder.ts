import type { Attribute, Dim, ElementType, Graph, Initializer, Node, Subgraph, Value, WeightData } from './ir';
import type { OpName } from './opTable';

/** The lowest finite float32: no lower bound. */
const LOWEST = -3.4028234663852886e38;

/** Builds one graph. Values are named by what they are, so that an error of the runtime can be understood. */
export class GraphBuilder {
  private readonly inputs: Value[] = [];
  private readonly outputs: Value[] = [];
  private nodes: Node[] = [];
  private made = 0;
  private readonly initializers = new Map<string, Initializer>();
  private readonly used = new Set<string>();

  constructor(private readonly name: string) {}

  input(name: string, type: ElementType, shape: readonly Dim[]): Value {
    const known = this.inputs.find((value) => value.name === name);
    if (known) return known;
    const value = { name: this.claim(name), type, shape };
    this.inputs.push(value);
    return value;
  }

  /** Makes a value an output under `name` (an Identity where the value already has another name). */
  output(name: string, value: Value): Value {
    const named = value.name === name ? value : this.node('Identity', [value], {}, value.shape, value.type, name);
    this.outputs.push(named);
    return named;
  }

  constant(name: string, type: ElementType, shape: readonly number[], data: WeightData): Value {
    const known = this.initializers.get(name);
    if (known) return known.value;
    const value: Value = { name: this.claim(name), type, shape };
    this.initializers.set(name, { value, data });
    return value;
  }

  scalar(name: string, x: number): Value {
    return this.floats(name, [], [x]);
  }

  floats(name: string, shape: readonly number[], data: ArrayLike<number>): Value {
    return this.constant(name, 'float32', shape, { kind: 'inline', bytes: bytesOf(Float32Array.from(data)) });
  }

  ints(name: string, data: readonly number[]): Value {
    return this.constant(name, 'int64', [data.length], { kind: 'inline', bytes: bytesOf(BigInt64Array.from(data.map(BigInt))) });
  }

  /** Any operator with one output. */
  node(op: OpName, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>>, shape: readonly Dim[], type: ElementType = inputs[0].type, name?: string): Value {
    const value: Value = { name: this.claim(name ?? `${op}_${this.made++}`), type, shape };
    this.nodes.push({ op, inputs: inputs.map((v) => v.name), outputs: [value.name], attributes });
    return value;
  }

  // ---- elementwise, with numpy broadcasting

  add(a: Value, b: Value): Value { return this.node('Add', [a, b], {}, broadcast(a, b)); }
  sub(a: Value, b: Value): Value { return this.node('Sub', [a, b], {}, broadcast(a, b)); }
  mul(a: Value, b: Value): Value { return this.node('Mul', [a, b], {}, broadcast(a, b)); }
  div(a: Value, b: Value): Value { return this.node('Div', [a, b], {}, broadcast(a, b)); }
  unary(op: 'Abs' | 'Exp' | 'Neg' | 'Relu' | 'Sigmoid' | 'Sqrt' | 'Tanh', x: Value): Value { return this.node(op, [x], {}, x.shape); }
  greater(a: Value, b: Value): Value { return this.node('Greater', [a, b], {}, broadcast(a, b), 'bool'); }
  cast(x: Value, type: ElementType): Value { return x.type === type ? x : this.node('Cast', [x], { to: TYPE_CODES[type] }, x.shape, type); }

  // ---- shapes

  /** `dims`: 0 keeps a size, -1 is what is left over; both are named by `shape` for the value's record. */
  reshape(x: Value, dims: readonly number[], shape: readonly Dim[]): Value {
    return this.node('Reshape', [x, this.ints(`dims.${dims.join('_')}`, dims)], {}, shape);
  }
  transpose(x: Value, perm: readonly number[]): Value {
    return this.node('Transpose', [x], { perm }, perm.map((i) => x.shape[i]));
  }
  concat(values: readonly Value[], axis: number, size: Dim): Value {
    return this.node('Concat', values, { axis }, values[0].shape.map((d, i) => (i === (axis + values[0].shape.length) % values[0].shape.length ? size : d)));
  }
  split(x: Value, axis: number, sizes: readonly number[]): Value[] {
    const at = (axis + x.shape.length) % x.shape.length;
    const serial = this.made++, parts = sizes.map((size, i): Value => ({ name: this.claim(`Split_${serial}.${i}`), type: x.type, shape: x.shape.map((d, j) => (j === at ? size : d)) }));
    this.nodes.push({ op: 'Split', inputs: [x.name, this.ints(`sizes.${sizes.join('_')}`, sizes).name], outputs: parts.map((p) => p.name), attributes: { axis: at } });
    return parts;
  }

  // ---- choosing and placing

  /** The k largest along the last axis, largest first, and where they stand (int64); ties go to the lower index. */
  topK(x: Value, k: number): { readonly values: Value; readonly indices: Value } {
    const shape = [...x.shape.slice(0, -1), k], serial = this.made++;
    const values: Value = { name: this.claim(`TopK_${serial}.values`), type: x.type, shape }, indices: Value = { name: this.claim(`TopK_${serial}.indices`), type: 'int64', shape };
    this.nodes.push({ op: 'TopK', inputs: [x.name, this.ints(`k.${k}`, [k]).name], outputs: [values.name, indices.name], attributes: { axis: -1 } });
    return { values, indices };
  }
  /** Slices of x along an axis at `indices`, whose shape takes the axis's place. */
  gather(x: Value, indices: Value, axis: number): Value {
    return this.node('Gather', [x, indices], { axis }, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]);
  }
  /** x with `updates` put at `indices` along the last axis, row by row. */
  scatter(x: Value, indices: Value, updates: Value): Value {
    return this.node('ScatterElements', [x, indices, updates], { axis: x.shape.length - 1 }, x.shape);
  }
  /** x with rows of `updates` `[n, width]` added at `rows` `[n, 1]`. */
  addRows(x: Value, rows: Value, updates: Value): Value {
    return this.node('ScatterND', [x, rows, updates], { reduction: 'add' }, x.shape);
  }
  /** Where a vector is not zero `[1, n]` (int64). */
  nonZero(x: Value, size: Dim): Value { return this.node('NonZero', [x], {}, [1, size], 'int64'); }
  clip(x: Value, low: number | null, high: number): Value {
    return this.node('Clip', [x, this.scalar(`clip.${low ?? -Infinity}`, low ?? LOWEST), this.scalar(`clip.${high}`, high)], {}, x.shape);
  }

  /** `then()` where the one boolean of `condition` holds, else `otherwise()`; only the branch taken runs. Both give values of one type and rank. */
  branch(condition: Value, then: () => Value, otherwise: () => Value, shape: readonly Dim[]): Value {
    const inside = (make: () => Value): { readonly graph: Subgraph } => {
      const around = this.nodes;
      this.nodes = [];
      try {
        const value = make(), output = this.nodes.some((node) => node.outputs.includes(value.name)) ? value : this.node('Identity', [value], {}, value.shape);
        return { graph: { nodes: this.nodes, output } };
      } finally {
        this.nodes = around;
      }
    };
    const taken = inside(then), other = inside(otherwise);
    return this.node('If', [condition], { then_branch: taken, else_branch: other }, shape, taken.graph.output.type);
  }

  // ---- products and reductions

  matmul(a: Value, b: Value, shape: readonly Dim[]): Value { return this.node('MatMul', [a, b], {}, shape); }
  /** x W (+ bias) for `[rows, in]`; `transposed` when W lies as `[out, in]`. */
  gemm(x: Value, weight: Value, options: { readonly transposed: boolean; readonly bias?: Value; readonly width: Dim; readonly transposedInput?: boolean; readonly rows?: Dim }): Value {
    return this.node('Gemm', [x, weight, ...(options.bias ? [options.bias] : [])], { transB: options.transposed ? 1 : 0, transA: options.transposedInput ? 1 : 0 }, [options.rows ?? x.shape[0], options.width]);
  }
  softmax(x: Value): Value { return this.node('Softmax', [x], { axis: -1 }, x.shape); }
  reduce(op: 'ReduceMean' | 'ReduceSum' | 'ReduceMax', x: Value, axis: number, keep: boolean): Value {
    const at = (axis + x.shape.length) % x.shape.length;
    return this.node(op, [x, this.ints(`axes.${at}`, [at])], { keepdims: keep ? 1 : 0 }, keep ? x.shape.map((d, i) => (i === at ? 1 : d)) : x.shape.filter((_, i) => i !== at));
  }

  build(options: Pick<Graph, 'unpackEachRun'> = {}): Graph {
    return { ...options, name: this.name, inputs: this.inputs, outputs: this.outputs, nodes: this.nodes, initializers: [...this.initializers.values()] };
  }

  private claim(name: string): string {
    if (this.used.has(name)) throw new Error(`graph ${this.name}: the name ${name} is taken`);
    this.used.add(name);
    return name;
  }
}

function broadcast(a: Value, b: Value): readonly Dim[] {
  const [long, short] = a.shape.length >= b.shape.length ? [a.shape, b.shape] : [b.shape, a.shape];
  const skip = long.length - short.length;
  return long.map((d, i) => (i < skip || d !== 1 ? d : short[i - skip]));
}

export function bytesOf(array: Float32Array | BigInt64Array | Uint8Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** TensorProto.DataType codes. */
export const TYPE_CODES: Readonly<Record<ElementType, number>> = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, bfloat16: 16 };
