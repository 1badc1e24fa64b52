import type { RoutingHead } from '../../protocol/routing';
import { offsetOf, type TextBlock } from './blocks';
import { type Snap, snapTo } from './graphemes';
import { lastAtMost, type LineTable } from './lineTable';

/**
 * Where tokens stand in the lines of a document: ordered, without overlap, each inside one line and never beginning
 * inside a grapheme. Tokens that a grapheme hides have no span.
 */
export interface SpanIndex {
  readonly lines: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Token of the trace. */
  readonly tokens: Int32Array;
}

const EMPTY: SpanIndex = { lines: new Int32Array(0), starts: new Int32Array(0), ends: new Int32Array(0), tokens: new Int32Array(0) };

/** Spans of the tokens of one record. Units from `fresh` on are left out: they changed after the routing. */
export function indexSpans(block: TextBlock, head: RoutingHead, record: number, lines: LineTable, fresh: number = block.text.length): SpanIndex {
  const found = head.records[record];
  if (!found) return EMPTY;
  const out: Builder = { lines: [], starts: [], ends: [], tokens: [] };
  const snaps = new Map<number, Snap>();
  const snapOf = (line: number): Snap => {
    let snap = snaps.get(line);
    if (!snap) snaps.set(line, (snap = snapTo(lines.lineText(line))));
    return snap;
  };
  let covered = -1;
  for (let token = found.from; token < found.to; token++) {
    const { start, end } = head.tokens[token];
    if (start === null || end === null || end <= start || end > fresh) continue;
    const from = Math.max(offsetOf(block, start), covered);
    const to = offsetOf(block, end);
    if (to <= from) continue;
    covered = to;
    addToken(out, token, from, to, lines, snapOf);
  }
  return { lines: Int32Array.from(out.lines), starts: Int32Array.from(out.starts), ends: Int32Array.from(out.ends), tokens: Int32Array.from(out.tokens) };
}

interface Builder {
  readonly lines: number[];
  readonly starts: number[];
  readonly ends: number[];
  readonly tokens: number[];
}

function addToken(out: Builder, token: number, from: number, to: number, lines: LineTable, snapOf: (line: number) => Snap): void {
  for (let line = lines.lineOf(from); line < lines.count && lines.starts[line] < to; line++) {
    const begin = lines.starts[line];
    const start = Math.max(from, begin);
    const end = Math.min(to, lines.ends[line]);
    if (end <= start) continue;
    const snap = snapOf(line);
    let a = snap(start - begin);
    const b = snap(end - begin);
    const last = out.lines.length - 1;
    const sameLine = last >= 0 && out.lines[last] === line;
    if (sameLine && out.ends[last] > a) a = out.ends[last];
    if (b <= a) continue;
    // Blanks that belong to no token (WordPiece) go with the token behind them, so that equal neighbours touch.
    if (sameLine && out.ends[last] < a && isBlank(lines.text, begin + out.ends[last], begin + a)) a = out.ends[last];
    out.lines.push(line);
    out.starts.push(a);
    out.ends.push(b);
    out.tokens.push(token);
  }
}

function isBlank(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (text[i] !== ' ' && text[i] !== '\t') return false;
  return true;
}

/** Spans `[from, to)` that lie in the lines `[first, last]`. */
export function spansOfLines(index: SpanIndex, first: number, last: number): readonly [number, number] {
  return [lowerBound(index.lines, first), lowerBound(index.lines, last + 1)];
}

function lowerBound(ascending: Int32Array, value: number): number {
  if (ascending.length === 0 || ascending[0] >= value) return 0;
  return lastAtMost(ascending, value - 1) + 1;
}

/** The span at a place, or null. At a border the one that begins there. */
export function spanAt(index: SpanIndex, line: number, column: number): number | null {
  const [from, to] = spansOfLines(index, line, line);
  for (let i = from; i < to; i++) if (column >= index.starts[i] && column < index.ends[i]) return i;
  return to > from && column === index.ends[to - 1] ? to - 1 : null;
}

/** Tokens that share the place of a token (bytes of one character), itself included, or that its grapheme hides. */
export function tokensAtSpan(index: SpanIndex, span: number, head: RoutingHead): readonly number[] {
  const first = index.tokens[span];
  const next = index.tokens[span + 1] ?? Infinity;
  const record = head.tokens[first].record;
  const tokens: number[] = [];
  for (let token = first; token < Math.min(next, head.tokens.length) && head.tokens[token].record === record && head.tokens[token].start !== null; token++) tokens.push(token);
  return next === first || tokens.length === 0 ? [first] : tokens.slice(0, MOST_PARTS);
}

/** A family emoji is some twenty byte tokens; more parts than this come from a token stream that is not text. */
const MOST_PARTS = 32;
