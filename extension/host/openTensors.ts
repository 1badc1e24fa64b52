import * as vscode from 'vscode';
import { failure } from '../protocol/errors';
import { representativeFile } from './checkpointFiles';
import { TENSORS_EDITOR } from './ids';
import { pathOf } from './paths';
import type { Services } from './services';

/** Opens the tensors of a place: of a folder, the file that holds the named tensor, or the one that stands for all. */
export async function openTensors(services: Services, place: string, name?: string): Promise<void> {
  const file = (await isFolder(place)) ? await fileOf(services, place, name) : place;
  await vscode.commands.executeCommand('vscode.openWith', vscode.Uri.file(file), TENSORS_EDITOR);
}

async function fileOf(services: Services, folder: string, name?: string): Promise<string> {
  if (name !== undefined) {
    const { tensors } = await services.engine.request('checkpoint/inspect', { path: folder });
    const entry = tensors.find((tensor) => tensor.name === name);
    if (entry) return pathOf(folder).join(folder, entry.file);
  }
  const files = await vscode.workspace.fs.readDirectory(vscode.Uri.file(folder));
  const found = representativeFile(files.map(([file]) => file));
  if (found === null) throw failure('checkpoint/not-found', { path: pathOf(folder).join(folder, 'model.safetensors') });
  return pathOf(folder).join(folder, found);
}

async function isFolder(place: string): Promise<boolean> {
  try {
    return ((await vscode.workspace.fs.stat(vscode.Uri.file(place))).type & vscode.FileType.Directory) !== 0;
  } catch (error) {
    throw failure('checkpoint/not-found', { path: place }, error);
  }
}
