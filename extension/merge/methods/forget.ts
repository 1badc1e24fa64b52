import { addDeltas, copy, WEIGHT } from './common';
import { LAMBDA } from './taskVectors';
import type { MergeMethod } from './types';

/** Takes away what models learnt: task arithmetic for forgetting. */
export const negation: MergeMethod = {
  name: 'negation', title: 'Negation', formula: 'θ = θ₀ − λ Σ wᵢ τᵢ', says: 'Moves the base away from what the models learnt, to forget it. Measure what else is lost.', source: 'Ilharco et al., arXiv 2212.04089; Zhang et al., arXiv 2306.14870',
  base: 'required', models: [1, null], baseIsModel: false, parameters: [{ ...WEIGHT, default: 1 }, LAMBDA],
  *merge(task) {
    const weights = Array.from({ length: task.models }, (_, k) => task.of(k, 'weight')), lambda = task.number('lambda');
    return lambda === 0 || weights.every((w) => w === 0) ? copy(0) : addDeltas(weights, -lambda);
  },
};

/** Carries a task over by analogy: what the first learnt, and the difference between the second and the third. */
export const analogy: MergeMethod = {
  name: 'analogy', title: 'Analogy', formula: 'θ = θ₀ + λ τ₁ + (1−λ)(τ₂ − τ₃)', says: 'Three models: one of a related task, then target and source of the way from there. "Target task is to related task as the second is to the third."', source: 'Ilharco et al., arXiv 2212.04089; Zhang et al., arXiv 2306.14870',
  base: 'required', models: [3, 3], baseIsModel: false, parameters: [{ name: 'lambda', type: 'number', scope: 'merge', default: 0.5, says: 'Share of the related task against the analogy.' }],
  *merge(task) {
    const lambda = task.number('lambda');
    return addDeltas([lambda, 1 - lambda, lambda - 1], 1);
  },
};
