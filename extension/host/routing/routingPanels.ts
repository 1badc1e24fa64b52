import * as vscode from 'vscode';
import type { Disposable } from '../disposables';
import { ROUTING_PANEL } from '../ids';
import { RESOURCE_STATE } from '../pageHtml';
import type { LensEntry, RoutingLens } from './routingLens';
import { RoutingPanel } from './routingPanel';

/** All routing pages: one per document. */
export class RoutingPanels implements Disposable {
  private readonly open = new Map<LensEntry, RoutingPanel>();

  constructor(private readonly lens: RoutingLens) {}

  has(entry: LensEntry): boolean {
    return this.open.has(entry);
  }

  /** Shows the page of a document beside its editor. */
  reveal(entry: LensEntry): void {
    const known = this.open.get(entry);
    if (known) known.panel.reveal(undefined, false);
    else this.fill(vscode.window.createWebviewPanel(ROUTING_PANEL, `routing: ${entry.document.name}`, { viewColumn: vscode.ViewColumn.Beside, preserveFocus: false }), entry);
  }

  /** Refills a tab that VS Code kept over a restart of the window; closes it when its text is gone. */
  async revive(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const resource = (state as Readonly<Record<string, unknown>> | null | undefined)?.[RESOURCE_STATE];
    if (typeof resource !== 'string') return void panel.dispose();
    try {
      const entry = await this.lens.show(vscode.Uri.parse(resource, true));
      if (entry) this.fill(panel, entry);
      else panel.dispose();
    } catch (error) {
      this.lens.services.log.warn(`a routing page was not opened again: ${error instanceof Error ? error.message : String(error)}`);
      panel.dispose();
    }
  }

  dispose(): void {
    for (const panel of [...this.open.values()]) panel.dispose();
  }

  private fill(webviewPanel: vscode.WebviewPanel, entry: LensEntry): void {
    const panel = new RoutingPanel(this.lens, entry, webviewPanel);
    this.open.set(entry, panel);
    panel.add({
      dispose: () => {
        this.open.delete(entry);
        entry.document.attachPage(false);
        this.lens.released(entry);
      },
    });
    entry.document.attachPage(true);
  }
}
