import { combineOrCopy } from './common';
import type { MergeMethod } from './types';

/** Takes tensors as they are: stacking layers of one or several models. */
export const passthrough: MergeMethod = {
  name: 'passthrough', title: 'Stack layers', formula: 'θ = s θ₁', says: 'Copies one model\u2019s tensors, byte for byte; with slices, layers of several models are stacked. Such a model usually needs training afterwards.', source: 'mergekit',
  base: 'unused', models: [1, 1], baseIsModel: true,
  parameters: [{ name: 'scale', type: 'number', scope: 'model', default: 1, says: 'Factor on the tensors.' }],
  *merge(task) {
    return combineOrCopy([task.of(0, 'scale')]);
  },
};
