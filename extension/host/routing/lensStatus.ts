import * as vscode from 'vscode';
import { Disposables } from '../disposables';
import type { EngineState } from '../engineProcess';
import { COMMANDS } from '../ids';
import { isHighContrast, themeShade } from './decorations';
import type { LensDocument } from './lensDocument';
import { CHANNEL_WORDS, type LensState, plural, statusText } from './lensText';
import type { Painted } from './painter';
import type { Channel } from './tints';
import { whatIfText } from './whatIf';

/** The lens' status bar item: layer, router, what the tint means, how much or in which state. A click chooses. */
export class LensStatus extends Disposables {
  private readonly item = this.add(vscode.window.createStatusBarItem('modulens.routing', vscode.StatusBarAlignment.Right, 101));

  constructor() {
    super();
    this.item.name = 'Modulens routing';
    this.item.command = COMMANDS.chooseRouting;
  }

  /** Null: the active editor shows no routing. */
  update(document: LensDocument | null, channel: Channel, engine: EngineState, painted: Painted | null): void {
    if (document === null) {
      this.item.hide();
      return;
    }
    const state = stateOf(document, engine, painted);
    this.item.text = statusText({ head: document.head, site: document.site, router: document.choice.router, channel, state });
    this.item.backgroundColor = state.kind === 'failed' ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    const tooltip = new vscode.MarkdownString('', true);
    if (state.kind === 'failed') tooltip.appendText(state.message).appendMarkdown('\n\n');
    tooltip.appendText(CHANNEL_WORDS[channel]).appendMarkdown('\n\n');
    const { head } = document;
    if (head?.whatIf) tooltip.appendText(`What if: ${whatIfText(head, document.names)}. ${head.whatIf.says}`).appendMarkdown('\n\n');
    if (painted?.granularity === 'word' && isHighContrast(themeShade())) tooltip.appendText('In high contrast a letter stands before a word and an underline gives the strength (dotted, dashed, solid, double); + is an expert without a letter of its own. Each word has the mark of most of its characters; hovers and lists tell its tokens.').appendMarkdown('\n\n');
    else if (painted && painted.granularity !== 'token') tooltip.appendText(`Too many tokens are in view, so each ${painted.granularity} has one tint: the one that most of it has.`).appendMarkdown('\n\n');
    if (document.left > 0) tooltip.appendText(`The last ${plural(document.left, 'character')} are not routed: the text is longer than what is routed at once.`).appendMarkdown('\n\n');
    tooltip.appendText('Click to choose layer, router, checkpoint and what the tint means.');
    this.item.tooltip = tooltip;
    this.item.accessibilityInformation = { label: `Routing: ${this.item.text.replace(/\$\([^)]*\) /, '')}` };
    this.item.show();
  }
}

function stateOf(document: LensDocument, engine: EngineState, painted: Painted | null): LensState {
  if (document.error) return { kind: 'failed', message: document.error.message };
  if (engine === 'starting') return { kind: 'starting' };
  if (document.isStale && document.blocks.length > 0) return { kind: 'stale', tokens: document.blocks.reduce((sum, block) => sum + block.staleTokens, 0) };
  if (document.isRunning) return { kind: 'running', stage: document.progress?.stage ?? '' };
  const tokens = document.blocks.reduce((sum, block) => sum + block.placedTokens, 0);
  return { kind: 'shown', tokens, pinned: document.selection.value.pinned.length, granularity: painted?.granularity ?? 'token', letters: isHighContrast(themeShade()), left: document.left };
}
