import { commentStart, readLine, type RecipeLine, unquote } from './recipeLines';

/** What stands, or could be written, at a place of a recipe. */
export interface RecipePlace {
  /** Keys from the top to here; list items do not count (`models`, `parameters`, `weight`). */
  readonly path: readonly string[];
  /** `key`: a key of the mapping at `path`; `value`: the value of the path's last key. */
  readonly slot: 'key' | 'value';
  /** Columns of the word here, from its begin to its end (which may lie behind the cursor). */
  readonly from: number;
  readonly to: number;
  /** The word up to the cursor. */
  readonly typed: string;
  /** Keys that the mapping has besides the word here. */
  readonly siblings: readonly string[];
  /** Between braces: keys there need no line of their own. */
  readonly inBraces: boolean;
}

interface Level {
  readonly open: '{' | '[';
  key: string | null;
  readonly keys: string[];
  /** Column where the current key or value begins. */
  start: number;
}

/** The place at a line and column, both from 0; null inside a comment. Tolerates everything that is half written. */
export function placeAt(text: string, line: number, column: number): RecipePlace | null {
  const lines = text.split(/\r?\n/);
  const current = lines[line] ?? '';
  if (column > commentStart(current)) return null;
  const prefix = current.slice(0, column);
  const begin = readLine(prefix);
  const parsed = lines.map((one, i) => readLine(i === line ? prefix : one));
  const path = ancestors(parsed, line);
  if (begin.key === null) {
    const flow = levels(prefix, begin.column);
    if (flow.length > 0) return inFlow(current, column, path, flow);
    return { path, slot: 'key', ...word(current, begin.column, column, true), siblings: siblingsOf(lines, line, begin.column), inBraces: false };
  }
  const own = [...path, begin.key];
  const flow = levels(prefix, begin.after);
  if (flow.length > 0) return inFlow(current, column, own, flow);
  const start = begin.after + (prefix.slice(begin.after).length - prefix.slice(begin.after).trimStart().length);
  return { path: own, slot: 'value', ...word(current, start, column, false), siblings: [], inBraces: false };
}

/** The place of the word that covers a column, for hovers: as `placeAt` with the cursor at the end of the word. */
export function placeOfWord(text: string, line: number, column: number): RecipePlace | null {
  const current = text.split(/\r?\n/)[line] ?? '';
  const isWord = (at: number): boolean => /[\w./+@-]/.test(current[at] ?? '');
  if (!isWord(column)) return null;
  let end = column;
  while (isWord(end)) end++;
  const place = placeAt(text, line, end);
  return place && place.from <= column && column < place.to ? place : null;
}

/** Braces and brackets that are open at the end of `prefix`. */
function levels(prefix: string, from: number): Level[] {
  const stack: Level[] = [];
  let quote = '';
  for (let i = from; i < prefix.length; i++) {
    const character = prefix[i], top = stack.at(-1);
    if (quote) {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '{' || character === '[') stack.push({ open: character, key: null, keys: [], start: i + 1 });
    else if (character === '}' || character === ']') stack.pop();
    else if (top && character === ',') {
      top.key = null;
      top.start = i + 1;
    } else if (top?.open === '{' && character === ':' && top.key === null && /\s|$/.test(prefix[i + 1] ?? ' ')) {
      top.key = unquote(prefix.slice(top.start, i).trim());
      top.keys.push(top.key);
      top.start = i + 1;
    }
  }
  return stack;
}

function inFlow(current: string, column: number, outer: readonly string[], flow: readonly Level[]): RecipePlace {
  const path = [...outer, ...flow.flatMap((level) => (level.open === '{' && level.key !== null ? [level.key] : []))];
  const top = flow[flow.length - 1];
  const start = top.start + (current.slice(top.start, column).length - current.slice(top.start, column).trimStart().length);
  const isKey = top.open === '{' && top.key === null;
  return { path, slot: isKey ? 'key' : 'value', ...word(current, start, column, isKey), siblings: isKey ? top.keys : [], inBraces: true };
}

/** The word that begins at `start`: up to a colon (keys), a separator of flows or a comment. */
function word(current: string, start: number, column: number, isKey: boolean): Pick<RecipePlace, 'from' | 'to' | 'typed'> {
  const from = Math.min(start, column);
  const rest = current.slice(column, Math.max(column, commentStart(current)));
  const end = (isKey ? /^[^\s:,{}[\]]*/ : /^[^\s,{}[\]]*/).exec(rest)![0].length;
  return { from, to: column + end, typed: current.slice(from, column) };
}

/** Keys above a line that it stands under, by indentation. */
function ancestors(lines: readonly RecipeLine[], line: number): string[] {
  const path: string[] = [];
  const { dashes, column } = lines[line];
  let target = dashes.length > 0 ? { at: dashes[0], isItem: true } : { at: column, isItem: false };
  for (let i = line - 1; i >= 0 && (target.at > 0 || target.isItem); i--) {
    const { key, column: at, dashes: items, isBlank } = lines[i];
    if (isBlank) continue;
    const first = items[0] ?? at;
    // A list may stand at the column of the key that it belongs to.
    const isParent = key !== null && (at < target.at || (target.isItem && at === target.at && items.length === 0));
    if (isParent) path.unshift(key);
    if (isParent || (!target.isItem && at === target.at && items.length > 0)) target = items.length > 0 ? { at: items[0], isItem: true } : { at, isItem: false };
    else if (first < target.at) target = { at: first, isItem: items.length > 0 };
  }
  return path;
}

/** Other keys of the mapping that a key at this column belongs to. */
function siblingsOf(lines: readonly string[], line: number, column: number): string[] {
  const found: string[] = [];
  const own = readLine(lines[line]);
  for (const step of [-1, 1] as const) {
    if (step === -1 && own.dashes.length > 0) continue;
    for (let i = line + step; i >= 0 && i < lines.length; i += step) {
      const one = readLine(lines[i]);
      if (one.isBlank) continue;
      const first = one.dashes[0] ?? one.column;
      if (one.column === column && one.key !== null && (step === -1 || one.dashes.length === 0)) found.push(one.key);
      if (first < column) break;
    }
  }
  return found;
}
