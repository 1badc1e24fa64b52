import { readRecordText } from './jsonLiteral';
import { LineTable } from './lineTable';
import { splitWindow } from './windows';

/** A text that the model sees as one, and where it stands in the document. */
export interface TextBlock {
  /** What the model reads. */
  readonly text: string;
  /** Document offset of the first unit of `text`. */
  readonly base: number;
  /** Offsets behind `base` of each unit of `text` and of its end, where the document spells it differently (JSON escapes); null = one to one. */
  readonly offsets: Int32Array | null;
  /** Kind of the text, where its record names one. */
  readonly label?: string;
}

/** How a document falls into blocks. */
export type BlockKind = 'text' | 'records';

/** More blocks than this are not routed at once: some hundred short texts fill minutes on a processor. */
export const MAX_BLOCKS = 256;
/** Longer documents are routed in part: each thousand characters is some hundred milliseconds of a small model. */
export const MAX_CHARACTERS = 200_000;

export interface SplitDocument {
  readonly blocks: readonly TextBlock[];
  /** Characters behind what is routed; 0 = all of it. */
  readonly left: number;
}

/** Document offset of a unit of a block's text; `text.length` gives the end. */
export function offsetOf(block: TextBlock, unit: number): number {
  return block.base + (block.offsets ? block.offsets[unit] : unit);
}

export function endOf(block: TextBlock): number {
  return offsetOf(block, block.text.length);
}

/** The unit of a block's text at a document offset, or null outside of it. An escape counts as the unit that it spells. */
export function unitAt(block: TextBlock, offset: number): number | null {
  if (offset < block.base || offset > endOf(block)) return null;
  if (!block.offsets) return offset - block.base;
  let unit = 0;
  while (unit < block.text.length && block.offsets[unit + 1] + block.base <= offset) unit++;
  return unit;
}

/**
 * Splits a document: one block a line for records (JSON lines), else the whole text, cut into windows of at most
 * `windowCharacters` where that is known to be needed. Blank texts are no blocks.
 */
export function splitDocument(text: string, kind: BlockKind, windowCharacters: number = Infinity): SplitDocument {
  if (kind === 'records') return splitRecords(text);
  const used = text.length > MAX_CHARACTERS ? text.slice(0, borderBefore(text, MAX_CHARACTERS)) : text;
  const blocks = splitWindow({ text: used, base: 0, offsets: null }, windowCharacters).filter((block) => block.text.trim() !== '');
  const kept = blocks.slice(0, MAX_BLOCKS);
  const end = blocks.length > kept.length ? endOf(kept[kept.length - 1]) : used.length;
  return { blocks: kept, left: text.length - end };
}

function splitRecords(text: string): SplitDocument {
  const lines = new LineTable(text);
  const blocks: TextBlock[] = [];
  let characters = 0;
  for (let line = 0; line < lines.count; line++) {
    if (blocks.length === MAX_BLOCKS || characters > MAX_CHARACTERS) return { blocks, left: text.length - lines.starts[line] };
    const literal = readRecordText(lines.lineText(line));
    if (literal === null || literal.text.trim() === '') continue;
    const first = literal.offsets[0];
    blocks.push({ text: literal.text, base: lines.starts[line] + first, offsets: literal.offsets.map((offset) => offset - first), ...(literal.label === null ? {} : { label: literal.label }) });
    characters += literal.text.length;
  }
  return { blocks, left: 0 };
}

/** The last line border at or before a place; the place itself where there is none, never inside a surrogate pair. */
function borderBefore(text: string, at: number): number {
  const border = text.lastIndexOf('\n', at - 1) + 1;
  if (border > 0) return border;
  return isLowSurrogate(text, at) ? at - 1 : at;
}

export function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff;
}
