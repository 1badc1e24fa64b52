import type { MergeMethodName } from '../../protocol/merge';

const TASK_FAMILY = 'Arithmetic is float32 and rounded once; mergekit works in the dtype of the base.';
const RANDOM = 'Which differences are dropped follows from the seed and the tensor\u2019s name, so the result does not depend on threads or machine; mergekit\u2019s own masks cannot be drawn again.';
const ZERO = 'A tensor of zeros is interpolated straight; mergekit gives sin(t\u03c0/2) of the other one.';

/** Where a method follows mergekit and where it differs on purpose; `--as-mergekit` gives the old numbers where it says so. */
export const MERGEKIT_NOTES: Readonly<Record<MergeMethodName, string>> = {
  linear: 'As in mergekit, except that weights which add up to 0 are an error instead of infinite numbers.',
  task_arithmetic: `As in mergekit. ${TASK_FAMILY}`,
  ties: `As in mergekit: trimmed per tensor, the vote counts weights, a sum of zero elects plus. ${TASK_FAMILY} A density that would keep nothing keeps one difference, where mergekit stops; equal magnitudes are taken in order.`,
  dare_linear: `Scales up by 1/density as in the paper; mergekit by the ratio of the sums of magnitudes (--as-mergekit). ${RANDOM}`,
  dare_ties: `Scales up by 1/density as in the paper; mergekit by the ratio of the sums of magnitudes (--as-mergekit). ${RANDOM}`,
  breadcrumbs: `As in mergekit, with one defect mended: where gamma times the size is below 1, mergekit drops the whole difference. ${TASK_FAMILY}`,
  breadcrumbs_ties: `As in mergekit, with one defect mended: where gamma times the size is below 1, mergekit drops the whole difference. ${TASK_FAMILY}`,
  della: `Each kept difference is divided by its own chance, as in the paper; mergekit uses one ratio for the tensor (--as-mergekit). ${RANDOM}`,
  della_linear: `Each kept difference is divided by its own chance, as in the paper; mergekit uses one ratio for the tensor (--as-mergekit). ${RANDOM}`,
  slerp: `As in mergekit: from a cosine of 0.9995 on it is the straight line. ${ZERO}`,
  nuslerp: `As in mergekit. ${ZERO}`,
  multislerp: 'The same result as mergekit\u2019s in a closed form: its tangent vectors always add up to nothing.',
  karcher: 'The same iteration as mergekit\u2019s, on the inner products instead of on whole tensors.',
  model_stock: 'As in mergekit, without its floor under the product of lengths, which pulls small tensors towards the base (--as-mergekit). clamp is an addition.',
  nearswap: 'As in mergekit.',
  sce: 'As in mergekit, except that small differences are weighted by their energy too; mergekit weights them equally (--as-mergekit).',
  arcee_fusion: 'As in mergekit, but with exact quartiles; mergekit draws a sample of large tensors, so that its result changes from run to run.',
  ram: 'As in mergekit.',
  passthrough: 'As in mergekit.',
  negation: 'Not in mergekit: task_arithmetic with the sign turned round.',
  analogy: 'Not in mergekit: task_arithmetic of three models with the weights \u03bb, 1\u2212\u03bb and \u03bb\u22121.',
};
