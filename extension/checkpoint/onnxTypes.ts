/** A 64-bit integer: a number where that is exact, else a bigint. Both may be given for writing. */
export type OnnxInt = number | bigint;

/** Every message keeps fields that are not listed here as they came, so that a model survives reading and writing. */
interface Opaque {
  /** Whole fields with their tags, in order. */
  readonly unknown?: readonly Uint8Array[];
}

/** ModelProto. Repeated fields are always there after decoding. */
export interface OnnxModel extends Opaque {
  readonly irVersion?: OnnxInt;
  readonly opsetImport: readonly OnnxOpset[];
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: OnnxInt;
  readonly docString?: string;
  readonly graph?: OnnxGraph;
  readonly metadataProps?: readonly OnnxEntry[];
}

/** OperatorSetIdProto; no domain means ai.onnx. */
export interface OnnxOpset extends Opaque {
  readonly domain?: string;
  readonly version?: OnnxInt;
}

/** StringStringEntryProto. */
export interface OnnxEntry extends Opaque {
  readonly key?: string;
  readonly value?: string;
}

/** GraphProto. */
export interface OnnxGraph extends Opaque {
  readonly node: readonly OnnxNode[];
  readonly name?: string;
  readonly initializer: readonly OnnxTensor[];
  readonly docString?: string;
  readonly input: readonly OnnxValueInfo[];
  readonly output: readonly OnnxValueInfo[];
  readonly valueInfo?: readonly OnnxValueInfo[];
  readonly metadataProps?: readonly OnnxEntry[];
}

/** NodeProto. An empty input name is an optional input that is left out. */
export interface OnnxNode extends Opaque {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly attribute?: readonly OnnxAttribute[];
  readonly docString?: string;
  readonly metadataProps?: readonly OnnxEntry[];
}

/** AttributeProto.AttributeType */
export const ONNX_ATTRIBUTE = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8, tensors: 9, graphs: 10, sparseTensor: 11, sparseTensors: 12, typeProto: 13, typeProtos: 14 } as const;

/** AttributeProto; `type` says which of the values counts. */
export interface OnnxAttribute extends Opaque {
  readonly name?: string;
  readonly refAttrName?: string;
  readonly docString?: string;
  readonly type?: number;
  readonly f?: number;
  readonly i?: OnnxInt;
  readonly s?: Uint8Array;
  readonly t?: OnnxTensor;
  readonly g?: OnnxGraph;
  readonly floats?: readonly number[];
  readonly ints?: readonly OnnxInt[];
  readonly strings?: readonly Uint8Array[];
  readonly tensors?: readonly OnnxTensor[];
  readonly graphs?: readonly OnnxGraph[];
}

/** TensorProto.DataType */
export const ONNX_DATA_TYPE = {
  float: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, double: 11, uint32: 12, uint64: 13, complex64: 14, complex128: 15,
  bfloat16: 16, float8e4m3fn: 17, float8e4m3fnuz: 18, float8e5m2: 19, float8e5m2fnuz: 20, uint4: 21, int4: 22, float4e2m1: 23, float8e8m0: 24, uint2: 25, int2: 26, float6e2m3: 27, float6e3m2: 28,
} as const;

/** TensorProto.DataLocation */
export const ONNX_DATA_LOCATION = { default: 0, external: 1 } as const;

/** TensorProto. Bytes are opaque: what is given as `rawData` is written as it is. */
export interface OnnxTensor extends Opaque {
  readonly dims: readonly OnnxInt[];
  readonly dataType?: number;
  readonly name?: string;
  readonly docString?: string;
  readonly rawData?: Uint8Array;
  readonly floatData?: readonly number[];
  readonly int32Data?: readonly number[];
  readonly stringData?: readonly Uint8Array[];
  readonly int64Data?: readonly OnnxInt[];
  readonly doubleData?: readonly number[];
  readonly uint64Data?: readonly OnnxInt[];
  /** Keys `location`, `offset`, `length`, `checksum`. */
  readonly externalData?: readonly OnnxEntry[];
  readonly dataLocation?: number;
  readonly metadataProps?: readonly OnnxEntry[];
}

/** ValueInfoProto. */
export interface OnnxValueInfo extends Opaque {
  readonly name?: string;
  readonly type?: OnnxType;
  readonly docString?: string;
}

/** TypeProto; sequences, maps and optionals stay in `unknown`. */
export interface OnnxType extends Opaque {
  readonly tensorType?: OnnxTensorType;
  readonly denotation?: string;
}

export interface OnnxTensorType extends Opaque {
  readonly elemType?: number;
  /** Absent: the rank is not known. */
  readonly shape?: OnnxShape;
}

/** TensorShapeProto. */
export interface OnnxShape extends Opaque {
  readonly dim: readonly OnnxDimension[];
}

/** A size, a symbolic size, or neither (unknown). */
export interface OnnxDimension extends Opaque {
  readonly value?: OnnxInt;
  readonly param?: string;
  readonly denotation?: string;
}
