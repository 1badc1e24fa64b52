import { describe, expect, it } from 'vitest';
import type { RoutingToken } from '../../../extension/protocol/routing';
import { splitDocument } from '../../../extension/host/routing/blocks';
import { snapTo } from '../../../extension/host/routing/graphemes';
import { staleRanges, tokenRanges } from '../../../extension/host/routing/lineRanges';
import { LineTable } from '../../../extension/host/routing/lineTable';
import { indexSpans, spanAt, type SpanIndex, spansOfLines, tokensAtSpan } from '../../../extension/host/routing/spanIndex';
import { AWKWARD_TEXTS, resultOf, tokensOf } from './routingSamples';

/** Tokens of a byte-level tokenizer without merges: as many as a character has bytes, all with the character's range. */
function byteTokens(text: string, record: number): RoutingToken[] {
  const tokens: RoutingToken[] = [];
  for (let at = 0; at < text.length; ) {
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
    const bytes = new TextEncoder().encode(character).length;
    for (let i = 0; i < bytes; i++) tokens.push({ id: 1, text: character, record, start: at, end: at + character.length, special: false, ...(bytes > 1 ? { part: [i, bytes] as const } : {}) });
    at += character.length;
  }
  return tokens;
}

/** Every grapheme border of a line, by the segmenter itself, word by word (whole long lines take gigabytes). */
function borders(line: string): Set<number> {
  const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  const found = new Set([0, line.length]);
  for (const { index, 0: word } of line.matchAll(/[^ ]+| /g)) for (const segment of segmenter.segment(word)) found.add(index + segment.index);
  return found;
}

function check(index: SpanIndex, lines: LineTable): void {
  const bordersOf = new Map<number, Set<number>>();
  for (let i = 0; i < index.lines.length; i++) {
    const [line, start, end] = [index.lines[i], index.starts[i], index.ends[i]];
    const length = lines.ends[line] - lines.starts[line];
    if (!(start >= 0 && start < end && end <= length)) expect.fail(`range ${start}-${end} leaves line ${line} of ${length} characters`);
    if (i > 0 && (index.lines[i - 1] > line || (index.lines[i - 1] === line && index.ends[i - 1] > start))) expect.fail(`range ${i} overlaps or precedes the one before`);
    const found = bordersOf.get(line) ?? borders(lines.lineText(line));
    bordersOf.set(line, found);
    if (!found.has(start) || !found.has(end)) expect.fail(`range ${start}-${end} of line ${line} cuts a grapheme`);
  }
}

/** Characters of every line that no span covers. */
function uncovered(index: SpanIndex, lines: LineTable): string {
  let left = '';
  for (let line = 0; line < lines.count; line++) {
    const text = lines.lineText(line);
    const covered = new Uint8Array(text.length);
    const [from, to] = spansOfLines(index, line, line);
    for (let i = from; i < to; i++) covered.fill(1, index.starts[i], index.ends[i]);
    left += [...text].length === 0 ? '' : text.split('').filter((_, i) => covered[i] === 0).join('');
  }
  return left;
}

describe('spans of tokens', () => {
  describe.each(Object.entries(AWKWARD_TEXTS))('of the text "%s"', (name, text) => {
    it.each([['words', tokensOf], ['bytes', byteTokens]] as const)('are ordered, inside one line, on grapheme borders and cover it (%s)', (_kind, tokens) => {
      if (name.startsWith('long') && tokens === byteTokens) text = text.slice(0, 6000).replace(/[\ud800-\udbff]$/, '');
      const lines = new LineTable(text);
      const { blocks } = splitDocument(text, 'text');
      expect(blocks.length).toBe(text.trim() === '' ? 0 : 1);
      for (const block of blocks) {
        const { head } = resultOf([block.text], { tokens });
        const index = indexSpans(block, head, 0, lines);
        check(index, lines);
        expect(uncovered(index, lines)).toBe('');
        expect(index.lines.length).toBeGreaterThan(0);
      }
    });
  });

  it('of JSON lines lie inside the raw literals', () => {
    const rows = [{ text: 'a\u00e9\n"quoted" \\ tab\there' }, { prompt: '\u{1F600} grin' }, { id: 3, text: 'third' }];
    const source = [JSON.stringify(rows[0]), '{"id": 1, "prompt": "\\ud83d\\ude00 gr\\u0069n"}', '', 'not json', JSON.stringify(rows[2])].join('\r\n');
    const lines = new LineTable(source);
    const { blocks } = splitDocument(source, 'records');
    expect(blocks.map(({ text }) => text)).toEqual([rows[0].text, rows[1].prompt, 'third']);
    const { head } = resultOf(blocks.map(({ text }) => text));
    blocks.forEach((block, record) => {
      const index = indexSpans(block, head, record, lines);
      check(index, lines);
      const rebuilt = Array.from(index.lines, (line, i) => lines.lineText(line).slice(index.starts[i], index.ends[i])).join('');
      expect(JSON.parse(`"${rebuilt}"`)).toBe(block.text);
    });
  });

  it('find the token of a place, at borders the one that begins there, at the end of a line the last', () => {
    const text = 'ab cd\nef';
    const lines = new LineTable(text);
    const [block] = splitDocument(text, 'text').blocks;
    const { head } = resultOf([text]);
    const index = indexSpans(block, head, 0, lines);
    const at = (line: number, column: number): string | null => {
      const span = spanAt(index, line, column);
      return span === null ? null : head.tokens[index.tokens[span]].text;
    };
    expect([at(0, 0), at(0, 2), at(0, 5), at(1, 0), at(1, 2), at(2, 0)]).toEqual(['ab', ' cd', ' cd', 'ef', 'ef', null]);
  });

  it('keep the tokens that a grapheme hides within reach', () => {
    const text = '\u{1F600}!';
    const lines = new LineTable(text);
    const [block] = splitDocument(text, 'text').blocks;
    const { head } = resultOf([text], { tokens: byteTokens });
    const index = indexSpans(block, head, 0, lines);
    expect([...index.starts]).toEqual([0, 2]);
    expect(tokensAtSpan(index, 0, head).map((token) => head.tokens[token].part)).toEqual([[0, 4], [1, 4], [2, 4], [3, 4]]);
    expect(tokensAtSpan(index, 1, head)).toHaveLength(1);
  });

  it('put the blank between two WordPiece tokens to the one behind it', () => {
    const text = 'new york';
    const tokens = (_: string, record: number): RoutingToken[] => [{ id: 1, text: 'new', record, start: 0, end: 3, special: false }, { id: 2, text: 'york', record, start: 4, end: 8, special: false }];
    const index = indexSpans(splitDocument(text, 'text').blocks[0], resultOf([text], { tokens }).head, 0, new LineTable(text));
    expect([...index.starts]).toEqual([0, 3]);
  });
});

describe('ranges of lines', () => {
  it('of what is stale go to the end of the block and leave line ends out', () => {
    const text = 'one two\r\n\r\nthree\r\nfour';
    const lines = new LineTable(text);
    const [block] = splitDocument(text, 'text').blocks;
    expect(staleRanges(lines, block, 4, 0, 99)).toEqual([{ line: 0, start: 4, end: 7 }, { line: 2, start: 0, end: 5 }, { line: 3, start: 0, end: 4 }]);
    expect(staleRanges(lines, block, 4, 1, 2)).toEqual([{ line: 2, start: 0, end: 5 }]);
    expect(staleRanges(lines, block, text.length, 0, 99)).toEqual([]);
  });

  it('of a token that ends inside a grapheme take all of it, and the rest of it has no range', () => {
    const text = 'cafe\u0301 x';
    const lines = new LineTable(text);
    const [block] = splitDocument(text, 'text').blocks;
    expect(tokenRanges(lines, block, 0, 4)).toEqual([{ line: 0, start: 0, end: 5 }]);
    expect(tokenRanges(lines, block, 4, 5)).toEqual([]);
  });

  it('snap a column behind the grapheme that it lies in', () => {
    const snap = snapTo('a\u{1F469}\u200D\u{1F467}b');
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(snap)).toEqual([0, 1, 6, 6, 6, 6, 6, 7]);
    expect([0, 3, 9].map(snapTo('abc'))).toEqual([0, 3, 9]);
    // A grapheme across the border of the pieces in which a line is read.
    const long = `${'\u00e9'.repeat(127)}\u{1F469}\u200D\u{1F467}${'\u00e9'.repeat(300)}e\u0301`;
    const snapLong = snapTo(long);
    for (let column = 0; column <= long.length; column++) expect(snapLong(column)).toBe([...borders(long)].filter((border) => border >= column).sort((a, b) => a - b)[0]);
  });
});
