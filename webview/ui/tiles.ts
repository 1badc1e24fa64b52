import { el, setCss } from './dom';
import { FrameQueue } from './frames';

/** No canvas is larger than this many device pixels on a side. */
export const TILE_PIXELS = 2048;
/** Drawing work of one frame, in milliseconds; what is left waits for the next. */
const FRAME_BUDGET = 6;

type Draw = (context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number) => void;

interface Tile {
  readonly canvas: HTMLCanvasElement;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly owner: TiledCanvas;
  visible: boolean;
  dirty: boolean;
}

const waiting = new FrameQueue<Tile>(FRAME_BUDGET);
const tileOf = new WeakMap<Element, Tile>();
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const tile = tileOf.get(entry.target);
    if (!tile) continue;
    tile.visible = entry.isIntersecting;
    if (tile.visible && tile.dirty) queue(tile);
  }
}, { rootMargin: '128px' });

function queue(tile: Tile): void {
  waiting.put(tile, () => tile.owner.paint(tile));
}

/** A picture of any size on canvases of at most 2048 device pixels; only those near the viewport are drawn, a few per frame. */
export class TiledCanvas {
  readonly node = el('div.tiles', { 'aria-hidden': 'true' });
  readonly #draw: Draw;
  #tiles: Tile[] = [];
  #ratio = 1;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  /** Sets the size in CSS pixels; the same size keeps the canvases. */
  resize(width: number, height: number): void {
    const ratio = window.devicePixelRatio || 1;
    const most = Math.floor(TILE_PIXELS / ratio);
    if (this.node.style.width === `${width}px` && this.node.style.height === `${height}px` && ratio === this.#ratio) {
      this.invalidate();
      return;
    }
    this.dispose();
    this.#ratio = ratio;
    setCss(this.node, { position: 'relative', width: `${width}px`, height: `${height}px` });
    for (let y = 0; y < height; y += most) {
      for (let x = 0; x < width; x += most) {
        const [w, h] = [Math.min(most, width - x), Math.min(most, height - y)];
        const canvas = el('canvas', { width: Math.max(1, Math.round(w * ratio)), height: Math.max(1, Math.round(h * ratio)), css: { position: 'absolute', left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` } });
        const tile: Tile = { canvas, x, y, width: w, height: h, owner: this, visible: false, dirty: true };
        this.#tiles.push(tile);
        tileOf.set(canvas, tile);
        this.node.append(canvas);
        seen.observe(canvas);
      }
    }
  }

  /** Draws again what touches `[top, bottom)`: at once in the next frame where it is seen, else when it comes into view. */
  invalidate(top = 0, bottom = Infinity): void {
    for (const tile of this.#tiles) {
      if (tile.y + tile.height <= top || tile.y >= bottom) continue;
      tile.dirty = true;
      if (tile.visible) queue(tile);
    }
  }

  dispose(): void {
    for (const tile of this.#tiles) {
      seen.unobserve(tile.canvas);
      waiting.drop(tile);
    }
    this.#tiles = [];
    this.node.replaceChildren();
  }

  paint(tile: Tile): void {
    const context = tile.canvas.getContext('2d');
    if (!context) return;
    tile.dirty = false;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, tile.canvas.width, tile.canvas.height);
    context.setTransform(this.#ratio, 0, 0, this.#ratio, -tile.x * this.#ratio, -tile.y * this.#ratio);
    context.imageSmoothingEnabled = false;
    this.#draw(context, tile.x, tile.y, tile.width, tile.height);
  }
}
