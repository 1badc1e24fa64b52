import type { Block, Kernel } from '../engine/passTypes';
import { addDeltas, combineOrCopy, copy, gramOf, slerpCoefficients, WEIGHT } from './common';
import type { MergeMethod } from './types';

const COLINEAR = 1e-16;
/** cos² from which two directions are the same. */
const STRAIGHT = Math.sqrt(1 - COLINEAR);

interface RowParams { readonly t: number; readonly base: boolean; readonly straight: number; readonly columns: Float64Array | null }

/** Each row by its own angle; or, with coefficients per column, each column by its own. */
const rows: Kernel = ({ x, out, n, row, params, floats, first }: Block<RowParams>) => {
  const { t, base, straight, columns } = params, result = floats(out), origin = base ? floats(x[0]) : null, a = floats(x[base ? 1 : 0]), b = floats(x[base ? 2 : 1]);
  const at = (v: Float32Array, i: number): number => (origin ? Math.fround(v[i] - origin[i]) : v[i]);
  for (let from = 0; from < n; from += row) {
    let ca = 1 - t, cb = t;
    if (!columns) {
      let aa = 0, ab = 0, bb = 0;
      for (let i = from; i < from + row; i++) { const u = at(a, i), v = at(b, i); aa += u * u; ab += u * v; bb += v * v; }
      const cosine = aa === 0 || bb === 0 ? 1 : Math.max(-1, Math.min(1, ab / Math.sqrt(aa * bb)));
      if (Math.abs(cosine) < straight) { const angle = Math.acos(cosine), sine = Math.sin(angle); ca = Math.sin((1 - t) * angle) / sine; cb = Math.sin(t * angle) / sine; }
    }
    for (let i = from; i < Math.min(n, from + row); i++) {
      if (columns) { const column = (first + i) % row; ca = columns[2 * column]; cb = columns[2 * column + 1]; }
      result[i] = (origin ? origin[i] : 0) + ca * at(a, i) + cb * at(b, i);
    }
  }
};

/** Sums of squares and products down the columns of a block's rows. */
const columnSums: Kernel = ({ x, n, row, params, floats, values, first }: Block<RowParams>) => {
  const origin = params.base ? floats(x[0]) : null, a = floats(x[params.base ? 1 : 0]), b = floats(x[params.base ? 2 : 1]);
  for (let i = 0; i < n; i++) {
    const column = (first + i) % row, u = origin ? Math.fround(a[i] - origin[i]) : a[i], v = origin ? Math.fround(b[i] - origin[i]) : b[i];
    values[3 * column] += u * u; values[3 * column + 1] += u * v; values[3 * column + 2] += v * v;
  }
};

/** Spherical interpolation with weights; with a base, of the differences from it, where angles are large and it matters. */
export const nuslerp: MergeMethod = {
  name: 'nuslerp', title: 'Weighted spherical interpolation', formula: 't = w₂/(w₁+w₂); θ = slerp(t; θ₁, θ₂), or θ₀ + slerp(t; τ₁, τ₂) with a base', says: 'Like slerp with weights; with a base it turns the differences, whose angles are large.', source: 'mergekit',
  base: 'optional', models: [2, 2], baseIsModel: false,
  parameters: [WEIGHT,
    { name: 'nuslerp_flatten', type: 'boolean', scope: 'merge', default: true, says: 'One angle for the whole tensor.' },
    { name: 'nuslerp_row_wise', type: 'boolean', scope: 'merge', default: false, says: 'Without flatten: an angle for each vector along the first dimension instead of the last.' }],
  *merge(task) {
    const w = [task.of(0, 'weight'), task.of(1, 'weight')], total = w[0] + w[1], t = Math.abs(total) < 1e-6 ? 0.5 : w[1] / total, base = task.hasBase;
    if (t === 0 || t === 1) return copy((base ? 1 : 0) + t);
    if (task.flag('nuslerp_flatten')) {
      const gram = yield* gramOf(task, base), [a, b] = slerpCoefficients(t, gram[0][0], gram[0][1], gram[1][1], STRAIGHT, task.asMergekit);
      return base ? addDeltas([a, b], 1) : combineOrCopy([a, b]);
    }
    const row = task.shape.at(-1) ?? 1, params: RowParams = { t, base, straight: STRAIGHT, columns: null };
    if (!task.flag('nuslerp_row_wise') || task.shape.length < 2) return { kind: 'apply', kernel: 'nuslerpRows', params, rows: true };
    if (task.shape.length > 2) throw new RangeError('nuslerp_row_wise is only defined for matrices here');
    const { blocks } = yield { kind: 'statistics', kernel: 'nuslerpColumns', params, values: 3 * row };
    const sums = new Float64Array(3 * row), columns = new Float64Array(2 * row);
    for (const block of blocks) for (let i = 0; i < sums.length; i++) sums[i] += block[i];
    for (let c = 0; c < row; c++) columns.set(slerpCoefficients(t, sums[3 * c], sums[3 * c + 1], sums[3 * c + 2], STRAIGHT, task.asMergekit), 2 * c);
    return { kind: 'apply', kernel: 'nuslerpRows', params: { ...params, columns } };
  },
  check: (task) => (!task.flag('nuslerp_flatten') && task.flag('nuslerp_row_wise') && task.shape.length > 2 ? 'nuslerp_row_wise needs a matrix. Set nuslerp_flatten: true for this tensor.' : null),
  kernels: { nuslerpRows: rows, nuslerpColumns: columnSums },
};
