import type * as vscode from 'vscode';
import type { CheckpointIndex } from './checkpointIndex';
import type { EngineOwner } from './engineOwner';

/** What lives as long as the extension does; handed to everything that needs it by constructor. */
export interface Services {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  readonly engine: EngineOwner;
  readonly checkpoints: CheckpointIndex;
}
