import type { Random } from '../numerics/random';

/** Factors of a low-rank update: `a` is `[rank, in]`, `b` is `[out, rank]`, row-major. */
export interface Factors {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/**
 * The null of a module: the entries of each factor permuted, then B scaled so that the update B A keeps its Frobenius
 * norm. Shapes, value distribution and size of the update stay; what was learned does not.
 */
export function shuffledFactors({ a, b }: Factors, rank: number, random: Random): Factors {
  const mixedA = random.fork('A').shuffle(Float32Array.from(a)), mixedB = random.fork('B').shuffle(Float32Array.from(b));
  const before = productNorm(a, b, rank), after = productNorm(mixedA, mixedB, rank);
  const factor = after > 0 ? before / after : 1;
  return { a: mixedA, b: mixedB.map((x) => x * factor) };
}

/** Frobenius norm of B A without making it: the square is the sum over (B^T B) * (A A^T). */
export function productNorm(a: ArrayLike<number>, b: ArrayLike<number>, rank: number): number {
  return Math.sqrt(squaredNorm(a, b, rank));
}

/** Squared Frobenius norm of B A from rank x rank products, float64; A `[rank, in]`, B `[out, rank]`. */
export function squaredNorm(a: ArrayLike<number>, b: ArrayLike<number>, rank: number): number {
  const inWidth = a.length / rank, outWidth = b.length / rank;
  let square = 0;
  for (let i = 0; i < rank; i++) {
    for (let j = 0; j <= i; j++) {
      let left = 0, right = 0;
      for (let o = 0; o < outWidth; o++) left += b[o * rank + i] * b[o * rank + j];
      for (let k = 0; k < inWidth; k++) right += a[i * inWidth + k] * a[j * inWidth + k];
      square += (i === j ? 1 : 2) * left * right;
    }
  }
  return Math.max(0, square);
}
