/** Devices whose kernels a test has run. Ops with integer or shape inputs are placed on the CPU by the runtime at no cost. */
export type KernelDevice = 'cpu' | 'webgpu';

export interface OpEntry {
  /** First operator-set version with the form that we use. */
  readonly opset: number;
  readonly domain: '' | 'com.microsoft';
  readonly devices: readonly KernelDevice[];
  readonly gradient: 'none yet';
}

const both = (opset: number): OpEntry => ({ opset, domain: '', devices: ['cpu', 'webgpu'], gradient: 'none yet' });

/** Kernels on the CPU alone; graphs for other devices are built without them. */
const cpu = (opset: number): OpEntry => ({ opset, domain: '', devices: ['cpu'], gradient: 'none yet' });

/** Every operator that our graphs may hold. The builder accepts no other; `opTable.test.ts` runs each on each device. */
export const OPS = {
  Abs: both(13), Add: both(14), Cast: both(19), Clip: both(13), Concat: both(13), Div: both(14), Exp: both(13), Gather: both(13), Gelu: both(20), Gemm: both(13), Greater: both(13), If: cpu(19),
  LayerNormalization: both(17), MatMul: both(13), Mul: both(14), Neg: both(13), NonZero: cpu(13), ReduceMax: both(18), ReduceMean: both(18), ReduceSum: both(13), Relu: both(14), Reshape: both(19),
  ScatterElements: both(18), ScatterND: cpu(18), Sigmoid: both(13), Softmax: both(13), Split: both(18), Sqrt: both(13), Sub: both(14), Tanh: both(13), TopK: both(11), Transpose: both(13), Identity: both(19),
} as const satisfies Readonly<Record<string, OpEntry>>;

export type OpName = keyof typeof OPS;

/** Operator set that every graph of ours declares. */
export const OPSET = 20;
/** ONNX IR version that goes with it. */
export const IR_VERSION = 9;
