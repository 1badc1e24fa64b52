import * as fs from 'node:fs';
import * as os from 'node:os';
import * as vscode from 'vscode';
import type { TransferRequest } from '../../protocol/transfer';
import { nameOf, pathOf } from '../paths';
import type { Services } from '../services';
import { checkOut, isInside, type PlaceKind, suggestOut } from './outFolder';

/** Where a module goes, and whether what is there may go. */
export interface Out {
  readonly path: string;
  readonly overwrite: boolean;
}

/** What is at a place, as far as it can be seen. */
export function look(path: string): PlaceKind {
  try {
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (!stat) return 'nothing';
    if (!stat.isDirectory()) return 'file';
    return fs.readdirSync(path).length === 0 ? 'empty' : 'filled';
  } catch {
    return 'nothing';
  }
}

/** Beside the module; for modules that come with the extension, in the workspace or the home folder. */
export function suggestedOut(request: TransferRequest, services: Services): string {
  const parent = pathOf(request.module).dirname(request.module);
  const own = isInside(request.module, services.context.extensionUri.fsPath);
  const workspace = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file')?.uri.fsPath;
  return suggestOut(request, own ? (workspace ?? os.homedir()) : parent, look);
}

/** Asks for the output folder; a folder with something in it only after a second question. Undefined when the user left. */
export async function askOut(request: TransferRequest, suggestion: string): Promise<Out | undefined> {
  const path = await askPath(request, suggestion);
  if (path === undefined) return undefined;
  if (look(path) !== 'filled') return { path, overwrite: false };
  const replace = 'Replace';
  const detail = `${path} is not empty. Everything in it goes when the new module is complete; a run that is cancelled or fails leaves it as it is.`;
  return (await vscode.window.showWarningMessage(`Replace the folder ${nameOf(path)}?`, { modal: true, detail }, replace)) === replace ? { path, overwrite: true } : undefined;
}

function askPath(request: TransferRequest, suggestion: string): Promise<string | undefined> {
  const box = vscode.window.createInputBox();
  const browse: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('folder-opened'), tooltip: 'Choose a folder to put it into' };
  box.title = 'Folder for the module on its new base';
  box.prompt = 'It is made if it does not exist, and appears only when the module in it is complete.';
  box.value = suggestion;
  box.buttons = [browse];
  box.ignoreFocusOut = true;
  const check = (): string | undefined => {
    const answer = checkOut(box.value, request, look);
    box.validationMessage = answer.kind === 'no' ? answer.why : answer.kind === 'replace' ? { message: 'This folder is not empty; you will be asked before anything in it goes.', severity: vscode.InputBoxValidationSeverity.Warning } : undefined;
    return answer.kind === 'no' ? undefined : answer.path;
  };
  return new Promise((resolve) => {
    let browsing = false;
    box.onDidChangeValue(check);
    box.onDidTriggerButton(async () => {
      browsing = true;
      const folder = (await vscode.window.showOpenDialog({ title: 'Choose a folder to put the module into', openLabel: 'Put It Here', canSelectFolders: true, canSelectFiles: false }))?.[0]?.fsPath;
      browsing = false;
      if (folder) box.value = suggestOut(request, folder, look);
      check();
      box.show();
    });
    box.onDidAccept(() => {
      const path = check();
      if (path === undefined) return;
      resolve(path);
      box.dispose();
    });
    box.onDidHide(() => {
      if (browsing) return;
      resolve(undefined);
      box.dispose();
    });
    check();
    box.show();
  });
}
