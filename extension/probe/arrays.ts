/** The largest arrays of a probe: made for its first layer, filled again for every other. What was taken is valid until it is taken again. */
export class ProbeArrays {
  private readonly kept = new Map<string, Float32Array>();

  /** `length` floats whose values are not defined, in memory that threads can share if `shared`. */
  take(name: string, length: number, shared = false): Float32Array {
    const old = this.kept.get(name);
    if (old?.length === length) return old;
    const made = new Float32Array(shared ? new SharedArrayBuffer(4 * length) : new ArrayBuffer(4 * length));
    this.kept.set(name, made);
    return made;
  }
}
