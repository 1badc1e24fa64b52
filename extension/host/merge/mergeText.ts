import type { MergeDocument } from '../../protocol/merge';
import type { Progress } from '../../protocol/progress';
import { formatBytes } from '../itemText';
import { nameOf } from '../paths';

/** "tensors 12 of 111, 8 s left" */
export function progressText({ stage, done, total, etaSeconds }: Progress): string {
  const left = etaSeconds === null || etaSeconds < 1 ? '' : `, ${etaSeconds < 90 ? `${Math.round(etaSeconds)} s` : `${Math.round(etaSeconds / 60)} min`} left`;
  return `${stage}${total > 1 ? ` (${Math.floor((100 * done) / total)}\u202f%)` : ''}${left}`;
}

/** "Merged 3 models by ties into out: 111 tensors, 12.1 MB. 2 warnings: ..." */
export function resultText({ inputs, method, out, tensors, outputs, warnings, resumed }: MergeDocument): string {
  const models = inputs.filter(({ role }) => role !== 'lora').length;
  const bytes = outputs.reduce((sum, file) => sum + file.bytes, 0);
  const kept = resumed > 0 ? `, ${resumed} kept from the interrupted run` : '';
  const noted = warnings.length === 0 ? '' : ` ${warnings.length === 1 ? 'Warning' : `${warnings.length} warnings`}: ${warnings[0].message}`;
  return `Merged ${models} ${models === 1 ? 'model' : 'models'} by ${method} into ${nameOf(out)}: ${tensors} tensors, ${formatBytes(bytes)}${kept}.${noted}`;
}
