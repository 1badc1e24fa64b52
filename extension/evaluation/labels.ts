import type { Tokenizer } from '../probe/tokenizer';
import { type ScoredSequence, scoreSequences, type ScoringSetting } from './scoring';

/** A text with the label that it should get. */
export interface LabelledText {
  readonly text: string;
  readonly label: string;
}

export interface LabelAccuracy {
  readonly accuracy: number;
  readonly rows: number;
  /** Distinct labels, in the order of the file: what each row chooses between. */
  readonly labels: readonly string[];
  /** Share of rows that have the most frequent label: what always answering it would reach. */
  readonly majority: number;
  /** Whether each row was right, in order. */
  readonly correct: Uint8Array;
}

/**
 * Accuracy of choosing, for each text, the label with the largest log p(" " + label | text) divided by the label's
 * characters. The string is tokenised as a whole, because a tokenizer may join across the seam; scored are the ids after
 * the longest prefix that it has in common with the text's own ids. Ties go to the label that comes first in the file.
 */
export async function labelAccuracy(setting: ScoringSetting, tokenizer: Tokenizer, rows: readonly LabelledText[], progress?: (done: number, total: number) => void): Promise<LabelAccuracy> {
  const labels = [...new Set(rows.map((row) => row.label))], characters = labels.map((label) => Math.max(1, [...label].length));
  const context = setting.model.spec.stacks[0].context;
  let total = 0, known = 0;
  const sequences = function* (): Iterable<ScoredSequence> {
    for (const row of rows) {
      const start = openEnd(tokenizer.encode(row.text), tokenizer);
      for (const label of labels) {
        const sequence = continuation(start, openEnd(tokenizer.encode(`${row.text} ${label}`), tokenizer), context);
        total += sequence.ids.length;
        yield sequence;
      }
      known++;
    }
  };
  const scores = new Float64Array(rows.length * labels.length);
  await scoreSequences(setting, sequences(), (index, logProbabilities) => {
    let sum = 0;
    for (const x of logProbabilities) sum += x;
    scores[index] = sum / characters[index % labels.length];
  }, (done) => progress?.(done, Math.max(done, Math.round((total / Math.max(1, known)) * rows.length))));
  const correct = Uint8Array.from(rows, (row, r) => {
    let best = 0;
    for (let l = 1; l < labels.length; l++) if (scores[r * labels.length + l] > scores[r * labels.length + best]) best = l;
    return labels[best] === row.label ? 1 : 0;
  });
  const counts = labels.map((label) => rows.filter((row) => row.label === label).length);
  return { accuracy: correct.reduce((sum, x) => sum + x, 0) / rows.length, rows: rows.length, labels, majority: Math.max(...counts) / rows.length, correct };
}

/** Ids of the whole string, cut on the left to the context, with the ids after the common prefix as targets. */
export function continuation(start: Int32Array, whole: Int32Array, context: number): ScoredSequence {
  let common = 0;
  while (common < start.length && common < whole.length && start[common] === whole[common]) common++;
  const cut = Math.max(0, whole.length - context), targets = [];
  // The first id of what is kept has nothing before it and cannot be scored.
  for (let i = Math.max(common, cut + 1); i < whole.length; i++) targets.push({ row: i - 1 - cut, id: whole[i] });
  return { ids: whole.subarray(cut), targets };
}

/** Without the special tokens that a tokenizer closes a text with: a continuation comes before them. */
function openEnd(ids: Int32Array, tokenizer: Tokenizer): Int32Array {
  let end = ids.length;
  while (end > 0 && tokenizer.isSpecial(ids[end - 1])) end--;
  return end === 0 ? ids : ids.subarray(0, end);
}
