import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import type { PageMessage } from '../../protocol/pageMessages';
import type { TransferRequest } from '../../protocol/transfer';
import type { TransferChoice } from '../../protocol/transferPage';
import { Disposables } from '../disposables';
import { SAMPLE_ROOT } from '../ids';
import { nameOf } from '../paths';
import type { Services } from '../services';
import { WebviewPage } from '../webviewPage';
import { askOut, suggestedOut } from './askOut';
import { isInside } from './outFolder';
import { transferEngine } from './transferEngine';
import { TransferSession, type TransferStart } from './transferSession';

/** A tab with one transfer: carries messages between the page, the session and the user's dialogs. */
export class TransferPanel extends Disposables {
  readonly session: TransferSession;
  private readonly page: WebviewPage;

  constructor(
    private readonly services: Services,
    readonly id: string,
    readonly panel: vscode.WebviewPanel,
    start: TransferStart,
  ) {
    super();
    const { extensionUri } = services.context;
    this.session = this.add(new TransferSession(services.engine, start, (request) => suggestedOut(request, services)));
    this.title();
    panel.iconPath = { light: vscode.Uri.joinPath(extensionUri, 'media/icons/modules-light.svg'), dark: vscode.Uri.joinPath(extensionUri, 'media/icons/modules-dark.svg') };
    this.page = this.add(new WebviewPage(panel.webview, { page: 'transfer', title: panel.title, resource: id, extensionUri, onMessage: (message) => void this.receive(message) }));
    this.add(this.session.onMessage((message) => this.page.post(message)));
    this.add(this.session.onStep(() => this.title()));
    this.add(panel.onDidChangeViewState(() => !panel.visible && this.page.sleep()));
    this.add(vscode.workspace.onDidGrantWorkspaceTrust(() => this.session.step === 'failed' && void this.plan()));
    this.add(panel.onDidDispose(() => this.dispose()));
  }

  /** Makes the plan, unless this place must not be run from. */
  async plan(change: Partial<TransferRequest> = {}): Promise<void> {
    const request = { ...this.session.request, ...change };
    if (this.mayRun(request)) await this.session.replan(change);
    else this.session.refuse(failure('workspace/untrusted', { what: 'Transferring' }));
  }

  /** Asks where to, then runs. */
  private async run(): Promise<void> {
    const { session, services } = this;
    if (session.isRunning) return;
    if (!this.mayRun(session.request)) return session.refuse(failure('workspace/untrusted', { what: 'Transferring' }));
    const out = await askOut(session.request, session.out ?? suggestedOut(session.request, services));
    if (!out) return;
    await session.run(out.path, out.overwrite);
    if (session.step !== 'done') return;
    void services.checkpoints.scan();
    const { document } = session;
    const show = 'Show Report';
    if (document && !this.panel.visible && (await vscode.window.showInformationMessage(document.sentence, show)) === show) this.panel.reveal();
  }

  /** The bundled samples may always run; everything else waits for the workspace's trust. */
  private mayRun({ module, from, to }: TransferRequest): boolean {
    const samples = vscode.Uri.joinPath(this.services.context.extensionUri, ...SAMPLE_ROOT).fsPath;
    return vscode.workspace.isTrusted || [module, from, to].every((path) => isInside(path, samples));
  }

  private title(): void {
    const { module, to } = this.session.request;
    const title = `${nameOf(module)} \u2192 ${nameOf(to)}`;
    if (this.panel.title !== title) this.panel.title = title;
  }

  private async receive(message: PageMessage): Promise<void> {
    try {
      await this.act(message);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.services.log.error(text);
      void vscode.window.showErrorMessage(text);
    }
  }

  private async act(message: PageMessage): Promise<void> {
    const { session } = this;
    switch (message.type) {
      case 'ready':
        return this.greet();
      case 'run':
        return this.run();
      case 'cancelRun':
        return session.cancel();
      case 'transfer/choose':
        return this.choose(message.what);
      case 'transfer/set':
        return this.plan({ ...(message.method ? { method: message.method } : {}), ...(message.layers ? { layers: message.layers } : {}) });
      case 'transfer/replan':
        return this.plan();
      case 'transfer/evaluate':
        return this.evaluate();
      case 'transfer/openModule':
        return this.openModule();
      case 'transfer/reveal':
        return this.reveal(message.row);
      case 'saveReport':
        return this.saveReport();
      case 'showLog':
        return this.services.log.show();
      case 'save':
        return (await import('../saveFile')).saveContent(message.suggestedName, message.content, message.encoding);
      case 'copy':
        return vscode.env.clipboard.writeText(message.text);
      case 'fault':
        return this.services.log.error(`transfer page: ${message.message}`);
    }
  }

  private greet(): void {
    this.page.post(this.session.snapshot());
    const progress = this.session.lastProgress();
    if (progress) this.page.post(progress);
  }

  private async choose(what: TransferChoice): Promise<void> {
    const { session, services } = this;
    if (session.isRunning) return;
    if (what === 'out') {
      const out = await askOut(session.request, session.out ?? suggestedOut(session.request, services));
      if (out) session.setOut(out.path);
      return;
    }
    if (what === 'data' || what === 'probe') {
      const change = await (await import('./askText')).askTexts(what, session.request);
      return change && this.plan(change);
    }
    const path = await (await import('./askTransfer')).askOne(services, what, session.request);
    if (path !== undefined) await this.plan({ [what]: path });
  }

  /** From a report without data: the texts, then the same transfer again with them. */
  private async evaluate(): Promise<void> {
    const data = await (await import('./askText')).askData();
    if (data === undefined) return;
    const { out } = this.session;
    await this.plan({ data });
    if (out !== null) this.session.setOut(out);
    if (this.session.step === 'plan') await this.run();
  }

  private async openModule(): Promise<void> {
    const out = this.session.document?.out;
    if (out === undefined) return;
    const { openTensors } = await import('../openTensors');
    await openTensors(this.services, out);
  }

  private async reveal(row: number): Promise<void> {
    const data = this.session.request.data;
    if (data === undefined) throw failure('internal', { message: 'a row was asked for, and the transfer knows no data file' });
    const document = await vscode.workspace.openTextDocument(vscode.Uri.file(data));
    const { lineOfRow } = await import('./dataRow');
    const line = lineOfRow(document.getText(), row) ?? 0;
    const range = document.lineAt(Math.min(line, document.lineCount - 1)).range;
    const editor = await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.Beside, preview: false, selection: new vscode.Selection(range.start, range.start) });
    editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  private async saveReport(): Promise<void> {
    const { document } = this.session;
    if (!document) throw failure('internal', { message: 'a report was asked for before there were results' });
    const { askWhereToSave, offerToOpen } = await import('../saveFile');
    const out = await askWhereToSave(`${document.module.name}-on-${document.to.name}.html`);
    if (!out) return;
    await transferEngine(this.services.engine).html(document, out.fsPath);
    await offerToOpen(out);
  }
}
