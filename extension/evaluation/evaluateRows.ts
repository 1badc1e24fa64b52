import type { DataRow } from '../probe/texts';
import type { Tokenizer } from '../probe/tokenizer';
import type { EvaluationRun } from '../protocol/documents';
import { labelAccuracy } from './labels';
import { causalLoss, type LossResult, pseudoLoss } from './loss';
import type { ScoringSetting } from './scoring';

/** What every run of an evaluation shares. */
export interface EvaluationPlan {
  readonly rows: readonly DataRow[];
  readonly tokenizer: Tokenizer;
  /** Id of the mask token: pseudo-likelihood of a masked model. Null: next-token loss. */
  readonly mask: number | null;
}

export interface EvaluatedRun {
  readonly run: EvaluationRun;
  readonly loss: LossResult;
  /** Whether each labelled row was right; null without labels. */
  readonly correct: Uint8Array | null;
}

/** The document that a row stands for: its text, and the second text on a line of its own. */
export function documentOf(row: DataRow): string {
  return row.text2 === null ? row.text : `${row.text}\n${row.text2}`;
}

/** Loss of all rows and, where a causal model's rows carry at least two different labels, accuracy. */
export async function evaluateRows(name: string, modules: readonly string[], given: ScoringSetting, plan: EvaluationPlan, progress: (stage: string, done: number, total: number) => void): Promise<EvaluatedRun> {
  // What modules put before every text takes its part of the context.
  const setting: ScoringSetting = { ...given, model: given.modules?.model ?? given.model };
  const texts = plan.rows.map(documentOf), onLoss = (done: number, total: number): void => { progress(`${name}: loss`, done, total); };
  const loss = plan.mask === null ? await causalLoss(setting, plan.tokenizer, texts, onLoss) : await pseudoLoss(setting, plan.tokenizer, plan.mask, texts, onLoss);
  const labelled = plan.rows.flatMap((row) => (row.label === null ? [] : [{ text: documentOf(row), label: row.label }]));
  const choose = plan.mask === null && new Set(labelled.map((row) => row.label)).size > 1;
  const accuracy = choose ? await labelAccuracy(setting, plan.tokenizer, labelled, (done, total) => { progress(`${name}: labels`, done, total); }) : null;
  return {
    run: {
      name, modules, tokens: loss.tokens, lossPerToken: loss.lossPerToken, bitsPerByte: loss.bitsPerByte,
      ...(accuracy ? { accuracy: accuracy.accuracy, accuracyRows: accuracy.rows, labels: accuracy.labels.length, majorityShare: accuracy.majority } : {}),
    },
    loss, correct: accuracy?.correct ?? null,
  };
}
