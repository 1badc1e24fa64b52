const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** Printable ASCII and tab: between two of them there is always a border. */
const PLAIN = /^[\t\x20-\x7e]*$/;
/** V8 copies the whole input into every segment, so a line is read in pieces: 50 KB at once would take gigabytes. */
const PIECE = 128;

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
  for (let at = 0; at < line.length; ) {
    if (isPlain(line, at) && at + 1 < line.length && isPlain(line, at + 1)) {
      next[at] = at;
      at++;
      continue;
    }
    const piece = line.slice(at, at + PIECE);
    const ends = [...segmenter.segment(piece)].map(({ index, segment }) => at + index + segment.length);
    // The last grapheme of a piece may go on behind it: it begins the next piece, unless nothing else is in this one.
    if (at + PIECE < line.length && ends.length > 1) ends.pop();
    for (const end of ends) {
      next[at] = at;
      for (let i = at + 1; i < end; i++) next[i] = end;
      at = end;
    }
  }
  next[line.length] = line.length;
  return (column) => next[Math.min(column, line.length)];
}

function isPlain(line: string, at: number): boolean {
  const code = line.charCodeAt(at);
  return code === 9 || (code >= 0x20 && code <= 0x7e);
}
