import { failure } from '../protocol/errors';
import { MODEL_SCHEMA, TENSOR_SCHEMA } from './onnxSchema';
import { ONNX_ATTRIBUTE, ONNX_DATA_LOCATION, type OnnxAttribute, type OnnxDimension, type OnnxGraph, type OnnxInt, type OnnxModel, type OnnxTensor, type OnnxValueInfo } from './onnxTypes';
import { decodeMessage, encodeMessage } from './protobuf';

/** Writes a ModelProto. Absent fields are left out; `unknown` fields go out as they came in. */
export function encodeModel(model: OnnxModel): Uint8Array {
  return encodeMessage(MODEL_SCHEMA, model);
}

/**
 * Reads a ModelProto held in memory; byte fields are views of `bytes`. Large files are opened by `readOnnxFile`, which leaves raw data on disk.
 * @param file for messages
 * @throws checkpoint/onnx-invalid
 */
export function decodeModel(bytes: Uint8Array, file = 'the model'): OnnxModel {
  return decoding(file, () => decodeMessage(MODEL_SCHEMA, bytes) as unknown as OnnxModel);
}

/** Writes one TensorProto (the `.pb` files of ONNX test data). */
export function encodeTensor(tensor: OnnxTensor): Uint8Array {
  return encodeMessage(TENSOR_SCHEMA, tensor);
}

/** Reads one TensorProto. */
export function decodeTensor(bytes: Uint8Array, file = 'the tensor'): OnnxTensor {
  return decoding(file, () => decodeMessage(TENSOR_SCHEMA, bytes) as unknown as OnnxTensor);
}

/** Runs a decoder and turns what protobuf throws into a typed failure. */
export function decoding<T>(file: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof Error && error.name !== 'ModulensError') throw failure('checkpoint/onnx-invalid', { file, reason: error.message }, error);
    throw error;
  }
}

export function floatAttribute(name: string, f: number): OnnxAttribute {
  return { name, f, type: ONNX_ATTRIBUTE.float };
}

export function intAttribute(name: string, i: OnnxInt): OnnxAttribute {
  return { name, i, type: ONNX_ATTRIBUTE.int };
}

export function stringAttribute(name: string, text: string): OnnxAttribute {
  return { name, s: new TextEncoder().encode(text), type: ONNX_ATTRIBUTE.string };
}

export function tensorAttribute(name: string, t: OnnxTensor): OnnxAttribute {
  return { name, t, type: ONNX_ATTRIBUTE.tensor };
}

export function graphAttribute(name: string, g: OnnxGraph): OnnxAttribute {
  return { name, g, type: ONNX_ATTRIBUTE.graph };
}

export function floatsAttribute(name: string, floats: readonly number[]): OnnxAttribute {
  return { name, floats, type: ONNX_ATTRIBUTE.floats };
}

export function intsAttribute(name: string, ints: readonly OnnxInt[]): OnnxAttribute {
  return { name, ints, type: ONNX_ATTRIBUTE.ints };
}

export function stringsAttribute(name: string, texts: readonly string[]): OnnxAttribute {
  return { name, strings: texts.map((text) => new TextEncoder().encode(text)), type: ONNX_ATTRIBUTE.strings };
}

/** An initialiser whose values stand in the model. `rawData`: little endian, row-major. */
export function inlineTensor(name: string, dataType: number, dims: readonly number[], rawData: Uint8Array): OnnxTensor {
  return { name, dataType, dims, rawData };
}

/** An initialiser whose values lie in another file. `location` is relative to the folder that the session is told. */
export function externalTensor(name: string, dataType: number, dims: readonly number[], location: string, offset: number, length: number): OnnxTensor {
  const externalData = [{ key: 'location', value: location }, { key: 'offset', value: String(offset) }, { key: 'length', value: String(length) }];
  return { name, dataType, dims, externalData, dataLocation: ONNX_DATA_LOCATION.external };
}

/** A graph's input, output or inner value; a text is a symbolic size, null an unknown one, no dims at all an unknown rank. */
export function tensorValue(name: string, elemType: number, dims?: readonly (number | string | null)[]): OnnxValueInfo {
  const dim = dims?.map((size): OnnxDimension => (size === null ? {} : typeof size === 'string' ? { param: size } : { value: size }));
  return { name, type: { tensorType: dim === undefined ? { elemType } : { elemType, shape: { dim } } } };
}
