import type { Ramp } from './colours';
import { cssOf, sequentialIndex } from './colours';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import type { SiteMatrix } from './transferData';
import { siteText } from './transferData';
import { percent } from './transferLayers';
import { fitted } from './transferRuns';

export interface MatrixLayout {
  readonly cell: number;
  readonly row: number;
  readonly left: number;
  readonly top: number;
  readonly tail: number;
  readonly width: number;
  readonly height: number;
}

const TOP = 20;

export function matrixLayout(matrix: SiteMatrix, width: number): MatrixLayout {
  const left = 36;
  const tail = Math.max(0, ...matrix.rows.map((row) => tailText(row).length)) * 6.7 + 14;
  const cell = Math.max(8, Math.min(64, Math.floor((width - left - tail) / Math.max(1, matrix.parts.length))));
  const row = matrix.rows.length <= 16 ? 20 : matrix.rows.length <= 40 ? 15 : 10;
  return { cell, row, left, top: TOP, tail, width, height: TOP + matrix.rows.length * row + 2 };
}

function tailText(row: SiteMatrix['rows'][number]): string {
  return row.lost ? `dropped, ${percent(row.share)}` : row.to.map((layer) => `L${layer}`).join(', ');
}

/** What a cell says. */
export function cellTip(matrix: SiteMatrix, row: number, column: number): string {
  const at = matrix.rows[row];
  const cell = at?.cells[column];
  if (!at || !cell) return '';
  if (cell.state === 'none') return `Layer ${at.layer}, ${matrix.parts[column] ?? ''}: ${cell.words}`;
  const share = `${percent(cell.share, 2)} of the module\u2019s norm`;
  return cell.state === 'dropped' ? `${siteText(cell.name)}, dropped: ${cell.words}\n${share}` : `${siteText(cell.name)} goes to ${cell.to.map(siteText).join(', ')}\n${cell.words}\n${share}`;
}

/** Sites by source layer: colour = norm of the update, crossed = dropped, nothing = the module has no part there. */
export function drawMatrix(matrix: SiteMatrix, layout: MatrixLayout, ramp: Ramp): Drawing {
  const { cell, row, left, top } = layout;
  const largest = Math.sqrt(Math.max(1e-12, ...matrix.rows.flatMap(({ cells }) => cells.map(({ share }) => share))));
  const marks: Mark[] = [];
  const wide = matrix.parts.length * cell;
  matrix.parts.forEach((part, j) => {
    const words = fitted(part, cell + 2, 6.7);
    if (cell >= 16) marks.push({ kind: 'text', x: left + j * cell + cell / 2, y: 12, text: words, size: 11, mono: true, anchor: 'middle', fill: 'var(--ml-ink-dim)' });
  });
  marks.push({ kind: 'text', x: left + wide + 10, y: 12, text: 'goes to', size: 11, fill: 'var(--ml-ink-dim)' });
  const named = row >= 13 ? 1 : 2;
  matrix.rows.forEach((one, i) => {
    const y = top + i * row;
    if (i % named === 0) {
      marks.push({ kind: 'text', x: 0, y: round(y + row / 2 + 4), text: `L${one.layer}`, size: 11, mono: true, fill: one.lost ? 'var(--ml-ink-dim)' : 'var(--ml-ink)' });
      marks.push({ kind: 'text', x: left + wide + 10, y: round(y + row / 2 + 4), text: tailText(one), size: 11, mono: true, fill: one.lost ? 'var(--ml-error)' : 'var(--ml-ink)' });
    }
    one.cells.forEach((site, j) => {
      const x = left + j * cell;
      const tip = cellTip(matrix, i, j);
      if (site.state === 'none') {
        marks.push({ kind: 'rect', x, y, width: cell - 1, height: row - 1, fill: 'transparent', tip });
        return;
      }
      if (site.state === 'carried') {
        marks.push({ kind: 'rect', x, y: y + 0.5, width: cell - 1, height: row - 2, fill: cssOf(ramp, sequentialIndex(Math.sqrt(site.share), largest)), tip });
        return;
      }
      const [cx, cy, arm] = [round(x + cell / 2), round(y + row / 2), Math.min(4, cell / 3, row / 3)];
      marks.push({ kind: 'rect', x: x + 0.5, y: y + 0.5, width: cell - 2, height: row - 2, fill: 'transparent', stroke: 'var(--ml-error)', tip });
      marks.push({ kind: 'path', d: `M${round(cx - arm)} ${round(cy - arm)}L${round(cx + arm)} ${round(cy + arm)}M${round(cx + arm)} ${round(cy - arm)}L${round(cx - arm)} ${round(cy + arm)}`, fill: 'none', stroke: 'var(--ml-error)', strokeWidth: 1.25 });
    });
  });
  return { width: layout.width, height: layout.height, marks };
}

/** A share of one as a bar on its track. */
export function drawShare(share: number, width: number, height: number): Drawing {
  return { width, height, marks: [{ kind: 'rect', x: 0, y: 2, width, height: height - 4, fill: 'var(--ml-null)' }, { kind: 'rect', x: 0, y: 2, width: round(width * Math.max(0, Math.min(1, share))), height: height - 4, fill: 'var(--ml-excess)' }] };
}
