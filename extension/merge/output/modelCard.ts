import path from 'node:path';
import { VERSION } from '../../protocol/version';
import type { Executed } from '../engine/executeMerge';
import type { MergePlan } from '../plan/types';

/** README.md of the result: what was merged, how, from which bytes. Paths of this machine stay out: only names and hashes tell models apart. */
export function modelCard(plan: MergePlan, { inputDigests, merged, copied }: Executed): string {
  const names = plan.models.map(({ checkpoint, reference, lora }) => ({ reference: publicName(reference, checkpoint.name), name: checkpoint.name, files: [...checkpoint.weightFiles, ...(lora?.weights.weightFiles ?? [])] }));
  const hub = names.filter(({ reference }) => /^[\w.-]+\/[\w.-]+$/.test(reference)).map(({ reference }) => reference);
  const fence = '`'.repeat(Math.max(3, ...[...plan.recipeText.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  return [
    '---', 'library_name: transformers', 'tags:', '- merge', '- modulens', ...(hub.length > 0 ? ['base_model:', ...hub.map((name) => `- ${name}`), 'base_model_relation: merge'] : []), '---', '',
    `# Merge by ${plan.method.title}`, '',
    `Made with Modulens ${VERSION}: method \`${plan.method.name}\`, seed ${plan.seed}${plan.asMergekit ? ', with the numbers of mergekit (--as-mergekit)' : ''}. ${merged} tensors were merged, ${copied} copied. Arithmetic in float32, one rounding to ${plan.dtype}.`, '',
    `    ${plan.method.formula}`, '',
    'Whether the merge is better than its parents is not known until it is evaluated against them.', '',
    '## Inputs', '', '| model | file | SHA-256 |', '|---|---|---|',
    ...names.flatMap(({ reference, files }) => files.map((file) => `| ${escape(reference)} | ${escape(path.basename(file))} | \`${inputDigests.get(file) ?? ''}\` |`)), '',
    '## Recipe', '', `${fence}yaml`, plan.recipeText.trimEnd(), fence, '',
  ].join('\n');
}

/** A hub id as it is; of a path on this machine only the model's name. */
function publicName(reference: string, name: string): string {
  return /^[\w.-]+\/[\w.-]+(?:@[\w.-]+)?$/.test(reference) ? reference : name;
}
function escape(text: string): string {
  return text.replace(/[|\\`<>[\]]/g, (c) => `\\${c}`);
}
