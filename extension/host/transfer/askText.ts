import * as vscode from 'vscode';
import type { TransferRequest } from '../../protocol/transfer';
import { nameOf } from '../paths';

/** Texts of the task. Undefined when the user left. */
export async function askData(): Promise<string | undefined> {
  const files = await vscode.window.showOpenDialog({ title: 'Texts of the task (.jsonl with "text", and "label" where there is one)', openLabel: 'Evaluate on This', canSelectMany: false, filters: { 'JSON lines': ['jsonl'] } });
  return files?.[0]?.fsPath;
}

/** Data or probe of a request: the usual, none, or a file. Undefined when the user left; the change where they chose. */
export async function askTexts(what: 'data' | 'probe', request: TransferRequest): Promise<Pick<TransferRequest, 'data' | 'probe'> | undefined> {
  const now = request[what];
  const file = { id: 'file', label: '$(folder-opened) Choose a file\u2026', description: now === undefined ? '' : `now ${nameOf(now)}`, detail: what === 'data' ? 'JSON lines with "text", and "label" where there is one' : 'Text (one text a line) or JSON lines with "text"' };
  const usual = what === 'data' ? { id: 'none', label: '$(circle-slash) No data', description: '', detail: 'Geometry only: without texts there is no verdict' } : { id: 'none', label: '$(book) Default probe texts', description: '', detail: 'Texts of several domains that come with Modulens' };
  const picked = await vscode.window.showQuickPick(what === 'data' ? [file, usual] : [usual, file], { title: what === 'data' ? 'Data: which texts decide whether it helps?' : 'Probe: on which texts are the two bases compared?' });
  if (!picked) return undefined;
  if (picked.id === 'none') return { [what]: undefined };
  if (what === 'data') {
    const data = await askData();
    return data === undefined ? undefined : { data };
  }
  const files = await vscode.window.showOpenDialog({ title: 'Choose texts that both bases read', openLabel: 'Probe with This', filters: { 'Texts (.txt, .jsonl)': ['txt', 'jsonl'] } });
  return files?.[0] && { probe: files[0].fsPath };
}
