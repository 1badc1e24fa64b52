import { addDeltas, combineOrCopy, copy, gramOf, WEIGHT } from './common';
import type { MergeMethod } from './types';

/**
 * Weighted mean of directions on the sphere, times the mean length. The tangent vectors at the mean direction of the weighted unit vectors add
 * up to nothing, so the barycentre is that direction itself, and two passes do: inner products, then one linear combination.
 */
export const multislerp: MergeMethod = {
  name: 'multislerp', title: 'Mean direction', formula: 'θ = Σ wᵢ‖θᵢ‖ · m/‖m‖, m = Σ wᵢ θᵢ/‖θᵢ‖; of τᵢ with a base', says: 'Averages directions and lengths apart.', source: 'mergekit; closed form derived here',
  base: 'optional', models: [1, null], baseIsModel: false,
  parameters: [WEIGHT, { name: 'normalize_weights', type: 'boolean', scope: 'merge', default: true, says: 'Divide the weights by their sum.' }, { name: 'eps', type: 'number', scope: 'merge', default: 1e-8, least: 0, says: 'Added to lengths before dividing by them.' }],
  check: (task) => {
    const total = Array.from({ length: task.models }, (_, k) => task.of(k, 'weight')).reduce((a, b) => a + b, 0);
    return task.flag('normalize_weights') && Math.abs(total) < 1e-8 ? 'its weights add up to 0. Change a weight, or set normalize_weights: false.' : null;
  },
  *merge(task) {
    const { models, hasBase } = task, given = Array.from({ length: models }, (_, k) => task.of(k, 'weight'));
    if (models === 1) return copy(hasBase ? 1 : 0);
    const total = given.reduce((a, b) => a + b, 0), w = task.flag('normalize_weights') ? given.map((value) => value / total) : given;
    const gram = yield* gramOf(task, hasBase), eps = task.number('eps'), lengths = gram.map((row, i) => Math.sqrt(row[i]));
    const unit = w.map((value, i) => value / (lengths[i] + eps));
    let square = 0;
    for (let i = 0; i < models; i++) for (let j = 0; j < models; j++) square += unit[i] * unit[j] * gram[i][j];
    const length = Math.sqrt(Math.max(0, square)), mean = w.reduce((sum, value, i) => sum + value * lengths[i], 0);
    if (lengths.every((value) => value === 0)) return hasBase ? copy(0) : combineOrCopy(w);
    if (length < eps) {
      if (models > 2) task.warn('merge/opposite', 'tensors whose directions cancel were averaged straight');
      return hasBase ? addDeltas(w, 1) : combineOrCopy(w);
    }
    const coefficients = unit.map((value) => (value * mean) / length);
    return hasBase ? addDeltas(coefficients, 1) : combineOrCopy(coefficients);
  },
};
