import type { Block, Kernel } from '../engine/passTypes';
import type { MergeMethod } from './types';

/** Differences of one model alone are added, those of several averaged. */
const kernel: Kernel = ({ x, out, n, params, floats }: Block<{ readonly epsilon: number }>) => {
  const base = floats(x[0]), models = x.slice(1).map((at) => floats(at)), result = floats(out), { epsilon } = params;
  for (let i = 0; i < n; i++) {
    let sum = 0, count = 0;
    for (const model of models) { const d = Math.fround(model[i] - base[i]); if (Math.abs(d) > epsilon) { sum += d; count++; } }
    result[i] = count === 0 ? base[i] : base[i] + sum / count;
  }
};

/** Keeps what one model changed alone, averages what several changed. */
export const ram: MergeMethod = {
  name: 'ram', title: 'Reinforced agent merging', formula: 'θ = θ₀ + Σ[|τᵢ| > ε] τᵢ / #{i: |τᵢ| > ε}', says: 'A weight that only one model changed takes its full change; where several did, their mean.', source: 'arXiv 2601.13572; mergekit',
  base: 'required', models: [1, null], baseIsModel: false, parameters: [{ name: 'epsilon', type: 'number', scope: 'merge', default: 1e-5, least: 0, says: 'Differences up to this count as unchanged.' }],
  *merge(task) {
    return { kind: 'apply', kernel: 'ram', params: { epsilon: task.number('epsilon') } };
  },
  kernels: { ram: kernel },
};
