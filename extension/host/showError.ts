import * as vscode from 'vscode';
import { ModulensError } from '../protocol/errors';
import { runCommand } from './contributions';
import { COMMANDS } from './ids';

/** Tells a command's failure. Errors of a run stand in its page instead; a cancelled command says nothing. */
export async function showError(error: unknown): Promise<void> {
  if (error instanceof ModulensError && error.code === 'cancelled') return;
  const log = 'Show Log';
  if ((await vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error), log)) === log) await runCommand(COMMANDS.showLog);
}
