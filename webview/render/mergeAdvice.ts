import type { MergeInspectDocument } from '../../extension/protocol/mergeInspect';
import type { RecipeWish } from '../../extension/protocol/mergePage';
import { formatNumber } from '../../extension/protocol/score';
import { lostRows, type PairFigure, type PairMatrix, PART_WORDS, wholePairs } from './mergeData';
import { chanceOf, nameList, shortFigure, strongest, unrelatedPairs } from './mergeFinding';

/** What the numbers mean, in plain words, the numbers behind it, and what can be done about it. */
export interface Advice {
  /** Pieces of the sentence; every other one, from the second, is a name. */
  readonly text: readonly string[];
  readonly why: string;
  readonly actions: readonly { readonly label: string; readonly wish: RecipeWish }[];
  /** Nothing needs to be done. */
  readonly calm: boolean;
}

/** Cosines up to this are worth a remark and no action. */
const SMALL_COSINE = 0.1;
/** A model of whose changes more than this is lost has hardly any effect. */
const MUCH_LOST = 0.5;
/** Cosine of the factors A from which on modules started from the same A, and below which they did not. */
const SAME_START = 0.9;
const OTHER_START = 0.5;
/** Pairs that are named; the table has all. */
const NAMED_PAIRS = 6;

const percent = (share: number): string => `${formatNumber(Number((share * 100).toPrecision(2)))}\u202f%`;

/** Advice in the order of its weight: what stands in the way, what needs a decision, what is small, what is fine. */
export function adviceOf(document: MergeInspectDocument, matrices: readonly PairMatrix[]): readonly Advice[] {
  return [...alignmentAdvice(document), ...pairAdvice(document, matrices), ...factorAdvice(document), ...lossAdvice(document), ...stillAdvice(document), ...calmAdvice(document, matrices)];
}

function alignmentAdvice({ alignment, models, what }: MergeInspectDocument): readonly Advice[] {
  const advice: Advice[] = [];
  const add = (text: readonly string[], why: string, actions: Advice['actions'] = []): void => void advice.push({ text, why, actions, calm: false });
  if (what === 'checkpoints') {
    for (const { model, count, names } of alignment.missing) add(['', models[model]?.name ?? '', ` lacks ${count === 1 ? 'a tensor' : `${count} tensors`} that the others have, so it cannot be merged whole.`], `${names.slice(0, 4).join(', ')}${count > 4 ? ` and ${count - 4} more` : ''}. Only models of one architecture can be merged; slices take the layers that fit.`);
    const shapes = alignment.shapes.filter(({ tensor }) => !/embed|wte|lm_head|head/.test(tensor));
    if (shapes.length > 0) add(['Tensors have different sizes.'], shapes.slice(0, 3).map(({ tensor, model, shape, expected }) => `${tensor} is ${shape.join(' \u00d7 ')} in ${models[model]?.name ?? ''}, ${expected.join(' \u00d7 ')} elsewhere`).join('; ') + '. Such models cannot be merged.');
  }
  if (alignment.vocabularies === 'different') add(['The vocabularies differ: rows of the embeddings do not mean the same tokens.'], `${alignment.vocabularyRows.map((rows, m) => `${models[m]?.name ?? ''}: ${rows === null ? 'none' : formatNumber(rows)} rows`).join(', ')}. Merged row by row, tokens of one would be mixed with others of the next.`, [{ label: 'Join by token', wish: { tokenizer: 'union' } }, { label: 'Keep the base\u2019s', wish: { tokenizer: 'base' } }]);
  const tied = new Set(alignment.tiedHeads.filter((value) => value !== null));
  if (tied.size > 1) add(['Some heads are the embedding, some are not.'], `${models.filter((_, m) => alignment.tiedHeads[m] === true).map(({ name }) => name).join(', ')}: tied. The result gets a head of its own.`);
  return advice;
}

function pairAdvice({ models, base, what }: MergeInspectDocument, matrices: readonly PairMatrix[]): readonly Advice[] {
  if (base === null && what === 'checkpoints') return models.length > 1 ? [{ text: ['Choose the base that these models started from.'], why: 'Without it their common past hides how their changes lie to each other, and methods that add or vote on changes cannot be used.', actions: [], calm: false }] : [];
  const name = (m: number): string => models[m]?.name ?? '';
  const seen = matrices[0]?.pairs ?? [];
  const advice: Advice[] = [], small: { readonly pair: PairFigure; readonly at: PairMatrix }[] = [];
  for (const { a, b } of seen) {
    const top = strongest(matrices, (pair) => pair.a === a && pair.b === b);
    if (!top) continue;
    const { pair, matrix } = top, cosine = pair.cosine.value ?? 0, signs = pair.conflict.value;
    const evidence = `${PART_WORDS[matrix.part]} of ${matrix.group.name}: cosine ${shortFigure(cosine)} (unrelated: \u00b1${shortFigure(chanceOf(pair.cosine))})${signs === null ? '' : `, opposite signs in ${percent(signs)} (unrelated: 50\u202f%)`}, n = ${formatNumber(pair.cosine.n)} rows.`;
    if (Math.abs(cosine) <= SMALL_COSINE) small.push({ pair, at: matrix });
    else if (cosine > 0) {
      // Two unit changes of cosine c add up to a length of sqrt(2 + 2c); this weight brings the sum back to what unrelated ones give.
      const weight = Number((1 / Math.sqrt(1 + cosine)).toFixed(2));
      advice.push({ text: ['A plain sum would count the part that ', name(a), ' and ', name(b), ' share twice.'], why: `${evidence} TIES averages shared directions instead of adding them; or lower the weights.`, actions: [{ label: 'Use TIES', wish: { method: 'ties', weight: 1 } }, { label: `Weights ${weight}`, wish: { method: 'task_arithmetic', weight } }], calm: false });
    } else advice.push({ text: ['', name(a), ' and ', name(b), ' pull apart: added up, each undoes part of the other.'], why: `${evidence} A vote on signs keeps the stronger side of every weight.`, actions: [{ label: 'Use TIES', wish: { method: 'ties', weight: 1 } }], calm: false });
  }
  if (small.length > 0) {
    const say = ({ pair, at }: { readonly pair: PairFigure; readonly at: PairMatrix }): string => `${name(pair.a)} and ${name(pair.b)} ${shortFigure(pair.cosine.value)} in the ${PART_WORDS[at.part]} of ${at.group.name}`;
    advice.push({ text: small.length === 1 && small[0] ? ['', name(small[0].pair.a), ' and ', name(small[0].pair.b), ` ${(small[0].pair.cosine.value ?? 0) > 0 ? 'overlap' : 'pull apart'} a little.`] : [`${small.length} pairs overlap or pull apart a little.`], why: `Cosine: ${small.map(say).join('; ')}. Outside chance but small. Measure on texts before acting on it.`, actions: [], calm: false });
  }
  return advice;
}

function factorAdvice(document: MergeInspectDocument): readonly Advice[] {
  if (document.what !== 'modules' || document.models.length < 2) return [];
  const values = document.cells.flatMap(({ factorCosine }) => factorCosine ?? []).filter((value) => value !== null);
  if (values.length === 0) return [];
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (mean >= SAME_START) return [{ text: ['These modules started from the same A, so averaging their factors comes close to averaging what they do.'], why: `Mean cosine of the factors A: ${shortFigure(mean)} over ${formatNumber(values.length)} pairs of maps. The exact sum is still the safer one.`, actions: [], calm: true }];
  return [{ text: [mean < OTHER_START ? 'Averaging the factors of these modules is unsafe.' : 'Averaging the factors of these modules is not exact.'], why: `Mean cosine of the factors A: ${shortFigure(mean)} over ${formatNumber(values.length)} pairs of maps${mean < OTHER_START ? ', so they did not start from the same A' : ''}. Products of the averages hold cross terms that belong to no module. Use the exact sum of what they do.`, actions: [{ label: 'Exact sum', wish: { method: 'task_arithmetic', weight: 1 } }], calm: false }];
}

function lossAdvice(document: MergeInspectDocument): readonly Advice[] {
  if (document.what === 'modules' || document.base === null || document.dtype === 'float32') return [];
  const lost = lostRows(document).filter(({ share }) => share !== null && share > MUCH_LOST);
  if (lost.length === 0) return [];
  const text = lost.flatMap(({ name }, i) => [i === 0 ? '' : i === lost.length - 1 ? ' and ' : ', ', name]);
  const shares = lost.map(({ name, share }) => (lost.length === 1 ? `${percent(share ?? 0)} of it` : `${percent(share ?? 0)} of ${name}`)).join(', ');
  return [{ text: [...text, ' would mostly vanish.'], why: `${lost.length === 1 ? 'Its change is' : 'Their changes are'} so small that ${document.dtype} rounds ${shares} away at weight ${shortFigure(document.weight)}. Write float32 to keep ${lost.length === 1 ? 'it' : 'them'}.`, actions: [{ label: 'Write float32', wish: { outDtype: 'float32' } }], calm: false }];
}

/** Models that do not differ from the base at all. */
function stillAdvice(document: MergeInspectDocument): readonly Advice[] {
  if (document.base === null) return [];
  return lostRows(document).flatMap(({ name, changed }, m) => (changed === 0 ? [{ text: ['', name, ` is equal to the base${document.models.length > 2 ? ': leave it out' : ''}.`], why: 'No weight differs. In a weighted average it only waters down the others.', actions: document.models.length > 2 ? [{ label: 'Leave it out', wish: { without: [m] } }] : [], calm: false }] : []));
}

function calmAdvice(document: MergeInspectDocument, matrices: readonly PairMatrix[]): readonly Advice[] {
  const { alignment, models } = document, calm: Advice[] = [];
  const unrelated = document.base === null && document.what === 'checkpoints' ? [] : unrelatedPairs(matrices);
  if (unrelated.length > 0) {
    const all = wholePairs(document), chances = unrelated.map(({ a, b }) => chanceOf(all.find((pair) => pair.a === a && pair.b === b)?.cosine ?? unrelated[0].cosine)).filter((value) => value !== null);
    calm.push({ text: [`No evidence of interference in ${unrelated.length === 1 ? 'one pair' : `${unrelated.length} pairs`}.`], why: `${unrelated.slice(0, NAMED_PAIRS).map(({ a, b }) => nameList([models[a]?.name ?? '', models[b]?.name ?? ''])).join(', ')}${unrelated.length > NAMED_PAIRS ? ` and ${unrelated.length - NAMED_PAIRS} more` : ''}: cosines as unrelated changes give${chances.length > 0 ? ` (over everything within \u00b1${shortFigure(Math.max(...chances))})` : ''}.`, actions: [], calm: true });
  }
  const fits = alignment.missing.length === 0 && alignment.shapes.length === 0 && alignment.vocabularies !== 'different' && new Set(alignment.tiedHeads.filter((value) => value !== null)).size < 2;
  if (fits) calm.push({ text: [document.what === 'modules' ? 'All modules change linear maps of the same shapes.' : `Nothing to decide about shapes, tied heads${alignment.vocabularies === null ? '' : ' or tokenizers'}: all agree.`], why: '', actions: [], calm: true });
  return calm;
}

