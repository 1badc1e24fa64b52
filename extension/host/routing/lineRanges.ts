import { endOf, offsetOf, type TextBlock } from './blocks';
import { snapTo } from './graphemes';
import type { LineTable } from './lineTable';

/** A stretch of one line. */
export interface LineRange {
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

/** The characters of `[from, to)` line by line, without line ends; empty lines have no range. */
export function lineRanges(lines: LineTable, from: number, to: number, first = 0, last = Infinity): readonly LineRange[] {
  const ranges: LineRange[] = [];
  for (let line = Math.max(first, lines.lineOf(from)); line < lines.count && line <= last && lines.starts[line] < to; line++) {
    const begin = lines.starts[line];
    const start = Math.max(from, begin) - begin;
    const end = Math.min(to, lines.ends[line]) - begin;
    if (end > start) ranges.push({ line, start, end });
  }
  return ranges;
}

/** What of a block is stale, in the lines `[first, last]`: from the first unit that is no longer routed to its end. */
export function staleRanges(lines: LineTable, block: TextBlock, fresh: number, first: number, last: number): readonly LineRange[] {
  return fresh >= block.text.length ? [] : lineRanges(lines, offsetOf(block, fresh), endOf(block), first, last);
}

/** The characters of a token line by line, moved to grapheme borders. */
export function tokenRanges(lines: LineTable, block: TextBlock, start: number, end: number): readonly LineRange[] {
  return lineRanges(lines, offsetOf(block, start), offsetOf(block, end)).flatMap(({ line, start: a, end: b }) => {
    const snap = snapTo(lines.lineText(line));
    return snap(b) > snap(a) ? [{ line, start: snap(a), end: snap(b) }] : [];
  });
}
