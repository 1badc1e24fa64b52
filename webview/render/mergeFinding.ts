import type { MergePlanDocument } from '../../extension/protocol/merge';
import type { MergeInspectDocument } from '../../extension/protocol/mergeInspect';
import type { MergeStep } from '../../extension/protocol/mergePage';
import { formatNumber, type Score, SIGNIFICANCE } from '../../extension/protocol/score';
import { type PairFigure, type PairMatrix, PART_WORDS } from './mergeData';
import { shortBytes } from './shortBytes';
import { shortCount } from './shortCount';

/** A fact of the line under the sentence. */
export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly tip?: string;
}

const list = (names: readonly string[]): string => (names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`);
const NUMBERS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'];
const inWords = (count: number): string => NUMBERS[count] ?? String(count);
const three = (value: number | null): string => formatNumber(value, value !== null && Math.abs(value) < 0.01 ? 1 : 2);

/** Half of the interval that unrelated differences give. */
export function chanceOf({ nullSd }: Score): number | null {
  return nullSd === null ? null : 1.96 * nullSd;
}

/** Whether a figure stands out among `of` figures that were looked at (Bonferroni). */
export function standsOut(score: Score, of: number): boolean {
  return score.value !== null && score.p !== null && score.p * of < SIGNIFICANCE;
}

/** The place where two models pull together or apart most, among those that chance does not explain; null where there is none. */
export function strongest(matrices: readonly PairMatrix[], of: (pair: PairFigure) => boolean = () => true): { readonly matrix: PairMatrix; readonly pair: PairFigure } | null {
  const count = matrices.reduce((sum, { pairs }) => sum + pairs.length, 0);
  let best: { readonly matrix: PairMatrix; readonly pair: PairFigure } | null = null;
  for (const matrix of matrices) for (const pair of matrix.pairs) {
    if (!of(pair) || !standsOut(pair.cosine, count)) continue;
    if (best === null || Math.abs(pair.cosine.value ?? 0) > Math.abs(best.pair.cosine.value ?? 0)) best = { matrix, pair };
  }
  return best;
}

/** Pairs that stand out nowhere. */
export function unrelatedPairs(matrices: readonly PairMatrix[]): readonly PairFigure[] {
  const count = matrices.reduce((sum, { pairs }) => sum + pairs.length, 0);
  return (matrices[0]?.pairs ?? []).filter((_, p) => matrices.every(({ pairs }) => pairs[p] && !standsOut(pairs[p].cosine, count)));
}

/** What the models do to each other, in one or two sentences made of the document's numbers. */
export function inspectSentence(document: MergeInspectDocument, matrices: readonly PairMatrix[]): string {
  const { models, base, what } = document;
  const names = models.map(({ name }) => name);
  if (models.length === 1) return `${names[0] ?? ''} alone beside ${base?.name ?? 'its base'}: how far it moved, and what rounding would undo.`;
  if (base === null && what === 'checkpoints') return `${list(names)} are compared without a base, so what they share from before is counted too: cosines near 1 are usual. Choose the base to see how their changes lie to each other.`;
  const top = strongest(matrices);
  if (!top) return `No evidence that ${list(names)} change the same weights in related ways: cosines are as unrelated changes give.`;
  const { matrix, pair } = top;
  const { value } = pair.cosine;
  const first = `${names[pair.a] ?? ''} and ${names[pair.b] ?? ''} ${(value ?? 0) > 0 ? `push the same ${PART_WORDS[matrix.part]} weights the same way` : `pull the same ${PART_WORDS[matrix.part]} weights apart`} in ${matrix.group.name}: cosine ${three(value)}, chance \u00b1${three(chanceOf(pair.cosine))}.`;
  const others = matrix.pairs.length - 1, unrelated = unrelatedPairs(matrices).length;
  if (others === 0) return first;
  const rest = unrelated === 0 ? (others === 1 ? 'The other pair is related too.' : `All other ${inWords(others)} pairs are related somewhere too.`) : unrelated === others ? (others === 1 ? 'The other pair cannot be told from unrelated.' : `None of the other ${inWords(others)} pairs can be told from unrelated.`) : `Of the other ${inWords(others)} pairs, ${inWords(unrelated)} cannot be told from unrelated.`;
  return `${first} ${rest}`;
}

/** dtypes as recipes spell them. */
const DTYPES: Readonly<Record<string, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** What a recipe would do, in one sentence. */
export function planSentence({ method, inputs, merged, copied, bytes, dtype }: MergePlanDocument): string {
  const models = inputs.filter(({ role }) => role !== 'lora').length;
  return `This recipe merges ${inWords(models)} ${models === 1 ? 'model' : 'models'} by ${method}: ${formatNumber(merged)} ${merged === 1 ? 'tensor' : 'tensors'} merged, ${formatNumber(copied)} copied, ${shortBytes(bytes)} of ${DTYPES[dtype] ?? dtype} to write.`;
}

/** What the page says before there is a document. */
export function stateSentence(step: MergeStep, plan: MergePlanDocument | null): string {
  if (plan) return planSentence(plan);
  return step === 'failed' ? 'These models cannot be compared' : step === 'cancelled' ? 'The comparison was cancelled' : 'Comparing the models';
}

export function inspectFacts(document: MergeInspectDocument): readonly Fact[] {
  const { base, models, what, alignment, bytesRead, timings } = document;
  const parameters = new Set(models.map((model) => model.parameters));
  const seconds = timings['total'] ?? Object.values(timings).reduce((sum, value) => sum + value, 0);
  const rows = [...new Set(alignment.vocabularyRows.filter((value) => value !== null))];
  return [
    ...(base ? [{ name: 'base', value: base.name, tip: base.path }] : []),
    { name: 'inputs', value: `${models.length} ${what === 'modules' ? (models.length === 1 ? 'module' : 'modules') : models.length === 1 ? 'checkpoint' : 'checkpoints'}`, tip: models.map(({ path }) => path).join('\n') },
    { name: what === 'modules' ? 'linear maps' : 'tensors', value: `${formatNumber(alignment.aligned)} of ${formatNumber(alignment.tensors)} aligned` },
    { name: 'parameters', value: parameters.size === 1 ? `${shortCount(models[0]?.parameters ?? 0)} each` : models.map((model) => shortCount(model.parameters)).join(', ') },
    ...(alignment.vocabularies === null ? [] : [{ name: 'vocabularies', value: alignment.vocabularies, ...(rows.length > 1 ? { tip: `rows: ${rows.map((value) => formatNumber(value)).join(', ')}` } : {}) }]),
    { name: 'read', value: `${shortBytes(bytesRead)} in ${(seconds < 10 ? seconds.toFixed(1) : formatNumber(Math.round(seconds)))}\u202fs` },
    { name: 'written', value: 'nothing' },
  ];
}

export function planFacts(plan: MergePlanDocument): readonly Fact[] {
  const { layers, parameters, vocabulary, outputs, bytes, bytesRead, free } = plan;
  return [
    { name: 'method', value: plan.method, tip: plan.formula },
    { name: 'layers', value: formatNumber(layers) },
    { name: 'parameters', value: shortCount(parameters) },
    ...(vocabulary === null ? [] : [{ name: 'vocabulary', value: formatNumber(vocabulary) }]),
    { name: 'to write', value: `${shortBytes(bytes)} in ${outputs.length === 1 ? '1 file' : `${outputs.length} files`}`, tip: outputs.map(({ file, bytes: size, tensors }) => `${file}: ${shortBytes(size)}, ${tensors} tensors`).join('\n') },
    { name: 'to read', value: shortBytes(bytesRead) },
    ...(free === null ? [] : [{ name: 'free', value: shortBytes(free) }]),
    { name: 'written', value: 'nothing' },
  ];
}

export { list as nameList, three as shortFigure };
