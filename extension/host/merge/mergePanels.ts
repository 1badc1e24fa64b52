import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import type { Disposable } from '../disposables';
import { MERGE_PANEL } from '../ids';
import { RESOURCE_STATE } from '../pageHtml';
import { nameOf, samePlace } from '../paths';
import { isModule } from './composeRecipe';
import { MergePanel } from './mergePanel';
import type { MergeSubject } from './mergeSession';
import type { Merging } from './merging';
import { recipeOf } from './recipeEditor';

/** What a page was about, as kept in its saved state. */
type Remembered = { readonly recipe: string } | { readonly models: readonly string[]; readonly base: string | null };

/** All merge pages: one for each recipe, and one for each set of models. */
export class MergePanels implements Disposable {
  private readonly open = new Map<string, MergePanel>();

  constructor(private readonly merging: Merging) {}

  /** Shows what a recipe would do, beside its text. */
  preview(uri: vscode.Uri): void {
    this.show({ recipe: uri.toString() }, vscode.ViewColumn.Beside);
  }

  /** Shows how models lie to each other. With modules no base is needed; with checkpoints the base is one of them, or chosen on the page. */
  async compare(paths: readonly string[]): Promise<void> {
    if (paths.length < 2) throw failure('merge/too-few', { count: paths.length });
    const modules = paths.filter((path) => isModule(this.merging, path));
    if (modules.length > 0 && modules.length < paths.length) throw failure('merge/mixed', {});
    const base = modules.length > 0 ? null : await this.askBase(paths);
    if (base === undefined) return;
    this.show({ models: base === null ? paths : paths.filter((path) => !samePlace(path, base)), base }, vscode.ViewColumn.Active);
  }

  /** Refills a tab that VS Code kept over a restart of the window. */
  revive(panel: vscode.WebviewPanel, state: unknown): void {
    const resource = (state as Readonly<Record<string, unknown>> | null | undefined)?.[RESOURCE_STATE];
    const about = typeof resource === 'string' ? parse(resource) : null;
    if (about && vscode.workspace.isTrusted) this.fill(panel, about);
    else panel.dispose();
  }

  dispose(): void {
    for (const panel of [...this.open.values()]) panel.dispose();
  }

  private show(about: Remembered, column: vscode.ViewColumn): void {
    const known = this.open.get(JSON.stringify(about));
    if (known) {
      known.panel.reveal();
      void known.session.read();
    } else this.fill(vscode.window.createWebviewPanel(MERGE_PANEL, titleOf(about), { viewColumn: column }), about);
  }

  private fill(webviewPanel: vscode.WebviewPanel, about: Remembered): void {
    const key = JSON.stringify(about);
    const panel = new MergePanel(this.merging, webviewPanel, { title: titleOf(about), resource: key, subject: subjectOf(about), recipe: 'recipe' in about ? vscode.Uri.parse(about.recipe) : null });
    this.open.set(key, panel);
    panel.add({ dispose: () => this.open.delete(key) });
    void panel.session.read();
  }

  /** Which of the checkpoints the others started from; null: none of them. Undefined when the user left. */
  private async askBase(paths: readonly string[]): Promise<string | null | undefined> {
    const items = [
      ...paths.map((path) => ({ label: nameOf(path), description: vscode.workspace.asRelativePath(path), path: path, other: false })),
      { label: '$(folder-opened) Another checkpoint\u2026', description: '', path: null, other: true },
      { label: '$(circle-slash) No base', description: 'compare the models as they are', path: null, other: false },
    ];
    const picked = await vscode.window.showQuickPick(items, { title: 'Base: which model did the others start from?', placeHolder: 'Differences from the base say how models pull together or apart', ignoreFocusOut: true });
    if (!picked) return undefined;
    if (!picked.other) return picked.path;
    return (await import('../pickCheckpoint')).pickCheckpoint(this.merging.services, 'Base model');
  }
}

function titleOf(about: Remembered): string {
  return 'recipe' in about ? `merge: ${nameOf(vscode.Uri.parse(about.recipe).path)}` : `merge: ${about.models.slice(0, 2).map(nameOf).join(', ')}${about.models.length > 2 ? ` and ${about.models.length - 2} more` : ''}`;
}

function subjectOf(about: Remembered): MergeSubject {
  if (!('recipe' in about)) return { kind: 'models', ...about };
  const uri = vscode.Uri.parse(about.recipe);
  return { kind: 'recipe', name: nameOf(uri.path), read: async () => recipeOf(await vscode.workspace.openTextDocument(uri)) };
}

function parse(resource: string): Remembered | null {
  try {
    const value = JSON.parse(resource) as Readonly<Record<string, unknown>>;
    if (typeof value['recipe'] === 'string') return { recipe: value['recipe'] };
    const { models, base } = value;
    const isPaths = Array.isArray(models) && models.every((path) => typeof path === 'string');
    return isPaths && (base === null || typeof base === 'string') ? { models: models, base } : null;
  } catch {
    return null;
  }
}
