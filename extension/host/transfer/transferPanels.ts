import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as vscode from 'vscode';
import type { TransferDocument, TransferRequest } from '../../protocol/transfer';
import type { Disposable } from '../disposables';
import { TRANSFER_PANEL } from '../ids';
import { RESOURCE_STATE } from '../pageHtml';
import { nameOf } from '../paths';
import type { Services } from '../services';
import { documentPath, memoryKey, readDocument, type Remembered, requestOf } from './memory';
import { TransferPanel } from './transferPanel';
import type { TransferStart } from './transferSession';

/** All transfer tabs. Each is a transfer of its own: the same module may go to several bases at once. */
export class TransferPanels implements Disposable {
  private readonly open = new Map<string, TransferPanel>();

  constructor(private readonly services: Services) {}

  /** Opens the page in its plan. */
  async plan(request: TransferRequest): Promise<void> {
    const panel = this.create(randomUUID(), { request, out: null, document: null });
    await panel.plan();
  }

  /** Opens the report of a module that a transfer has written; false when the folder holds none. */
  async report(folder: string): Promise<boolean> {
    const document = await readFrom(folder);
    if (!document) return false;
    const known = [...this.open.values()].find(({ session }) => session.document !== null && session.document.out === document.out && session.document.sentence === document.sentence);
    if (known) known.panel.reveal();
    else this.create(randomUUID(), { request: requestOf(document), out: folder, document });
    return true;
  }

  /** Refills a tab that VS Code kept over a restart of the window: the report from the module's folder, else the plan. */
  async revive(webviewPanel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const id = (state as Readonly<Record<string, unknown>> | null | undefined)?.[RESOURCE_STATE];
    const memory = typeof id === 'string' ? this.services.context.workspaceState.get<Remembered>(memoryKey(id)) : undefined;
    if (typeof id !== 'string' || !memory) return void webviewPanel.dispose();
    const document = memory.done && memory.out !== null ? await readFrom(memory.out) : null;
    const panel = this.fill(id, webviewPanel, { request: memory.request, out: memory.out, document });
    if (!document) await panel.plan();
  }

  dispose(): void {
    for (const panel of [...this.open.values()]) panel.dispose();
  }

  private create(id: string, start: TransferStart): TransferPanel {
    return this.fill(id, vscode.window.createWebviewPanel(TRANSFER_PANEL, nameOf(start.request.module), vscode.ViewColumn.Active), start);
  }

  private fill(id: string, webviewPanel: vscode.WebviewPanel, start: TransferStart): TransferPanel {
    const panel = new TransferPanel(this.services, id, webviewPanel, start);
    this.open.set(id, panel);
    const { workspaceState } = this.services.context;
    const remember = (): void => {
      const { request, out, step } = panel.session;
      const memory: Remembered = { request, out, done: step === 'done' };
      void workspaceState.update(memoryKey(id), memory);
    };
    remember();
    panel.add(panel.session.onStep(remember));
    // A tab that was closed is done with; a window that goes away disposes the panel without this event.
    panel.add(webviewPanel.onDidDispose(() => void workspaceState.update(memoryKey(id), undefined)));
    panel.add({ dispose: () => this.open.delete(id) });
    return panel;
  }
}

async function readFrom(folder: string): Promise<TransferDocument | null> {
  try {
    return readDocument(await fs.promises.readFile(documentPath(folder), 'utf8'));
  } catch {
    return null;
  }
}
