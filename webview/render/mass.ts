import type { LayerPicture } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import type { LabelStyle } from './labels';
import { dominantLabel } from './labels';

/** Where each expert's column lies, in pixels. */
export type Span = (expert: number) => readonly [number, number];

const BAR_MAX = 40;
const TOP_ROOM = 6;

/** Share of activation mass per expert: dashed line = equal share, grey band = its null. */
export function drawMass(picture: LayerPicture, labels: readonly LabelStyle[], span: Span, width: number, height: number, samples: string): Drawing {
  const marks: Mark[] = [];
  const band = picture.massBand;
  const top = Math.max(1e-9, band?.[1] ?? 0, ...picture.mass) * 1.05;
  const y = (share: number): number => height - (share / top) * (height - TOP_ROOM);
  const equal = 1 / picture.experts;
  if (band) marks.push({ kind: 'rect', x: 0, y: round(y(band[1])), width, height: round(Math.max(1, y(band[0]) - y(band[1]))), fill: 'var(--ml-null)' });
  picture.mass.forEach((share, expert) => {
    const [x0, x1] = span(expert);
    const label = dominantLabel(labels, picture.dominant, expert);
    const gap = x1 - x0 >= 12 ? 4 : x1 - x0 >= 5 ? 1 : 0;
    const wide = Math.min(BAR_MAX, Math.max(1, x1 - x0 - 2 * gap));
    const bandText = band ? ` [${formatNumber(band[0])}, ${formatNumber(band[1])}]` : '';
    const tip = `Expert ${expert}\nactivation mass ${formatNumber(share)}\nnull: equal share ${formatNumber(equal)}${bandText}, random experts of the same size, ${formatNumber(picture.nullDraws)} draws\n${samples}`;
    marks.push({ kind: 'rect', x: round((x0 + x1 - wide) / 2), y: round(y(share)), width: round(wide), height: round(Math.max(0.5, height - y(share))), fill: label?.colour ?? 'var(--ml-null-mean)', key: expert, tip });
  });
  const line = round(y(equal));
  marks.push({ kind: 'line', x1: 0, x2: width, y1: line, y2: line, stroke: 'var(--ml-ink-dim)', strokeWidth: 1, dash: '2 2' });
  return { width, height, marks };
}
