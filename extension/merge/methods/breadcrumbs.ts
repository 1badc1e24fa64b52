import type { MergeParameter } from '../../protocol/merge';
import { keptCount, mergeTaskVectors, TASK_KERNELS, taskParameters, type ThinningRule } from './taskVectors';
import type { MergeMethod } from './types';

const GAMMA: MergeParameter = { name: 'gamma', type: 'number', scope: 'model', default: 0.01, least: 0, most: 1, says: 'Share of the largest differences that is dropped as outliers.' };

/** Ranks without the outliers at the top; where both cuts do not fit, the upper one gives way so that the density is kept. */
const BETWEEN: ThinningRule = {
  kind: 'ranks',
  of: (task, k) => {
    const keep = keptCount(task.of(k, 'density'), task.elements);
    return { keep, skip: Math.min(Math.floor(task.of(k, 'gamma') * task.elements), task.elements - keep) };
  },
};

/** Drops the largest and the smallest differences, and adds. */
export const breadcrumbs: MergeMethod = {
  name: 'breadcrumbs', title: 'Model breadcrumbs', formula: 'θ = θ₀ + λ Σ wᵢ (τᵢ without its largest γ and its smallest 1−density−γ)', says: 'Drops outliers as well as small differences.', source: 'Davari and Belilovsky, arXiv 2312.06795 (per tensor, as mergekit does)',
  base: 'required', models: [1, null], baseIsModel: false, parameters: taskParameters({ normalize: false, rescale: false }, GAMMA),
  merge: (task) => mergeTaskVectors(task, BETWEEN, false),
  kernels: TASK_KERNELS,
};

/** Breadcrumbs with the vote on signs of TIES. */
export const breadcrumbsTies: MergeMethod = {
  ...breadcrumbs, name: 'breadcrumbs_ties', title: 'Breadcrumbs with TIES', formula: 'as breadcrumbs, then a vote on signs as in ties', says: 'Drops outliers and small differences and lets the models vote on signs.',
  merge: (task) => mergeTaskVectors(task, BETWEEN, true),
};
