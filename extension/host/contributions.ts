import * as vscode from 'vscode';
import type { CommandId, ContextTypes, SettingId, SettingTypes } from './ids';

/** The only place where commands are registered: an id outside the closed set does not compile. */
export function registerCommand(id: CommandId, run: (...args: readonly unknown[]) => unknown): vscode.Disposable {
  return vscode.commands.registerCommand(id, run);
}

export function runCommand(id: CommandId, ...args: readonly unknown[]): Thenable<unknown> {
  return vscode.commands.executeCommand(id, ...args);
}

/** A setting as it holds for a resource (machine settings hold everywhere). */
export function readSetting<S extends SettingId>(id: S, resource?: vscode.Uri): SettingTypes[S] {
  const value = vscode.workspace.getConfiguration(undefined, resource).get<SettingTypes[S]>(id);
  if (value === undefined) throw new Error(`package.json declares no default for the setting ${id}`);
  return value;
}

export function writeSetting<S extends SettingId>(id: S, value: SettingTypes[S], target: vscode.ConfigurationTarget): Thenable<void> {
  return vscode.workspace.getConfiguration().update(id, value, target);
}

export function setContext<K extends keyof ContextTypes>(key: K, value: ContextTypes[K]): Thenable<unknown> {
  return vscode.commands.executeCommand('setContext', key, value);
}
