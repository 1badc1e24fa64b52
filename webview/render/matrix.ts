import type { LayerPicture } from '../../extension/protocol/documents';
import { formatNumber, SIGNIFICANCE } from '../../extension/protocol/score';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import type { LabelStyle } from './labels';
import type { Span } from './mass';

/** |log2 fold| at which a square is as large as it gets. */
const FULL_FOLD = 2;
const SQUARE_MAX = 20;

/** One cell of the label x expert matrix. */
export interface FoldCell {
  readonly expert: number;
  readonly label: number;
  /** log2 of the label's share in the expert over its share in the probe. */
  readonly fold: number;
  readonly q: number;
  readonly told: boolean;
}

/** Cells in order of expert, then label. */
export function foldCells(picture: LayerPicture, labels: number): readonly FoldCell[] {
  const cells: FoldCell[] = [];
  for (let expert = 0; expert < picture.experts; expert++) {
    for (let label = 0; label < labels; label++) {
      const fold = picture.fold[expert * labels + label] ?? NaN;
      const q = picture.q[expert * labels + label] ?? NaN;
      cells.push({ expert, label, fold, q, told: q < SIGNIFICANCE });
    }
  }
  return cells;
}

/**
 * Labels by experts as squares: area for |log2 fold|, filled in the label's hue for more and hollow for less than chance,
 * a dot where the permuted labels do as much. The sign never depends on colour.
 */
export function drawMatrix(picture: LayerPicture, labels: readonly LabelStyle[], span: Span, width: number, rowHeight: number): Drawing {
  const height = labels.length * rowHeight;
  const marks: Mark[] = [];
  for (let i = 0; i <= labels.length; i++) marks.push({ kind: 'line', x1: 0, x2: width, y1: i * rowHeight, y2: i * rowHeight, stroke: 'var(--ml-grid)', strokeWidth: 1 });
  for (const cell of foldCells(picture, labels.length)) {
    const style = labels[cell.label];
    const [x0, x1] = span(cell.expert);
    if (!style || x1 < 0 || x0 > width) continue;
    const x = (x0 + x1) / 2;
    const y = cell.label * rowHeight + rowHeight / 2;
    const tip = `${style.name} in expert ${cell.expert}\nlog\u2082 fold ${cell.fold === -Infinity ? '\u2212\u221e' : formatNumber(cell.fold)}, fold ${formatNumber(2 ** cell.fold)}\nnull 0: permuted labels, q = ${formatNumber(cell.q, 2)} (Benjamini\u2013Hochberg)${cell.told ? '' : '\nInside the null: no evidence'}`;
    if (Number.isNaN(cell.fold) || !cell.told) {
      marks.push({ kind: 'circle', x: round(x), y, r: x1 - x0 >= 5 ? 1 : 0.5, fill: 'var(--ml-inside)', key: cell.expert, tip });
      continue;
    }
    const side = Math.max(2, Math.min(SQUARE_MAX, x1 - x0, rowHeight) * Math.sqrt(Math.min(1, Math.abs(cell.fold) / FULL_FOLD)) * 0.86);
    const more = cell.fold > 0;
    marks.push({ kind: 'rect', x: round(x - side / 2), y: round(y - side / 2), width: round(side), height: round(side), fill: more ? style.colour : 'none', stroke: more ? style.colour : 'var(--ml-ink-dim)', strokeWidth: side < 4 ? 0.5 : 1, key: cell.expert, tip });
  }
  return { width, height, marks };
}
