import * as path from 'node:path';
import * as vscode from 'vscode';

const FILTERS: Readonly<Record<string, Readonly<Record<string, string[]>>>> = {
  png: { 'PNG picture': ['png'] },
  svg: { 'SVG picture': ['svg'] },
  csv: { 'Comma-separated values': ['csv'] },
  json: { JSON: ['json'] },
  html: { 'HTML report': ['html'] },
};

/** Asks where to save; undefined when the user changed their mind. Starts in the workspace, else in the home folder. */
export async function askWhereToSave(suggestedName: string): Promise<vscode.Uri | undefined> {
  // The page suggests a name made from model text: only its last part counts, and no character that file systems refuse.
  const name = path.basename(suggestedName.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, '-')) || 'modulens';
  const folder = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file')?.uri ?? vscode.Uri.file((await import('node:os')).homedir());
  const filters = FILTERS[path.extname(name).slice(1).toLowerCase()];
  return vscode.window.showSaveDialog({ defaultUri: vscode.Uri.joinPath(folder, name), filters: filters && { ...filters } });
}

/** Writes what a page made and offers to open it. */
export async function saveContent(suggestedName: string, content: string, encoding: 'utf8' | 'base64'): Promise<void> {
  const uri = await askWhereToSave(suggestedName);
  if (!uri) return;
  await vscode.workspace.fs.writeFile(uri, Buffer.from(content, encoding));
  await offerToOpen(uri);
}

/** Says where the file lies. Reports open in the browser, the rest in the editor. */
export async function offerToOpen(uri: vscode.Uri): Promise<void> {
  const open = 'Open';
  if ((await vscode.window.showInformationMessage(`Saved ${path.basename(uri.fsPath)}.`, open)) !== open) return;
  if (uri.path.toLowerCase().endsWith('.html')) await vscode.env.openExternal(uri);
  else await vscode.commands.executeCommand('vscode.open', uri);
}
