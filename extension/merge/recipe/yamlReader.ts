import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar } from 'yaml';
import type { RecipeProblem, RecipeProblemCode, TextRange } from '../../protocol/merge';
import { nearest } from './nearest';

/** A key of a mapping with its value, both with their places. */
export interface Entry {
  readonly key: string;
  readonly keyNode: Scalar;
  readonly value: Node | null;
}

/** Letters of a recipe: real ones have a few thousand; a graph of aliases could otherwise take the machine's memory. */
const MAX_RECIPE_CHARACTERS = 1_000_000;

/** Reads YAML with places, collecting what is wrong. */
export class YamlReader {
  readonly problems: RecipeProblem[] = [];
  readonly root: Node | null;
  private readonly lines = new LineCounter();

  constructor(private readonly text: string) {
    if (text.length > MAX_RECIPE_CHARACTERS) {
      this.root = null;
      this.problem('yaml', `The recipe has more than ${MAX_RECIPE_CHARACTERS} characters.`, null);
      return;
    }
    const document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false });
    for (const { pos, message } of document.errors) this.problems.push({ code: 'yaml', severity: 'error', message: `This is not valid YAML: ${message}.`.replace('..', '.'), range: this.range(pos[0], pos[1]) });
    this.root = document.contents;
  }

  get ok(): boolean {
    return this.problems.every(({ severity }) => severity !== 'error');
  }

  /** The place of a node; the whole text's beginning for null. */
  rangeOf(node: Node | null | undefined): TextRange {
    return node?.range ? this.range(node.range[0], node.range[1]) : this.range(0, 0);
  }

  problem(code: RecipeProblemCode, message: string, at: Node | null | undefined, suggestion?: string, severity: RecipeProblem['severity'] = 'error'): void {
    this.problems.push({ code, severity, message, range: this.rangeOf(at), ...(suggestion === undefined ? {} : { suggestion }) });
  }

  /** Entries of a mapping whose keys are all known; others are reported, with the nearest known one. Null where it is no mapping. */
  entries(node: Node | null, what: string, known: readonly string[] | null): ReadonlyMap<string, Entry> | null {
    if (!isMap(node)) {
      this.problem('type', `${what} has to be a mapping ("key: value" lines).`, node);
      return null;
    }
    const found = new Map<string, Entry>();
    for (const pair of node.items) {
      const keyNode = pair.key as Node;
      if (!isScalar(keyNode)) { this.problem('type', `A key of ${what} has to be a name.`, keyNode); continue; }
      const key = String(keyNode.value), value = this.resolve(pair.value as Node | null);
      if (known && !known.includes(key)) this.unknownKey(key, keyNode, what, known);
      else found.set(key, { key, keyNode, value });
    }
    return found;
  }

  unknownKey(key: string, at: Node, what: string, known: readonly string[]): void {
    const suggestion = nearest(key, known);
    this.problem('unknown-key', `\`${key}\` is not a key of ${what}.${suggestion ? ` Did you mean \`${suggestion}\`?` : ` Known: ${known.join(', ')}.`}`, at, suggestion);
  }

  items(node: Node | null, what: string): readonly Node[] | null {
    if (!isSeq(node)) {
      this.problem('type', `${what} has to be a list ("- ..." lines).`, node);
      return null;
    }
    return node.items.map((item) => this.resolve(item as Node | null)).filter((item): item is Node => item !== null);
  }

  /** A scalar's value; undefined where it is none. */
  scalar(node: Node | null): string | number | boolean | null | undefined {
    if (node === null) return null;
    if (!isScalar(node)) return undefined;
    const { value } = node;
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null ? value : undefined;
  }

  string(node: Node | null, what: string): string | null {
    const value = this.scalar(node);
    if (typeof value === 'string' && value.trim() !== '') return value;
    if (typeof value === 'number') return isScalar(node) && typeof node.source === 'string' ? node.source : String(value);
    this.problem('type', `${what} has to be a text.`, node);
    return null;
  }

  /** Aliases are replaced by what they stand for. */
  private resolve(node: Node | null): Node | null {
    if (!isAlias(node)) return node;
    this.problem('unsupported', 'Aliases (*name) are not supported in recipes. Write the value out.', node);
    return null;
  }

  private range(from: number, to: number): TextRange {
    const at = (offset: number): TextRange['start'] => { const { line, col } = this.lines.linePos(offset); return { line: Math.max(0, line - 1), column: Math.max(0, col - 1) }; };
    const end = Math.min(to, this.text.length);
    return { start: at(from), end: at(end), from, to: end };
  }
}
