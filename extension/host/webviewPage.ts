import * as vscode from 'vscode';
import type { HostMessage, PageMessage } from '../protocol/pageMessages';
import { Disposables } from './disposables';
import { type PageName, pageHtml } from './pageHtml';

export interface WebviewPageOptions {
  readonly page: PageName;
  readonly title: string;
  readonly resource: string;
  readonly extensionUri: vscode.Uri;
  /** Called for every message of the page, `ready` included. */
  readonly onMessage: (message: PageMessage) => void;
}

/** A webview with one of our pages in it. Messages reach the page only after its `ready`; what came earlier is in the state that `ready` asks for. */
export class WebviewPage extends Disposables {
  private isReady = false;

  constructor(
    private readonly webview: vscode.Webview,
    options: WebviewPageOptions,
  ) {
    super();
    const dist = vscode.Uri.joinPath(options.extensionUri, 'dist');
    webview.options = { enableScripts: true, localResourceRoots: [dist] };
    this.add(
      webview.onDidReceiveMessage((message: PageMessage) => {
        if (message.type === 'ready') this.isReady = true;
        options.onMessage(message);
      }),
    );
    webview.html = pageHtml(
      { cspSource: webview.cspSource, address: (file) => webview.asWebviewUri(vscode.Uri.joinPath(dist, file)).toString() },
      { page: options.page, title: options.title, resource: options.resource, language: vscode.env.language },
    );
  }

  post(message: HostMessage): void {
    if (this.isReady && !this.isDisposed) void this.webview.postMessage(message);
  }

  /** The page is gone (hidden panels are thrown away); it will say `ready` when it is back. */
  sleep(): void {
    this.isReady = false;
  }
}
