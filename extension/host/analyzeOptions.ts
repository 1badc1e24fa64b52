import * as path from 'node:path';
import * as vscode from 'vscode';
import type { AnalyzeOptions } from '../protocol/engineRpc';
import { readSetting } from './contributions';

/** What the settings say about an analysis of this place. Zero means: let the analysis choose. */
export function optionsFromSettings(resource: vscode.Uri): AnalyzeOptions {
  const probe = probeFile(resource);
  return {
    probe,
    method: readSetting('modulens.method', resource),
    experts: readSetting('modulens.experts', resource) || undefined,
    topK: readSetting('modulens.topK', resource) || undefined,
    seed: readSetting('modulens.seed', resource),
    device: readSetting('modulens.device'),
    threads: readSetting('modulens.threads') || undefined,
  };
}

/** The probe file of the settings; relative ones start at the workspace folder of the checkpoint, else at the first one. */
function probeFile(resource: vscode.Uri): string | undefined {
  const file = readSetting('modulens.probeFile', resource).trim();
  if (!file) return undefined;
  const folder = vscode.workspace.getWorkspaceFolder(resource) ?? vscode.workspace.workspaceFolders?.[0];
  return path.isAbsolute(file) || !folder ? file : path.join(folder.uri.fsPath, file);
}
