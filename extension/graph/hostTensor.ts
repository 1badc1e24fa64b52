/** A tensor in host memory, as it goes into and comes out of sessions. */
export interface HostTensor {
  readonly type: 'float32' | 'int64' | 'int32' | 'uint8' | 'bool';
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array | Int32Array | Uint8Array;
}

export function floats(dims: readonly number[], data: Float32Array): HostTensor {
  return { type: 'float32', dims, data };
}
export function bytes(dims: readonly number[], data: Uint8Array): HostTensor {
  return { type: 'uint8', dims, data };
}

/** The data of a float32 tensor. */
export function floatData(tensor: HostTensor): Float32Array {
  if (!(tensor.data instanceof Float32Array)) throw new Error(`expected a float32 tensor, got ${tensor.type}`);
  return tensor.data;
}
