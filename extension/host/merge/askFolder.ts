import * as vscode from 'vscode';
import { failure } from '../../protocol/errors';
import { nameOf, pathOf } from '../paths';
import { collision } from './outputFolder';

/** Where a merge goes, and whether what is there may be replaced. */
export interface OutputChoice {
  readonly out: string;
  readonly overwrite: boolean;
}

/** Asks for the folder of the result; never one of the inputs. What is in the way is replaced only after a question. Undefined when the user left. */
export async function askFolder(suggested: string, inputs: readonly string[]): Promise<OutputChoice | undefined> {
  const out = await askPath(suggested, inputs);
  if (out === undefined) return undefined;
  const hit = collision(out, inputs);
  if (hit) throw failure('merge/output-is-input', { out, input: hit.input, how: hit.how });
  const files = await contents(out);
  if (files === 0) return { out, overwrite: false };
  const replace = 'Replace';
  const detail = `It holds ${files === 1 ? '1 file or folder' : `${files} files and folders`}. The merge is built beside it and takes its place when it is whole.`;
  return (await vscode.window.showWarningMessage(`Replace ${nameOf(out)}?`, { modal: true, detail }, replace)) === replace ? { out, overwrite: true } : undefined;
}

async function askPath(suggested: string, inputs: readonly string[]): Promise<string | undefined> {
  const input = vscode.window.createInputBox();
  const browse: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('folder-opened'), tooltip: 'Choose a folder' };
  input.title = 'Folder for the merged checkpoint';
  input.prompt = 'A new or empty folder. Inputs are never written to.';
  input.value = suggested;
  const stem = suggested.length - nameOf(suggested).length;
  input.valueSelection = [stem, suggested.length];
  input.ignoreFocusOut = true;
  input.buttons = [browse];
  const judge = (): string | undefined => {
    const path = input.value.trim();
    if (!pathOf(path).isAbsolute(path)) return 'Give the whole path of a folder.';
    const hit = collision(path, inputs);
    return hit ? `This folder ${hit.how} the input ${hit.input}. Inputs are never touched: choose another one.` : undefined;
  };
  let isBrowsing = false;
  try {
    return await new Promise((resolve) => {
      input.onDidChangeValue(() => {
        input.validationMessage = judge();
      });
      input.onDidAccept(() => {
        input.validationMessage = judge();
        if (input.validationMessage === undefined) resolve(pathOf(input.value.trim()).normalize(input.value.trim()));
      });
      input.onDidTriggerButton(() => {
        // The dialog takes the box's place; the box comes back with the choice in it.
        isBrowsing = true;
        void vscode.window.showOpenDialog({ title: input.title, openLabel: 'Merge into This Folder', canSelectFolders: true, canSelectFiles: false }).then((chosen) => {
          isBrowsing = false;
          if (chosen) input.value = chosen[0].fsPath;
          input.validationMessage = judge();
          input.show();
        });
      });
      input.onDidHide(() => {
        if (!isBrowsing) resolve(undefined);
      });
      input.show();
    });
  } finally {
    input.dispose();
  }
}

/** Files and folders directly in a folder; 0 where there is none. */
async function contents(folder: string): Promise<number> {
  try {
    return (await vscode.workspace.fs.readDirectory(vscode.Uri.file(folder))).length;
  } catch (error) {
    if (error instanceof vscode.FileSystemError && error.code === 'FileNotFound') return 0;
    throw error;
  }
}
