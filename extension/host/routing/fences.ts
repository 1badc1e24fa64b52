import type { LineTable } from './lineTable';

/** A fenced block of Markdown: its opening line and the characters between the fences. */
export interface Fence {
  readonly line: number;
  /** The word behind the opening fence, or "block". */
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Fenced blocks: opened by at least three backticks or tildes, closed by as many of the same or by the end of the text. */
export function fencesOf(lines: LineTable): readonly Fence[] {
  const fences: Fence[] = [];
  let open: { readonly line: number; readonly mark: string; readonly name: string } | null = null;
  for (let line = 0; line < lines.count; line++) {
    const found = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/.exec(lines.lineText(line));
    if (open === null) {
      if (found) open = { line, mark: found[1], name: found[2] || 'block' };
    } else if (found && found[1].startsWith(open.mark) && found[2] === '') {
      fences.push({ line: open.line, name: open.name, from: lines.starts[open.line + 1], to: lines.starts[line] });
      open = null;
    }
  }
  if (open !== null && open.line + 1 < lines.count) fences.push({ line: open.line, name: open.name, from: lines.starts[open.line + 1], to: lines.text.length });
  return fences;
}
