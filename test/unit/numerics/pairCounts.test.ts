import { describe, expect, it } from 'vitest';
import { bitAt, bitRowBytes, pairCountsSteps } from '../../../extension/numerics/pairCounts';
import { Random } from '../../../extension/numerics/random';
import { finish } from '../../../extension/numerics/steps';

function randomBits(rows: number, columns: number): { readonly bits: Uint8Array; readonly set: readonly (readonly number[])[] } {
  const random = new Random(1, 'bits', rows * 10_000 + columns), stride = bitRowBytes(columns), bits = new Uint8Array(rows * stride);
  const set = Array.from({ length: rows }, (_, row) => {
    const found: number[] = [];
    for (let c = 0; c < columns; c++) if (random.integer(3) === 0) { found.push(c); bits[row * stride + (c >> 3)] |= 1 << (c & 7); }
    return found;
  });
  return { bits, set };
}

describe('counts of common bits', () => {
  it.each([[1, 1], [2, 64], [3, 127], [5, 128], [17, 129], [40, 1000], [131, 700]])('%i rows of %i bits', (rows, columns) => {
    const { bits, set } = randomBits(rows, columns);
    const counts = finish(pairCountsSteps(bits, rows, columns));
    for (let a = 0; a < rows; a++) {
      const of = new Set(set[a]);
      for (let b = 0; b < rows; b++) expect(counts[a * rows + b]).toBe(set[b].filter((c) => of.has(c)).length);
      for (let c = 0; c < columns; c++) expect(bitAt(bits, bitRowBytes(columns), a, c)).toBe(of.has(c) ? 1 : 0);
    }
  });

  it('nothing of nothing, and sizes that disagree are refused', () => {
    expect(finish(pairCountsSteps(new Uint8Array(0), 0, 10))).toEqual(new Float32Array(0));
    expect(() => finish(pairCountsSteps(new Uint8Array(16), 2, 100))).toThrow(/16 bytes for 2 rows/);
  });
});
