import type { LayerPicture } from '../../extension/protocol/documents';
import type { Ramp } from './colours';
import { paintCells } from './colours';
import type { Drawing, Mark } from './drawing';

/** Below this cell the dots of "inside the null" would be a texture of their own. */
const DOTS_FROM = 6;
/** Cosine at which the colour is full. */
export const ROUTER_LIMIT = 0.6;

/** Router rows: cosine minus null between experts; dots inside the null, the diagonal empty. */
export function drawRouter(picture: LayerPicture, ramp: Ramp, cell: number): Drawing {
  const { experts, router, routerBand } = picture;
  const values = new Float32Array(experts * experts);
  for (let i = 0; i < values.length; i++) {
    const value = router[i] ?? 0;
    values[i] = i % (experts + 1) === 0 || Math.abs(value) < routerBand ? 0 : value;
  }
  const side = experts * cell;
  const marks: Mark[] = [{ kind: 'raster', x: 0, y: 0, width: side, height: side, columns: experts, rows: experts, rgba: paintCells(values, { kind: 'signed', limit: ROUTER_LIMIT }, ramp) }];
  if (cell >= DOTS_FROM) {
    for (let i = 1; i < experts; i++) {
      marks.push({ kind: 'line', x1: 0, x2: side, y1: i * cell - 0.5, y2: i * cell - 0.5, stroke: 'var(--ml-page)', strokeWidth: 1 });
      marks.push({ kind: 'line', y1: 0, y2: side, x1: i * cell - 0.5, x2: i * cell - 0.5, stroke: 'var(--ml-page)', strokeWidth: 1 });
    }
    for (let i = 0; i < values.length; i++) {
      if (values[i] !== 0) continue;
      const column = i % experts;
      const row = Math.floor(i / experts);
      marks.push({ kind: 'rect', x: column * cell + Math.floor(cell / 2) - 1, y: row * cell + Math.floor(cell / 2) - 1, width: 1, height: 1, fill: 'var(--ml-inside)' });
    }
  }
  return { width: side, height: side, marks };
}
