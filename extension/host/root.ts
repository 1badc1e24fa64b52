import type * as vscode from 'vscode';
import { AnalysisPanels } from './analysisPanels';
import { CheckpointIndex } from './checkpointIndex';
import { type CommandContext, COMMAND_TABLE } from './commands';
import { Disposables } from './disposables';
import { EngineOwner } from './engineOwner';
import type { CommandId } from './ids';
import { Merging } from './merge/merging';
import type { RecipeEditor } from './merge/recipeEditor';
import { RoutingLens } from './routing/routingLens';
import { showError } from './showError';
import { StatusBar } from './statusBar';
import { TransferPanels } from './transfer/transferPanels';

/** The composition root: everything that lives as long as the extension, made when it is first needed. */
export class Root extends Disposables implements CommandContext {
  readonly engine: EngineOwner;
  readonly checkpoints: CheckpointIndex;
  readonly panels: AnalysisPanels;
  readonly lens: RoutingLens;
  readonly transfers: TransferPanels;
  readonly merging: Merging;

  constructor(
    readonly context: vscode.ExtensionContext,
    readonly log: vscode.LogOutputChannel,
    readonly recipes: RecipeEditor,
  ) {
    super();
    this.engine = this.add(new EngineOwner(context, log));
    this.checkpoints = this.add(new CheckpointIndex(log));
    this.panels = this.add(new AnalysisPanels(this));
    this.lens = this.add(new RoutingLens(this));
    this.transfers = this.add(new TransferPanels(this));
    this.merging = this.add(new Merging(this, this.panels));
    this.add(new StatusBar(this.engine));
    // What is found on activation feeds the folder menu; nobody waits for it.
    this.checkpoints.scan().catch((error: unknown) => log.warn(`the workspace could not be searched: ${String(error)}`));
  }

  async run(id: CommandId, target: unknown, selection?: unknown): Promise<void> {
    try {
      await COMMAND_TABLE[id](this, target, selection);
    } catch (error) {
      this.log.error(`${id}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      // Not awaited: a command is done when its error is on screen, not when the user has answered it.
      void showError(error);
    }
  }
}
