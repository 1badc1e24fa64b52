import type { Drawing, Mark } from '../render/drawing';
import type { Attributes } from './dom';
import { svg } from './dom';

/** A drawing as an SVG element of its own size. Pictures are hidden from screen readers unless named: a table stands behind each. */
export function drawSvg(drawing: Drawing, attributes: Attributes = {}): SVGSVGElement {
  const node = svg('svg', { width: drawing.width, height: drawing.height, viewBox: `0 0 ${drawing.width} ${drawing.height}`, 'aria-hidden': attributes['aria-label'] ? null : 'true', focusable: 'false', ...attributes });
  for (const mark of drawing.marks) node.append(markNode(mark));
  return node;
}

function markNode(mark: Mark): SVGElement {
  const shared: Attributes = { tip: mark.tip ?? null, class: mark.name ?? null, 'data-key': mark.key ?? null };
  switch (mark.kind) {
    case 'rect':
      return svg('rect', { ...shared, ...paint(mark), x: mark.x, y: mark.y, width: Math.max(0, mark.width), height: Math.max(0, mark.height) });
    case 'line':
      return svg('line', { ...shared, ...paint(mark), x1: mark.x1, y1: mark.y1, x2: mark.x2, y2: mark.y2, 'stroke-linecap': mark.round ? 'round' : null });
    case 'circle':
      return svg('circle', { ...shared, ...paint(mark), cx: mark.x, cy: mark.y, r: mark.r });
    case 'path':
      return svg('path', { ...shared, ...paint(mark), d: mark.d });
    case 'text':
      return svg('text', { ...shared, x: mark.x, y: mark.y, 'text-anchor': mark.anchor ?? 'start', css: { fill: mark.fill, 'font-size': `${mark.size}px`, 'font-family': mark.mono ? 'var(--ml-mono)' : 'var(--ml-font)', 'font-weight': mark.bold ? '600' : '400' } }, mark.text);
    case 'raster':
      return svg('image', { ...shared, x: mark.x, y: mark.y, width: mark.width, height: mark.height, href: rasterUrl(mark.rgba, mark.columns, mark.rows), preserveAspectRatio: 'none', css: { 'image-rendering': 'pixelated' } });
  }
}

function paint(mark: { readonly fill?: string; readonly stroke?: string; readonly strokeWidth?: number; readonly dash?: string }): Attributes {
  return { fill: mark.fill ?? 'none', stroke: mark.stroke ?? null, 'stroke-width': mark.strokeWidth ?? null, 'stroke-dasharray': mark.dash ?? null };
}

/** Cells as a PNG data URL (for SVG files). */
export function rasterUrl(rgba: Uint8ClampedArray, columns: number, rows: number): string {
  return rasterCanvas(rgba, columns, rows).toDataURL('image/png');
}

/** Cells as a canvas of one pixel a cell. */
export function rasterCanvas(rgba: Uint8ClampedArray, columns: number, rows: number): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(rgba), columns, rows), 0, 0);
  return canvas;
}
