import { GraphBuilder } from '../graph/builder';
import { floatData, floats } from '../graph/hostTensor';
import type { Graph } from '../graph/ir';
import { polarFactor } from '../numerics/procrustes';
import { Random } from '../numerics/random';
import type { ForwardEnvironment } from '../probe/forward';
import type { TransferTools } from './types';

/** Shorter sides up to this long are decomposed here, exactly; longer ones take matrix products on the device. */
const DECOMPOSED = 192;
/** Steps of the fast polynomial, which lifts singular values from 1e-6 of the largest near 1, and of the one that settles them there. */
const LIFTING_STEPS = 11;
const SETTLING_STEPS = 6;

/** Dense algebra of a run, with turns for others. */
export function transferTools(environment: ForwardEnvironment, seed: number): TransferTools {
  const turn = (): Promise<void> => environment.scheduler.turn(environment.signal, environment.interactive);
  return {
    seed, turn, ...(environment.signal ? { signal: environment.signal } : {}),
    order: (n) => new Random(seed, 'shuffled samples').permutation(n),
    polar: async (c, rows, columns) => {
      await turn();
      if (Math.min(rows, columns) <= DECOMPOSED) return polarFactor(c, rows, columns);
      return newtonSchulz(c, rows, columns, environment, turn);
    },
  };
}

/**
 * Orthogonal polar factor by matrix products alone, in float32: odd polynomials of Z from C / |C|. The first steps use 3.4445 z - 4.775 z^3 +
 * 2.0315 z^5, which lifts small singular values fastest and leaves all between 0.7 and 1.2; the last use Newton-Schulz's 1.5 z - 0.5 z^3, which
 * converges to 1 from there. Directions below about 1e-6 of the largest stay partly out: they are noise in float32.
 */
export async function newtonSchulz(c: Float64Array, rows: number, columns: number, environment: ForwardEnvironment, turn: () => Promise<void>): Promise<{ readonly factor: Float64Array; readonly singularSum: number }> {
  const flipped = rows > columns, n = Math.min(rows, columns), m = Math.max(rows, columns);
  let norm = 0;
  for (let i = 0; i < c.length; i++) norm += c[i] * c[i];
  norm = Math.sqrt(norm);
  if (!(norm > 0)) return { factor: new Float64Array(c.length), singularSum: 0 };
  let z: Float32Array = new Float32Array(c.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) z[i * m + j] = c[flipped ? j * columns + i : i * columns + j] / norm;
  await environment.pool.with(`transfer polar ${n} ${m}`, () => Promise.resolve(buildStep(n, m)), async (session) => {
    for (let step = 0; step < LIFTING_STEPS + SETTLING_STEPS; step++) {
      const [a, b, d] = step < LIFTING_STEPS ? [3.4445, -4.775, 2.0315] : [1.5, -0.5, 0];
      await turn();
      z = floatData((await session.run({ z: floats([n, m], z), a: floats([1], Float32Array.of(a)), b: floats([1], Float32Array.of(b)), d: floats([1], Float32Array.of(d)) }))['next']);
    }
  });
  const factor = new Float64Array(c.length);
  let singularSum = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) {
    const at = flipped ? j * columns + i : i * columns + j;
    factor[at] = z[i * m + j];
    singularSum += c[at] * factor[at];
  }
  return { factor, singularSum };
}

/** next = a Z + (b S + d S S) Z with S = Z Z^T, for Z `[n, m]`, n <= m. */
function buildStep(n: number, m: number): Graph {
  const b = new GraphBuilder('polar step'), z = b.input('z', 'float32', [n, m]), [first, third, fifth] = ['a', 'b', 'd'].map((name) => b.input(name, 'float32', [1]));
  const square = b.gemm(z, z, { transposed: true, width: n, rows: n }), polynomial = b.add(b.mul(square, third), b.mul(b.matmul(square, square, [n, n]), fifth));
  b.output('next', b.add(b.mul(z, first), b.matmul(polynomial, z, [n, m])));
  return b.build();
}
