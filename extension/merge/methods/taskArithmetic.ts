import { LAMBDA, mergeTaskVectors, normalize, TASK_KERNELS } from './taskVectors';
import { WEIGHT } from './common';
import type { MergeMethod } from './types';

/** Adds weighted differences to the base. */
export const taskArithmetic: MergeMethod = {
  name: 'task_arithmetic', title: 'Task arithmetic', formula: 'θ = θ₀ + λ Σ wᵢ τᵢ', says: 'Adds what each model learnt, weighted; a negative weight takes it away.', source: 'Ilharco et al., arXiv 2212.04089',
  base: 'required', models: [1, null], baseIsModel: false,
  parameters: [WEIGHT, normalize(false), LAMBDA, { name: 'int8_mask', type: 'boolean', scope: 'merge', default: false, says: 'Has no effect here.' }, { name: 'rescale', type: 'boolean', scope: 'merge', default: false, says: 'Has no effect: nothing is dropped.' }],
  merge: (task) => mergeTaskVectors(task, { kind: 'none' }, false),
  kernels: TASK_KERNELS,
};
