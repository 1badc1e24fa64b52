/** Bits per element of every dtype that safetensors 0.8 knows, spelt as it spells them. */
export const DTYPE_BITS = {
  BOOL: 8, F4: 4, F6_E2M3: 6, F6_E3M2: 6, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8,
  I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, C64: 64, F64: 64, I64: 64, U64: 64,
} as const;
export type Dtype = keyof typeof DTYPE_BITS;

const NAMES: ReadonlySet<string> = new Set(Object.keys(DTYPE_BITS));

/** Whether a text is a dtype name. */
export function isDtype(text: string): text is Dtype {
  return NAMES.has(text);
}

/** Whether the dtype holds real numbers of reduced or full precision (not integers, not complex). */
export function isFloatDtype(dtype: Dtype): boolean {
  return dtype.startsWith('F') || dtype === 'BF16';
}

/** Number of elements of a shape; 1 for `[]`. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** Bytes of a tensor. Sub-byte dtypes are packed, so the product must be a whole number of bytes. */
export function byteCount(dtype: Dtype, shape: readonly number[]): number {
  return (elementCount(shape) * DTYPE_BITS[dtype]) / 8;
}
