import { mergeTaskVectors, TASK_KERNELS, taskParameters } from './taskVectors';
import type { MergeMethod } from './types';

/** DARE with the vote on signs of TIES. */
export const dareTies: MergeMethod = {
  name: 'dare_ties', title: 'DARE with TIES', formula: 'dᵢ = wᵢ (mᵢ ⊙ τᵢ)/density; s = sign Σ dᵢ; θ = θ₀ + λ Σ[sign dᵢ = s] dᵢ', says: 'Drops differences at random, scales up the rest, and lets the models vote on signs.', source: 'Yu et al., arXiv 2311.03099; Yadav et al., arXiv 2306.01708',
  base: 'required', models: [1, null], baseIsModel: false, parameters: taskParameters({ normalize: false, rescale: true }),
  merge: (task) => mergeTaskVectors(task, { kind: 'random' }, true),
  kernels: TASK_KERNELS,
};
