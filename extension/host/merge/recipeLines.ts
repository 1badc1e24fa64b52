/** A line of a recipe as far as indentation tells; columns count from 0. */
export interface RecipeLine {
  /** Columns of the dashes that begin list items on this line, outermost first. */
  readonly dashes: readonly number[];
  /** Column of the first character after indentation and dashes. */
  readonly column: number;
  /** The key that the line begins with, without quotes; null without one. */
  readonly key: string | null;
  /** Column after the key's colon; -1 without a key. */
  readonly after: number;
  /** Nothing but space and comment. */
  readonly isBlank: boolean;
}

const KEY = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s:#{}[\],&*!|>'"%@`-][^:#{}[\],]*?|-[^\s:#][^:#]*?)[ \t]*:(?=[ \t]|$)/;

/** Reads the beginning of a line. Works on texts that are being written, where a YAML parser gives up. */
export function readLine(text: string): RecipeLine {
  let column = text.length - text.trimStart().length;
  const dashes: number[] = [];
  while (/^-(?:[ \t]|$)/.test(text.slice(column))) {
    dashes.push(column);
    const rest = text.slice(column + 1);
    column += 1 + Math.max(rest.length === 0 ? 0 : 1, rest.length - rest.trimStart().length);
  }
  const rest = text.slice(column);
  const key = KEY.exec(rest);
  return { dashes, column, key: key ? unquote(key[1].trim()) : null, after: key ? column + key[0].length : -1, isBlank: dashes.length === 0 && (rest.trim() === '' || rest.startsWith('#')) };
}

/** The column at which a comment begins, outside quotes; the length of the text without one. */
export function commentStart(text: string): number {
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quote) {
      if (character === quote) quote = '';
    } else if ((character === '"' || character === "'") && /[\s:,[{-]/.test(text[i - 1] ?? ' ')) quote = character;
    else if (character === '#' && /\s/.test(text[i - 1] ?? ' ')) return i;
  }
  return text.length;
}

export function unquote(text: string): string {
  return /^(["']).*\1$/s.test(text) && text.length > 1 ? text.slice(1, -1) : text;
}
