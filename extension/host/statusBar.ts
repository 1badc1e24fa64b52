import * as vscode from 'vscode';
import { Disposables } from './disposables';
import type { EngineOwner } from './engineOwner';
import type { EngineState } from './engineProcess';
import { COMMANDS } from './ids';

const STATES: Readonly<Record<EngineState, { readonly icon: string; readonly words: string }>> = {
  stopped: { icon: 'circuit-board', words: 'The engine is not running; it starts when it is needed.' },
  starting: { icon: 'loading~spin', words: 'The engine is starting.' },
  ready: { icon: 'circuit-board', words: 'The engine is ready.' },
  busy: { icon: 'loading~spin', words: 'The engine is working.' },
  failed: { icon: 'warning', words: 'The engine could not be started. The log says why.' },
};

/** The status bar item: the device that really ran last, and the engine's state. Hidden until the engine was used. */
export class StatusBar extends Disposables {
  private readonly item = this.add(vscode.window.createStatusBarItem('modulens.engine', vscode.StatusBarAlignment.Right, 100));

  constructor(private readonly engine: EngineOwner) {
    super();
    this.item.name = 'Modulens engine';
    this.item.command = COMMANDS.chooseDevice;
    this.add(engine.onState(() => this.update()));
    this.add(engine.onNotification(({ name }) => name === 'engine/device' && this.update()));
  }

  private update(): void {
    const { icon, words } = STATES[this.engine.state];
    const device = this.engine.lastDevice;
    const used = device ? (device.used ?? 'weights only') : null;
    this.item.text = `$(${icon}) Modulens${used ? ` · ${used}` : ''}`;
    this.item.backgroundColor = this.engine.state === 'failed' ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    this.item.tooltip = this.tooltip(words);
    this.item.accessibilityInformation = { label: `Modulens, ${used ? `last ran on ${used}, ` : ''}${words}` };
    this.item.show();
  }

  private tooltip(words: string): vscode.MarkdownString {
    const commands = [COMMANDS.chooseDevice, COMMANDS.restartEngine, COMMANDS.showLog];
    const text = new vscode.MarkdownString('', true);
    text.isTrusted = { enabledCommands: commands };
    text.appendText(words).appendMarkdown('\n\n');
    const device = this.engine.lastDevice;
    if (device) text.appendText(device.used ? `Last ran on ${device.used}${device.reason ? `: ${device.reason}` : ''}` : `Nothing was run${device.reason ? `: ${device.reason}` : ''}`).appendMarkdown('\n\n');
    text.appendMarkdown(`[Choose device](command:${COMMANDS.chooseDevice}) · [Restart engine](command:${COMMANDS.restartEngine}) · [Show log](command:${COMMANDS.showLog})`);
    return text;
  }
}
