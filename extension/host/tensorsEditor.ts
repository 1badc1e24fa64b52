import * as vscode from 'vscode';
import { failure, toErrorRecord } from '../protocol/errors';
import type { HostMessage, PageMessage, PageMethod } from '../protocol/pageMessages';
import { runCommand } from './contributions';
import { Disposables } from './disposables';
import { COMMANDS } from './ids';
import { PageCalls } from './pageCalls';
import { nameOf } from './paths';
import type { Services } from './services';
import { WebviewPage } from './webviewPage';

const METHODS: readonly PageMethod[] = ['tensors/statistics', 'tensors/tile'];
/** A file that is being written changes many times; its headers are read again when it has been quiet for so long. */
const QUIET_MS = 500;

/** The read-only editor for weights files: shows the header at once, reads numbers when asked. */
export class TensorsEditorProvider implements vscode.CustomReadonlyEditorProvider {
  constructor(private readonly services: () => Promise<Services>) {}

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  async resolveCustomEditor(document: vscode.CustomDocument, panel: vscode.WebviewPanel): Promise<void> {
    const editor = new TensorsEditor(await this.services(), document.uri, panel);
    panel.onDidDispose(() => editor.dispose());
  }
}

class TensorsEditor extends Disposables {
  private readonly page: WebviewPage;
  private readonly calls: PageCalls;
  private reading: AbortController | null = null;
  private quiet: NodeJS.Timeout | undefined;

  constructor(
    private readonly services: Services,
    private readonly uri: vscode.Uri,
    panel: vscode.WebviewPanel,
  ) {
    super();
    this.page = this.add(
      new WebviewPage(panel.webview, { page: 'tensors', title: nameOf(uri.path), resource: uri.fsPath, extensionUri: services.context.extensionUri, onMessage: (message) => void this.receive(message) }),
    );
    this.calls = this.add(new PageCalls(services.engine, METHODS, () => ({ path: uri.fsPath }), (reply) => this.page.post(reply)));
    this.add(
      panel.onDidChangeViewState(() => {
        if (panel.visible) return;
        this.page.sleep();
        this.calls.dispose();
      }),
    );
    this.watch();
    this.add({ dispose: () => this.reading?.abort() });
  }

  private watch(): void {
    if (this.uri.scheme !== 'file') return;
    const watcher = this.add(vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(vscode.Uri.joinPath(this.uri, '..'), nameOf(this.uri.path))));
    const again = (): void => {
      clearTimeout(this.quiet);
      this.quiet = setTimeout(() => void this.read(), QUIET_MS);
    };
    this.add(watcher.onDidChange(again));
    this.add(watcher.onDidCreate(again));
    this.add(watcher.onDidDelete(again));
    this.add({ dispose: () => clearTimeout(this.quiet) });
  }

  /** Reads the headers and shows them, or why they cannot be read. */
  private async read(): Promise<void> {
    this.reading?.abort();
    const mine = (this.reading = new AbortController());
    let state: HostMessage;
    try {
      if (this.uri.scheme !== 'file') throw failure('workspace/not-local', { uri: this.uri.toString(true) });
      state = { type: 'tensors/state', document: await this.services.engine.request('checkpoint/inspect', { path: this.uri.fsPath }, mine.signal), error: null };
    } catch (error) {
      state = { type: 'tensors/state', document: null, error: toErrorRecord(error) };
    }
    if (this.reading === mine && !mine.signal.aborted) this.page.post(state);
  }

  private async receive(message: PageMessage): Promise<void> {
    switch (message.type) {
      case 'ready':
        this.calls.dispose();
        return this.read();
      case 'call':
        return this.calls.call(message);
      case 'cancelCall':
        return this.calls.cancel(message.id);
      case 'run':
        return this.read();
      case 'analyze':
        await runCommand(COMMANDS.analyze, this.uri);
        return;
      case 'showLog':
        return this.services.log.show();
      case 'save':
        return (await import('./saveFile')).saveContent(message.suggestedName, message.content, message.encoding);
      case 'copy':
        return vscode.env.clipboard.writeText(message.text);
      case 'fault':
        return this.services.log.error(`tensors page: ${message.message}`);
    }
  }
}
