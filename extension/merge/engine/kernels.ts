import { ADD, EMPTY_BLOCK, END, get, set, SHIFT_LEFT, SUB, tee } from '../../numerics/wasm';
import { assemble, type Code, countingWords, F32, F64, type FunctionSpec, I32, int, laneDouble, laneInt, loadHalves, loadVector, loop, shuffle, storeVector, v, V128, words } from './assembler';

/**
 * The loops that a merge spends its time in, as WebAssembly SIMD, assembled here because V8 does not vectorise JavaScript. There are no fused
 * multiply-adds outside relaxed SIMD, so the bits are the same on every machine. Lengths are in elements, multiples of 8 and at least 8; all
 * pointers are byte addresses in the module's memory.
 */

const ABS = 0x7fffffff;
const AND = 0x71, SHIFT_RIGHT = 0x76, EQUAL = 0x46, LESS_SIGNED = 0x48, SELECT = 0x1b, IF = 0x04;
const loadInt = (offset = 0): Code => [0x28, 0, offset];
const storeInt = (offset = 0): Code => [0x36, 0, offset];

/** `end = at + n * size`. */
const setEnd = (end: number, at: number, n: number, shift: number): Code => [...get(at), ...get(n), ...int(shift), SHIFT_LEFT, ADD, ...set(end)];
const advance = (pointer: number, bytes: number): Code => [...get(pointer), ...int(bytes), ADD, ...set(pointer)];
/** Largest of the four lanes of a local, as i32. */
const largest = (vector: number, scratch: number): Code => [
  ...[0, 1, 2, 3].flatMap((lane) => (lane === 0 ? [...get(vector), ...laneInt(0), ...set(scratch)] : [...get(scratch), ...get(vector), ...laneInt(lane), ...get(vector), ...laneInt(lane), ...get(scratch), LESS_SIGNED, SELECT, ...set(scratch)])),
  ...get(scratch),
];
/** Keeps the largest magnitude's bits: a value that is not finite has them from 0x7f800000 on. */
const noteLargest = (value: Code, most: number): Code => [...value, ...words(ABS), ...v('and'), ...get(most), ...v('intMax'), ...set(most)];

/** `decodeBf16(to, from, n)`: the bits of the largest magnitude. */
const decodeBf16: FunctionSpec = {
  name: 'decodeBf16', parameters: [I32, I32, I32], result: I32, locals: [I32, V128, V128, I32],
  code: [
    ...setEnd(3, 0, 2, 2),
    ...loop(0, 3, 32, [
      ...[0, 1].flatMap((half) => [...get(1), ...loadHalves(8 * half), ...int(16), ...v('shiftLeft'), ...set(4), ...get(0), ...get(4), ...storeVector(16 * half), ...noteLargest(get(4), 5)]),
      ...advance(1, 16),
    ]),
    ...largest(5, 6),
  ],
};

/** `decodeDeltaBf16(to, from, base, n)`: to = decoded − base; the bits of the largest magnitude of the differences, which are not finite where a value is not. */
const decodeDeltaBf16: FunctionSpec = {
  name: 'decodeDeltaBf16', parameters: [I32, I32, I32, I32], result: I32, locals: [I32, V128, V128, I32],
  code: [
    ...setEnd(4, 0, 3, 2),
    ...loop(0, 4, 32, [
      ...[0, 1].flatMap((half) => [...get(1), ...loadHalves(8 * half), ...int(16), ...v('shiftLeft'), ...get(2), ...loadVector(16 * half), ...v('floatSub'), ...set(5), ...get(0), ...get(5), ...storeVector(16 * half), ...noteLargest(get(5), 6)]),
      ...advance(1, 16), ...advance(2, 32),
    ]),
    ...largest(6, 7),
  ],
};

/** float16 to float32: the exponent is moved by a multiplication, which also makes subnormals right; infinities and NaN keep their exponent of ones. */
const decodeF16: FunctionSpec = {
  name: 'decodeF16', parameters: [I32, I32, I32], result: I32, locals: [I32, V128, V128, I32, V128],
  code: [
    ...setEnd(3, 0, 2, 2),
    ...loop(0, 3, 32, [
      ...[0, 1].flatMap((half) => [
        ...get(1), ...loadHalves(8 * half), ...set(4),
        ...get(4), ...words(0x7fff), ...v('and'), ...set(7),
        // (h & 0x7fff) << 13, times 2^112; exponent 31 is lifted to 255 afterwards.
        ...get(7), ...int(13), ...v('shiftLeft'), ...words(0x77800000), ...v('floatMul'),
        ...get(7), ...words(0x7bff), ...v('intMore'), ...words(0x7f800000), ...v('and'), ...v('or'),
        ...get(4), ...words(0x8000), ...v('and'), ...int(16), ...v('shiftLeft'), ...v('or'), ...set(4),
        ...get(0), ...get(4), ...storeVector(16 * half), ...noteLargest(get(4), 5),
      ]),
      ...advance(1, 16),
    ]),
    ...largest(5, 6),
  ],
};

/** `largestBits(from, n)` of float32. */
const largestBits: FunctionSpec = {
  name: 'largestBits', parameters: [I32, I32], result: I32, locals: [I32, V128, I32],
  code: [...setEnd(2, 0, 1, 2), ...loop(0, 2, 16, noteLargest([...get(0), ...loadVector()], 3)), ...largest(3, 4)],
};

/** `encodeBf16(to, from, n)`: rounds to nearest, ties to even; gives the bits of the largest rounded magnitude. */
const encodeBf16: FunctionSpec = {
  name: 'encodeBf16', parameters: [I32, I32, I32], result: I32, locals: [I32, V128, V128, I32],
  code: (() => {
    const rounded = (offset: number): Code => [
      ...get(1), ...loadVector(offset), ...set(4),
      ...get(4), ...words(0x7fff), ...v('intAdd'), ...get(4), ...int(16), ...v('shiftRight'), ...words(1), ...v('and'), ...v('intAdd'), ...set(4),
      ...noteLargest(get(4), 5),
      ...get(4), ...int(16), ...v('shiftRight'),
    ];
    return [...setEnd(3, 1, 2, 2), ...loop(1, 3, 32, [...get(0), ...rounded(0), ...rounded(16), ...v('narrow'), ...storeVector(), ...advance(0, 16)]), ...largest(5, 6)];
  })(),
};

/**
 * `encodeF16(to, from, n)`: rounds to nearest, ties to even; gives the bits of the largest magnitude before, so that the caller knows about
 * values of 65520 and more, which become infinite. Subnormals are rounded by adding 0.5, whose last place is 2^-24.
 */
const encodeF16: FunctionSpec = {
  name: 'encodeF16', parameters: [I32, I32, I32], result: I32, locals: [I32, V128, V128, I32, V128, V128],
  code: (() => {
    const rounded = (offset: number): Code => [
      ...get(1), ...loadVector(offset), ...set(4),
      ...noteLargest(get(4), 5),
      ...get(4), ...words(ABS), ...v('and'), ...set(7),
      // Normal numbers: move the exponent by 112 places, add the half of the last place and the parity bit.
      ...get(7), ...words(0xc8000fff), ...v('intAdd'), ...get(7), ...int(13), ...v('shiftRight'), ...words(1), ...v('and'), ...v('intAdd'), ...int(13), ...v('shiftRight'), ...set(8),
      // Below 2^-14.
      ...get(7), ...words(0x3f000000), ...v('floatAdd'), ...words(0x3f000000), ...v('intSub'),
      ...get(8),
      ...get(7), ...words(0x38800000), ...v('intLess'), ...v('bitselect'), ...set(8),
      // From 65520 on.
      ...words(0x7c00), ...get(8), ...get(7), ...words(0x477fefff), ...v('intMore'), ...v('bitselect'),
      ...get(4), ...int(16), ...v('shiftRight'), ...words(0x8000), ...v('and'), ...v('or'),
    ];
    return [...setEnd(3, 1, 2, 2), ...loop(1, 3, 32, [...get(0), ...rounded(0), ...rounded(16), ...v('narrow'), ...storeVector(), ...advance(0, 16)]), ...largest(5, 6)];
  })(),
};

/** Elementwise: pointers, then n, then one float that is splatted into local `c`. `value` leaves a vector for the address in local 0. */
function elementwise(name: string, pointers: number, value: (c: number) => Code, scalars = 1): FunctionSpec {
  const n = pointers, first = n + 1, end = first + scalars, splats = Array.from({ length: scalars }, (_, i) => end + 1 + i);
  return {
    name, parameters: [...new Array<number>(pointers + 1).fill(I32), ...new Array<number>(scalars).fill(F32)], locals: [I32, ...splats.map(() => V128)],
    code: [
      ...splats.flatMap((local, i) => [...get(first + i), ...v('splatFloat'), ...set(local)]),
      ...setEnd(end, 0, n, 2),
      ...loop(0, end, 16, [...get(0), ...value(end + 1), ...storeVector(), ...Array.from({ length: pointers - 1 }, (_, i) => advance(i + 1, 16)).flat()]),
    ],
  };
}
const at = (pointer: number): Code => [...get(pointer), ...loadVector()];

const arithmetic: readonly FunctionSpec[] = [
  /** to = c x */
  elementwise('scale', 2, (c) => [...at(1), ...get(c), ...v('floatMul')]),
  /** to += c x */
  elementwise('addScaled', 2, (c) => [...at(0), ...at(1), ...get(c), ...v('floatMul'), ...v('floatAdd')]),
  /** to = c (x - y) */
  elementwise('scaleDelta', 3, (c) => [...at(1), ...at(2), ...v('floatSub'), ...get(c), ...v('floatMul')]),
  /** to += c (x - y) */
  elementwise('addScaledDelta', 3, (c) => [...at(0), ...at(1), ...at(2), ...v('floatSub'), ...get(c), ...v('floatMul'), ...v('floatAdd')]),
  /** to = x + c y */
  elementwise('plusScaled', 3, (c) => [...at(1), ...at(2), ...get(c), ...v('floatMul'), ...v('floatAdd')]),
  /** to = x / c */
  elementwise('divide', 2, (c) => [...at(1), ...get(c), ...v('floatDiv')]),
  /** to = base + c num / (den = 0 ? 1 : den); to, base, num, den */
  elementwise('consensus', 4, (c) => [
    ...at(1), ...at(2), ...words(0x3f800000), ...at(3), ...at(3), ...words(0), ...v('floatEqual'), ...v('bitselect'), ...v('floatDiv'), ...get(c), ...v('floatMul'), ...v('floatAdd'),
  ]),
];

/** `elect(num, den, sum, d, n, w)`: adds d to num and w to den where d has the sign that was elected: + where sum >= 0. Zeros have none. */
const elect: FunctionSpec = {
  name: 'elect', parameters: [I32, I32, I32, I32, I32, F32], locals: [I32, V128, V128, V128],
  code: [
    ...get(5), ...v('splatFloat'), ...set(7), ...setEnd(6, 0, 4, 2),
    ...loop(0, 6, 16, [
      ...at(3), ...set(8),
      ...get(8), ...words(0), ...v('floatMore'), ...get(8), ...words(0), ...v('floatLess'), ...at(2), ...words(0), ...v('floatAtLeast'), ...v('bitselect'), ...set(9),
      ...get(0), ...at(0), ...get(8), ...get(9), ...v('and'), ...v('floatAdd'), ...storeVector(),
      ...get(1), ...at(1), ...get(7), ...get(9), ...v('and'), ...v('floatAdd'), ...storeVector(),
      ...advance(1, 16), ...advance(2, 16), ...advance(3, 16),
    ]),
  ],
};

/** `keepBand(to, from, n, low, high)`: keeps values whose magnitude's bits lie in [low, high), others become 0. */
const keepBand: FunctionSpec = {
  name: 'keepBand', parameters: [I32, I32, I32, I32, I32], locals: [I32, V128, V128, V128, V128],
  code: [
    ...get(3), ...v('splatInt'), ...set(6), ...get(4), ...v('splatInt'), ...set(7), ...setEnd(5, 0, 2, 2),
    ...loop(0, 5, 16, [
      ...get(0), ...at(1), ...set(8), ...get(8), ...words(ABS), ...v('and'), ...set(9),
      ...get(8), ...get(9), ...get(6), ...v('intAtLeast'), ...get(9), ...get(7), ...v('intLess'), ...v('and'), ...v('and'), ...storeVector(), ...advance(1, 16),
    ]),
  ],
};

/** Sum of products in float64, two lanes of partial sums over low and high halves: `dot(x, y, n)`. */
const dot: FunctionSpec = {
  name: 'dot', parameters: [I32, I32, I32], result: F64, locals: [I32, V128, V128, V128],
  code: [
    ...setEnd(3, 0, 2, 2),
    ...loop(0, 3, 16, [
      ...at(0), ...set(5), ...at(1), ...set(6),
      ...get(4), ...get(5), ...v('promoteLow'), ...get(6), ...v('promoteLow'), ...v('doubleMul'), ...v('doubleAdd'),
      ...[5, 6].flatMap((local) => [...get(local), ...get(local), ...shuffle(8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15), ...v('promoteLow')]), ...v('doubleMul'), ...v('doubleAdd'), ...set(4),
      ...advance(1, 16),
    ]),
    ...get(4), ...laneDouble(0), ...get(4), ...laneDouble(1), 0xa0,
  ],
};

/** `histogram(from, n, counts, shift, prefix, bits)`: counts values by `(magnitude >>> shift) & (2^bits - 1)` where `magnitude >>> shift >>> bits` is prefix. */
const histogram: FunctionSpec = {
  name: 'histogram', parameters: [I32, I32, I32, I32, I32, I32], locals: [I32, I32, I32],
  code: [
    ...setEnd(6, 0, 1, 2),
    ...loop(0, 6, 4, [
      ...get(0), ...loadInt(), ...int(ABS), AND, ...get(3), SHIFT_RIGHT, ...tee(7), ...get(5), SHIFT_RIGHT, ...get(4), EQUAL,
      IF, EMPTY_BLOCK,
      ...get(2), ...get(7), ...int(1), ...get(5), SHIFT_LEFT, ...int(1), SUB, AND, ...int(2), SHIFT_LEFT, ADD, ...tee(8), ...get(8), ...loadInt(), ...int(1), ADD, ...storeInt(),
      END,
    ]),
  ],
};

/**
 * `window(from, n, counts, low, high, shift)`: counts magnitudes in [low, high) by `(bits - low) >>> shift`; gives how many are `high` or more. Most
 * vectors have nothing in a narrow window, so they cost two comparisons.
 */
const window: FunctionSpec = {
  name: 'window', parameters: [I32, I32, I32, I32, I32, I32], result: I32, locals: [I32, V128, V128, V128, V128, V128, I32],
  code: [
    ...get(3), ...v('splatInt'), ...set(7), ...get(4), ...v('splatInt'), ...set(8), ...setEnd(6, 0, 1, 2),
    ...loop(0, 6, 16, [
      ...at(0), ...words(ABS), ...v('and'), ...set(9),
      ...get(9), ...get(8), ...v('intAtLeast'), ...set(10), ...get(11), ...get(10), ...v('intSub'), ...set(11),
      ...get(9), ...get(7), ...v('intAtLeast'), ...get(10), ...v('andNot'), ...set(10),
      ...get(10), ...v('anyTrue'), IF, EMPTY_BLOCK,
      ...[0, 1, 2, 3].flatMap((lane) => [
        ...get(10), ...laneInt(lane), IF, EMPTY_BLOCK,
        ...get(2), ...get(9), ...laneInt(lane), ...get(3), SUB, ...get(5), SHIFT_RIGHT, ...int(2), SHIFT_LEFT, ADD, ...tee(12), ...get(12), ...loadInt(), ...int(1), ADD, ...storeInt(),
        END,
      ]),
      END,
    ]),
    ...[0, 1, 2, 3].flatMap((lane) => [...get(11), ...laneInt(lane), ...(lane === 0 ? [] : [ADD])]),
  ],
};

/** Most models for which all of a vote happens in registers. */
export const MOST_VOTERS = 6;

/**
 * `voteK(out, base, n, normalize, lambda, (d, low, high, c, w) for each of K models)`: thins each difference out to magnitudes whose bits lie in
 * [low, high), times c; elects the sign of their sum (+ for 0); out = base + lambda * (sum of those that agree) / (sum of their w; 1 for none, or
 * without `normalize`). The same operations in the same order as `keepBand`, `scale`, `addScaled`, `elect` and `consensus`.
 */
function vote(count: number): FunctionSpec {
  const models = Array.from({ length: count }, (_, k) => k), parameter = (k: number, i: number): number => 5 + 5 * k + i, end = 5 + 5 * count;
  const vector = (i: number): number => end + 1 + i, [lambda, normalize, sum, positive, num, den, mask] = [0, 1, 2, 3, 4, 5, 6].map(vector), own = (k: number, i: number): number => vector(7 + 5 * k + i);
  return {
    name: `vote${count}`, parameters: [I32, I32, I32, I32, F32, ...models.flatMap(() => [I32, I32, I32, F32, F32])], locals: [I32, ...new Array<number>(7 + 5 * count).fill(V128)],
    code: [
      ...get(4), ...v('splatFloat'), ...set(lambda), ...get(3), ...v('splatInt'), ...set(normalize),
      ...models.flatMap((k) => [...get(parameter(k, 1)), ...v('splatInt'), ...set(own(k, 0)), ...get(parameter(k, 2)), ...v('splatInt'), ...set(own(k, 1)), ...get(parameter(k, 3)), ...v('splatFloat'), ...set(own(k, 2)), ...get(parameter(k, 4)), ...v('splatFloat'), ...set(own(k, 3))]),
      ...setEnd(end, 0, 2, 2),
      ...loop(0, end, 16, [
        ...models.flatMap((k) => [
          ...at(parameter(k, 0)), ...set(own(k, 4)), ...get(own(k, 4)), ...words(ABS), ...v('and'), ...set(mask),
          ...get(own(k, 4)), ...get(mask), ...get(own(k, 0)), ...v('intAtLeast'), ...get(mask), ...get(own(k, 1)), ...v('intLess'), ...v('and'), ...v('and'), ...get(own(k, 2)), ...v('floatMul'), ...set(own(k, 4)),
          ...(k === 0 ? [...get(own(0, 4)), ...set(sum)] : [...get(sum), ...get(own(k, 4)), ...v('floatAdd'), ...set(sum)]), ...advance(parameter(k, 0), 16),
        ]),
        ...get(sum), ...words(0), ...v('floatAtLeast'), ...set(positive), ...words(0), ...set(num), ...words(0), ...set(den),
        ...models.flatMap((k) => [
          ...get(own(k, 4)), ...words(0), ...v('floatMore'), ...get(own(k, 4)), ...words(0), ...v('floatLess'), ...get(positive), ...v('bitselect'), ...set(mask),
          ...get(num), ...get(own(k, 4)), ...get(mask), ...v('and'), ...v('floatAdd'), ...set(num), ...get(den), ...get(own(k, 3)), ...get(mask), ...v('and'), ...v('floatAdd'), ...set(den),
        ]),
        ...get(den), ...words(0x3f800000), ...get(normalize), ...v('bitselect'), ...set(den),
        ...get(0), ...at(1), ...get(num), ...words(0x3f800000), ...get(den), ...get(den), ...words(0), ...v('floatEqual'), ...v('bitselect'), ...v('floatDiv'), ...get(lambda), ...v('floatMul'), ...v('floatAdd'), ...storeVector(),
        ...advance(1, 16),
      ]),
    ],
  };
}

/** `countEqual(from, n, bits)`: how many magnitudes have these bits. */
const countEqual: FunctionSpec = {
  name: 'countEqual', parameters: [I32, I32, I32], result: I32, locals: [I32, V128, V128],
  code: [
    ...get(2), ...v('splatInt'), ...set(5), ...setEnd(3, 0, 1, 2),
    ...loop(0, 3, 16, [...get(4), ...at(0), ...words(ABS), ...v('and'), ...get(5), ...v('intEqual'), ...v('intSub'), ...set(4)]),
    ...[0, 1, 2, 3].flatMap((lane) => [...get(4), ...laneInt(lane), ...(lane === 0 ? [] : [ADD])]),
  ],
};

/** Philox4x32-10 of four consecutive counters in the four lanes: locals c0..c3 become random words. Locals: c at 0..3, keys at 4, 5, four temporaries from 6 on. */
function philox(c: readonly number[], k0: number, k1: number, temporary: number): Code {
  const [low0, high0, low1, high1] = [0, 1, 2, 3].map((i) => temporary + i);
  /** Products of 32-bit lanes: low halves in `low`, high halves in `high`. */
  const multiply = (x: number, factor: number, low: number, high: number): Code => [
    ...get(x), ...words(factor), ...v('multiplyLowHalves'), ...set(low), ...get(x), ...words(factor), ...v('multiplyHighHalves'), ...set(high),
    // Each holds two 64-bit products: gather their high words, then their low words.
    ...get(low), ...get(high), ...shuffle(4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31),
    ...get(low), ...get(high), ...shuffle(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27), ...set(low), ...set(high),
  ];
  const round = (r: number): Code => [
    ...multiply(c[0], 0xd2511f53, low0, high0), ...multiply(c[2], 0xcd9e8d57, low1, high1),
    ...get(high1), ...get(c[1]), ...v('xor'), ...get(k0), ...words(Math.imul(0x9e3779b9, r)), ...v('intAdd'), ...v('xor'), ...set(c[0]),
    ...get(low1), ...set(c[1]),
    ...get(high0), ...get(c[3]), ...v('xor'), ...get(k1), ...words(Math.imul(0xbb67ae85, r)), ...v('intAdd'), ...v('xor'), ...set(c[2]),
    ...get(low0), ...set(c[3]),
  ];
  return Array.from({ length: 10 }, (_, r) => round(r)).flat();
}

/**
 * `random(to, n, counter, k0, k1, c2, c3)`: n words of the stream, 16 at a time; word i is word i % 4 of the block with counter + i / 4. n is a
 * multiple of 16. The high counter word is 0: streams are per tensor, and no tensor has 2^34 elements.
 */
const random: FunctionSpec = {
  name: 'random', parameters: [I32, I32, I32, I32, I32, I32, I32], locals: [I32, ...new Array<number>(10).fill(V128)],
  code: (() => {
    const end = 7, c = [8, 9, 10, 11], k0 = 12, k1 = 13, temporary = 14;
    const pick = (a: number, b: number, lanes: readonly number[]): Code => [...get(a), ...get(b), ...shuffle(...lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3]))];
    // Words of one block stand in the same lane of four vectors: transpose.
    const transpose: Code = [
      ...pick(c[0], c[1], [0, 4, 1, 5]), ...set(temporary), ...pick(c[2], c[3], [0, 4, 1, 5]), ...set(temporary + 1),
      ...pick(c[0], c[1], [2, 6, 3, 7]), ...set(temporary + 2), ...pick(c[2], c[3], [2, 6, 3, 7]), ...set(temporary + 3),
      ...[[0, 0], [0, 1], [2, 0], [2, 1]].flatMap(([pair, high], i) => [...get(0), ...pick(temporary + pair, temporary + pair + 1, high === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7]), ...storeVector(16 * i)]),
    ];
    return [
      ...get(3), ...v('splatInt'), ...set(k0), ...get(4), ...v('splatInt'), ...set(k1), ...setEnd(end, 0, 1, 2),
      ...loop(0, end, 64, [
        ...get(2), ...v('splatInt'), ...countingWords, ...v('intAdd'), ...set(c[0]), ...words(0), ...set(c[1]), ...get(5), ...v('splatInt'), ...set(c[2]), ...get(6), ...v('splatInt'), ...set(c[3]),
        ...philox(c, k0, k1, temporary), ...transpose,
        ...advance(2, 4),
      ]),
    ];
  })(),
};

/** `keepBelow(to, from, words, n, limit)`: keeps values whose random word is below the limit, unsigned. */
const keepBelow: FunctionSpec = {
  name: 'keepBelow', parameters: [I32, I32, I32, I32, I32], locals: [I32, V128],
  code: [
    ...get(4), ...v('splatInt'), ...set(6), ...setEnd(5, 0, 3, 2),
    ...loop(0, 5, 16, [...get(0), ...at(1), ...at(2), ...get(6), ...v('intLessUnsigned'), ...v('and'), ...storeVector(), ...advance(1, 16), ...advance(2, 16)]),
  ],
};

/** Sum of magnitudes in float64: `sumAbs(x, n)`. */
const sumAbs: FunctionSpec = {
  name: 'sumAbs', parameters: [I32, I32], result: F64, locals: [I32, V128, V128],
  code: [
    ...setEnd(2, 0, 1, 2),
    ...loop(0, 2, 16, [
      ...at(0), ...v('floatAbs'), ...set(4),
      ...get(3), ...get(4), ...v('promoteLow'), ...v('doubleAdd'), ...get(4), ...get(4), ...shuffle(8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15), ...v('promoteLow'), ...v('doubleAdd'), ...set(3),
    ]),
    ...get(3), ...laneDouble(0), ...get(3), ...laneDouble(1), 0xa0,
  ],
};

/** The kernels as a module's bytes; each thread makes an instance of its own. */
export function kernelBytes(): Uint8Array<ArrayBuffer> {
  return assemble([decodeBf16, decodeDeltaBf16, decodeF16, largestBits, encodeBf16, encodeF16, ...arithmetic, elect, keepBand, dot, sumAbs, histogram, window, countEqual, random, keepBelow, ...Array.from({ length: MOST_VOTERS }, (_, k) => vote(k + 1))]);
}

/** What an instance offers. */
export interface Kernels {
  readonly memory: WebAssembly.Memory;
  decodeBf16(to: number, from: number, n: number): number;
  decodeDeltaBf16(to: number, from: number, base: number, n: number): number;
  decodeF16(to: number, from: number, n: number): number;
  largestBits(from: number, n: number): number;
  encodeBf16(to: number, from: number, n: number): number;
  encodeF16(to: number, from: number, n: number): number;
  scale(to: number, x: number, n: number, c: number): void;
  addScaled(to: number, x: number, n: number, c: number): void;
  scaleDelta(to: number, x: number, y: number, n: number, c: number): void;
  addScaledDelta(to: number, x: number, y: number, n: number, c: number): void;
  plusScaled(to: number, x: number, y: number, n: number, c: number): void;
  divide(to: number, x: number, n: number, c: number): void;
  consensus(to: number, base: number, sum: number, divisor: number, n: number, c: number): void;
  elect(sum: number, divisor: number, election: number, d: number, n: number, w: number): void;
  keepBand(to: number, from: number, n: number, low: number, high: number): void;
  dot(x: number, y: number, n: number): number;
  sumAbs(x: number, n: number): number;
  histogram(from: number, n: number, counts: number, shift: number, prefix: number, bits: number): void;
  window(from: number, n: number, counts: number, low: number, high: number, shift: number): number;
  /** `vote1` to `vote6`. */
  readonly [vote: `vote${number}`]: (...parameters: readonly number[]) => void;
  countEqual(from: number, n: number, bits: number): number;
  random(to: number, n: number, counter: number, k0: number, k1: number, c2: number, c3: number): void;
  keepBelow(to: number, from: number, words: number, n: number, limit: number): void;
}
