import * as vscode from 'vscode';
import { readSetting } from '../contributions';
import { Disposables } from '../disposables';
import { COMMANDS, ROUTING_LANGUAGES } from '../ids';
import { offsetOf } from './blocks';
import type { BlockState } from './blockState';
import { isHighContrast, themeShade } from './decorations';
import { kindOf } from './documentKind';
import { type TokenFacts, tokenFacts } from './facts';
import { fencesOf } from './fences';
import { type HoverLink, hoverMarkdown } from './hoverText';
import { blockFacts, type BlockFacts, blockTitle, plural, shortTitle } from './lensText';
import type { LensEntry, RoutingLens } from './routingLens';
import { spanAt, tokensAtSpan } from './spanIndex';

const NOTEBOOK_CELL = 'vscode-notebook-cell';
const EVERYWHERE: vscode.DocumentSelector = ['file', 'untitled', NOTEBOOK_CELL, 'vscode-remote', 'vscode-vfs'].map((scheme) => ({ scheme }));
const LINKS = [
  { title: 'Pin', command: COMMANDS.pinToken },
  { title: 'Open in heatmap', command: COMMANDS.openRouting },
  { title: 'Compare with pinned', command: COMMANDS.comparePinned },
  { title: 'Next switch', command: COMMANDS.nextSwitch },
  { title: 'Why', command: COMMANDS.whyExpert },
] as const;
/** Links that change something on purpose: the first expert's, a temperature's, and the way back. */
function whatIfLinks({ experts, strip }: TokenFacts, changed: boolean): readonly HoverLink[] {
  const first = experts[0]?.label;
  const named = first === undefined || strip.length === 0 || experts.length < 2 ? [] : [{ title: `Mute ${first}`, command: COMMANDS.muteExpert }, { title: `Only ${first}`, command: COMMANDS.forceExpert }];
  return [...named, { title: 'Temperature', command: COMMANDS.whatIfTemperature }, ...(changed ? [{ title: 'End the what-if', command: COMMANDS.resetWhatIf }] : [])];
}
/** Lenses of one document: more would be a wall of text. */
const MOST_LENSES = 256;

/** Lenses, hovers and cell items. Registered at once; the lens behind them is made when the user first asks for routing. */
export class LensProviders extends Disposables implements vscode.CodeLensProvider, vscode.HoverProvider, vscode.NotebookCellStatusBarItemProvider {
  private readonly lensChange = this.add(new vscode.EventEmitter<void>());
  readonly onDidChangeCodeLenses = this.lensChange.event;
  readonly onDidChangeCellStatusBarItems = this.lensChange.event;
  private lens: RoutingLens | null = null;

  constructor() {
    super();
    this.add(vscode.languages.registerCodeLensProvider(EVERYWHERE, this));
    this.add(vscode.languages.registerHoverProvider(EVERYWHERE, this));
    this.add(vscode.notebooks.registerNotebookCellStatusBarItemProvider('*', this));
    this.add(vscode.workspace.onDidChangeConfiguration((change) => change.affectsConfiguration('modulens.routingCodeLens') && this.lensChange.fire()));
  }

  connect(lens: RoutingLens): void {
    this.lens = lens;
    this.add(lens.onChange(() => this.lensChange.fire()));
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const entry = this.lens?.entryOf(document.uri);
    if (entry?.shown) return entry.document.text === document.getText() ? this.blockLenses(entry, document) : [];
    const isOffered = document.uri.scheme !== NOTEBOOK_CELL && (ROUTING_LANGUAGES as readonly string[]).includes(document.languageId) || kindOf(document) === 'records';
    if (!isOffered || !readSetting('modulens.routingCodeLens', document.uri)) return [];
    return [new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), { title: 'Show routing', command: COMMANDS.showRouting, arguments: [document.uri] })];
  }

  provideHover(document: vscode.TextDocument, position: vscode.Position): vscode.Hover | undefined {
    const { lens } = this;
    const entry = lens?.entryOf(document.uri);
    if (!lens || !entry?.shown || entry.document.text !== document.getText()) return undefined;
    for (const block of entry.document.blocks) {
      const index = block.index(entry.document.lines);
      const span = index && spanAt(index, position.line, position.character);
      if (!index || span === null || !block.trace?.has(entry.document.site)) continue;
      const tokens = tokensAtSpan(index, span, block.trace.head);
      const texts = tokens.map((token, i) => this.tokenHover(lens, entry, block, token, tokens.length > 1 ? `${i + 1} of ${tokens.length} tokens here` : ''));
      return new vscode.Hover(texts.slice(0, 4), new vscode.Range(index.lines[span], index.starts[span], index.lines[span], index.ends[span]));
    }
    return undefined;
  }

  provideCellStatusBarItems(cell: vscode.NotebookCell): vscode.NotebookCellStatusBarItem {
    const entry = this.lens?.entryOf(cell.document.uri);
    const block = entry?.document.blocks[0];
    const text = entry?.shown ? (entry.document.error ? 'no routing' : block?.trace ? shortTitle(block.trace.head, entry.document.site, this.factsOf(entry, block)) : 'routing\u2026') : 'Show routing';
    const item = new vscode.NotebookCellStatusBarItem(`$(layers) ${text}`, vscode.NotebookCellStatusBarAlignment.Right);
    const command = entry?.shown ? COMMANDS.clearRouting : COMMANDS.showRouting;
    item.command = { title: text, command, arguments: [cell.document.uri] };
    item.tooltip = entry?.shown ? (entry.document.error?.message ?? 'Click to clear the routing') : 'Show which expert each token of this cell goes to';
    item.accessibilityInformation = { label: `Routing: ${text}`, role: 'button' };
    return item;
  }

  private tokenHover(lens: RoutingLens, entry: LensEntry, block: BlockState, token: number, pager: string): vscode.MarkdownString {
    const { document } = entry;
    const facts = tokenFacts(block.trace!, document.site, token, document.names);
    const { site } = document;
    const first = block.trace!.top(site, token);
    const links = [...LINKS, ...whatIfLinks(facts, document.whatIf !== null)];
    const place = { entry, block, token, ...(first < 0 ? {} : { at: { site, expert: first } }) };
    const text = new vscode.MarkdownString(hoverMarkdown(facts, links, lens.handles.add(place), themeShade(), pager));
    text.supportHtml = true;
    text.isTrusted = { enabledCommands: links.map(({ command }) => command) };
    return text;
  }

  private blockLenses(entry: LensEntry, document: vscode.TextDocument): vscode.CodeLens[] {
    const lenses: vscode.CodeLens[] = [];
    const add = (line: number, title: string, command: string): void => void lenses.push(new vscode.CodeLens(new vscode.Range(line, 0, line, 0), { title, command, arguments: [document.uri] }));
    const { error, blocks } = entry.document;
    if (error) add(0, `No routing: ${error.message}`, COMMANDS.showRouting);
    else if (!blocks.some(({ trace }) => trace)) add(0, this.lens?.services.engine.state === 'starting' ? 'Routing: starting the engine\u2026' : `Routing\u2026 ${entry.document.progress?.stage ?? ''}`, COMMANDS.chooseRouting);
    blocks.slice(0, MOST_LENSES).forEach((block, i) => {
      const line = entry.document.lines.lineOf(offsetOf(block.block, 0));
      // First: a narrow editor cuts what comes after a long title.
      if (i === 0 && entry.document.whatIf) add(line, 'End the what-if', COMMANDS.resetWhatIf);
      if (block.trace) add(line, this.titleOf(entry, block, blocks.length > 1 && entry.document.kind === 'text' ? `part ${i + 1} of ${blocks.length} (the context holds no more) \u00b7 ` : ''), COMMANDS.chooseRouting);
      if (block.trace) add(line, 'Open in heatmap', COMMANDS.openRouting);
      if (i === 0) add(line, 'Clear', COMMANDS.clearRouting);
    });
    if (blocks.length === 0) add(0, 'Clear', COMMANDS.clearRouting);
    if (entry.document.left > 0) add(Math.max(0, entry.document.lines.lineOf(entry.document.text.length - entry.document.left)), `${plural(entry.document.left, 'character')} from here on are not routed: the text is longer than what is routed at once`, COMMANDS.chooseRouting);
    if (document.languageId === 'markdown') this.fenceLenses(entry, add);
    return lenses;
  }

  private fenceLenses(entry: LensEntry, add: (line: number, title: string, command: string) => void): void {
    const { document } = entry;
    for (const fence of fencesOf(document.lines)) {
      for (const block of document.blocks) {
        const { trace } = block;
        if (!trace?.has(document.site)) continue;
        const inside = block.tokens.filter((token) => {
          const { start, end } = trace.head.tokens[token];
          return start !== null && end !== null && end <= block.fresh && offsetOf(block.block, start) >= fence.from && offsetOf(block.block, end) <= fence.to;
        });
        if (inside.length > 0) add(fence.line, `${fence.name}: ${blockTitle(trace.head, document.site, blockFacts(trace, document.site, inside, block.fresh, document.names), 0)}`, COMMANDS.chooseRouting);
      }
    }
  }

  private factsOf({ document }: LensEntry, block: BlockState): BlockFacts {
    return blockFacts(block.trace!, document.site, block.tokens, block.isStale ? block.fresh : Infinity, document.names);
  }

  private titleOf(entry: LensEntry, block: BlockState, prefix = ''): string {
    const { document } = entry;
    const { trace } = block;
    if (!trace?.has(document.site)) return `${prefix}routing\u2026`;
    return prefix + blockTitle(trace.head, document.site, this.factsOf(entry, block), block.cut) + (isHighContrast(themeShade()) ? ' \u00b7 letters' : '');
  }
}
