import type { Dtype } from './dtypes';
import { ONNX_DATA_TYPE } from './onnxTypes';

const PAIRS: readonly (readonly [number, Dtype])[] = [
  [ONNX_DATA_TYPE.float, 'F32'], [ONNX_DATA_TYPE.uint8, 'U8'], [ONNX_DATA_TYPE.int8, 'I8'], [ONNX_DATA_TYPE.uint16, 'U16'], [ONNX_DATA_TYPE.int16, 'I16'], [ONNX_DATA_TYPE.int32, 'I32'], [ONNX_DATA_TYPE.int64, 'I64'],
  [ONNX_DATA_TYPE.bool, 'BOOL'], [ONNX_DATA_TYPE.float16, 'F16'], [ONNX_DATA_TYPE.double, 'F64'], [ONNX_DATA_TYPE.uint32, 'U32'], [ONNX_DATA_TYPE.uint64, 'U64'], [ONNX_DATA_TYPE.complex64, 'C64'], [ONNX_DATA_TYPE.bfloat16, 'BF16'],
  [ONNX_DATA_TYPE.float8e4m3fn, 'F8_E4M3'], [ONNX_DATA_TYPE.float8e4m3fnuz, 'F8_E4M3FNUZ'], [ONNX_DATA_TYPE.float8e5m2, 'F8_E5M2'], [ONNX_DATA_TYPE.float8e5m2fnuz, 'F8_E5M2FNUZ'], [ONNX_DATA_TYPE.float8e8m0, 'F8_E8M0'], [ONNX_DATA_TYPE.float4e2m1, 'F4'],
];
const TO_DTYPE: ReadonlyMap<number, Dtype> = new Map(PAIRS);
const FROM_DTYPE: ReadonlyMap<Dtype, number> = new Map(PAIRS.map(([code, dtype]) => [dtype, code]));

/** Our dtype of a TensorProto.DataType; null for texts, 2- and 4-bit integers and other types that safetensors does not know. */
export function dtypeOfOnnx(dataType: number): Dtype | null {
  return TO_DTYPE.get(dataType) ?? null;
}

/** TensorProto.DataType of a dtype; null for 6-bit floats, which ONNX Runtime cannot load. */
export function onnxOfDtype(dtype: Dtype): number | null {
  return FROM_DTYPE.get(dtype) ?? null;
}
