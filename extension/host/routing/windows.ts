import type { TextBlock } from './blocks';

/** Share of the measured characters per context that a window takes: other passages have shorter tokens. */
const SAFETY = 0.85;

/** Where a text may be cut, best first: between paragraphs, lines, sentences, words. */
const BORDERS = [/\r?\n[\t ]*\r?\n/g, /\r?\n/g, /[.!?…。]["'”’)]*\s+/g, /\s+/g] as const;

/** Cuts a block that is spelt one to one into windows of at most `most` characters, at the best borders there are. */
export function splitWindow(block: TextBlock, most: number): readonly TextBlock[] {
  if (block.text.length <= most || block.offsets) return [block];
  const windows: TextBlock[] = [];
  let from = 0;
  while (block.text.length - from > most) {
    const to = from + cutBefore(block.text.slice(from, from + Math.floor(most)));
    windows.push({ text: block.text.slice(from, to), base: block.base + from, offsets: null });
    from = to;
  }
  windows.push({ text: block.text.slice(from), base: block.base + from, offsets: null });
  return windows;
}

/** Characters of a window that will fit, from a text of which `covered` characters filled the context. */
export function windowFor(covered: number): number {
  return Math.max(1, Math.floor(covered * SAFETY));
}

/** The end of the best border in the second half of a text, else in all of it, else its end (never inside a surrogate pair). */
function cutBefore(text: string): number {
  for (const least of [text.length / 2, 0]) {
    for (const border of BORDERS) {
      let best = 0;
      for (const match of text.matchAll(border)) if (match.index + match[0].length > least) best = match.index + match[0].length;
      if (best > 0) return best;
    }
  }
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff && text.length > 1 ? text.length - 1 : text.length;
}
