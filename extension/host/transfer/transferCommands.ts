import * as fs from 'node:fs';
import * as vscode from 'vscode';
import type { CommandContext } from '../commands';
import { COMMANDS } from '../ids';
import { nameOf } from '../paths';
import { moduleFolderOf } from './bases';

type TransferCommand = typeof COMMANDS.transferModule | typeof COMMANDS.showTransferReport;

/** Commands of transfers, for the command table. */
export const TRANSFER_COMMANDS: Readonly<Record<TransferCommand, (context: CommandContext, target: unknown) => Promise<void>>> = {
  [COMMANDS.transferModule]: async (context, target) => {
    const { askTransfer } = await import('./askTransfer');
    const request = await askTransfer(context, pathOf(target));
    if (request) await context.transfers.plan(request);
  },
  [COMMANDS.showTransferReport]: async (context, target) => {
    const path = pathOf(target);
    if (path === undefined) return;
    const folder = moduleFolderOf(path, isFile);
    if (!(await context.transfers.report(folder))) await vscode.window.showInformationMessage(`${nameOf(folder)} holds no report of a transfer: it was not made by one, or by another version.`);
  },
};

/** What was clicked: a file or folder of the explorer, an item of our view, a path. */
function pathOf(target: unknown): string | undefined {
  if (target instanceof vscode.Uri) return target.fsPath;
  if (typeof target === 'string') return target;
  const path = (target as { readonly path?: unknown } | null | undefined)?.path;
  return typeof path === 'string' ? path : undefined;
}

function isFile(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
