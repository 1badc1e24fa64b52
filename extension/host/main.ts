import * as vscode from 'vscode';
import { CheckpointsTree } from './checkpointsView';
import { registerCommand } from './contributions';
import { Disposables } from './disposables';
import { ANALYSIS_PANEL, CHECKPOINTS_VIEW, COMMANDS, MERGE_PANEL, ROUTING_PANEL, TENSORS_EDITOR, TENSORS_EDITOR_OPTION, TRANSFER_PANEL } from './ids';
import { RecipeEditor } from './merge/recipeEditor';
import type { Root } from './root';
import { LensProviders } from './routing/lensProviders';
import { TensorsEditorProvider } from './tensorsEditor';

/** Entry point of the extension. Registers what VS Code may call; everything behind it is loaded when it is called. */
export function activate(context: vscode.ExtensionContext): void {
  const begun = performance.now();
  const log = vscode.window.createOutputChannel('Modulens', { log: true });
  const disposables = new Disposables();
  context.subscriptions.push(log, disposables);
  const lensProviders = disposables.add(new LensProviders());
  const recipes = disposables.add(new RecipeEditor(async () => (await root()).merging));
  const root = lazyRoot(context, log, disposables, recipes, (made) => lensProviders.connect(made.lens));

  for (const id of Object.values(COMMANDS)) disposables.add(registerCommand(id, async (target, selection) => (await root()).run(id, target, selection)));

  recipes.lookAtAll();

  const editors = new TensorsEditorProvider(root);
  for (const type of [TENSORS_EDITOR, TENSORS_EDITOR_OPTION]) disposables.add(vscode.window.registerCustomEditorProvider(type, editors, { supportsMultipleEditorsPerDocument: true }));

  disposables.add(
    vscode.window.registerWebviewPanelSerializer(ANALYSIS_PANEL, {
      deserializeWebviewPanel: async (panel, state: unknown) => (await root()).panels.revive(panel, state),
    }),
  );

  disposables.add(
    vscode.window.registerWebviewPanelSerializer(ROUTING_PANEL, {
      deserializeWebviewPanel: async (panel, state: unknown) => (await root()).lens.panels.revive(panel, state),
    }),
  );

  disposables.add(
    vscode.window.registerWebviewPanelSerializer(MERGE_PANEL, {
      deserializeWebviewPanel: async (panel, state: unknown) => (await root()).merging.panels.revive(panel, state),
    }),
  );

  disposables.add(
    vscode.window.registerWebviewPanelSerializer(TRANSFER_PANEL, {
      deserializeWebviewPanel: async (panel, state: unknown) => (await root()).transfers.revive(panel, state),
    }),
  );

  const tree = disposables.add(new CheckpointsTree(root));
  const view = disposables.add(vscode.window.createTreeView(CHECKPOINTS_VIEW, { treeDataProvider: tree, showCollapseAll: true, canSelectMany: true }));
  disposables.add(view.onDidChangeVisibility(({ visible }) => visible && void tree.describe('missing')));
  disposables.add(tree.onFound(() => view.visible && void tree.describe('all')));

  // The folder menu needs the workspace's checkpoints; the search starts when the window has settled.
  const soon = setTimeout(() => void root(), 0);
  disposables.add({ dispose: () => clearTimeout(soon) });
  log.info(`activated in ${(performance.now() - begun).toFixed(1)} ms`);
}

function lazyRoot(context: vscode.ExtensionContext, log: vscode.LogOutputChannel, disposables: Disposables, recipes: RecipeEditor, made: (root: Root) => void): () => Promise<Root> {
  let root: Promise<Root> | null = null;
  const make = async (): Promise<Root> => {
    const { Root: RootClass } = await import('./root');
    const one = disposables.add(new RootClass(context, log, recipes));
    made(one);
    return one;
  };
  return () => (root ??= make());
}
