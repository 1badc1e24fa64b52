import { addDeltas, addPairs, conflictScore, cosineScore, type InspectCell, type InspectPart, lostShare, type MergeInspectDocument, type MergeInspectRequest, NO_DELTA, NO_PAIR, pairsOf, relativeDelta } from '../../protocol/mergeInspect';
import type { Score } from '../../protocol/score';
import type { OperationContext } from '../context';
import { run as inspect } from './mergeInspect';

/** The figures of one part, or of all parts, summed over the layers. */
export interface InspectSummary {
  readonly part: InspectPart | 'all';
  readonly deltas: readonly { readonly model: string; readonly relative: number | null; readonly lost: number | null; readonly elements: number }[];
  readonly pairs: readonly { readonly models: readonly [string, string]; readonly cosine: Score; readonly conflict: Score }[];
}

export interface MergeInspectOutput extends MergeInspectDocument {
  readonly summary: readonly InspectSummary[];
}

/** The command line's comparison: the sums that pages draw, and the figures with their nulls. */
export async function run(request: MergeInspectRequest, context: OperationContext): Promise<MergeInspectOutput> {
  const document = await inspect(request, context), pairs = pairsOf(document.models.length);
  const summarise = (part: InspectSummary['part'], cells: readonly InspectCell[]): InspectSummary => ({
    part,
    deltas: document.models.map(({ name }, m) => { const sums = cells.map((cell) => cell.deltas[m] ?? NO_DELTA).reduce(addDeltas, NO_DELTA); return { model: name, relative: relativeDelta(sums), lost: lostShare(sums), elements: sums.elements }; }),
    pairs: pairs.map(([a, b], p) => { const sums = cells.map((cell) => cell.pairs[p] ?? NO_PAIR).reduce(addPairs, NO_PAIR); return { models: [document.models[a].name, document.models[b].name], cosine: cosineScore(sums), conflict: conflictScore(sums) }; }),
  });
  return { ...document, summary: [summarise('all', document.cells), ...document.parts.map((part) => summarise(part, document.cells.filter((cell) => cell.part === part)))] };
}
