import type { LayerPicture } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import type { PageContext } from './context';

/** The sample size behind a layer's picture, for its tooltips. */
export function samplesNote(context: PageContext, picture: LayerPicture): string {
  const { head } = context.model;
  if (picture.kind === 'coactivation' && head?.probe) return `n = ${formatNumber(head.probe.scoreTokens)} tokens`;
  const width = head?.model.dModel;
  return width ? `n = ${formatNumber(width)} dimensions of the keys` : 'n = the keys of the layer';
}
