/**
 * Copies typed arrays that are windows on a larger buffer, at any depth. What comes over the engine's channel shares
 * one buffer per message, and posting a window to a page would ship the whole buffer with each of them.
 */
export function compact<T>(value: T): T {
  return copy(value) as T;
}

function copy(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (ArrayBuffer.isView(value)) return isTyped(value) && value.byteLength < value.buffer.byteLength ? value.slice() : value;
  if (Array.isArray(value)) return value.map(copy);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copy(member)]));
}

function isTyped(view: ArrayBufferView): view is Float32Array {
  return !(view instanceof DataView);
}
