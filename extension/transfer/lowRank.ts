/** Squared Frobenius norm of B A from r x r products, float64; A `[rank, in]`, B `[out, rank]`. */
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
