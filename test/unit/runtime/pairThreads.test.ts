import { describe, expect, it } from 'vitest';
import { bitRowBytes, pairCountsSteps } from '../../../extension/numerics/pairCounts';
import { Random } from '../../../extension/numerics/random';
import { finish } from '../../../extension/numerics/steps';
import { countPairs } from '../../../extension/runtime/pairThreads';

const rows = 1001, columns = 4000;
const bits = new Uint8Array(rows * bitRowBytes(columns));
const random = new Random(3, 'pair threads', 0);
for (let row = 0; row < rows; row++) for (let byte = 0; byte < columns / 8; byte++) bits[row * bitRowBytes(columns) + byte] = random.integer(256);
const matrix = (): Float32Array => new Float32Array(new SharedArrayBuffer(4 * rows * rows));

describe('counting pairs on several threads', () => {
  const expected = finish(pairCountsSteps(bits, rows, columns));

  it.each([1, 2, 3, 8])('%i threads count what one does', async (threads) => {
    const out = matrix().fill(-1);
    expect(await countPairs(bits, rows, columns, threads, out)).toBe(out);
    expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(expected.buffer))).toBe(0);
  });

  it('several counts at once do not mix', async () => {
    const other = bits.map((byte) => ~byte);
    const [a, b] = await Promise.all([countPairs(bits, rows, columns, 3, matrix()), countPairs(other, rows, columns, 3, matrix())]);
    expect(Buffer.compare(Buffer.from(a.buffer), Buffer.from(expected.buffer))).toBe(0);
    expect(Buffer.compare(Buffer.from(b.buffer), Buffer.from(finish(pairCountsSteps(other, rows, columns)).buffer))).toBe(0);
  });

  it('memory that cannot be shared is filled by one thread', async () => {
    const out = new Float32Array(rows * rows);
    expect(await countPairs(bits, rows, columns, 4, out)).toBe(out);
    expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(expected.buffer))).toBe(0);
  });

  it('ends when cancelled, and the next count is whole', async () => {
    const abort = new AbortController(), reason = new Error('no more');
    abort.abort(reason);
    await expect(countPairs(bits, rows, columns, 3, matrix(), abort.signal)).rejects.toBe(reason);
    expect(Buffer.compare(Buffer.from((await countPairs(bits, rows, columns, 3, matrix())).buffer), Buffer.from(expected.buffer))).toBe(0);
  });
});
