import { describe, expect, it } from 'vitest';
import { gram, matmulTransposed, matmulTransposedPlain } from '../../../extension/numerics/gemm';
import { Random } from '../../../extension/numerics/random';
import { simdKernel } from '../../../extension/numerics/simdKernel';

function matrix(random: Random, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.normal());
}

describe('matmulTransposed', () => {
  it('runs on WebAssembly SIMD here, or this file would compare plain JavaScript with itself', () => {
    expect(simdKernel(1)).not.toBeNull();
  });
  it.each([
    [1, 1, 1], [3, 5, 7], [4, 8, 256], [5, 9, 257], [257, 300, 513], [2, 530, 40],
  ])('%i x %i x %i: the bits of the plain product', (m, n, k) => {
    const random = new Random(1, m, n, k);
    const a = matrix(random, m * k);
    const b = matrix(random, n * k);
    const fast = matmulTransposed(a, b, m, n, k);
    expect(fast).toEqual(matmulTransposedPlain(a, b, m, n, k));
    for (const [i, j] of [[0, 0], [m - 1, n - 1], [m >> 1, n >> 1]]) {
      let exact = 0;
      for (let c = 0; c < k; c++) exact += a[i * k + c] * b[j * k + c];
      expect(Math.abs(fast[i * n + j] - exact)).toBeLessThan(2e-5);
    }
  });
  it.each([[1, 3], [70, 33], [600, 20]])('gram %i x %i equals the full product', (m, k) => {
    const a = matrix(new Random(2, m, k), m * k);
    expect(gram(a, m, k)).toEqual(matmulTransposed(a, a, m, m, k));
  });
  it('refuses arrays of another size', () => {
    expect(() => matmulTransposed(new Float32Array(5), new Float32Array(4), 2, 2, 2)).toThrow(RangeError);
  });
});
