import type { Score } from '../../extension/protocol/score';
import { formatScore, isEvidence } from '../../extension/protocol/score';

/** All parts of a score in lines, for tooltips and spoken names: value, null, what the null is, n, verdict. */
export function scoreTip(title: string, score: Score): string {
  const text = formatScore(score);
  if (score.value === null) return [title, text.verdict].join('\n');
  return [title, `${text.value} ${score.unit}`, `${text.null}: ${score.nullKind}`, text.n, isEvidence(score) ? text.verdict : `Inside the null: ${text.verdict}`].join('\n');
}

/** The same in one line. */
export function scoreSentence(title: string, score: Score): string {
  return scoreTip(title, score).split('\n').join(', ').replace(/\.,/g, ',');
}
