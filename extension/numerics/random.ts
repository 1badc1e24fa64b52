/**
 * Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * A stream is a pure function of (seed, names), so the draws of one layer or one null never depend on what ran before it
 * or on the number of threads.
 */
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const ROUNDS = 10;

function high32(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle2 = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(middle2 / 65536)) >>> 0;
}

/** One Philox4x32-10 block: four 32-bit words from a 128-bit counter and a 64-bit key, written to `out`. */
export function philox4x32(counter: ArrayLike<number>, key: ArrayLike<number>, out: Uint32Array): void {
  let c0 = counter[0] >>> 0;
  let c1 = counter[1] >>> 0;
  let c2 = counter[2] >>> 0;
  let c3 = counter[3] >>> 0;
  let k0 = key[0] >>> 0;
  let k1 = key[1] >>> 0;
  for (let round = 0; round < ROUNDS; round++) {
    const h0 = high32(M0, c0);
    const l0 = Math.imul(M0, c0) >>> 0;
    const h1 = high32(M1, c2);
    const l1 = Math.imul(M1, c2) >>> 0;
    c0 = (h1 ^ c1 ^ k0) >>> 0;
    c1 = l1;
    c2 = (h0 ^ c3 ^ k1) >>> 0;
    c3 = l0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** 32-bit FNV-1a over UTF-16 units with a final avalanche; `basis` makes independent hashes. */
function hash(text: string, basis: number): number {
  let h = (0x811c9dc5 ^ basis) >>> 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    h = Math.imul(h ^ (unit & 0xff), 0x01000193);
    h = Math.imul(h ^ (unit >>> 8), 0x01000193);
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A deterministic stream of random numbers. Two streams with the same seed and names yield the same numbers on every machine. */
export class Random {
  private readonly path: string;
  private readonly key: readonly [number, number];
  private readonly counter = new Uint32Array(4);
  private readonly block = new Uint32Array(4);
  private used = 4;
  private spare: number | null = null;

  /** `names` say what the stream is for: `new Random(0, 'layer', 3, 'kmeans', 'init', 1)`. */
  constructor(seed: number, ...names: readonly (string | number)[]) {
    this.path = JSON.stringify([seed, ...names]);
    this.key = [hash(this.path, 0), hash(this.path, 0x5bd1e995)];
    this.counter[2] = hash(this.path, 0x27d4eb2f);
    this.counter[3] = hash(this.path, 0x165667b1);
  }

  /** An independent stream below this one; does not advance this stream. */
  fork(...names: readonly (string | number)[]): Random {
    return new Random(0, this.path, ...names);
  }

  /** Key and upper counter words of the stream: for kernels that make the same words themselves. Word i is word i % 4 of the block with counter i / 4. */
  get origin(): { readonly key: readonly [number, number]; readonly counter: readonly [number, number] } {
    return { key: this.key, counter: [this.counter[2], this.counter[3]] };
  }

  /** Uniform on 0 .. 2^32 - 1. */
  uint32(): number {
    if (this.used === 4) {
      philox4x32(this.counter, this.key, this.block);
      this.counter[0]++;
      if (this.counter[0] === 0) this.counter[1]++;
      this.used = 0;
    }
    return this.block[this.used++];
  }

  /** Uniform on [0, 1) with 53 random bits. */
  uniform(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** Uniform integer on 0 .. bound - 1 without bias (Lemire 2019: multiply, reject the few low remainders); bound at most 2^21. */
  integer(bound: number): number {
    if (!(bound >= 1 && bound <= 2097152)) throw new RangeError(`integer bound ${bound} must lie between 1 and 2^21`);
    for (;;) {
      const product = this.uint32() * bound;
      const whole = Math.floor(product / 4294967296);
      const rest = product - whole * 4294967296;
      if (rest >= bound || rest >= (4294967296 - bound) % bound) return whole;
    }
  }

  /** Standard normal (Box-Muller; pairs are used in order). */
  normal(): number {
    if (this.spare !== null) {
      const value = this.spare;
      this.spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Fisher-Yates in place; returns the same array. */
  shuffle<T extends { [index: number]: number; readonly length: number }>(array: T): T {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = array[i];
      array[i] = array[j];
      array[j] = held;
    }
    return array;
  }

  /** A random permutation of 0 .. n-1. */
  permutation(n: number): Int32Array {
    const order = new Int32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    return this.shuffle(order);
  }

  /** `count` different indices of 0 .. n-1, in random order. */
  sample(n: number, count: number): Int32Array {
    if (count > n) throw new RangeError(`cannot draw ${count} different indices out of ${n}`);
    const order = new Int32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    for (let i = 0; i < count; i++) {
      const j = i + this.integer(n - i);
      const held = order[i];
      order[i] = order[j];
      order[j] = held;
    }
    return order.slice(0, count);
  }
}
