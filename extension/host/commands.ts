import * as fs from 'node:fs';
import * as vscode from 'vscode';
import { failure } from '../protocol/errors';
import { sampleFolder } from './analysisPanel';
import type { AnalysisPanels } from './analysisPanels';
import { optionsFromSettings } from './analyzeOptions';
import { checkpointOf } from './checkpointFiles';
import { COMMANDS, type CommandId } from './ids';
import { formatBytes } from './itemText';
import { MERGE_COMMANDS } from './merge/mergeCommands';
import type { Merging } from './merge/merging';
import type { RecipeEditor } from './merge/recipeEditor';
import { LENS_COMMANDS } from './routing/lensCommands';
import type { RoutingLens } from './routing/routingLens';
import type { Services } from './services';
import { TRANSFER_COMMANDS } from './transfer/transferCommands';
import type { TransferPanels } from './transfer/transferPanels';

/** What a command works with. */
export interface CommandContext extends Services {
  readonly panels: AnalysisPanels;
  readonly lens: RoutingLens;
  readonly transfers: TransferPanels;
  readonly merging: Merging;
  readonly recipes: RecipeEditor;
}

type Command = (context: CommandContext, target: unknown, selection: unknown) => Promise<void>;

/** One function per command. The first argument of a command is what was clicked: a resource, an item of our view, or nothing; the second is everything that was selected then. */
export const COMMAND_TABLE: Readonly<Record<CommandId, Command>> = {
  [COMMANDS.analyze]: async (context, target) => {
    const path = pathOfTarget(target) ?? (await ask(context, 'Analyze which checkpoint?'));
    if (path) context.panels.analyze(checkpointOf(path, isFile));
  },
  [COMMANDS.analyzeWithOptions]: async (context, target) => {
    const path = pathOfTarget(target) ?? (await ask(context, 'Analyze which checkpoint?'));
    if (!path) return;
    const { chooseOptions } = await import('./runOptions');
    const place = checkpointOf(path, isFile);
    const options = await chooseOptions(optionsFromSettings(vscode.Uri.file(place)));
    if (options) context.panels.analyze(place, options);
  },
  [COMMANDS.openCheckpoint]: async (context) => {
    const path = await ask(context, 'Open Checkpoint');
    if (path) context.panels.analyze(checkpointOf(path, isFile));
  },
  [COMMANDS.inspectTensors]: async (context, target) => {
    const path = pathOfTarget(target) ?? (await ask(context, 'Inspect the tensors of which checkpoint?'));
    if (!path) return;
    const { openTensors } = await import('./openTensors');
    await openTensors(context, path);
  },
  [COMMANDS.cancelAnalysis]: async ({ panels }) => {
    const panel = panels.running();
    if (panel) panel.session.cancel();
    else await vscode.window.showInformationMessage('No analysis is running.');
  },
  [COMMANDS.clearCache]: async ({ engine }) => {
    const usage = await engine.request('store/usage', {});
    if (usage.results === 0) {
      await vscode.window.showInformationMessage('There are no cached results.');
      return;
    }
    const clear = 'Clear';
    const detail = 'Analyses that are open stay open; they are computed again when they are next asked for.';
    const results = usage.results === 1 ? '1 result' : `${usage.results} results`;
    if ((await vscode.window.showWarningMessage(`Clear ${results} (${formatBytes(usage.bytes)}) from the cache?`, { modal: true, detail }, clear)) !== clear) return;
    const { bytes } = await engine.request('store/clear', {});
    await vscode.window.showInformationMessage(`Cleared ${formatBytes(bytes)} of cached results.`);
  },
  [COMMANDS.showLog]: async ({ log }) => log.show(),
  [COMMANDS.restartEngine]: async ({ engine, log }) => {
    log.info('restarting the engine on request');
    await engine.restart();
    const { pid, devices } = await engine.request('engine/status', {});
    log.info(`engine ${pid}: devices ${devices.filter(({ available }) => available).map(({ name }) => name).join(', ') || 'none'}`);
    void vscode.window.setStatusBarMessage('Modulens: engine restarted', 4000);
  },
  [COMMANDS.chooseDevice]: async (context) => (await import('./chooseDevice')).chooseDevice(context),
  [COMMANDS.openSample]: async (context) => {
    context.panels.analyze(sampleFolder(context.context).fsPath);
  },
  [COMMANDS.refreshView]: async ({ checkpoints }) => {
    await checkpoints.scan();
  },
  [COMMANDS.copyPath]: async (_context, target) => {
    const path = pathOfTarget(target);
    if (path) await vscode.env.clipboard.writeText(path);
  },
  [COMMANDS.reveal]: async (_context, target) => {
    const path = pathOfTarget(target);
    if (path) await vscode.commands.executeCommand('revealInExplorer', vscode.Uri.file(path));
  },
  ...LENS_COMMANDS,
  ...TRANSFER_COMMANDS,
  ...MERGE_COMMANDS,
};

/** The place that was clicked: an explorer resource, an item of our view, a path; the active tensors editor for the palette. */
function pathOfTarget(target: unknown): string | undefined {
  if (target === undefined || target === null) return activeTensors();
  if (typeof target === 'string') return target;
  if (target instanceof vscode.Uri) {
    if (target.scheme !== 'file') throw failure('workspace/not-local', { uri: target.toString(true) });
    return target.fsPath;
  }
  const path = (target as { readonly path?: unknown }).path;
  return typeof path === 'string' ? path : undefined;
}

function activeTensors(): string | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  return input instanceof vscode.TabInputCustom && input.viewType.startsWith('modulens.') && input.uri.scheme === 'file' ? input.uri.fsPath : undefined;
}

async function ask(context: CommandContext, title: string): Promise<string | undefined> {
  return (await import('./pickCheckpoint')).pickCheckpoint(context, title);
}

function isFile(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
