import { randomUUID } from 'node:crypto';
import type { MergeMethodFacts } from '../../protocol/merge';
import type { Progress } from '../../protocol/progress';
import type { AnalysisPanels } from '../analysisPanels';
import { type Disposable, Disposables } from '../disposables';
import { pathOf } from '../paths';
import type { Services } from '../services';
import type { MergeEngine } from './mergeEngine';
import { MergePanels } from './mergePanels';
import { workspaceFolder } from './workspaceFolder';

/** Merging in this window: the engine's part, and what recipes, commands and pages share. */
export class Merging extends Disposables {
  readonly engine: MergeEngine;
  readonly panels: MergePanels;
  private table: Promise<readonly MergeMethodFacts[]> | null = null;

  constructor(readonly services: Services, private readonly analyses: AnalysisPanels) {
    super();
    const { engine, checkpoints } = services;
    const folders = (): string[] => [...checkpoints.findings.checkpoints];
    this.engine = {
      methods: () => (this.table ??= engine.request('merge/methods', {}).catch((error: unknown) => {
        this.table = null;
        throw error;
      })),
      check: ({ text, file }, signal) => engine.request('merge/check', { text, file: file ?? unsaved(), folders: folders() }, signal),
      plan: ({ text, file }, signal) => engine.request('merge/plan', { text, file: file ?? unsaved(), folders: folders() }, signal),
      merge: (run, { text, file }, out, options, signal) => engine.request('merge/run', { run, text, file: file ?? unsaved(), path: out, options: { ...options, folders: folders() } }, signal),
      inspect: (run, request, signal) => engine.request('merge/inspect', { run, request }, signal),
    };
    this.panels = this.add(new MergePanels(this));
  }

  newRun(): string {
    return randomUUID();
  }

  onProgress(run: string, listener: (progress: Progress) => void): Disposable {
    return this.services.engine.onNotification((notification) => notification.name === 'run/progress' && notification.params.run === run && listener(notification.params.progress));
  }

  openAnalysis(path: string): void {
    this.analyses.analyze(path);
  }
}

/** A recipe without a file: its paths start at the workspace. */
function unsaved(): string {
  const folder = workspaceFolder();
  return pathOf(folder).join(folder, 'recipe.yml');
}
