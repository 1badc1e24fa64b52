import type { Tokenizer } from './tokenizer';
import type { RoutingToken } from '../protocol/routing';

type Span = Pick<RoutingToken, 'start' | 'end' | 'part' | 'uncertain'>;

const NOWHERE: Span = { start: null, end: null };

/**
 * Where each token stands in the text, as UTF-16 ranges in ascending order. Tokens are walked along the text's UTF-8 bytes; several tokens
 * inside one character share its range. Where a tokenizer changed the text (lower case, accents, compatibility forms) the range is matched
 * by what both become without case and accents, and marked uncertain. Special tokens that the text does not spell stand nowhere.
 */
export function alignTokens(text: string, ids: ArrayLike<number>, tokenizer: Tokenizer): readonly Span[] {
  const walk = new Walk(text), out: Span[] = [];
  /** First of the tokens whose place is still open, because the tokenizer did not say what they stand for ([UNK]). */
  let open = -1;
  for (let i = 0; i < ids.length; i++) {
    const bytes = tokenizer.tokenBytes(ids[i]), shown = tokenizer.tokenText(ids[i]), from = walk.at;
    const found = walk.take(bytes) ?? (tokenizer.isSpecial(ids[i]) || isUnknown(shown) ? null : walk.takeFolded(bytes, open >= 0)) ?? (shown === WORD_UNKNOWN && open < 0 ? walk.takeWord() : null);
    if (found) {
      if (open >= 0) spread(out, open, walk.units(from), found.start ?? 0);
      open = -1;
      out.push(found);
    } else {
      out.push(NOWHERE);
      if (open < 0 && isUnknown(shown)) open = i;
    }
  }
  // Specials at the end of a text stand for nothing in it.
  while (out.length > open && open >= 0 && !isUnknown(tokenizer.tokenText(ids[out.length - 1]))) out.pop();
  if (open >= 0) spread(out, open, walk.units(walk.at), text.length);
  while (out.length < ids.length) out.push(NOWHERE);
  return withParts(coverMarks(out, text));
}

/** WordPiece gives this for one whole word, split as BERT splits. */
const WORD_UNKNOWN = '[UNK]';

function isUnknown(text: string): boolean {
  return /^[[<]unk(nown)?[\]>]$/i.test(text);
}

/** Gives tokens of unknown extent the stretch `[start, end)` between their neighbours. */
function spread(spans: Span[], first: number, start: number, end: number): void {
  for (let i = first; i < spans.length; i++) if (end > start) spans[i] = { start, end, uncertain: true };
}

/** Marks that a tokenizer dropped belong to the character before them. */
function coverMarks(spans: readonly Span[], text: string): readonly Span[] {
  const out = [...spans];
  let next = text.length;
  for (let i = spans.length - 1; i >= 0; i--) {
    const { start, end } = spans[i];
    if (start === null || end === null) continue;
    let covered = end;
    while (covered < next && /^\p{M}$/u.test(text[covered])) covered++;
    if (covered > end) out[i] = { ...spans[i], end: covered };
    // Tokens that share a character share what belongs to it.
    if (start < next) next = start;
  }
  return out;
}

/** Numbers the tokens that share one range. */
function withParts(spans: readonly Span[]): readonly Span[] {
  const out: Span[] = [];
  for (let i = 0; i < spans.length;) {
    let j = i + 1;
    const { start, end } = spans[i];
    while (start !== null && j < spans.length && spans[j].start === start && spans[j].end === end) j++;
    for (let k = i; k < j; k++) out.push(j - i > 1 ? { ...spans[k], part: [k - i, j - i] } : spans[k]);
    i = j;
  }
  return out;
}

const BLANK = /^\s$/u;
/** A character that BERT's splitting takes for a word of its own: punctuation, ASCII symbols, Chinese characters. */
const ALONE = /^[\p{P}!-/:-@[-`{-~\p{Script=Han}]$/u;
/** Characters that one token may stand for where the tokenizer changed the text. */
const LONGEST_FOLDED = 64;

/** A place in the bytes of a text. */
class Walk {
  /** Byte reached. */
  at = 0;
  private readonly bytes: Uint8Array;
  /** UTF-16 offset of the character that a byte belongs to, and of the one after it. */
  private readonly starts: Int32Array;
  private readonly ends: Int32Array;

  constructor(private readonly text: string) {
    this.bytes = new TextEncoder().encode(text);
    this.starts = new Int32Array(this.bytes.length + 1).fill(text.length);
    this.ends = new Int32Array(this.bytes.length + 1).fill(text.length);
    let byte = 0, unit = 0;
    for (const character of text) {
      const code = character.codePointAt(0) ?? 0, length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      for (let k = 0; k < length; k++, byte++) {
        this.starts[byte] = unit;
        this.ends[byte] = unit + character.length;
      }
      unit += character.length;
    }
  }

  /** UTF-16 offset of a byte. */
  units(byte: number): number {
    return this.starts[byte];
  }

  /** Takes the bytes if they come next, after blanks that the tokenizer left out, or without the blank it put in front of the text. */
  take(token: Uint8Array): Span | null {
    if (token.length === 0) return null;
    const bare = token[0] === 0x20 && token.length > 1 ? token.subarray(1) : null;
    for (const [skipped, bytes] of [[0, token], [0, bare], [this.blanks(), token], [this.blanks(), bare]] as const) {
      if (bytes && this.comes(this.at + skipped, bytes)) return this.span(this.at + skipped, this.at + skipped + bytes.length);
    }
    return null;
  }

  /** Takes what becomes the same as the token without case, accents and compatibility forms; `anywhere` looks further on too. */
  takeFolded(token: Uint8Array, anywhere: boolean): Span | null {
    const wanted = fold(new TextDecoder().decode(token));
    if (wanted === '') return null;
    const origin = this.starts[this.at + this.ignored()];
    const last = anywhere ? Math.min(this.text.length, origin + LONGEST_FOLDED) : origin;
    for (let start = origin; start <= last; start++) {
      for (let end = start + 1; end <= Math.min(this.text.length, start + LONGEST_FOLDED); end++) {
        const folded = fold(this.text.slice(start, end));
        if (folded.length > wanted.length) break;
        if (folded !== wanted) continue;
        // Marks that follow belong to the character before them.
        while (end < this.text.length && fold(this.text[end]) === '' && !BLANK.test(this.text[end])) end++;
        this.at = this.byteOf(end);
        return { start, end, uncertain: true };
      }
    }
    return null;
  }

  /** Takes the next word. */
  takeWord(): Span | null {
    const from = this.at + this.ignored();
    if (from >= this.bytes.length) return null;
    let to = from;
    const character = (at: number): string => this.text.slice(this.starts[at], this.ends[at]);
    const next = (at: number): number => this.byteOf(this.ends[at]);
    if (ALONE.test(character(from))) to = next(from);
    else while (to < this.bytes.length && !BLANK.test(character(to)) && !ALONE.test(character(to))) to = next(to);
    return { ...this.span(from, to), uncertain: true };
  }

  private span(from: number, to: number): Span {
    this.at = to;
    return { start: this.starts[from], end: this.ends[to - 1] };
  }

  private comes(at: number, token: Uint8Array): boolean {
    if (at + token.length > this.bytes.length) return false;
    for (let i = 0; i < token.length; i++) if (this.bytes[at + i] !== token[i]) return false;
    return true;
  }

  /** Bytes of blanks that come next. */
  private blanks(): number {
    let at = this.at;
    while (at < this.bytes.length && BLANK.test(this.text.slice(this.starts[at], this.ends[at]))) at++;
    return at - this.at;
  }

  /** Bytes of what comes next and counts for nothing without accents: blanks and marks. */
  private ignored(): number {
    let at = this.at;
    while (at < this.bytes.length && fold(this.text.slice(this.starts[at], this.ends[at])) === '') at++;
    return at - this.at;
  }

  private byteOf(unit: number): number {
    let low = 0, high = this.bytes.length;
    while (low < high) { const middle = (low + high) >> 1; if (this.starts[middle] < unit) low = middle + 1; else high = middle; }
    return low;
  }
}

function fold(text: string): string {
  return text.normalize('NFKD').replace(/[\p{M}\s\u200b-\u200d\ufeff]/gu, '').toLowerCase();
}
