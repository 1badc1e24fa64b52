import { combineOrCopy, gramOf, slerpCoefficients } from './common';
import type { MergeMethod } from './types';

/** Cosine from which the arc is a straight line for all that matters. */
const STRAIGHT = 0.9995;

/** Spherical interpolation of two models, tensor by tensor. */
export const slerp: MergeMethod = {
  name: 'slerp', title: 'Spherical interpolation', formula: 'θ = sin((1−t)ω)/sin ω · θ₀ + sin(tω)/sin ω · θ₁, cos ω = θ₀·θ₁ / ‖θ₀‖‖θ₁‖', says: 'Follows the arc between two tensors instead of the chord. Fine-tunes of one base lie so close that this equals the average.', source: 'Shoemake 1985; mergekit',
  base: 'required', models: [1, 1], baseIsModel: false,
  parameters: [{ name: 't', type: 'number', scope: 'merge', default: null, says: 'Where on the way from the base (0) to the other model (1).' }],
  *merge(task) {
    const t = task.number('t');
    if (t === 0 || t === 1) return combineOrCopy([1 - t, t]);
    const gram = yield* gramOf(task, false);
    if (gram[0][0] === 0 || gram[1][1] === 0) task.warn('merge/zero-tensor', 'tensors of zeros have no direction and were interpolated straight');
    return combineOrCopy(slerpCoefficients(t, gram[0][0], gram[0][1], gram[1][1], STRAIGHT, task.asMergekit));
  },
};
