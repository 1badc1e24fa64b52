import type { Drawing, Mark } from '../render/drawing';
import { DOTS, HATCH } from '../render/drawing';
import { rasterCanvas } from './drawSvg';
import type { Fonts } from './fonts';
import { pageFonts } from './fonts';

/** A canvas of the page or behind it. */
type Pen = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
type Resolve = (colour: string) => string;

/** Name of text marks with an edge in the page's colour, so that they hold on lines and bands. */
const EDGED = 'edged';

/** A drawing on a canvas of its own, `ratio` device pixels per pixel; colours are resolved by `resolve`. */
export function drawCanvas(drawing: Drawing, ratio: number, resolve: Resolve, canvas: HTMLCanvasElement = document.createElement('canvas')): HTMLCanvasElement {
  canvas.width = Math.max(1, Math.round(drawing.width * ratio));
  canvas.height = Math.max(1, Math.round(drawing.height * ratio));
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.imageSmoothingEnabled = false;
  drawMarks(context, drawing.marks, resolve);
  return canvas;
}

/** Marks in their order on a canvas whose transform is set. */
export function drawMarks(context: Pen, marks: readonly Mark[], resolve: Resolve): void {
  const fonts = pageFonts();
  for (const mark of marks) drawMark(context, mark, resolve, fonts);
}

/** One mark on a canvas whose transform is set. */
function drawMark(context: Pen, mark: Mark, resolve: Resolve, fonts: Fonts): void {
  if (mark.kind === 'raster') {
    context.drawImage(rasterCanvas(mark.rgba, mark.columns, mark.rows), mark.x, mark.y, mark.width, mark.height);
    return;
  }
  if (mark.kind === 'text') {
    context.font = `${mark.bold ? 600 : 400} ${mark.size}px ${mark.mono ? fonts.mono : fonts.words}`;
    context.textAlign = mark.anchor === 'middle' ? 'center' : mark.anchor === 'end' ? 'right' : 'left';
    if (mark.name === EDGED) {
      context.lineJoin = 'round';
      context.lineWidth = 3;
      context.setLineDash([]);
      context.strokeStyle = resolve('var(--ml-page)');
      context.strokeText(mark.text, mark.x, mark.y);
    }
    context.fillStyle = resolve(mark.fill);
    context.fillText(mark.text, mark.x, mark.y);
    return;
  }
  context.beginPath();
  let area: Path2D | null = null;
  if (mark.kind === 'rect') context.rect(mark.x, mark.y, mark.width, mark.height);
  else if (mark.kind === 'circle') context.arc(mark.x, mark.y, mark.r, 0, 2 * Math.PI);
  else if (mark.kind === 'line') {
    context.moveTo(mark.x1, mark.y1);
    context.lineTo(mark.x2, mark.y2);
  } else area = new Path2D(mark.d);
  const fill = mark.kind === 'line' ? 'none' : mark.fill ?? 'none';
  if (fill !== 'none') {
    context.fillStyle = fill === HATCH || fill === DOTS ? pattern(context, fill, resolve) : resolve(fill);
    if (area) context.fill(area);
    else context.fill();
  }
  if (mark.stroke && mark.stroke !== 'none') {
    context.strokeStyle = resolve(mark.stroke);
    context.lineWidth = mark.strokeWidth ?? 1;
    context.lineCap = mark.kind === 'line' && mark.round ? 'round' : 'butt';
    context.setLineDash(mark.dash ? mark.dash.split(' ').map(Number) : []);
    if (area) context.stroke(area);
    else context.stroke();
  }
}

function pattern(context: Pen, kind: string, resolve: Resolve): CanvasPattern | string {
  const tile = document.createElement('canvas');
  tile.width = tile.height = kind === HATCH ? 8 : 4;
  const ink = tile.getContext('2d');
  if (!ink) return 'transparent';
  if (kind === HATCH) {
    ink.strokeStyle = resolve('var(--ml-null-mean)');
    for (const at of [-8, 0, 8]) {
      ink.moveTo(at, 8);
      ink.lineTo(at + 8, 0);
    }
    ink.stroke();
  } else {
    ink.fillStyle = resolve('var(--ml-ink)');
    ink.fillRect(1, 1, 1, 1);
  }
  return context.createPattern(tile, 'repeat') ?? 'transparent';
}
