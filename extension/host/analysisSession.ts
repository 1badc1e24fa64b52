import { randomUUID } from 'node:crypto';
import type { AnalysisDocument, AnalysisHead, LayerResult } from '../protocol/documents';
import type { AnalyzeOptions } from '../protocol/engineRpc';
import { type ErrorRecord, failure, ModulensError, toErrorRecord } from '../protocol/errors';
import type { HostMessage, PageMethod, RunState } from '../protocol/pageMessages';
import type { Progress } from '../protocol/progress';
import { type Disposable, Disposables, Emitter } from './disposables';
import type { EngineClient } from './engineClient';
import type { EngineNotification } from './engineProcess';

export interface Selection {
  readonly layer?: number;
  readonly expert?: number;
}

/**
 * One checkpoint's analysis as the host knows it: what was asked, how far it is, what has come. It outlives the page,
 * which may be hidden, reloaded or thrown away at any time and asks for the whole state again.
 */
export class AnalysisSession implements Disposable {
  private readonly message = new Emitter<HostMessage>();
  /** Messages for the page, in order. */
  readonly onMessage = this.message.on;
  private readonly stateChange = new Emitter<RunState>();
  readonly onState = this.stateChange.on;
  private readonly selectionChange = new Emitter<Selection>();
  readonly onSelection = this.selectionChange.on;
  private readonly disposables = new Disposables();
  private readonly layers = new Map<number, LayerResult>();
  private currentState: RunState = 'starting';
  private head: AnalysisHead | null = null;
  private document: AnalysisDocument | null = null;
  private error: ErrorRecord | null = null;
  private progress: Progress | null = null;
  private selection: Selection | null = null;
  private current: { readonly run: string; readonly controller: AbortController } | null = null;

  constructor(
    readonly path: string,
    readonly name: string,
    private readonly engine: EngineClient,
    public options: AnalyzeOptions,
  ) {
    this.disposables.add(engine.onNotification((notification) => this.receive(notification)));
  }

  get state(): RunState {
    return this.currentState;
  }

  get isRunning(): boolean {
    return this.current !== null;
  }

  /** Key of the results, once the engine has said it. */
  get key(): string | null {
    return this.head?.key ?? null;
  }

  /** Layer and expert that the user looks at. */
  get selected(): Selection | null {
    return this.selection;
  }

  /** Everything the page shows, for a page that has just come up. */
  snapshot(): HostMessage {
    const layers = [...this.layers.values()].sort((a, b) => a.index - b.index);
    return { type: 'analysis/state', state: this.currentState, name: this.name, head: this.head, layers, document: this.document, error: this.error, selection: this.selection };
  }

  /** The newest step of the run, for a page that has just come up. */
  lastProgress(): HostMessage | null {
    return this.progress && this.isRunning ? { type: 'analysis/progress', progress: this.progress } : null;
  }

  /** Runs with these options, or again with the last ones; finished layers come back from the store. Settles when the run has ended, never rejects. */
  async run(options: AnalyzeOptions | null = null): Promise<void> {
    this.current?.controller.abort();
    if (options) this.options = options;
    const mine = (this.current = { run: randomUUID(), controller: new AbortController() });
    this.error = null;
    this.progress = null;
    this.document = null;
    this.enter('starting');
    try {
      const firstLayer = this.options.firstLayer ?? this.selection?.layer;
      const document = await this.engine.request('analysis/run', { run: mine.run, path: this.path, options: { ...this.options, firstLayer } }, mine.controller.signal);
      if (this.current !== mine) return;
      this.finish(document);
    } catch (error) {
      if (this.current !== mine) return;
      this.current = null;
      const cancelled = error instanceof ModulensError && error.code === 'cancelled';
      this.error = cancelled ? null : toErrorRecord(error);
      this.enter(cancelled ? 'cancelled' : 'failed');
    }
  }

  /** Ends up failed without asking the engine (for example in an untrusted workspace). */
  refuse(error: ModulensError): void {
    this.error = error.toRecord();
    this.enter('failed');
  }

  cancel(): void {
    this.current?.controller.abort();
  }

  select(selection: Selection): void {
    this.selection = selection;
    this.selectionChange.fire(selection);
  }

  /** What the page's calls get from the host: the key of these results, and a run id where one is needed. */
  fillIn(method: PageMethod): Readonly<Record<string, unknown>> {
    if (this.head === null) throw failure('internal', { message: `${method} was asked before the analysis of ${this.name} began` });
    return method === 'analysis/ablation' ? { key: this.head.key, run: randomUUID() } : { key: this.head.key };
  }

  dispose(): void {
    this.current?.controller.abort();
    this.current = null;
    this.disposables.dispose();
  }

  private receive(notification: EngineNotification): void {
    if (!('run' in notification.params) || notification.params.run !== this.current?.run) return;
    switch (notification.name) {
      case 'analysis/started':
        this.begin(notification.params.head);
        break;
      case 'analysis/layer':
        this.layers.set(notification.params.layer.index, notification.params.layer);
        this.message.fire({ type: 'analysis/layer', layer: notification.params.layer });
        break;
      case 'run/progress':
        this.progress = notification.params.progress;
        this.message.fire({ type: 'analysis/progress', progress: this.progress });
        break;
    }
  }

  private begin(head: AnalysisHead): void {
    // Layers of other parameters are other results; those of the same key stay in view while the run continues.
    if (head.key !== this.head?.key) this.layers.clear();
    this.head = head;
    this.enter('running');
  }

  private finish(document: AnalysisDocument): void {
    this.current = null;
    this.head = headOf(document);
    this.document = document;
    this.layers.clear();
    for (const layer of document.layers) this.layers.set(layer.index, layer);
    this.enter('done');
  }

  private enter(state: RunState): void {
    this.currentState = state;
    this.message.fire(this.snapshot());
    this.stateChange.fire(state);
  }
}

/** The head alone: a page gets the layers once, not once more inside the head. */
function headOf({ key, model, device, seed, method, experts, topK, probe, probeMissing, layerIndices, nullNote }: AnalysisDocument): AnalysisHead {
  return { key, model, device, seed, method, experts, topK, probe, probeMissing, layerIndices, nullNote };
}
