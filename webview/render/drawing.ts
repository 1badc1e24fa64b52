/**
 * A picture as data: what to draw, in pixels of its own box, without a DOM. Colours are CSS colours and may name tokens
 * (`var(--ml-null)`); who draws resolves them. The same list becomes SVG elements on the page and SVG or PNG files.
 */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly marks: readonly Mark[];
}

/** What every mark may carry. */
export interface MarkBase {
  /** Text of the tooltip. */
  readonly tip?: string;
  /** Class for what depends on the pointer or the focus. */
  readonly name?: string;
  /** Which expert or cell the mark stands for. */
  readonly key?: number;
}
export interface Stroke {
  readonly stroke?: string;
  readonly strokeWidth?: number;
  readonly dash?: string;
}
export interface RectMark extends MarkBase, Stroke {
  readonly kind: 'rect';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly fill?: string;
}
export interface LineMark extends MarkBase, Stroke {
  readonly kind: 'line';
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  readonly round?: boolean;
}
export interface CircleMark extends MarkBase, Stroke {
  readonly kind: 'circle';
  readonly x: number;
  readonly y: number;
  readonly r: number;
  readonly fill?: string;
}
export interface PathMark extends MarkBase, Stroke {
  readonly kind: 'path';
  readonly d: string;
  readonly fill?: string;
}
export interface TextMark extends MarkBase {
  readonly kind: 'text';
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly size: number;
  readonly fill: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly mono?: boolean;
  readonly bold?: boolean;
}
/** A picture of cells: `rgba` is `[rows, columns, 4]`, drawn without smoothing. */
export interface RasterMark extends MarkBase {
  readonly kind: 'raster';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
  readonly rgba: Uint8ClampedArray;
}
export type Mark = RectMark | LineMark | CircleMark | PathMark | TextMark | RasterMark;

/** The fill of what cannot be computed. */
export const HATCH = 'url(#hatch)';
/** The fill of exactly zero. */
export const DOTS = 'url(#dots)';

/** The marks of a drawing moved to another place. */
export function moved(marks: readonly Mark[], dx: number, dy: number): readonly Mark[] {
  return marks.map((mark) => {
    switch (mark.kind) {
      case 'line':
        return { ...mark, x1: mark.x1 + dx, x2: mark.x2 + dx, y1: mark.y1 + dy, y2: mark.y2 + dy };
      case 'path':
        return { ...mark, d: movedPath(mark.d, dx, dy) };
      default:
        return { ...mark, x: mark.x + dx, y: mark.y + dy };
    }
  });
}

/** Paths here use M, L, C, H, V and Z with absolute coordinates only. */
function movedPath(d: string, dx: number, dy: number): string {
  return d.replace(/([MLCHV])([^MLCHVZ]*)/g, (_, command: string, numbers: string) => {
    const values = numbers.trim().split(/[\s,]+/).filter(Boolean).map(Number);
    const out = values.map((value, i) => value + (command === 'H' ? dx : command === 'V' ? dy : i % 2 === 0 ? dx : dy));
    return command + out.map((value) => round(value)).join(' ');
  });
}

/** Coordinates with at most two decimals keep files small. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A polyline as path data; with `close`, an area. */
export function pathOf(points: readonly (readonly [number, number])[], close = false): string {
  return points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('') + (close && points.length > 0 ? 'Z' : '');
}
