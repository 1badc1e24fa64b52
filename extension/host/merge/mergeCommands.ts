import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import { COMMANDS } from '../ids';
import { nameOf } from '../paths';
import { folderOf, mergeSelection, pickModels } from './composeRecipe';
import { mergeRecipe } from './mergeRun';
import type { Merging } from './merging';
import { isRecipeDocument, type RecipeEditor, recipeOf } from './recipeEditor';

type MergeCommandId = (typeof COMMANDS)['checkRecipe' | 'previewMerge' | 'merge' | 'compareForMerging'];
interface Context {
  readonly merging: Merging;
  readonly recipes: RecipeEditor;
}
type MergeCommand = (context: Context, target: unknown, selection: unknown) => Promise<void>;

/** Commands of merging. A target is a recipe (lenses, menus), what was clicked in the explorer or in our view, or nothing: then the active editor counts. */
export const MERGE_COMMANDS: Readonly<Record<MergeCommandId, MergeCommand>> = {
  [COMMANDS.checkRecipe]: async ({ recipes }, target) => {
    requireTrust('Checking a recipe');
    const document = await documentOf(target);
    if (!document) throw failure('merge/no-recipe', {});
    const state = await recipes.check(document);
    if (state.errors > 0 || state.failure) await vscode.commands.executeCommand('workbench.actions.view.problems');
  },
  [COMMANDS.previewMerge]: async ({ merging }, target) => {
    requireTrust('Previewing a merge');
    const document = await documentOf(target);
    if (!document) throw failure('merge/no-recipe', {});
    merging.panels.preview(document.uri);
  },
  [COMMANDS.merge]: async ({ merging }, target, selection) => {
    requireTrust('Merging');
    const paths = pathsOf(target, selection);
    const document = paths.length === 0 || isYamlFile(target) ? await documentOf(target) : undefined;
    if (document && isRecipeDocument(document)) await mergeRecipe(merging, recipeOf(document), nameOf(document.uri.path));
    else await mergeSelection(merging, paths);
  },
  [COMMANDS.compareForMerging]: async ({ merging }, target, selection) => {
    requireTrust('Comparing models');
    const given = pathsOf(target, selection);
    const paths = given.length > 1 ? given : await pickModels(merging);
    if (paths && paths.length > 0) await merging.panels.compare(paths);
  },
};

function requireTrust(what: string): void {
  if (!vscode.workspace.isTrusted) throw failure('workspace/untrusted', { what });
}

const isYamlFile = (target: unknown): boolean => target instanceof vscode.Uri && (target.scheme !== 'file' || /\.ya?ml$/i.test(target.path));

/** The text of a target, else of the active editor. */
async function documentOf(target: unknown): Promise<vscode.TextDocument | undefined> {
  return target instanceof vscode.Uri ? vscode.workspace.openTextDocument(target) : vscode.window.activeTextEditor?.document;
}

/** Places that were selected when a command was chosen; a single target without a selection counts as one. */
function pathsOf(target: unknown, selection: unknown): string[] {
  const all = Array.isArray(selection) && selection.length > 0 ? selection : target === undefined || target === null ? [] : [target];
  const paths = all.flatMap((one: unknown) => {
    if (one instanceof vscode.Uri) return one.scheme === 'file' ? [folderOf(one.fsPath)] : [];
    const path = (one as { readonly path?: unknown } | null)?.path;
    return typeof path === 'string' ? [path] : [];
  });
  return [...new Set(paths)];
}
