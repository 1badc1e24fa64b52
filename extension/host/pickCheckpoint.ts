import * as vscode from 'vscode';
import { sampleFolder } from './analysisPanel';
import { nameOf } from './paths';
import type { Services } from './services';

interface Item extends vscode.QuickPickItem {
  readonly path?: string;
  readonly browse?: 'folder' | 'file';
}

const separator = (label: string): Item => ({ label, kind: vscode.QuickPickItemKind.Separator });

/**
 * Lets the user pick a checkpoint: those of the workspace, those of the local Hugging Face cache, the sample, or any
 * folder or file. The list is there at once; what must be searched for joins it.
 */
export async function pickCheckpoint(services: Services, title: string): Promise<string | undefined> {
  const quickPick = vscode.window.createQuickPick<Item>();
  const searching = new AbortController();
  try {
    const picked = await pick(quickPick, services, title, searching.signal);
    if (picked?.browse) return await browse(picked.browse, title);
    return picked?.path;
  } finally {
    searching.abort();
    quickPick.dispose();
  }
}

function pick(quickPick: vscode.QuickPick<Item>, services: Services, title: string, signal: AbortSignal): Promise<Item | undefined> {
  quickPick.title = title;
  quickPick.placeholder = 'A model folder, a weights file, or one of these';
  quickPick.matchOnDescription = true;
  quickPick.busy = true;
  const show = (workspace: readonly Item[], cache: readonly Item[]): void => {
    quickPick.items = [
      { label: '$(folder-opened) Choose a folder…', browse: 'folder' },
      { label: '$(file-binary) Choose a file…', browse: 'file' },
      { label: '$(mortar-board) The sample checkpoint', description: 'comes with Modulens', path: sampleFolder(services.context).fsPath },
      ...(workspace.length > 0 ? [separator('In this workspace'), ...workspace] : []),
      ...(cache.length > 0 ? [separator('Local Hugging Face cache'), ...cache] : []),
    ];
  };
  show([], []);
  void fill(services, signal, show).finally(() => {
    quickPick.busy = false;
  });
  return new Promise((resolve) => {
    quickPick.onDidAccept(() => resolve(quickPick.selectedItems[0]));
    quickPick.onDidHide(() => resolve(undefined));
    quickPick.show();
  });
}

async function fill(services: Services, signal: AbortSignal, show: (workspace: readonly Item[], cache: readonly Item[]) => void): Promise<void> {
  const { checkpoints, files } = await services.checkpoints.scan();
  const workspace = [...checkpoints, ...files].map((path): Item => ({ label: nameOf(path), description: vscode.workspace.asRelativePath(path), path }));
  if (signal.aborted) return;
  show(workspace, []);
  try {
    const found = await services.engine.request('checkpoint/find', { folders: [], huggingFaceCache: true }, signal);
    const cache = found.filter(({ kind }) => kind === 'checkpoint').map(({ name, path }): Item => ({ label: name, description: path, path }));
    if (!signal.aborted) show(workspace, cache);
  } catch (error) {
    // The rest of the list stays usable.
    if (!signal.aborted) services.log.warn(`the Hugging Face cache could not be searched: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function browse(what: 'folder' | 'file', title: string): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    title,
    openLabel: 'Open Checkpoint',
    canSelectFolders: what === 'folder',
    canSelectFiles: what === 'file',
    filters: what === 'file' ? { Weights: ['safetensors', 'bin', 'pt', 'pth', 'onnx', 'json'] } : undefined,
  });
  return chosen?.[0]?.fsPath;
}
