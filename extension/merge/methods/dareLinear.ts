import { mergeTaskVectors, TASK_KERNELS, taskParameters } from './taskVectors';
import type { MergeMethod } from './types';

/** Drops differences at random, scales up what stays, and adds. */
export const dareLinear: MergeMethod = {
  name: 'dare_linear', title: 'DARE', formula: 'θ = θ₀ + λ Σ wᵢ (mᵢ ⊙ τᵢ)/density, mᵢ ~ Bernoulli(density)', says: 'Drops differences at random and scales up the rest, so that models collide less. Which are dropped follows from the seed and the tensor\u2019s name.', source: 'Yu et al., arXiv 2311.03099',
  base: 'required', models: [1, null], baseIsModel: false, parameters: taskParameters({ normalize: false, rescale: true }),
  merge: (task) => mergeTaskVectors(task, { kind: 'random' }, false),
  kernels: TASK_KERNELS,
};
