import { linearsOf } from '../architecture/resolve';
import { alignTokens } from '../probe/alignment';
import type { TextFile } from '../probe/texts';
import type { Tokenizer } from '../probe/tokenizer';
import { Random } from '../numerics/random';
import { failure } from '../protocol/errors';
import type { TransferModel } from './types';

/** One stretch of text as both bases read it, and which of its tokens stand for the same. */
export interface PairedText {
  readonly fromIds: Int32Array;
  readonly toIds: Int32Array;
  /** Places of the pairs in `fromIds` and in `toIds`, ascending. */
  readonly from: Int32Array;
  readonly to: Int32Array;
}

export interface TokenPairs {
  readonly fit: readonly PairedText[];
  readonly heldOut: readonly PairedText[];
  readonly fitTokens: number;
  readonly heldOutTokens: number;
  /** Share of the target's tokens, special ones left out, that have a partner. */
  readonly keptShare: number;
  /** Texts that were used. */
  readonly texts: number;
}

export type Pairing = 'characters' | 'index';

/** Most tokens of one stretch: longer contexts tell little more about maps and cost quadratically. */
const LONGEST = 512;
/** Tokens that maps are judged on, and the share of all pairs that they take at most. */
const HELD_OUT_TOKENS = 1024;
const HELD_OUT_SHARE = 0.2;
/** Below this many pairs nothing can be said about a map. */
const FEWEST_PAIRS = 64;
/** Most and fewest pairs that maps are fitted on unless the request names another number, and pairs per dimension of the widest map. */
const MOST_PAIRS = 20_000, LEAST_PAIRS = 4096, PAIRS_PER_DIMENSION = 24;

/** Pairs that maps are fitted on unless the request names another number: more dimensions need more tokens. */
export function defaultPairs(...bases: readonly TransferModel[]): number {
  const widest = Math.max(...bases.flatMap(({ model }) => model.spec.stacks[0].blocks.flatMap((block) => linearsOf(block).map((l) => Math.max(l.inWidth, l.outWidth)))));
  return Math.min(MOST_PAIRS, Math.max(LEAST_PAIRS, PAIRS_PER_DIMENSION * widest));
}

/**
 * Reads probe texts with both tokenizers, text by text in turn from each label, until `limit` pairs are there, and sets a random fifth of the texts
 * aside. First tokens and special tokens never count with pairing by characters.
 * @throws probe/no-tokenizer, transfer/few-pairs
 */
export function pairTokens(file: TextFile, from: TransferModel, to: TransferModel, pairing: Pairing, limit: number, seed: number): TokenPairs {
  const readers = [from, to].map((base) => ({ tokenizer: tokenizerOf(base), cap: Math.min(base.model.spec.stacks[0].context, LONGEST) }));
  const pieces: PairedText[] = [];
  let pairs = 0, kept = 0, all = 0, texts = 0;
  for (const text of inTurn(file)) {
    if (pairs >= limit + HELD_OUT_TOKENS) break;
    texts++;
    for (const piece of piecesOf(text, readers)) {
      const paired = pairPiece(piece, readers[0].tokenizer, readers[1].tokenizer, pairing);
      all += paired.candidates;
      kept += paired.pair.to.length;
      if (paired.pair.to.length === 0) continue;
      pieces.push(paired.pair);
      pairs += paired.pair.to.length;
    }
  }
  if (pairs < FEWEST_PAIRS) throw failure('transfer/few-pairs', { from: from.facts.name, to: to.facts.name, pairs, needed: FEWEST_PAIRS });
  const aside = new Set<number>(), wanted = Math.min(HELD_OUT_TOKENS, HELD_OUT_SHARE * pairs);
  let heldOutTokens = 0;
  for (const i of new Random(seed, 'held-out texts').permutation(pieces.length)) {
    if (heldOutTokens >= wanted || aside.size + 1 >= pieces.length) break;
    aside.add(i);
    heldOutTokens += pieces[i].to.length;
  }
  if (heldOutTokens === 0) throw failure('transfer/few-pairs', { from: from.facts.name, to: to.facts.name, pairs, needed: 2 * pairs });
  return { fit: pieces.filter((_, i) => !aside.has(i)), heldOut: pieces.filter((_, i) => aside.has(i)), fitTokens: pairs - heldOutTokens, heldOutTokens, keptShare: all > 0 ? kept / all : 0, texts };
}

function tokenizerOf(base: TransferModel): Tokenizer {
  if (!base.tokenizer) throw failure('probe/no-tokenizer', { path: base.model.checkpoint.folder });
  return base.tokenizer;
}

/** Texts in turn from each label, in the order of the file. */
function* inTurn(file: TextFile): Iterable<string> {
  const groups = new Map<string | null, string[]>();
  for (const { text, label } of file.texts) {
    const list = groups.get(label);
    if (list) list.push(text);
    else groups.set(label, [text]);
  }
  const longest = Math.max(...[...groups.values()].map((list) => list.length));
  for (let i = 0; i < longest; i++) for (const list of groups.values()) if (i < list.length) yield list[i];
}

interface Piece {
  readonly text: string;
  readonly ids: readonly [Int32Array, Int32Array];
}

/** The text as pieces that fit both bases, halved at a blank where it does not. */
function piecesOf(text: string, readers: readonly { readonly tokenizer: Tokenizer; readonly cap: number }[]): readonly Piece[] {
  const [a, b] = readers.map(({ tokenizer }) => tokenizer.encode(text));
  if (a.length <= readers[0].cap && b.length <= readers[1].cap) return [{ text, ids: [a, b] }];
  const middle = text.indexOf(' ', Math.floor(text.length / 2)), at = middle > 0 && middle < text.length - 1 ? middle : text.lastIndexOf(' ', Math.floor(text.length / 2));
  // No blank to cut at: the beginning alone is read.
  if (at <= 0) return [{ text, ids: [a.slice(0, readers[0].cap), b.slice(0, readers[1].cap)] }];
  return [...piecesOf(text.slice(0, at), readers), ...piecesOf(text.slice(at + 1), readers)];
}

function pairPiece({ text, ids: [a, b] }: Piece, from: Tokenizer, to: Tokenizer, pairing: Pairing): { readonly pair: PairedText; readonly candidates: number } {
  const pair = (places: readonly (readonly [number, number])[]): PairedText => ({ fromIds: a, toIds: b, from: Int32Array.from(places, ([i]) => i), to: Int32Array.from(places, ([, j]) => j) });
  if (pairing === 'index') {
    const places: [number, number][] = [];
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (spelling(from, a[i], to) === spelling(to, b[i], from)) places.push([i, i]);
    return { pair: pair(places), candidates: b.length };
  }
  const candidates = b.reduce((n, id, j) => n + (j > 0 && !to.isSpecial(id) ? 1 : 0), 0);
  if (from.hash === to.hash) {
    const places: [number, number][] = [];
    for (let i = 1; i < Math.min(a.length, b.length) && a[i] === b[i]; i++) if (!to.isSpecial(b[i])) places.push([i, i]);
    return { pair: pair(places), candidates };
  }
  return { pair: pair(samePlaces(text, a, b, from, to)), candidates };
}

/** A token's spelling for pairing by index: between WordPiece and SentencePiece the released code drops the word marker and marks other pieces with ##. */
function spelling(tokenizer: Tokenizer, id: number, other: Tokenizer): string {
  const text = tokenizer.tokenText(id);
  if (tokenizer.hash === other.hash || tokenizer.style === other.style || tokenizer.style !== 'sentencePiece' || tokenizer.isSpecial(id)) return text;
  return text.startsWith(' ') ? text.slice(1) : `##${text}`;
}

/**
 * Tokens over exactly the same characters, blanks at their ends aside; then, for words that the two split differently, the last token of the word,
 * which has read all of it.
 */
export function samePlaces(text: string, a: Int32Array, b: Int32Array, from: Tokenizer, to: Tokenizer): readonly (readonly [number, number])[] {
  const left = placesOf(text, a, from), right = placesOf(text, b, to), byPlace = new Map<string, number>(), byEnd = new Map<number, number>(), out: [number, number][] = [];
  left.forEach((place, i) => {
    if (!place) return;
    byPlace.set(place.key, i);
    if (endsWord(text, place.end)) byEnd.set(place.end, i);
  });
  const used = new Set<number>(), open: number[] = [];
  right.forEach((place, j) => {
    if (!place) return;
    const i = byPlace.get(place.key);
    if (i === undefined) open.push(j);
    else {
      out.push([i, j]);
      used.add(i);
    }
  });
  for (const j of open) {
    const end = right[j]?.end ?? -1, i = endsWord(text, end) ? byEnd.get(end) : undefined;
    if (i === undefined || used.has(i)) continue;
    used.add(i);
    out.push([i, j]);
  }
  return out.sort((x, y) => x[1] - y[1]).filter(([i], n, list) => n === 0 || i > list[n - 1][0]);
}

interface Place {
  readonly key: string;
  readonly end: number;
}

/** Characters that each token stands for; null for the first token, special tokens and those without a place. */
function placesOf(text: string, ids: Int32Array, tokenizer: Tokenizer): readonly (Place | null)[] {
  return alignTokens(text, ids, tokenizer).map(({ start, end, part }, i) => {
    if (i === 0 || start === null || end === null || tokenizer.isSpecial(ids[i])) return null;
    let from = start, to = end;
    while (from < to && /\s/u.test(text[from])) from++;
    while (to > from && /\s/u.test(text[to - 1])) to--;
    // A token of blanks alone stands for those blanks.
    if (from === to) [from, to] = [start, end];
    return { key: `${from} ${to} ${part ? part.join(' ') : ''}`, end: to };
  });
}

function endsWord(text: string, end: number): boolean {
  return end > 0 && !/\s/u.test(text[end - 1]) && (end === text.length || /\s/u.test(text[end]));
}
