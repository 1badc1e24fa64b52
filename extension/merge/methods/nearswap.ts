import type { Block, Kernel } from '../engine/passTypes';
import type { MergeMethod } from './types';

/** Elements closer than t are taken over whole, others in the proportion t / difference. */
const kernel: Kernel = ({ x, out, n, params, floats }: Block<{ readonly t: number }>) => {
  const a = floats(x[0]), b = floats(x[1]), result = floats(out), { t } = params;
  for (let i = 0; i < n; i++) {
    const weight = Math.min(1, Math.max(0, t / Math.max(Math.abs(Math.fround(a[i] - b[i])), 1e-6)));
    result[i] = weight * b[i] + (1 - weight) * a[i];
  }
};

/** Takes over the other model where it lies near the base. */
export const nearswap: MergeMethod = {
  name: 'nearswap', title: 'NearSwap', formula: 'w = clamp(t/|θ₁−θ₀|, 0, 1); θ = w θ₁ + (1−w) θ₀', says: 'Moves each weight at most t towards the other model.', source: 'alchemonaut; mergekit',
  base: 'required', models: [1, 1], baseIsModel: false, parameters: [{ name: 't', type: 'number', scope: 'merge', default: null, least: 0, says: 'The largest step.' }],
  *merge(task) {
    return { kind: 'apply', kernel: 'nearswap', params: { t: task.number('t') } };
  },
  kernels: { nearswap: kernel },
};
