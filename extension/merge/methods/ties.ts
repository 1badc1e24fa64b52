import { keptCount, mergeTaskVectors, TASK_KERNELS, taskParameters, type ThinningRule } from './taskVectors';
import type { MergeMethod } from './types';

/** The largest differences of each tensor; at the cut, equal ones by index. */
const LARGEST: ThinningRule = { kind: 'ranks', of: (task, k) => ({ skip: 0, keep: keptCount(task.of(k, 'density'), task.elements) }) };

/** Trims small differences, elects a sign for each weight, and averages those that agree. */
export const ties: MergeMethod = {
  name: 'ties', title: 'TIES', formula: 'dᵢ = wᵢ·top(τᵢ, density); s = sign Σ dᵢ; θ = θ₀ + λ Σ[sign dᵢ = s] dᵢ / Σ[sign dᵢ = s] wᵢ', says: 'Keeps each model\u2019s largest differences and lets the models vote on the sign of every weight, so that they do not cancel.', source: 'Yadav et al., arXiv 2306.01708 (trimmed per tensor, as mergekit does)',
  base: 'required', models: [1, null], baseIsModel: false, parameters: taskParameters({ normalize: true, rescale: false }),
  merge: (task) => mergeTaskVectors(task, LARGEST, true),
  kernels: TASK_KERNELS,
};
