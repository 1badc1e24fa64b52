import type { BoundModel } from '../architecture/resolve';
import type { MoeSpec } from '../architecture/spec';
import { readTensor } from '../checkpoint/readTensor';
import type { MoeRule } from './moeRule';

/** A mixture's rule with what it needs from the checkpoint (the bias that some choose by). */
export async function ruleOf(model: BoundModel, { rule, k }: Pick<MoeSpec, 'rule' | 'k'>): Promise<MoeRule> {
  return rule.kind === 'sigmoidGroups' ? { ...rule, k, bias: await readTensor(model.tensor(rule.bias)) } : { ...rule, k };
}
