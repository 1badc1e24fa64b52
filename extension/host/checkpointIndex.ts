import * as vscode from 'vscode';
import { classifyFiles, type Findings, SEARCH_LIMIT, SEARCH_PATTERN } from './checkpointFiles';
import { setContext } from './contributions';
import { Disposables, Emitter } from './disposables';

/** A download touches many files; the workspace is searched again when it has been quiet for so long. */
const QUIET_MS = 1_000;
/** Folders that are large, change all the time and hold no checkpoints of the user. */
const EXCLUDED = '**/{node_modules,.git,__pycache__,.venv}/**';

/** The checkpoints and modules of the workspace, kept true by a file watcher, and the context key that menus look at. */
export class CheckpointIndex extends Disposables {
  private readonly change = new Emitter<Findings>();
  readonly onChange = this.change.on;
  private found: Findings = { checkpoints: [], files: [], modules: [] };
  private scanning: Promise<Findings> | null = null;
  private quiet: NodeJS.Timeout | undefined;

  constructor(private readonly log: vscode.LogOutputChannel) {
    super();
    const watcher = this.add(vscode.workspace.createFileSystemWatcher(SEARCH_PATTERN, false, true, false));
    this.add(watcher.onDidCreate(() => this.scanSoon()));
    this.add(watcher.onDidDelete(() => this.scanSoon()));
    this.add(vscode.workspace.onDidChangeWorkspaceFolders(() => this.scanSoon()));
    this.add({ dispose: () => clearTimeout(this.quiet) });
  }

  get findings(): Findings {
    return this.found;
  }

  /** Searches the workspace now. */
  scan(): Promise<Findings> {
    clearTimeout(this.quiet);
    this.scanning ??= this.search().finally(() => {
      this.scanning = null;
    });
    return this.scanning;
  }

  private scanSoon(): void {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => void this.scan(), QUIET_MS);
  }

  private async search(): Promise<Findings> {
    const uris = await vscode.workspace.findFiles(SEARCH_PATTERN, EXCLUDED, SEARCH_LIMIT);
    if (uris.length === SEARCH_LIMIT) this.log.warn(`the workspace holds more than ${SEARCH_LIMIT} files that could belong to checkpoints; the rest is not listed`);
    this.found = classifyFiles(uris.filter(({ scheme }) => scheme === 'file').map(({ fsPath }) => fsPath));
    // Menus compare with a path as the window sees it, which on a remote Windows machine has slashes.
    const seen = (folders: readonly string[]): string[] => folders.flatMap((folder) => [...new Set([folder, vscode.Uri.file(folder).path])]);
    await setContext('modulens.checkpointFolders', seen(this.found.checkpoints));
    await setContext('modulens.moduleFolders', seen(this.found.modules));
    await setContext('modulens.scanned', true);
    this.change.fire(this.found);
    return this.found;
  }
}
