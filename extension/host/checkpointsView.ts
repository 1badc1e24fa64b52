import * as vscode from 'vscode';
import type { EngineResult } from '../protocol/engineRpc';
import type { Findings } from './checkpointFiles';
import { Disposables, Emitter } from './disposables';
import { COMMANDS, ITEM_KINDS, type ItemKind } from './ids';
import { describeModel, describeModule, formatBytes, formatCount } from './itemText';
import { nameOf, pathOf } from './paths';
import type { Services } from './services';

type Description = EngineResult<'checkpoint/describe'>[number];

/** A place in the view; also what its menu commands get as their argument. */
export interface CheckpointItem {
  readonly kind: ItemKind;
  readonly path: string;
}
interface Group {
  readonly label: string;
  readonly items: readonly CheckpointItem[];
}
type Node = Group | CheckpointItem;

/** The tree of the workspace's checkpoints and modules. Names come from the search; facts from the engine when the view is seen. */
export class CheckpointsTree extends Disposables implements vscode.TreeDataProvider<Node> {
  private readonly change = this.add(new vscode.EventEmitter<undefined>());
  readonly onDidChangeTreeData = this.change.event;
  private readonly found = new Emitter<void>();
  /** The workspace holds something new or lost something; facts of new places are not read yet. */
  readonly onFound = this.found.on;
  private readonly facts = new Map<string, Description>();
  private services: Services | null = null;
  private scanned = false;

  constructor(private readonly load: () => Promise<Services>) {
    super();
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node) return 'items' in node ? [...node.items] : [];
    const services = await this.connect();
    if (!this.scanned) await services.checkpoints.scan();
    return groupsOf(services.checkpoints.findings);
  }

  async getTreeItem(node: Node): Promise<vscode.TreeItem> {
    if ('items' in node) return new vscode.TreeItem(node.label, vscode.TreeItemCollapsibleState.Expanded);
    const item = new vscode.TreeItem(nameOf(node.path));
    item.id = `${node.kind}:${node.path}`;
    item.contextValue = node.kind;
    item.resourceUri = vscode.Uri.file(node.path);
    item.iconPath = new vscode.ThemeIcon(ICONS[node.kind]);
    item.tooltip = node.path;
    item.description = vscode.workspace.asRelativePath(pathOf(node.path).dirname(node.path));
    const id = node.kind === ITEM_KINDS.module ? COMMANDS.inspectTensors : COMMANDS.analyze;
    item.command = { command: id, title: 'Open', arguments: [node] };
    const description = this.facts.get(node.path);
    if (description) decorate(item, description);
    return item;
  }

  /** Loads the facts of everything found, or only of what has none yet. Old facts stay in view until the new ones are there. */
  async describe(which: 'all' | 'missing'): Promise<void> {
    const services = await this.connect();
    const { checkpoints, files, modules } = services.checkpoints.findings;
    const paths = [...checkpoints, ...files, ...modules].filter((path) => which === 'all' || !this.facts.has(path));
    if (paths.length === 0) return;
    try {
      for (const description of await services.engine.request('checkpoint/describe', { paths })) this.facts.set(description.path, description);
      this.change.fire(undefined);
    } catch (error) {
      services.log.warn(`the view could not read facts: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private async connect(): Promise<Services> {
    if (this.services) return this.services;
    const services = await this.load();
    if (this.services === null) {
      this.services = services;
      this.add(
        services.checkpoints.onChange(() => {
          this.scanned = true;
          this.change.fire(undefined);
          this.found.fire();
        }),
      );
    }
    return services;
  }
}

const ICONS: Readonly<Record<ItemKind, string>> = { checkpoint: 'layers', weightsFile: 'file-binary', module: 'extensions' };

function groupsOf({ checkpoints, files, modules }: Findings): Group[] {
  const all: Group[] = [
    { label: 'Checkpoints', items: [...checkpoints.map((path) => ({ kind: ITEM_KINDS.checkpoint, path })), ...files.map((path) => ({ kind: ITEM_KINDS.file, path }))] },
    { label: 'Modules', items: modules.map((path) => ({ kind: ITEM_KINDS.module, path })) },
  ];
  return all.filter((group) => group.items.length > 0);
}

function decorate(item: vscode.TreeItem, { path, facts, module, error }: Description): void {
  const where = vscode.workspace.asRelativePath(path);
  const lines: string[] = [path];
  if (error) {
    item.iconPath = new vscode.ThemeIcon('warning');
    item.description = 'cannot be read';
    lines.push(error.message);
  } else if (module) {
    item.description = describeModule(module);
    lines.push(`${formatCount(module.parameters)} parameters at ${module.sites} sites`);
    if (module.cannotRun) lines.push(module.cannotRun);
  } else if (facts) {
    item.description = describeModel(facts);
    lines.push(`${formatCount(facts.parameters)} parameters, ${facts.dtype}, ${formatBytes(facts.bytes)}`);
    if (facts.dModel !== null && facts.dFf !== null) lines.push(`width ${facts.dModel}, FFN ${facts.dFf}`);
    if (!facts.tokenizer) lines.push('no tokenizer: weights only');
    if (facts.cannotRun) lines.push(facts.cannotRun);
  }
  // Plain text on purpose: names come from files and must not become links.
  item.tooltip = lines.join('\n');
  const label = typeof item.label === 'string' ? item.label : where;
  item.accessibilityInformation = { label: `${label}, ${item.description === true ? '' : (item.description ?? '')}` };
}
