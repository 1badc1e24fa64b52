import * as vscode from 'vscode';
import { failure, ModulensError } from '../../protocol/errors';
import type { MergeDocument, MergeOptions } from '../../protocol/merge';
import { runCommand } from '../contributions';
import { COMMANDS } from '../ids';
import { nameOf } from '../paths';
import { askFolder } from './askFolder';
import { progressText, resultText } from './mergeText';
import type { Merging } from './merging';
import { suggestedFolder } from './outputFolder';
import type { RecipeText } from './recipeState';
import { workspaceFolder } from './workspaceFolder';

/** The engine's end under a merge: what was finished is kept, and the same request goes on from there. */
const RESUMABLE: ReadonlySet<string> = new Set(['engine/stopped', 'engine/killed', 'engine/restarted', 'merge/thread']);

/** Asks for a folder and merges a recipe into it, with progress; offers to go on when the engine ends on the way. */
export async function mergeRecipe(merging: Merging, recipe: RecipeText, name: string): Promise<void> {
  if (!vscode.workspace.isTrusted) throw failure('workspace/untrusted', { what: 'Merging' });
  const plan = await merging.engine.plan(recipe, new AbortController().signal);
  const choice = await askFolder(suggestedFolder(recipe.file, name, workspaceFolder()), plan.inputs.map(({ path }) => path));
  if (!choice) return;
  const options: MergeOptions = { overwrite: choice.overwrite };
  for (;;) {
    try {
      const document = await runWithProgress(merging, recipe, choice.out, options);
      merging.services.log.info(`merged into ${choice.out}: ${document.tensors} tensors, ${document.resumed} of them from an interrupted run`);
      void tell(merging, document);
      return;
    } catch (error) {
      if (!(error instanceof ModulensError) || !RESUMABLE.has(error.code)) throw error;
      merging.services.log.error(error.message);
      const resume = 'Resume';
      if ((await vscode.window.showErrorMessage(`${error.message} What was merged is kept.`, resume)) !== resume) return;
    }
  }
}

function runWithProgress(merging: Merging, recipe: RecipeText, out: string, options: MergeOptions): Promise<MergeDocument> {
  const run = merging.newRun();
  return Promise.resolve(
    vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: `Merging into ${nameOf(out)}`, cancellable: true }, async (progress, token) => {
      const controller = new AbortController();
      token.onCancellationRequested(() => controller.abort());
      let reached = 0;
      const listening = merging.onProgress(run, (step) => {
        const share = step.total > 0 ? (100 * step.done) / step.total : 0;
        progress.report({ message: progressText(step), increment: Math.max(0, share - reached) });
        reached = Math.max(reached, share);
      });
      try {
        return await merging.engine.merge(run, recipe, out, options, controller.signal);
      } finally {
        listening.dispose();
      }
    }),
  );
}

/** Says what was made and what to look at; stays until it is answered, because warnings belong to the result. */
async function tell(merging: Merging, document: MergeDocument): Promise<void> {
  const open = 'Open Analysis', reveal = 'Reveal', all = 'Show Warnings';
  const { warnings } = document;
  for (const warning of warnings) merging.services.log.warn(`merge: ${warning.message}`);
  const actions = [open, reveal, ...(warnings.length > 1 ? [all] : [])];
  const text = resultText(document);
  const answer = warnings.length > 0 ? await vscode.window.showWarningMessage(text, ...actions) : await vscode.window.showInformationMessage(text, ...actions);
  if (answer === open) merging.openAnalysis(document.out);
  else if (answer === reveal) await vscode.commands.executeCommand('revealInExplorer', vscode.Uri.file(document.out));
  else if (answer === all) await runCommand(COMMANDS.showLog);
}
