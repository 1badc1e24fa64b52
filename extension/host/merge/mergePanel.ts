import * as vscode from 'vscode';
import type { RecipeWish } from '../../protocol/mergePage';
import type { PageMessage } from '../../protocol/pageMessages';
import { Disposables } from '../disposables';
import { nameOf } from '../paths';
import { WebviewPage } from '../webviewPage';
import { pickModels } from './composeRecipe';
import { mergeRecipe } from './mergeRun';
import { MergeSession, type MergeSubject } from './mergeSession';
import type { Merging } from './merging';
import { recipeOf } from './recipeEditor';
import { applyWish, writeRecipe } from './writeRecipe';

/** States are sent at most this often. */
const STATE_MS = 50;

export interface MergePanelOptions {
  readonly title: string;
  readonly resource: string;
  readonly subject: MergeSubject;
  /** The recipe's document; null for models without one. */
  readonly recipe: vscode.Uri | null;
}

/** A tab that shows what a merge would do and how its models lie to each other. */
export class MergePanel extends Disposables {
  readonly session: MergeSession;
  private readonly page: WebviewPage;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly merging: Merging,
    readonly panel: vscode.WebviewPanel,
    private readonly options: MergePanelOptions,
  ) {
    super();
    const { extensionUri } = merging.services.context;
    panel.title = options.title;
    panel.iconPath = { light: vscode.Uri.joinPath(extensionUri, 'media/icons/modules-light.svg'), dark: vscode.Uri.joinPath(extensionUri, 'media/icons/modules-dark.svg') };
    this.session = this.add(new MergeSession(merging.engine, options.subject, merging));
    this.page = this.add(new WebviewPage(panel.webview, { page: 'merge', title: options.title, resource: options.resource, extensionUri, onMessage: (message) => void this.receive(message) }));
    this.add(this.session.onChange(() => this.later()));
    this.add(panel.onDidChangeViewState(() => !panel.visible && this.page.sleep()));
    this.add({ dispose: () => clearTimeout(this.timer) });
    this.add(panel.onDidDispose(() => this.dispose()));
  }

  private later(): void {
    this.timer ??= setTimeout(() => this.postState(), STATE_MS);
  }

  private postState(): void {
    this.timer = undefined;
    const { session } = this;
    this.page.post({ type: 'merge/state', state: session.state });
    if (session.isReading && session.progress) this.page.post({ type: 'analysis/progress', progress: session.progress });
  }

  private async receive(message: PageMessage): Promise<void> {
    try {
      await this.act(message);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.merging.services.log.error(text);
      void vscode.window.showErrorMessage(text);
    }
  }

  private async act(message: PageMessage): Promise<void> {
    switch (message.type) {
      case 'ready':
        return this.postState();
      case 'run':
        return this.session.read();
      case 'cancelRun':
        return this.session.cancel();
      case 'merge/choose':
        return this.choose(message.what);
      case 'merge/write':
        return this.write(message.wish);
      case 'merge/merge':
        return this.merge();
      case 'showLog':
        return this.merging.services.log.show();
      case 'save':
        return (await import('../saveFile')).saveContent(message.suggestedName, message.content, message.encoding);
      case 'copy':
        return vscode.env.clipboard.writeText(message.text);
      case 'fault':
        return this.merging.services.log.error(`merge page: ${message.message}`);
    }
  }

  private async choose(what: 'base' | 'models'): Promise<void> {
    const { models, base } = this.session.state;
    if (what === 'models') {
      const chosen = await pickModels(this.merging);
      if (chosen && chosen.length > 1) await this.session.choose({ kind: 'models', models: chosen, base: null });
      return;
    }
    const chosen = await (await import('../pickCheckpoint')).pickCheckpoint(this.merging.services, 'Base: which model did the others start from?');
    if (chosen !== undefined) await this.session.choose({ kind: 'models', models: [...(base === null ? [] : [base]), ...models].filter((path) => path !== chosen), base: chosen });
  }

  /** Opens a recipe with what a piece of advice asks for: the page's own, changed, or a new one. Nothing is saved. */
  private async write(wish: RecipeWish): Promise<void> {
    const { models, document } = this.session.state;
    const isModules = document?.what === 'modules';
    // A recipe merges a LoRA as the checkpoint that it makes of its base.
    const base = isModules ? await (await import('../pickCheckpoint')).pickCheckpoint(this.merging.services, `Base of ${models.map(nameOf).join(', ')}`) : this.session.state.base;
    if (base === undefined) return;
    const methods = await this.merging.engine.methods();
    const without = new Set(wish.without ?? []);
    const wanted = wish.method ?? (base === null ? 'linear' : 'task_arithmetic');
    const method = methods.find(({ name }) => name === wanted) ?? methods[0];
    const inputs = models.filter((_, i) => !without.has(i)).map((model) => (isModules ? `${base}+${model}` : model));
    const text = applyWish(writeRecipe({ method, models: inputs, base: method.base === 'unused' ? null : base }), wish);
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ language: 'yaml', content: text }), { viewColumn: vscode.ViewColumn.Beside });
  }

  private async merge(): Promise<void> {
    const { recipe } = this.options;
    if (recipe) await mergeRecipe(this.merging, recipeOf(await vscode.workspace.openTextDocument(recipe)), nameOf(recipe.path));
  }
}
