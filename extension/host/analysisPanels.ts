import * as vscode from 'vscode';
import type { AnalyzeOptions } from '../protocol/engineRpc';
import { AnalysisPanel } from './analysisPanel';
import type { Selection } from './analysisSession';
import { optionsFromSettings } from './analyzeOptions';
import { setContext } from './contributions';
import type { Disposable } from './disposables';
import { ANALYSIS_PANEL } from './ids';
import { RESOURCE_STATE } from './pageHtml';
import { nameOf, samePlace } from './paths';
import type { Services } from './services';

/** What is remembered of an analysis between windows. */
interface Remembered {
  readonly options: AnalyzeOptions;
  readonly selection: Selection | null;
}

/** All analysis tabs: one per checkpoint. */
export class AnalysisPanels implements Disposable {
  private readonly open: AnalysisPanel[] = [];

  constructor(private readonly services: Services) {}

  /** Shows the analysis of a checkpoint: its tab if there is one (run again only when options are given), else a new one. */
  analyze(path: string, options?: AnalyzeOptions): AnalysisPanel {
    const known = this.open.find((panel) => samePlace(panel.session.path, path));
    if (known) {
      known.reveal();
      if (options || known.session.state === 'failed' || known.session.state === 'cancelled') known.run(options ?? null);
      return known;
    }
    const panel = vscode.window.createWebviewPanel(ANALYSIS_PANEL, nameOf(path), vscode.ViewColumn.Active);
    return this.fill(panel, path, options ?? optionsFromSettings(vscode.Uri.file(path)), null);
  }

  /** Refills a tab that VS Code kept over a restart of the window. */
  revive(panel: vscode.WebviewPanel, state: unknown): void {
    const path = (state as Readonly<Record<string, unknown>> | null | undefined)?.[RESOURCE_STATE];
    if (typeof path !== 'string') {
      panel.dispose();
      return;
    }
    const remembered = this.services.context.workspaceState.get<Remembered>(memoryKey(path));
    this.fill(panel, path, remembered?.options ?? optionsFromSettings(vscode.Uri.file(path)), remembered?.selection ?? null);
  }

  /** The analysis that a cancel command means: the visible running one, else any running one. */
  running(): AnalysisPanel | undefined {
    const running = this.open.filter((panel) => panel.session.isRunning);
    return running.find((panel) => panel.panel.active) ?? running.find((panel) => panel.panel.visible) ?? running[0];
  }

  active(): AnalysisPanel | undefined {
    return this.open.find((panel) => panel.panel.active);
  }

  dispose(): void {
    for (const panel of [...this.open]) panel.dispose();
  }

  private fill(webviewPanel: vscode.WebviewPanel, path: string, options: AnalyzeOptions, selection: Selection | null): AnalysisPanel {
    const panel = new AnalysisPanel(this.services, webviewPanel, { path, options, selection });
    this.open.push(panel);
    panel.add(panel.session.onState(() => this.follow(panel)));
    panel.add(panel.session.onSelection(() => this.remember(panel)));
    panel.add({
      dispose: () => {
        this.open.splice(this.open.indexOf(panel), 1);
        this.updateContext();
      },
    });
    panel.run(null);
    return panel;
  }

  private follow(panel: AnalysisPanel): void {
    if (panel.session.state === 'starting') this.remember(panel);
    this.updateContext();
  }

  private remember({ session }: AnalysisPanel): void {
    const memory: Remembered = { options: session.options, selection: session.selected };
    void this.services.context.workspaceState.update(memoryKey(session.path), memory);
  }

  private updateContext(): void {
    void setContext('modulens.analysisRunning', this.open.some((panel) => panel.session.isRunning));
  }
}

function memoryKey(path: string): string {
  return `analysis:${path}`;
}
