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
