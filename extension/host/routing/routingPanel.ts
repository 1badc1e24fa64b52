import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import type { PageMessage, PageMethod } from '../../protocol/pageMessages';
import { Disposables } from '../disposables';
import { PageCalls } from '../pageCalls';
import { nameOf } from '../paths';
import { WebviewPage } from '../webviewPage';
import { chooseRouting } from './chooseRouting';
import { rangesOfToken } from './painter';
import type { LensEntry, RoutingLens } from './routingLens';
import { checkedSelection } from './selection';
import { staleTokens } from './staleTokens';
import { checkedWhatIf } from './whatIf';

const METHODS: readonly PageMethod[] = ['routing/slice', 'routing/trained', 'routing/compare', 'routing/library', 'routing/libraryOverlaps'];
/** States are sent at most this often; selections go at once. */
const STATE_MS = 50;

/** A tab with the heatmaps of one document's routing, linked with its editor. */
export class RoutingPanel extends Disposables {
  private readonly page: WebviewPage;
  private readonly calls: PageCalls;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly lens: RoutingLens,
    private readonly entry: LensEntry,
    readonly panel: vscode.WebviewPanel,
  ) {
    super();
    const { services } = lens;
    const { extensionUri } = services.context;
    panel.title = `routing: ${entry.document.name}`;
    panel.iconPath = { light: vscode.Uri.joinPath(extensionUri, 'media/icons/modules-light.svg'), dark: vscode.Uri.joinPath(extensionUri, 'media/icons/modules-dark.svg') };
    this.page = this.add(new WebviewPage(panel.webview, { page: 'routing', title: panel.title, resource: entry.uri.toString(), extensionUri, onMessage: (message) => void this.receive(message) }));
    this.calls = this.add(
      new PageCalls(
        services.engine,
        METHODS,
        (method) => {
          if (method === 'routing/library' || method === 'routing/libraryOverlaps') return this.library();
          const key = entry.document.page?.result.key;
          if (key === undefined) throw failure('internal', { message: `${method} was asked before there was a trace` });
          return method === 'routing/compare' ? { key, other: undefined, modules: entry.document.choice.modules } : { key };
        },
        (reply) => {
          this.page.post(reply);
          // The engine keeps the last few traces only: make this one again, the page gets the new key.
          if (reply.error?.code === 'routing/gone' && !entry.document.isRunning) void entry.document.route();
        },
      ),
    );
    this.add(entry.document.onChange(() => this.later()));
    this.add(entry.document.selection.onChange(({ selection, source }) => source !== 'page' && this.page.post({ type: 'routing/selection', selection })));
    this.add(
      panel.onDidChangeViewState(() => {
        if (panel.visible) return;
        this.page.sleep();
        this.calls.dispose();
      }),
    );
    this.add({ dispose: () => clearTimeout(this.timer) });
    this.add(panel.onDidDispose(() => this.dispose()));
  }

  /** Base and folder of adapters that the page may ask about: those that the text is routed with. */
  private library(): Readonly<Record<string, unknown>> {
    const { path, modules } = this.entry.document.choice;
    if (modules === undefined) throw failure('routing/library', { path, reason: 'no folder of adapters is chosen. Choose the router Arrow and a folder of LoRAs first' });
    return { path, modules };
  }

  private later(): void {
    this.timer ??= setTimeout(() => this.postState(), STATE_MS);
  }

  private postState(): void {
    this.timer = undefined;
    const { document } = this.entry;
    this.page.post({
      type: 'routing/state',
      state: document.state,
      source: document.name,
      model: document.page?.result.head.model.name ?? nameOf(document.choice.path),
      result: document.page?.result ?? null,
      summary: document.summary,
      texts: document.page?.texts ?? [],
      modules: document.choice.modules ?? null,
      stale: document.isStale,
      staleTokens: document.page && staleTokens(document.page.result, document.blocks),
      error: document.error,
    });
    if (document.isRunning && document.progress) this.page.post({ type: 'analysis/progress', progress: document.progress });
  }

  private async receive(message: PageMessage): Promise<void> {
    try {
      await this.act(message);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.lens.services.log.error(text);
      void vscode.window.showErrorMessage(text);
    }
  }

  private async act(message: PageMessage): Promise<void> {
    const { document } = this.entry;
    switch (message.type) {
      case 'ready':
        this.calls.dispose();
        this.postState();
        return this.page.post({ type: 'routing/selection', selection: document.selection.value });
      case 'call':
        return this.calls.call(message);
      case 'cancelCall':
        return this.calls.cancel(message.id);
      case 'run':
        return document.route();
      case 'cancelRun':
        return document.cancelRun();
      case 'routing/select':
        return this.select(message.selection);
      case 'routing/reveal':
        return this.reveal(message.token, false);
      case 'routing/whatIf': {
        const error = await document.setWhatIf(checkedWhatIf(message.whatIf));
        if (error) throw new Error(error.message);
        return;
      }
      case 'routing/choose':
        return chooseRouting(this.lens, this.entry);
      case 'showLog':
        return this.lens.services.log.show();
      case 'save':
        return (await import('../saveFile')).saveContent(message.suggestedName, message.content, message.encoding);
      case 'copy':
        return vscode.env.clipboard.writeText(message.text);
      case 'fault':
        return this.lens.services.log.error(`routing page: ${message.message}`);
    }
  }

  private async select(wanted: Parameters<typeof checkedSelection>[0]): Promise<void> {
    const { document } = this.entry;
    const head = document.page?.result.head;
    if (!head) return;
    const before = document.selection.value;
    const selection = checkedSelection(wanted, head.tokens.length, head.sites.length);
    document.selection.set(selection, 'page');
    if (selection.locked && selection.site !== null && selection.site !== document.site) document.showSite(head.sites[selection.site].id);
    if (selection.locked && selection.token !== null && (selection.token !== before.token || !before.locked)) await this.reveal(selection.token, true);
  }

  /** Shows a token in the editor; opens the editor beside when it is not in view. */
  private async reveal(token: number, preserveFocus: boolean): Promise<void> {
    const { entry } = this;
    const place = rangesOfToken(entry.document, token)[0];
    if (!place) return;
    const range = new vscode.Range(place.line, place.start, place.line, place.end);
    const shown = this.lens.editorsOf(entry)[0];
    const editor = shown && preserveFocus ? shown : await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(entry.uri), { viewColumn: shown?.viewColumn ?? vscode.ViewColumn.Beside, preserveFocus, preview: false });
    editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    if (!preserveFocus) editor.selection = new vscode.Selection(range.start, range.start);
  }
}
