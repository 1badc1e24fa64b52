import type { TensorTile } from '../../extension/protocol/documents';
import type { Drawing, Mark } from './drawing';
import { pathOf, round } from './drawing';

/** Points of a profile; more are averaged by their root mean square. */
const PROFILE_POINTS = 92;
/** Share of the cells that the colour scale covers; the few beyond it get its end colour, so that outliers do not bleach the rest. */
const COVERED = 0.998;

/** The end of a tile's colour scale. */
export function tileLimit(data: Float32Array): number {
  const sizes = Float32Array.from(data.filter((value) => Number.isFinite(value)), Math.abs).sort();
  return sizes[Math.min(sizes.length - 1, Math.floor(sizes.length * COVERED))] || sizes[sizes.length - 1] || 1;
}

/** Norms of columns (above the map) or rows (beside it) over the band of shuffled weights. */
export function drawProfile(norms: Float32Array, band: readonly [number, number], length: number, depth: number, direction: 'columns' | 'rows'): Drawing {
  const points = reduced(norms, Math.min(PROFILE_POINTS, norms.length));
  const top = Math.max(1e-30, band[1], ...points) * 1.05;
  const across = (value: number): number => (value / top) * depth;
  const along = (i: number): number => ((i + 0.5) / points.length) * length;
  const low = across(band[0]);
  const high = across(band[1]);
  const columns = direction === 'columns';
  const marks: Mark[] = [
    columns ? { kind: 'rect', x: 0, y: round(depth - high), width: length, height: round(Math.max(1, high - low)), fill: 'var(--ml-null)' } : { kind: 'rect', x: round(low), y: 0, width: round(Math.max(1, high - low)), height: length, fill: 'var(--ml-null)' },
    { kind: 'path', d: pathOf(points.map((value, i) => (columns ? [along(i), depth - across(value)] : [across(value), along(i)]))), fill: 'none', stroke: 'var(--ml-value)', strokeWidth: 1 },
  ];
  return columns ? { width: length, height: depth, marks } : { width: depth, height: length, marks };
}

function reduced(values: Float32Array, points: number): readonly number[] {
  return Array.from({ length: points }, (_, i) => {
    const from = Math.floor((i / points) * values.length);
    const to = Math.max(from + 1, Math.floor(((i + 1) / points) * values.length));
    let sum = 0;
    let count = 0;
    for (let k = from; k < to; k++) {
      const value = values[k] ?? 0;
      if (!Number.isFinite(value)) continue;
      sum += value * value;
      count++;
    }
    return count === 0 ? 0 : Math.sqrt(sum / count);
  });
}

export interface Place {
  readonly row: number;
  readonly column: number;
  readonly kind: 'nan' | 'inf';
}

/** Places of values that are not finite, with what they are where the tile says so. */
export function notFinitePlaces(tile: TensorTile): readonly Place[] {
  const [rows, columns] = planeOf(tile.shape);
  return tile.notFinite.map(([row, column]) => {
    const y = Math.min(tile.height - 1, Math.floor((row / rows) * tile.height));
    const x = Math.min(tile.width - 1, Math.floor((column / columns) * tile.width));
    const value = tile.data[y * tile.width + x] ?? NaN;
    return { row, column, kind: value === Infinity || value === -Infinity ? 'inf' : 'nan' };
  });
}

/** Rows and columns of the shown plane: the last two dimensions; a vector is one row. */
export function planeOf(shape: readonly number[]): readonly [number, number] {
  const columns = shape[shape.length - 1] ?? 1;
  return shape.length > 1 ? [shape[shape.length - 2] ?? 1, columns] : [1, columns];
}

/** Marks over the map: exactly zero as dots, NaN as crosses, Inf as crossed boxes, of a fixed size with a halo. */
export function drawMarks(tile: TensorTile, width: number, height: number, chosen: number | null): Drawing {
  const marks: Mark[] = [];
  const step = 8;
  for (let y = step / 2; y < height; y += step) {
    for (let x = step / 2; x < width; x += step) {
      const value = tile.data[Math.floor((y / height) * tile.height) * tile.width + Math.floor((x / width) * tile.width)];
      if (value === 0) marks.push({ kind: 'rect', x: Math.round(x), y: Math.round(y), width: 1, height: 1, fill: 'var(--ml-ink-dim)' });
    }
  }
  const [rows, columns] = planeOf(tile.shape);
  notFinitePlaces(tile).forEach((place, i) => {
    const x = round(((place.column + 0.5) / columns) * width);
    const y = round(((place.row + 0.5) / rows) * height);
    const cross = `M${x - 4} ${y - 4}L${x + 4} ${y + 4}M${x + 4} ${y - 4}L${x - 4} ${y + 4}`;
    for (const [stroke, wide] of [['var(--ml-page)', 5], ['var(--ml-error)', 2]] as const) {
      marks.push({ kind: 'path', d: cross, fill: 'none', stroke, strokeWidth: wide });
      if (place.kind === 'inf') marks.push({ kind: 'rect', x: x - 6, y: y - 6, width: 12, height: 12, fill: 'none', stroke, strokeWidth: wide });
    }
    if (i === chosen) marks.push({ kind: 'circle', x, y, r: 11, fill: 'none', stroke: 'var(--ml-focus)', strokeWidth: 2 });
  });
  return { width, height, marks };
}
