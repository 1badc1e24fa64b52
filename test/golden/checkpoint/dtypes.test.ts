import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { decoderOf } from '../../../extension/checkpoint/decode';
import { DTYPE_BITS, type Dtype } from '../../../extension/checkpoint/dtypes';
import golden from './dtypeGolden.json';

function decode(dtype: Dtype, bytes: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  decoderOf(dtype)?.(bytes, out);
  return out;
}

/** Codes packed lowest bits first. */
function pack(codes: number, bits: number): Uint8Array {
  const bytes = new Uint8Array((codes * bits) / 8);
  for (let code = 0; code < codes; code++) {
    for (let bit = 0; bit < bits; bit++) if ((code >> bit) & 1) bytes[Math.floor((code * bits + bit) / 8)] |= 1 << ((code * bits + bit) % 8);
  }
  return bytes;
}

test.each(Object.entries(golden.codes))('every code of %s', (dtype, values) => {
  const expected = Float32Array.from(values as readonly (number | string)[], (value) => (typeof value === 'number' ? value : Number(value.replace('inf', 'Infinity'))));
  const bits = DTYPE_BITS[dtype as Dtype];
  const ours = decode(dtype as Dtype, pack(expected.length, bits), expected.length);
  for (let code = 0; code < expected.length; code++) if (ours[code] !== expected[code] && !(Number.isNaN(ours[code]) && Number.isNaN(expected[code]))) expect([code, ours[code]]).toEqual([code, expected[code]]);
  expect(expected.length).toBe(2 ** bits);
});

test.each(Object.entries(golden.sha256))('every code of %s', (dtype, sha256) => {
  const codes = Uint16Array.from({ length: 65536 }, (_, code) => code);
  const values = decode(dtype as Dtype, new Uint8Array(codes.buffer), 65536).map((value) => (Number.isNaN(value) ? 0 : value));
  expect(createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')).toBe(sha256);
});

test('integers, float64 and bytes that are not aligned', () => {
  const bytes = new Uint8Array(1 + 16);
  new DataView(bytes.buffer).setFloat64(1, 0.1, true);
  new DataView(bytes.buffer).setFloat64(9, -3, true);
  expect([...decode('F64', bytes.subarray(1), 2)]).toEqual([Math.fround(0.1), -3]);
  expect([...decode('I64', new Uint8Array(BigInt64Array.from([-5n, 2n ** 40n]).buffer), 2)]).toEqual([-5, 2 ** 40]);
  expect([...decode('BOOL', Uint8Array.from([0, 1]), 2)]).toEqual([0, 1]);
  expect(decoderOf('C64')).toBeNull();
});
