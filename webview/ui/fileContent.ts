import type { Drawing } from '../render/drawing';
import { svgText } from '../render/svgText';
import { drawCanvas } from './drawCanvas';
import { rasterUrl } from './drawSvg';
import type { Theme } from './theme';

/** Pixels of a PNG per pixel of the page. */
const PNG_RATIO = 2;

/** A drawing on the page's colour as the base64 text of a PNG file. */
export function pngBase64(drawing: Drawing, theme: Theme): string {
  const ground: Drawing = { ...drawing, marks: [{ kind: 'rect', x: 0, y: 0, width: drawing.width, height: drawing.height, fill: 'var(--ml-page)' }, ...drawing.marks] };
  const url = drawCanvas(ground, PNG_RATIO, theme.resolve).toDataURL('image/png');
  return url.slice(url.indexOf(',') + 1);
}

/** A drawing as the text of a standalone SVG file. */
export function svgFile(drawing: Drawing, title: string, description: string, theme: Theme): string {
  return svgText(drawing, title, description, { resolve: theme.resolve, font: 'system-ui, sans-serif', mono: 'ui-monospace, monospace', raster: (mark) => rasterUrl(mark.rgba, mark.columns, mark.rows) });
}

/** A name that every file system takes. */
export function fileName(name: string, otherwise: string): string {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 80) || otherwise;
}
