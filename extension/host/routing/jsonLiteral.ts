/** A JSON string and where each UTF-16 unit of its value stands in the source. */
export interface JsonLiteral {
  readonly text: string;
  /** Source offset of every unit of `text`, and of the closing quote `[text.length + 1]`. */
  readonly offsets: Int32Array;
}

/** Fields that hold the text of a record, best first; without one the first string counts. */
export const TEXT_FIELDS = ['text', 'prompt', 'content'] as const;

const SIMPLE: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** Reads the literal whose opening quote stands at `quote`; null when it is not one. */
export function readLiteral(source: string, quote: number): (JsonLiteral & { readonly end: number }) | null {
  if (source[quote] !== '"') return null;
  const offsets: number[] = [];
  let text = '';
  for (let i = quote + 1; i < source.length; ) {
    const character = source[i];
    if (character === '"') return { text, offsets: Int32Array.from([...offsets, i]), end: i + 1 };
    if (character < ' ') return null;
    offsets.push(i);
    if (character !== '\\') {
      text += character;
      i++;
      continue;
    }
    const kind = source[i + 1];
    if (kind === 'u') {
      const hex = source.slice(i + 2, i + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) return null;
      text += String.fromCharCode(Number.parseInt(hex, 16));
      i += 6;
    } else {
      if (!(kind in SIMPLE)) return null;
      text += SIMPLE[kind];
      i += 2;
    }
  }
  return null;
}

/** What a record says of its kind. */
const LABEL_FIELD = 'label';

/** A record: its text and where it stands, and its label where it has one. */
export interface JsonRecord extends JsonLiteral {
  readonly label: string | null;
}

/** The text of a record: a line of JSON that is an object with a text field, or a string alone. Null when the line is no such thing. */
export function readRecordText(line: string): JsonRecord | null {
  const at = skipBlanks(line, 0);
  if (line[at] === '"') {
    const literal = readLiteral(line, at);
    return literal !== null && skipBlanks(line, literal.end) === line.length ? { text: literal.text, offsets: literal.offsets, label: null } : null;
  }
  if (line[at] !== '{') return null;
  const fields = topLevelStrings(line, at + 1);
  if (fields === null) return null;
  const label = fields.find(([key]) => key === LABEL_FIELD)?.[1].text ?? null;
  const found = TEXT_FIELDS.map((name) => fields.find(([key]) => key === name)).find((field) => field !== undefined) ?? fields.find(([key]) => key !== LABEL_FIELD);
  return found ? { text: found[1].text, offsets: found[1].offsets, label } : null;
}

/** Members of an object whose values are strings; null where the line is malformed. */
function topLevelStrings(line: string, begin: number): (readonly [string, JsonLiteral])[] | null {
  const found: (readonly [string, JsonLiteral])[] = [];
  let at = skipBlanks(line, begin);
  if (line[at] === '}') return skipBlanks(line, at + 1) === line.length ? found : null;
  for (;;) {
    const key = readLiteral(line, at);
    if (key === null) return null;
    at = skipBlanks(line, key.end);
    if (line[at] !== ':') return null;
    at = skipBlanks(line, at + 1);
    if (line[at] === '"') {
      const value = readLiteral(line, at);
      if (value === null) return null;
      found.push([key.text, value]);
      at = value.end;
    } else {
      at = skipValue(line, at);
    }
    at = skipBlanks(line, at);
    if (line[at] === '}') return skipBlanks(line, at + 1) === line.length ? found : null;
    if (line[at] !== ',') return null;
    at = skipBlanks(line, at + 1);
  }
}

/** Behind a value that is no string: a number, a word, or anything in balanced brackets. */
function skipValue(line: string, begin: number): number {
  let depth = 0;
  for (let at = begin; at < line.length; ) {
    const character = line[at];
    if (character === '"') {
      const inner = readLiteral(line, at);
      if (inner === null) return line.length;
      at = inner.end;
      continue;
    }
    if (depth === 0 && (character === ',' || character === '}')) return at;
    if (character === '{' || character === '[') depth++;
    if (character === '}' || character === ']') depth--;
    at++;
  }
  return line.length;
}

function skipBlanks(line: string, begin: number): number {
  let at = begin;
  while (line[at] === ' ' || line[at] === '\t' || line[at] === '\r') at++;
  return at;
}
