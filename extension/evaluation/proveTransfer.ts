import type { BoundModel } from '../architecture/resolve';
import type { AttachedModules } from '../module/attach';
import type { ForwardEnvironment } from '../probe/forward';
import type { DataRow } from '../probe/texts';
import type { Tokenizer } from '../probe/tokenizer';
import { Random } from '../numerics/random';
import type { EvaluationRun } from '../protocol/documents';
import { failure } from '../protocol/errors';
import type { PairedDifference, TransferProof, TransferVerdict } from '../protocol/transfer';
import { documentOf, type EvaluatedRun, evaluateRows, type EvaluationPlan } from './evaluateRows';
import { accuracyDifference, halvesOf, lossDifference, recoveredLift } from './paired';
import { changedTexts, verdictOf } from './verdict';

/** Strengths that are tried on the first half of the documents, besides 0, which is the target alone. */
export const STRENGTHS = [0.25, 0.5, 0.75, 1, 1.5, 2] as const;

/** A checkpoint that texts are scored on. */
export interface ProvenBase {
  readonly name: string;
  readonly model: BoundModel;
  readonly tokenizer: Tokenizer;
  /** Mask token of a masked model (pseudo-likelihood); null: next-token loss. */
  readonly mask: number | null;
}

/** A module at a strength, bound to a base. */
export type AttachAt = (strength: number) => Promise<AttachedModules>;

export interface TransferProofRequest {
  readonly environment: ForwardEnvironment;
  readonly module: string;
  readonly target: ProvenBase;
  readonly source: ProvenBase;
  readonly transferred: AttachAt;
  /** The module on the base that it was trained on. */
  readonly original: AttachAt;
  /** `chance`: what a module does that carries nothing; the transferred one must beat it. Others are compared only (a plain copy may be right). */
  readonly controls: readonly { readonly name: string; readonly chance: boolean; readonly attach: AttachAt }[];
  readonly rows: readonly DataRow[];
  /** Texts that have nothing to do with the task: what the module does there is damage. */
  readonly unrelated: { readonly name: string; readonly texts: readonly string[] } | null;
  readonly seed: number;
  readonly progress: (stage: string, done: number, total: number) => void;
}

export interface TransferProofResult {
  readonly verdict: Exclude<TransferVerdict, 'no-verdict'>;
  readonly runs: readonly EvaluationRun[];
  readonly controls: readonly EvaluationRun[];
  readonly proof: TransferProof;
  /** Against the controls that carry nothing, and against the others. */
  readonly againstChance: readonly PairedDifference[];
  readonly againstOthers: readonly PairedDifference[];
  /** Documents of the report half that hold too few ids to be scored. */
  readonly skipped: number;
}

/**
 * Measures whether a carried module helps on its new base. A strength is chosen on one half of the documents; on the other half the
 * target alone, the transferred module, every control at the same strength, and the source with and without the module are measured and
 * compared document by document.
 */
export async function proveTransfer(request: TransferProofRequest): Promise<TransferProofResult> {
  const { rows, target, source, seed, environment } = request, random = new Random(seed, 'transfer proof');
  const halves = halvesOf(rows.length, random.fork('halves')), chosenRows = halves.choose.map((i) => rows[i]), reportRows = halves.report.map((i) => rows[i]);
  const total = STRENGTHS.length + 1 + 4 + request.controls.length + 2;
  let step = 0;
  const evaluate = async (base: ProvenBase, name: string, some: readonly DataRow[], modules: AttachedModules | null, labels: boolean): Promise<EvaluatedRun> => {
    // Label choices cost a pass per label: they are measured where they are reported, not for every strength.
    const plan: EvaluationPlan = { rows: labels ? some : some.map((row) => ({ ...row, label: null })), tokenizer: base.tokenizer, mask: base.mask };
    request.progress(name, step++, total);
    return evaluateRows(name, modules ? [request.module] : [], { model: base.model, environment, modules }, plan, () => { request.progress(name, step - 1, total); });
  };

  const curve: TransferProof['curve'][number][] = [];
  if (chosenRows.length > 0) {
    const alone = await evaluate(target, 'choosing a strength', chosenRows, null, false);
    if (alone.loss.tokens > 0) curve.push({ alpha: 0, lossPerToken: alone.loss.lossPerToken });
    if (alone.loss.tokens > 0) for (const alpha of STRENGTHS) curve.push({ alpha, lossPerToken: (await evaluate(target, 'choosing a strength', chosenRows, await request.transferred(alpha), false)).loss.lossPerToken });
  }
  // Strength 0 is no transfer, so it is drawn but never chosen.
  const chosen = curve.filter(({ alpha }) => alpha > 0).reduce<{ readonly alpha: number; readonly lossPerToken: number }>((best, point) => (point.lossPerToken < best.lossPerToken ? point : best), { alpha: 1, lossPerToken: Infinity }).alpha;

  const base = await evaluate(target, 'base', reportRows, null, true);
  if (base.loss.tokens === 0) throw failure('evaluate/no-tokens', { file: 'the data file' });
  const transferred = await evaluate(target, 'transferred', reportRows, await request.transferred(chosen), true);
  const controls: EvaluatedRun[] = [];
  for (const control of request.controls) controls.push(await evaluate(target, control.name, reportRows, await control.attach(chosen), true));
  const sourceBase = await evaluate(source, 'source base', reportRows, null, true), sourceModule = await evaluate(source, 'source module', reportRows, await request.original(1), true);

  const difference = (run: EvaluatedRun, other: EvaluatedRun): PairedDifference => lossDifference({ name: run.run.name, documents: run.loss.documents }, { name: other.run.name, documents: other.loss.documents }, random.fork('difference', run.run.name, other.run.name));
  const byLabel = (run: EvaluatedRun, other: EvaluatedRun): PairedDifference[] => (run.correct && other.correct ? [accuracyDifference({ name: run.run.name, correct: run.correct }, { name: other.run.name, correct: other.correct }, random.fork('accuracy', run.run.name, other.run.name))] : []);
  const againstBase = difference(transferred, base), againstControls = controls.map((control) => difference(transferred, control)), split = (chance: boolean): PairedDifference[] => againstControls.filter((_, i) => request.controls[i].chance === chance);
  // What each run changes on its own base, for bars with intervals.
  const alone = [...controls.map((control) => [control, base] as const), [sourceModule, sourceBase] as const], labelled = [[transferred, base] as const, ...controls.map((control) => [transferred, control] as const), ...alone];
  return {
    verdict: verdictOf(againstBase, split(true)),
    runs: [base, transferred, sourceBase, sourceModule].map(({ run }) => run), controls: controls.map(({ run }) => run), againstChance: split(true), againstOthers: split(false), skipped: base.loss.skipped,
    proof: {
      curve, chosen, chooseOn: chosenRows.length, reportOn: reportRows.length,
      differences: [againstBase, ...againstControls, ...alone.map(([run, other]) => difference(run, other)), ...labelled.flatMap(([run, other]) => byLabel(run, other))],
      lift: recoveredLift({ without: base.loss.documents, with: transferred.loss.documents }, { without: sourceBase.loss.documents, with: sourceModule.loss.documents }, random.fork('lift')),
      damage: await damageOf(request, chosen, evaluate),
      changed: changedTexts(halves.report.map((row) => ({ row, text: documentOf(rows[row]), label: rows[row].label })), base.loss.documents, transferred.loss.documents),
    },
  };
}

async function damageOf({ unrelated, target, transferred }: TransferProofRequest, strength: number, evaluate: (base: ProvenBase, name: string, rows: readonly DataRow[], modules: AttachedModules | null, labels: boolean) => Promise<EvaluatedRun>): Promise<TransferProof['damage']> {
  if (!unrelated || unrelated.texts.length === 0) return null;
  const rows = unrelated.texts.map((text): DataRow => ({ text, text2: null, label: null }));
  const before = await evaluate(target, 'unrelated texts', rows, null, false), after = await evaluate(target, 'unrelated texts', rows, await transferred(strength), false);
  return before.loss.tokens === 0 ? null : { name: unrelated.name, before: before.loss.lossPerToken, after: after.loss.lossPerToken, tokens: before.loss.tokens };
}
