import { el } from './dom';

/**
 * A canvas that is drawn now and then and looked at all the time. What is drawn lies in a canvas behind; the one in the page gets a finished
 * picture of it. A canvas with a drawing context of its own would be handed to the compositor again in every frame, drawn or not.
 */
export class Surface {
  readonly node: HTMLCanvasElement;
  readonly #back = new OffscreenCanvas(1, 1);
  readonly #pen = this.#back.getContext('2d');
  readonly #glass: ImageBitmapRenderingContext | null;

  constructor(spec: 'canvas' | 'canvas.canvas-picture' = 'canvas') {
    this.node = el(spec, { 'aria-hidden': 'true' });
    this.#glass = this.node.getContext('bitmaprenderer');
  }

  /** Sets the size in device pixels; everything drawn is gone, except on the page until the next `present`. */
  resize(width: number, height: number): void {
    this.#back.width = Math.max(1, Math.round(width));
    this.#back.height = Math.max(1, Math.round(height));
  }

  get width(): number {
    return this.#back.width;
  }

  get height(): number {
    return this.#back.height;
  }

  /** What to draw with; null where the browser has no memory for it. */
  get pen(): OffscreenCanvasRenderingContext2D | null {
    return this.#pen;
  }

  /** Shows what was drawn. */
  present(): void {
    const copy = new OffscreenCanvas(this.width, this.height);
    const ink = copy.getContext('2d');
    if (!ink || !this.#glass) return;
    ink.drawImage(this.#back, 0, 0);
    [this.node.width, this.node.height] = [this.width, this.height];
    this.#glass.transferFromImageBitmap(copy.transferToImageBitmap());
  }
}
