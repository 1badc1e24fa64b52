import type { AnalysisDocument, AnalysisHead, LayerResult } from '../../extension/protocol/documents';
import type { RunState } from '../../extension/protocol/pageMessages';
import { holdsExperts } from '../../extension/protocol/finding';
import { isFinished } from './tracks';

/** What the sentence at the top is made from. */
export interface FindingInput {
  readonly state: RunState;
  readonly head: AnalysisHead | null;
  readonly layers: readonly LayerResult[];
  readonly document: AnalysisDocument | null;
}

/** How that is decided, for the tooltip of the sentence. */
export function holdsExpertsNote(withProbe: boolean): string {
  return withProbe
    ? 'A layer holds experts when its seed stability and its held-out modularity can both be told from their nulls (p < 0.05).'
    : 'From the weights alone: the split is stable over seeds beyond its null (p < 0.05). Whether the parts act together needs text.';
}

/** The page's answer in one sentence; the engine's own once the run is done. */
export function findingOf(input: FindingInput): string {
  const { head, layers, document, state } = input;
  if (document) return document.finding;
  const of = head?.layerIndices.length ?? 0;
  const finished = head ? layers.filter((layer) => isFinished(layer, head.probe !== null)) : [];
  if (!head || finished.length === 0) {
    if (state === 'failed') return 'No layer could be analysed.';
    if (state === 'cancelled') return 'Cancelled before the first layer was done.';
    return 'Looking for experts that chance does not explain\u2026';
  }
  const holding = finished.filter((layer) => holdsExperts(layer, head.probe !== null)).length;
  const done = finished.length;
  const subject = head.probe ? `hold${done === 1 ? 's' : ''} experts that chance does not explain` : `split${done === 1 ? 's' : ''} more stably than chance, from the weights alone`;
  const left = of - done;
  const rest = left > 0 && (state === 'failed' || state === 'cancelled') ? `; the other ${left} ${left === 1 ? 'was' : 'were'} not reached` : '';
  const start = left > 0 ? 'So far, ' : '';
  return `${start}${holding} of ${done} ${done === 1 ? 'layer' : 'layers'} ${subject}${rest}.`;
}
