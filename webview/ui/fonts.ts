/** A function that measures text in the editor's font at a size, in CSS pixels. */
export function monoMeasure(size: number): (text: string) => number {
  const context = document.createElement('canvas').getContext('2d');
  const family = getComputedStyle(document.body).getPropertyValue('--ml-mono').trim() || 'monospace';
  if (context) context.font = `${size}px ${family}`;
  const known = new Map<string, number>();
  return (text) => {
    let width = known.get(text);
    if (width === undefined) known.set(text, (width = context ? context.measureText(text).width : text.length * size * 0.6));
    return width;
  };
}

/** Font families of the page, as a canvas takes them. */
export interface Fonts {
  readonly mono: string;
  readonly words: string;
}
let fonts: Fonts | null = null;

/** Read once for each theme: reading them for each text would make the browser compute styles again and again. */
export function pageFonts(): Fonts {
  if (fonts) return fonts;
  const style = getComputedStyle(document.body);
  const family = (name: string): string => style.getPropertyValue(name).trim() || 'sans-serif';
  return (fonts = { mono: family('--ml-mono'), words: family('--ml-font') });
}

export function forgetFonts(): void {
  fonts = null;
}
