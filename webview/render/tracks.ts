import type { AnalysisHead, LayerResult, LayerScoreName } from '../../extension/protocol/documents';
import { LAYER_SCORES } from '../../extension/protocol/documents';
import type { Score } from '../../extension/protocol/score';
import type { TrackScale, TrackValue } from './track';
import { linearTrack } from './track';

/** The four tracks of the layer strip. */
export const TRACKS = ['stability', 'modularity', 'captured', 'specialised'] as const satisfies readonly LayerScoreName[];

/** Smallest scales of the tracks, so that they rarely change while layers arrive. */
const AT_LEAST: Readonly<Record<string, readonly [number, number]>> = { stability: [0, 0.8], modularity: [0, 0.03], captured: [0.3, 0.6], specialised: [0, 4] };

export interface TrackHead {
  readonly name: LayerScoreName;
  readonly short: string;
  readonly unit: string;
  readonly title: string;
  readonly scale: TrackScale;
  readonly ticks: readonly [number, number];
}

/** Tracks with scales shared by all layers. */
export function trackHeads(layers: readonly LayerResult[], head: AnalysisHead | null): readonly TrackHead[] {
  return TRACKS.map((name) => {
    const scores = layers.flatMap((layer) => layer.scores[name] ?? []);
    const experts = head?.experts ?? 16;
    const atLeast: readonly [number, number] = name === 'specialised' ? [0, experts] : AT_LEAST[name] ?? [0, 1];
    const track = linearTrack(scores, atLeast);
    const exact = name === 'specialised' ? { domain: [-experts * 0.04, experts * 1.02] as const, ticks: [0, experts] as const } : track;
    return { name, short: LAYER_SCORES[name].short, unit: unitOf(name, head), title: LAYER_SCORES[name].title, scale: { domain: exact.domain }, ticks: exact.ticks };
  });
}

function unitOf(name: LayerScoreName, head: AnalysisHead | null): string {
  switch (name) {
    case 'stability':
      return 'ARI';
    case 'modularity':
      return 'Newman Q';
    case 'captured':
      return head ? `by top ${head.topK}` : 'by top k';
    default:
      return head ? `of ${head.experts}` : 'experts';
  }
}

/** What a layer's cell shows, and why when there is no score. */
export function trackValue(layer: LayerResult | undefined, name: LayerScoreName): TrackValue {
  if (!layer) return 'pending';
  const score: Score | undefined = layer.scores[name];
  return score && score.value !== null ? score : 'missing';
}

/** Whether everything that the run finds out about a layer is there; a run with texts first sends what the weights alone tell. */
export function isFinished(layer: LayerResult, withProbe: boolean): boolean {
  return !withProbe || layer.scores.modularity !== undefined;
}

/** Why a score of a layer is missing. */
export function whyMissing(layer: LayerResult, name: LayerScoreName, withProbe: boolean): string {
  const score = layer.scores[name];
  if (score?.why) return score.why;
  if (LAYER_SCORES[name].needsText && !withProbe) return 'needs text';
  if (name === 'ablation') return 'measured on demand';
  if (!isFinished(layer, withProbe)) return 'not computed yet';
  if (name === 'specialised' && withProbe) return 'needs labelled text';
  return 'not computed in this run';
}
