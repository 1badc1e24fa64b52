import * as vscode from 'vscode';
import type { BlockState } from './blockState';
import { type LensDecorations, isHighContrast } from './decorations';
import type { LensDocument } from './lensDocument';
import { type LineRange, staleRanges, tokenRanges } from './lineRanges';
import { lineSummary } from './lensText';
import { hueOfClass, markOfHue, solidColorId } from './palette';
import { type SpanIndex, spansOfLines } from './spanIndex';
import { type Channel, type Granularity, type SwitchMark, switchMarks, type TintRange, tintRanges, type TintSource } from './tints';

/** Live tint ranges; with ruler marks and the rest they stay below 1,000 (thousands of decorations make typing slow). */
export const TINT_BUDGET = 780;
const RULER_BUDGET = 160;
/** Stale ranges and summaries; a screen has fewer lines. */
const LINE_BUDGET = 50;
/** Lines above and below the view that are painted too, so that scrolling does not show bare text. */
const MARGIN = 25;

export interface PaintOptions {
  readonly channel: Channel;
  readonly summary: 'cursorLine' | 'allVisible' | 'off';
}

export interface Painted {
  readonly granularity: Granularity;
  readonly ranges: number;
  readonly milliseconds: number;
}

/** Paints documents into editors and remembers what each editor has, so that only types that changed are set. */
export class Painter {
  private readonly set = new WeakMap<vscode.TextEditor, Map<vscode.TextEditorDecorationType, string>>();
  private readonly marks = new WeakMap<BlockState, { readonly tints: Int8Array; readonly index: SpanIndex; readonly share: number; readonly marks: readonly SwitchMark[] }>();

  constructor(private readonly decorations: LensDecorations) {}

  paint(editor: vscode.TextEditor, document: LensDocument, { channel, summary }: PaintOptions): Painted {
    const begun = performance.now();
    const { first, last } = linesInView(editor);
    const sources = sourcesOf(document, channel);
    // Letters inside words would make the text unreadable.
    const finest = isHighContrast(this.decorations.shade) ? 'word' : 'token';
    const { ranges, granularity } = tintRanges(sources.map(({ source }) => source), first, last, TINT_BUDGET, finest);
    const byTint = new Map<number, TintRange[]>();
    for (const range of ranges) {
      const same = byTint.get(range.tint);
      if (same) same.push(range);
      else byTint.set(range.tint, [range]);
    }
    this.decorations.tints.forEach((type, tint) => this.apply(editor, type, byTint.get(tint) ?? []));
    if (isHighContrast(this.decorations.shade)) this.paintLetters(editor, document, ranges);
    this.paintRuler(editor, document, sources);
    this.apply(editor, this.decorations.stale, document.blocks.filter((block) => block.isStale && block.trace).flatMap((block) => staleRanges(document.lines, block.block, block.fresh, first, last)).slice(0, LINE_BUDGET));
    this.paintSummaries(editor, document, summary, sources);
    this.paintSelection(editor, document);
    return { granularity, ranges: ranges.length, milliseconds: performance.now() - begun };
  }

  clear(editor: vscode.TextEditor): void {
    for (const type of this.set.get(editor)?.keys() ?? []) editor.setDecorations(type, []);
    this.set.delete(editor);
  }

  private paintLetters(editor: vscode.TextEditor, document: LensDocument, ranges: readonly TintRange[]): void {
    const { head } = document;
    let before = -1;
    let line = -1;
    const letters = ranges.flatMap((range) => {
      const hue = hueOfClass(range.tint);
      if (hue === before && line === range.line) return [];
      [before, line] = [hue, range.line];
      const letter = (head && markOfHue(head, document.site, hue, document.names)) ?? '+';
      // Before the word, not before the blank that belongs to it.
      const text = document.lines.lineText(range.line).slice(range.start, range.end);
      const column = range.start + Math.max(0, text.search(/\S/));
      return [{ range: new vscode.Range(range.line, column, range.line, column + 1), key: letter, renderOptions: { before: { contentText: letter, color: new vscode.ThemeColor(solidColorId(hue)), fontWeight: 'bold' } } }];
    });
    this.applyOptions(editor, this.decorations.letter, letters);
  }

  private paintRuler(editor: vscode.TextEditor, document: LensDocument, sources: readonly BlockSource[]): void {
    const share = Math.max(1, Math.floor(RULER_BUDGET / Math.max(1, sources.length)));
    const marks = sources.flatMap(({ block, source }) => {
      const { tints, index } = source;
      const known = this.marks.get(block);
      if (known?.tints === tints && known.index === index && known.share === share) return known.marks;
      const marks = block.trace ? switchMarks(source, block.trace, document.site, share) : [];
      this.marks.set(block, { tints, index, share, marks });
      return marks;
    });
    this.decorations.ruler.forEach((type, hue) => this.apply(editor, type, marks.filter((mark) => mark.hue === hue).map(({ line, column }) => ({ line, start: column, end: column + 1 }))));
  }

  private paintSummaries(editor: vscode.TextEditor, document: LensDocument, mode: PaintOptions['summary'], sources: readonly BlockSource[]): void {
    const { first, last } = visibleLines(editor);
    const cursor = editor.selection.active.line;
    const lines = mode === 'off' ? [] : mode === 'cursorLine' ? [cursor] : Array.from({ length: Math.min(LINE_BUDGET, last - first + 1) }, (_, i) => first + i);
    this.applyOptions(
      editor,
      this.decorations.summary,
      lines.flatMap((line) => {
        if (line >= editor.document.lineCount || line >= document.lines.count) return [];
        const text = summaryOfLine(document, line, sources);
        const end = document.lines.ends[line] - document.lines.starts[line];
        return text === '' || end === 0 ? [] : [{ range: new vscode.Range(line, end - 1, line, end), key: text, renderOptions: { after: { contentText: text } } }];
      }),
    );
  }

  private paintSelection(editor: vscode.TextEditor, document: LensDocument): void {
    const { token, locked, pinned } = document.selection.value;
    const ranges = (tokens: readonly number[]): readonly LineRange[] => tokens.flatMap((one) => rangesOfToken(document, one));
    this.apply(editor, this.decorations.locked, token !== null && locked ? ranges([token]) : []);
    this.apply(editor, this.decorations.preview, token !== null && !locked && document.previewInEditor ? ranges([token]) : []);
    this.apply(editor, this.decorations.pinned, ranges(pinned.slice(0, LINE_BUDGET)));
  }

  private apply(editor: vscode.TextEditor, type: vscode.TextEditorDecorationType, ranges: readonly LineRange[]): void {
    if (this.isNew(editor, type, ranges.map(({ line, start, end }) => `${line},${start},${end}`).join(';'))) editor.setDecorations(type, ranges.map(({ line, start, end }) => new vscode.Range(line, start, line, end)));
  }

  private applyOptions(editor: vscode.TextEditor, type: vscode.TextEditorDecorationType, options: readonly (vscode.DecorationOptions & { readonly key: string })[]): void {
    const keys = options.map(({ range, key }) => `${range.start.line},${range.start.character},${key}`).join(';');
    if (this.isNew(editor, type, keys)) editor.setDecorations(type, options.map(({ range, renderOptions }) => ({ range, renderOptions })));
  }

  private isNew(editor: vscode.TextEditor, type: vscode.TextEditorDecorationType, key: string): boolean {
    const set = this.set.get(editor) ?? new Map<vscode.TextEditorDecorationType, string>();
    this.set.set(editor, set);
    if ((set.get(type) ?? '') === key) return false;
    set.set(type, key);
    return true;
  }
}

interface BlockSource {
  readonly block: BlockState;
  readonly source: TintSource;
}

/** Blocks whose numbers are there, with spans and tints. */
export function sourcesOf(document: LensDocument, channel: Channel): readonly BlockSource[] {
  return document.blocks.flatMap((block) => {
    const tints = block.tints(document.site, channel, document.names);
    const index = block.index(document.lines);
    return block.trace && tints && index ? [{ block, source: { index, tints, head: block.trace.head } }] : [];
  });
}

function summaryOfLine(document: LensDocument, line: number, sources: readonly BlockSource[]): string {
  for (const { block, source } of sources) {
    const [from, to] = spansOfLines(source.index, line, line);
    if (to > from && block.trace) return lineSummary(block.trace, document.site, [...new Set(source.index.tokens.subarray(from, to))], document.names);
  }
  return '';
}

/** Where a token of the page's result stands now; nothing when it is stale. */
export function rangesOfToken(document: LensDocument, token: number): readonly LineRange[] {
  for (const block of document.blocks) {
    if (block.trace === null || block.trace.result !== document.page?.result) continue;
    const { record, start, end } = block.trace.head.tokens[token] ?? { record: -1, start: null, end: null };
    if (record !== block.record) continue;
    return start === null || end === null || end > block.fresh ? [] : tokenRanges(document.lines, block.block, start, end);
  }
  return [];
}

function visibleLines(editor: vscode.TextEditor): { readonly first: number; readonly last: number } {
  const ranges = editor.visibleRanges;
  if (ranges.length === 0) return { first: 0, last: 100 };
  return { first: Math.min(...ranges.map(({ start }) => start.line)), last: Math.max(...ranges.map(({ end }) => end.line)) };
}

function linesInView(editor: vscode.TextEditor): { readonly first: number; readonly last: number } {
  const { first, last } = visibleLines(editor);
  return { first: Math.max(0, first - MARGIN), last: last + MARGIN };
}
