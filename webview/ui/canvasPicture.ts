import type { Drawing, Mark } from '../render/drawing';
import { drawMarks } from './drawCanvas';
import { setCss } from './dom';
import { Surface } from './surface';

/**
 * A drawing on one canvas, for pictures that change while the pointer moves: hundreds of SVG elements would be made and laid out at every
 * step. Tooltips of its marks come from `tipAt`. For pictures of at most a few thousand pixels on a side; larger ones are tiled.
 */
export class CanvasPicture {
  readonly #surface = new Surface('canvas.canvas-picture');
  readonly node = this.#surface.node;
  #marks: readonly Mark[] = [];
  #size = '';

  /** Draws, with `resolve` for colours that name tokens. The same size keeps the canvas, so that nothing blinks. */
  draw(drawing: Drawing, resolve: (colour: string) => string): void {
    const ratio = window.devicePixelRatio || 1;
    const size = `${drawing.width} ${drawing.height} ${ratio}`;
    const { node } = this;
    if (size !== this.#size) {
      this.#size = size;
      this.#surface.resize(drawing.width * ratio, drawing.height * ratio);
      setCss(node, { width: `${drawing.width}px`, height: `${drawing.height}px` });
    }
    this.#marks = drawing.marks;
    const context = this.#surface.pen;
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, drawing.width, drawing.height);
    context.imageSmoothingEnabled = false;
    drawMarks(context, drawing.marks, resolve);
    this.#surface.present();
  }

  /** The words of the uppermost mark at a place of the page that has some; null elsewhere. */
  tipAt(clientX: number, clientY: number): string | null {
    const box = this.node.getBoundingClientRect();
    const [x, y] = [clientX - box.left, clientY - box.top];
    for (let i = this.#marks.length - 1; i >= 0; i--) {
      const mark = this.#marks[i];
      if (mark?.tip && covers(mark, x, y, this.#surface.pen)) return mark.tip;
    }
    return null;
  }

  /** Shows the tips of marks while the pointer is over `box`, which holds the picture. */
  installTips(box: HTMLElement): void {
    box.addEventListener('mousemove', (event) => {
      const tip = this.tipAt(event.clientX, event.clientY);
      if (tip) box.dataset.tip = tip;
      else delete box.dataset.tip;
    });
  }
}

function covers(mark: Mark, x: number, y: number, context: OffscreenCanvasRenderingContext2D | null): boolean {
  switch (mark.kind) {
    case 'rect':
    case 'raster':
      return x >= mark.x && x < mark.x + mark.width && y >= mark.y && y < mark.y + mark.height;
    case 'circle':
      return Math.hypot(x - mark.x, y - mark.y) <= Math.max(4, mark.r);
    case 'text': {
      const width = mark.text.length * mark.size * 0.6;
      const left = mark.anchor === 'middle' ? mark.x - width / 2 : mark.anchor === 'end' ? mark.x - width : mark.x;
      return x >= left && x < left + width && y >= mark.y - mark.size && y < mark.y + 3;
    }
    case 'line':
      return Math.min(mark.x1, mark.x2) - 3 <= x && x <= Math.max(mark.x1, mark.x2) + 3 && Math.min(mark.y1, mark.y2) - 3 <= y && y <= Math.max(mark.y1, mark.y2) + 3;
    case 'path': {
      if (!context) return false;
      context.save();
      context.setTransform(1, 0, 0, 1, 0, 0);
      const inside = context.isPointInPath(new Path2D(mark.d), x, y);
      context.restore();
      return inside;
    }
  }
}
