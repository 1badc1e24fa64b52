import * as os from 'node:os';
import * as vscode from 'vscode';

/** The first folder of the workspace, else the home folder. */
export function workspaceFolder(): string {
  return vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file')?.uri.fsPath ?? os.homedir();
}
