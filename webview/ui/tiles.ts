import { el, setCss } from './dom';
import { FrameQueue } from './frames';
import { Surface } from './surface';

/** No canvas is larger than this many device pixels on a side. */
export const TILE_PIXELS = 2048;
/** Drawing work of one frame, in milliseconds; what is left waits for the next. */
const FRAME_BUDGET = 6;

type Draw = (context: OffscreenCanvasRenderingContext2D, x: number, y: number, width: number, height: number) => void;

interface Tile {
  readonly surface: Surface;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly owner: TiledCanvas;
  visible: boolean;
  /** Part that has to be drawn again, from top to bottom of the picture; null when nothing has. */
  dirty: { top: number; bottom: number } | null;
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
  readonly #band: number;
  #tiles: Tile[] = [];
  #ratio = 1;

  /**
   * `draw` is asked for a part of the picture and may draw outside of it: what lies there is cut off. `band`: a picture that is cheap to
   * draw in parts is drawn this many pixels at a time, so that a frame never waits for all of it.
   */
  constructor(draw: Draw, band = Infinity) {
    this.#draw = draw;
    this.#band = band;
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
        const surface = new Surface();
        surface.resize(w * ratio, h * ratio);
        setCss(surface.node, { position: 'absolute', left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` });
        const tile: Tile = { surface, x, y, width: w, height: h, owner: this, visible: false, dirty: { top: y, bottom: y + h } };
        this.#tiles.push(tile);
        tileOf.set(surface.node, tile);
        this.node.append(surface.node);
        seen.observe(surface.node);
      }
    }
  }

  /** Draws again what touches `[top, bottom)`: at once in the next frame where it is seen, else when it comes into view. */
  invalidate(top = 0, bottom = Infinity): void {
    for (const tile of this.#tiles) {
      if (tile.y + tile.height <= top || tile.y >= bottom) continue;
      const [from, to] = [Math.max(tile.y, top), Math.min(tile.y + tile.height, bottom)];
      tile.dirty = tile.dirty ? { top: Math.min(tile.dirty.top, from), bottom: Math.max(tile.dirty.bottom, to) } : { top: from, bottom: to };
      if (tile.visible) queue(tile);
    }
  }

  dispose(): void {
    for (const tile of this.#tiles) {
      seen.unobserve(tile.surface.node);
      waiting.drop(tile);
    }
    this.#tiles = [];
    this.node.replaceChildren();
  }

  paint(tile: Tile): void {
    const context = tile.surface.pen;
    const { dirty } = tile;
    if (!context || !dirty) return;
    const bottom = Math.min(dirty.bottom, dirty.top + this.#band);
    tile.dirty = bottom < dirty.bottom ? { top: bottom, bottom: dirty.bottom } : null;
    context.save();
    context.setTransform(this.#ratio, 0, 0, this.#ratio, -tile.x * this.#ratio, -tile.y * this.#ratio);
    if (dirty.top > tile.y || bottom < tile.y + tile.height) {
      // Whole device pixels, so that no seam is left.
      const [from, to] = [Math.floor(dirty.top * this.#ratio) / this.#ratio, Math.ceil(bottom * this.#ratio) / this.#ratio];
      context.beginPath();
      context.rect(tile.x, from, tile.width, to - from);
      context.clip();
    }
    context.clearRect(tile.x, dirty.top - 1, tile.width, bottom - dirty.top + 2);
    context.imageSmoothingEnabled = false;
    this.#draw(context, tile.x, dirty.top, tile.width, bottom - dirty.top);
    context.restore();
    if (tile.dirty) queue(tile);
    else tile.surface.present();
  }
}
