import { combineOrCopy, WEIGHT } from './common';
import type { MergeMethod, MergeTask } from './types';

const SMALLEST_SUM = 1e-8;
const sumOf = (task: MergeTask): number => Array.from({ length: task.models }, (_, k) => task.of(k, 'weight')).reduce((a, b) => a + b, 0);

/** Weighted average of the weights. */
export const linear: MergeMethod = {
  name: 'linear', title: 'Weighted average', formula: 'θ = Σ wᵢ θᵢ / Σ wᵢ', says: 'Averages the models\u2019 weights ("model soup"). Sensible for fine-tunes of one base.', source: 'Wortsman et al., arXiv 2203.05482',
  base: 'unused', models: [1, null], baseIsModel: true,
  parameters: [WEIGHT, { name: 'normalize', type: 'boolean', scope: 'merge', default: true, says: 'Divide by the sum of the weights.' }],
  check: (task) => (task.flag('normalize') && Math.abs(sumOf(task)) < SMALLEST_SUM ? `its weights add up to ${sumOf(task)}, so their average is not defined. Change a weight, or set normalize: false.` : null),
  *merge(task) {
    const divisor = task.flag('normalize') ? sumOf(task) : 1;
    return combineOrCopy(Array.from({ length: task.models }, (_, k) => task.of(k, 'weight') / divisor));
  },
};
