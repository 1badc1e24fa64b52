import type { LayerResult } from './documents';
import { isEvidence } from './score';

/** A layer holds experts when seed stability and, with a probe, held-out modularity can both be told from chance. */
export function holdsExperts(layer: LayerResult, withProbe: boolean): boolean {
  const { stability, modularity } = layer.scores;
  if (!stability || !isEvidence(stability)) return false;
  return !withProbe || (modularity !== undefined && isEvidence(modularity));
}

/** The answer of an analysis in one sentence. */
export function findingOf(layers: readonly LayerResult[], withProbe: boolean): string {
  const total = layers.length, holding = layers.filter((layer) => holdsExperts(layer, withProbe));
  const strength = (layer: LayerResult): number => (withProbe ? layer.scores.modularity?.z : layer.scores.stability?.z) ?? -Infinity;
  const plural = total === 1 ? 'layer' : 'layers';
  if (!withProbe) {
    if (holding.length === 0) return `From the weights alone, the split into experts is no more stable than chance in any of ${total} ${plural}; what the parts do needs text.`;
    return `From the weights alone, the split into experts is more stable than chance in ${holding.length} of ${total} ${plural}; what the experts do needs text.`;
  }
  if (holding.length === 0) return `No evidence of experts: in none of ${total} ${plural} do both seed stability and held-out modularity leave their nulls.`;
  const most = holding.reduce((a, b) => (strength(b) > strength(a) ? b : a));
  const none = layers.filter((layer) => !holding.includes(layer)).map((layer) => layer.index);
  const without = none.length === 0 ? '' : none.length <= 3 ? `, ${none.length === 1 ? 'layer' : 'layers'} ${none.join(', ')} none` : `, ${none.length} layers none`;
  return `${holding.length} of ${total} ${plural} ${holding.length === 1 ? 'holds' : 'hold'} experts that chance does not explain; layer ${most.index} most${without}.`;
}
