import type { Dtype } from '../../checkpoint/dtypes';

/** Rounds a number to the nearest that a dtype has, ties to even; null for dtypes that hold no fractions. */
export function rounderFor(dtype: Dtype): ((value: number) => number) | null {
  switch (dtype) {
    case 'F32':
      return Math.fround;
    case 'BF16':
      return (value) => toStep(value, 8, -126);
    case 'F16':
      return (value) => toStep(value, 11, -14);
    case 'F64':
      return (value) => value;
    default:
      return null;
  }
}

/** To `bits` significant bits; below the exponent `least` numbers keep its step (subnormals). */
function toStep(value: number, bits: number, least: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const exponent = Math.max(least, exponentOf(value)), step = 2 ** (exponent - bits + 1), scaled = value / step, whole = Math.floor(scaled), rest = scaled - whole;
  const up = rest > 0.5 || (rest === 0.5 && whole % 2 !== 0);
  return (up ? whole + 1 : whole) * step;
}

const number = new Float64Array(1), words = new Uint32Array(number.buffer);

/** Exponent of the leading bit, from the number's own bits: a logarithm would be off near powers of two. */
function exponentOf(value: number): number {
  number[0] = value;
  return ((words[1] >>> 20) & 0x7ff) - 1023;
}
