import * as vscode from 'vscode';
import type { AnalyzeOptions } from '../protocol/engineRpc';
import { failure } from '../protocol/errors';
import type { PageMessage, PageMethod } from '../protocol/pageMessages';
import { AnalysisSession, type Selection } from './analysisSession';
import { Disposables } from './disposables';
import { SAMPLE_FOLDER } from './ids';
import { PageCalls } from './pageCalls';
import { nameOf, samePlace } from './paths';
import type { Services } from './services';
import { WebviewPage } from './webviewPage';

const METHODS: readonly PageMethod[] = ['analysis/picture', 'analysis/tile', 'analysis/expert', 'analysis/ablation'];

export interface AnalysisPanelOptions {
  readonly path: string;
  readonly options: AnalyzeOptions;
  readonly selection: Selection | null;
}

/** A tab with the analysis of one checkpoint: carries messages between the page, the session and the user's dialogs. */
export class AnalysisPanel extends Disposables {
  readonly session: AnalysisSession;
  private readonly page: WebviewPage;
  private readonly calls: PageCalls;

  constructor(
    private readonly services: Services,
    readonly panel: vscode.WebviewPanel,
    initial: AnalysisPanelOptions,
  ) {
    super();
    const name = nameOf(initial.path);
    panel.title = `${name}: modules`;
    panel.iconPath = iconOf(services.context.extensionUri);
    this.session = this.add(new AnalysisSession(initial.path, name, services.engine, initial.options));
    if (initial.selection) this.session.select(initial.selection);
    this.page = this.add(
      new WebviewPage(panel.webview, { page: 'analysis', title: panel.title, resource: initial.path, extensionUri: services.context.extensionUri, onMessage: (message) => void this.receive(message) }),
    );
    this.calls = this.add(new PageCalls(services.engine, METHODS, (method) => this.session.fillIn(method), (reply) => this.page.post(reply)));
    this.add(this.session.onMessage((message) => this.page.post(message)));
    this.add(
      panel.onDidChangeViewState(() => {
        if (!panel.visible) this.sleep();
      }),
    );
    this.add(vscode.workspace.onDidGrantWorkspaceTrust(() => this.retryWhenTrusted()));
    this.add(panel.onDidDispose(() => this.dispose()));
  }

  /** Runs, unless this place must not be run from. */
  run(options: AnalyzeOptions | null): void {
    if (mayRun(this.session.path, this.services.context)) void this.session.run(options);
    else this.session.refuse(failure('workspace/untrusted', { what: 'Analyzing' }));
  }

  /** Shows the tab and, where given, a place in it. */
  reveal(selection?: Selection): void {
    this.panel.reveal();
    if (selection) this.page.post({ type: 'reveal', ...selection });
  }

  private sleep(): void {
    this.page.sleep();
    this.calls.dispose();
  }

  private retryWhenTrusted(): void {
    if (this.session.state === 'failed') this.run(null);
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
    switch (message.type) {
      case 'ready':
        return this.greet();
      case 'call':
        return this.calls.call(message);
      case 'cancelCall':
        return this.calls.cancel(message.id);
      case 'run':
        return this.run(message.options && { ...this.session.options, ...message.options });
      case 'cancelRun':
        return this.session.cancel();
      case 'chooseProbe':
        return this.rerunWith((await import('./runOptions')).chooseProbe);
      case 'chooseOptions':
        return this.rerunWith((await import('./runOptions')).chooseOptions);
      case 'showLog':
        return this.services.log.show();
      case 'openTensors':
        return this.openTensors(message.name);
      case 'analyze':
        return this.run(null);
      case 'select':
        return this.session.select({ layer: message.layer, expert: message.expert ?? undefined });
      case 'save':
        return (await import('./saveFile')).saveContent(message.suggestedName, message.content, message.encoding);
      case 'saveReport':
        return this.saveReport();
      case 'copy':
        return vscode.env.clipboard.writeText(message.text);
      case 'fault':
        return this.services.log.error(`analysis page: ${message.message}`);
    }
  }

  private greet(): void {
    this.calls.dispose();
    this.page.post(this.session.snapshot());
    const progress = this.session.lastProgress();
    if (progress) this.page.post(progress);
  }

  private async rerunWith(choose: (options: AnalyzeOptions, services: Services) => Promise<AnalyzeOptions | undefined>): Promise<void> {
    const options = await choose(this.session.options, this.services);
    if (options) this.run(options);
  }

  private async openTensors(name?: string): Promise<void> {
    const { openTensors } = await import('./openTensors');
    await openTensors(this.services, this.session.path, name);
  }

  private async saveReport(): Promise<void> {
    const { key } = this.session;
    if (key === null) throw failure('internal', { message: 'a report was asked for before there were results' });
    const { askWhereToSave, offerToOpen } = await import('./saveFile');
    const out = await askWhereToSave(`${this.session.name}.html`);
    if (!out) return;
    await this.services.engine.request('analysis/html', { key, out: out.fsPath });
    await offerToOpen(out);
  }
}

/** The bundled sample may always run; everything else waits for the workspace's trust. */
export function mayRun(path: string, context: vscode.ExtensionContext): boolean {
  return vscode.workspace.isTrusted || samePlace(path, sampleFolder(context).fsPath);
}

export function sampleFolder(context: vscode.ExtensionContext): vscode.Uri {
  return vscode.Uri.joinPath(context.extensionUri, ...SAMPLE_FOLDER);
}

function iconOf(extensionUri: vscode.Uri): { light: vscode.Uri; dark: vscode.Uri } {
  const icon = (theme: string): vscode.Uri => vscode.Uri.joinPath(extensionUri, 'media', 'icons', `modules-${theme}.svg`);
  return { light: icon('light'), dark: icon('dark') };
}
