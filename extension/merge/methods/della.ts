import type { MergeParameter } from '../../protocol/merge';
import { mergeTaskVectors, TASK_KERNELS, taskParameters } from './taskVectors';
import type { MergeMethod, MergeTask } from './types';

const EPSILON: MergeParameter = { name: 'epsilon', type: 'number', scope: 'model', default: 0.15, least: 0, most: 0.5, says: 'How much more likely the largest difference of a row is kept than density, and how much less likely the smallest.' };

/** The chance of every element has to lie between 0 and 1. */
function check(task: MergeTask): string | null {
  for (let k = 0; k < task.models; k++) {
    const density = task.of(k, 'density'), epsilon = task.of(k, 'epsilon');
    if (density > 0 && density < 1 && (density + epsilon >= 1 || density - epsilon <= 0)) return `density ${density} and epsilon ${epsilon} of ${task.names[k]} give chances outside 0 to 1. Choose an epsilon below ${Math.min(density, 1 - density)}.`;
  }
  return (task.shape.at(-1) ?? 1) > MAX_ROW ? `its rows have more than ${MAX_ROW} elements.` : null;
}
/** Rank and place of an element share the 53 bits of a number. */
const MAX_ROW = 2 ** 22;

/** Drops differences at random, small ones of a row more often, and lets the models vote on signs. */
export const della: MergeMethod = {
  name: 'della', title: 'DELLA', formula: 'pᵣ = density − ε + 2ε (r−1)/(n−1) for rank r in its row; dᵢ = wᵢ mᵢ⊙τᵢ/p; vote on signs as in ties', says: 'Like DARE, but larger differences are kept more often. Each kept one is divided by its own chance.', source: 'Deep et al., arXiv 2406.11617',
  base: 'required', models: [1, null], baseIsModel: false, parameters: taskParameters({ normalize: true, rescale: true }, EPSILON), check,
  merge: (task) => mergeTaskVectors(task, { kind: 'ranked' }, true),
  kernels: TASK_KERNELS,
};

/** DELLA without the vote. */
export const dellaLinear: MergeMethod = {
  ...della, name: 'della_linear', title: 'DELLA, linear', formula: 'pᵣ = density − ε + 2ε (r−1)/(n−1); θ = θ₀ + λ Σ wᵢ mᵢ⊙τᵢ/p', says: 'Like DARE, but larger differences are kept more often.',
  parameters: taskParameters({ normalize: false, rescale: true }, EPSILON),
  merge: (task) => mergeTaskVectors(task, { kind: 'ranked' }, false),
};
