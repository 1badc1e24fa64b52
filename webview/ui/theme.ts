import type { Ramp } from '../render/colours';
import { rampOf } from '../render/colours';
import { forgetFonts } from './fonts';

const SEQUENTIAL = Array.from({ length: 9 }, (_, i) => `var(--ml-seq-${i})`);
const DIVERGING = ['var(--ml-div-neg-2)', 'var(--ml-div-neg-1)', 'var(--ml-div-0)', 'var(--ml-div-pos-1)', 'var(--ml-div-pos-2)'];

/** Colours of the editor's theme as numbers, for canvases and for files; forgotten when the theme changes. */
export class Theme {
  readonly #resolved = new Map<string, string>();
  readonly #context: CanvasRenderingContext2D | null;
  #sequential: Ramp | null = null;
  #diverging: Ramp | null = null;

  constructor() {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    this.#context = canvas.getContext('2d', { willReadFrequently: true });
  }

  /** Calls back when the editor's theme changes. */
  watch(onChange: () => void): void {
    const forget = (): void => {
      this.#resolved.clear();
      this.#sequential = this.#diverging = null;
      forgetFonts();
      onChange();
    };
    new MutationObserver(forget).observe(document.body, { attributes: true, attributeFilter: ['class'] });
    new MutationObserver(forget).observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
  }

  /** A CSS colour, `var(--token)` included, as `#rrggbb`; 'none' stays. */
  readonly resolve = (colour: string): string => {
    if (colour === 'none' || colour.startsWith('url(')) return colour;
    const known = this.#resolved.get(colour);
    if (known) return known;
    const style = getComputedStyle(document.body);
    let text = colour;
    for (let depth = 0; depth < 4 && text.includes('var('); depth++) {
      text = text.replace(/var\((--[\w-]+)\)/g, (_, name: string) => style.getPropertyValue(name).trim() || 'transparent');
    }
    const [r, g, b] = this.#rgb(text, style.getPropertyValue('--ml-page').trim());
    const hex = '#' + [r, g, b].map((v) => v.toString(16).padStart(2, '0')).join('');
    this.#resolved.set(colour, hex);
    return hex;
  };

  /** Painted over the page, so that translucent colours come out as they are seen. */
  #rgb(colour: string, page: string): readonly [number, number, number] {
    const context = this.#context;
    if (!context) return [128, 128, 128];
    context.fillStyle = '#000';
    context.fillStyle = page;
    context.fillRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r = 0, g = 0, b = 0] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b];
  }

  /** A CSS colour as numbers. */
  channels(colour: string): readonly [number, number, number] {
    const hex = this.resolve(colour);
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as unknown as readonly [number, number, number];
  }

  /** Magnitudes. */
  get sequential(): Ramp {
    return (this.#sequential ??= rampOf(SEQUENTIAL.map((stop) => this.channels(stop))));
  }

  /** Signed values; the middle is the page. */
  get diverging(): Ramp {
    return (this.#diverging ??= rampOf(DIVERGING.map((stop) => this.channels(stop))));
  }
}
