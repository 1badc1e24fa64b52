const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** Printable ASCII and tab: every character is a grapheme of its own. */
const PLAIN = /^[\t\x20-\x7e]*$/;

/** Moves a column that lies inside a grapheme behind it; columns at a border stay. */
export type Snap = (column: number) => number;

const stay: Snap = (column) => column;

/**
 * How columns of a line are moved to grapheme borders, so that no mark begins between a letter and its accent or
 * inside an emoji. The part that holds the beginning of a grapheme takes the whole of it.
 */
export function snapTo(line: string): Snap {
  if (PLAIN.test(line)) return stay;
  const next = new Int32Array(line.length + 1);
  for (const { segment, index } of segmenter.segment(line)) {
    next[index] = index;
    for (let i = index + 1; i < index + segment.length; i++) next[i] = index + segment.length;
  }
  next[line.length] = line.length;
  return (column) => next[Math.min(column, line.length)];
}
