/** How a field is written. `int` is a 64-bit varint, `enum` a 32-bit one. */
export type FieldKind = 'string' | 'bytes' | 'int' | 'uint' | 'enum' | 'float' | 'double' | (() => MessageSchema);

export interface FieldSchema {
  readonly key: string;
  readonly kind: FieldKind;
  readonly repeated: boolean;
  /** Repeated numbers in one length-delimited run when writing; reading takes both forms. */
  readonly packed: boolean;
  /** Repeated and always present after reading. */
  readonly always: boolean;
}

/** Field number to field. */
export type MessageSchema = ReadonlyMap<number, FieldSchema>;

function one(key: string, kind: FieldKind): FieldSchema {
  return { key, kind, repeated: false, packed: false, always: false };
}

function many(key: string, kind: FieldKind, options: { packed?: boolean; always?: boolean } = {}): FieldSchema {
  return { key, kind, repeated: true, packed: options.packed ?? false, always: options.always ?? false };
}

function message(fields: Readonly<Record<number, FieldSchema>>): MessageSchema {
  return new Map(Object.entries(fields).map(([id, field]) => [Number(id), field]));
}

const always = { always: true };
const packed = { packed: true };

const ENTRY = message({ 1: one('key', 'string'), 2: one('value', 'string') });
const OPSET = message({ 1: one('domain', 'string'), 2: one('version', 'int') });
const DIMENSION = message({ 1: one('value', 'int'), 2: one('param', 'string'), 3: one('denotation', 'string') });
const SHAPE = message({ 1: many('dim', () => DIMENSION, always) });
const TENSOR_TYPE = message({ 1: one('elemType', 'enum'), 2: one('shape', () => SHAPE) });
const TYPE = message({ 1: one('tensorType', () => TENSOR_TYPE), 6: one('denotation', 'string') });
const VALUE_INFO = message({ 1: one('name', 'string'), 2: one('type', () => TYPE), 3: one('docString', 'string') });

/** Field numbers of TensorProto that the file reader treats itself. */
export const TENSOR_FIELD = { floatData: 4, rawData: 9, doubleData: 10 } as const;

export const TENSOR_SCHEMA = message({
  1: many('dims', 'int', always),
  2: one('dataType', 'enum'),
  4: many('floatData', 'float', packed),
  5: many('int32Data', 'enum', packed),
  6: many('stringData', 'bytes'),
  7: many('int64Data', 'int', packed),
  8: one('name', 'string'),
  9: one('rawData', 'bytes'),
  10: many('doubleData', 'double', packed),
  11: many('uint64Data', 'uint', packed),
  12: one('docString', 'string'),
  13: many('externalData', () => ENTRY),
  14: one('dataLocation', 'enum'),
  16: many('metadataProps', () => ENTRY),
});

const ATTRIBUTE: MessageSchema = message({
  1: one('name', 'string'),
  2: one('f', 'float'),
  3: one('i', 'int'),
  4: one('s', 'bytes'),
  5: one('t', () => TENSOR_SCHEMA),
  6: one('g', () => GRAPH_SCHEMA),
  7: many('floats', 'float'),
  8: many('ints', 'int'),
  9: many('strings', 'bytes'),
  10: many('tensors', () => TENSOR_SCHEMA),
  11: many('graphs', () => GRAPH_SCHEMA),
  13: one('docString', 'string'),
  20: one('type', 'enum'),
  21: one('refAttrName', 'string'),
});

const NODE: MessageSchema = message({
  1: many('input', 'string', always),
  2: many('output', 'string', always),
  3: one('name', 'string'),
  4: one('opType', 'string'),
  5: many('attribute', () => ATTRIBUTE),
  6: one('docString', 'string'),
  7: one('domain', 'string'),
  8: one('overload', 'string'),
  9: many('metadataProps', () => ENTRY),
});

/** Field numbers of GraphProto and ModelProto that the file reader walks through. */
export const GRAPH_FIELD = { initializer: 5 } as const;
export const MODEL_FIELD = { graph: 7 } as const;

export const GRAPH_SCHEMA: MessageSchema = message({
  1: many('node', () => NODE, always),
  2: one('name', 'string'),
  5: many('initializer', () => TENSOR_SCHEMA, always),
  10: one('docString', 'string'),
  11: many('input', () => VALUE_INFO, always),
  12: many('output', () => VALUE_INFO, always),
  13: many('valueInfo', () => VALUE_INFO),
  16: many('metadataProps', () => ENTRY),
});

/** The messages of onnx.proto that Modulens reads and writes (field numbers of onnx-ml.proto, https://github.com/onnx/onnx). */
export const MODEL_SCHEMA = message({
  1: one('irVersion', 'int'),
  2: one('producerName', 'string'),
  3: one('producerVersion', 'string'),
  4: one('domain', 'string'),
  5: one('modelVersion', 'int'),
  6: one('docString', 'string'),
  7: one('graph', () => GRAPH_SCHEMA),
  8: many('opsetImport', () => OPSET, always),
  14: many('metadataProps', () => ENTRY),
});
