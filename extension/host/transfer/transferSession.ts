import { randomUUID } from 'node:crypto';
import { type ErrorRecord, ModulensError, toErrorRecord } from '../../protocol/errors';
import type { HostMessage } from '../../protocol/pageMessages';
import type { Progress } from '../../protocol/progress';
import type { TransferDocument, TransferPlan, TransferRequest } from '../../protocol/transfer';
import type { TransferPageState, TransferStep } from '../../protocol/transferPage';
import { type Disposable, Disposables, Emitter } from '../disposables';
import type { EngineClient } from '../engineClient';
import { type TransferEngine, transferEngine } from './transferEngine';

/** What a transfer begins with: a request, and for one that was finished before, its document and folder. */
export interface TransferStart {
  readonly request: TransferRequest;
  readonly out: string | null;
  readonly document: TransferDocument | null;
}

/**
 * One transfer as the host knows it: what was asked, the plan, how far the run is, what came out. It outlives the page, which may be
 * hidden or reloaded at any time and asks for the whole state again.
 */
export class TransferSession implements Disposable {
  private readonly message = new Emitter<HostMessage>();
  /** Messages for the page, in order. */
  readonly onMessage = this.message.on;
  private readonly stepChange = new Emitter<TransferStep>();
  readonly onStep = this.stepChange.on;
  private readonly disposables = new Disposables();
  private readonly engine: TransferEngine;
  private currentStep: TransferStep;
  private currentRequest: TransferRequest;
  private plan: TransferPlan | null = null;
  private report: TransferDocument | null;
  private currentOut: string | null;
  private error: ErrorRecord | null = null;
  private progress: Progress | null = null;
  private current: { readonly run: string; readonly controller: AbortController } | null = null;

  /** `suggest` gives a folder that is likely wanted, for a request. */
  constructor(
    client: EngineClient,
    start: TransferStart,
    private readonly suggest: (request: TransferRequest) => string,
  ) {
    this.engine = transferEngine(client);
    this.currentRequest = start.request;
    this.currentOut = start.out;
    this.report = start.document;
    this.currentStep = start.document ? 'done' : 'planning';
    this.disposables.add(
      client.onNotification((notification) => {
        if (notification.name !== 'run/progress' || notification.params.run !== this.current?.run) return;
        this.progress = notification.params.progress;
        if (this.currentStep === 'starting') this.enter('running');
        this.message.fire({ type: 'analysis/progress', progress: this.progress });
      }),
    );
  }

  get step(): TransferStep {
    return this.currentStep;
  }
  get request(): TransferRequest {
    return this.currentRequest;
  }
  get out(): string | null {
    return this.currentOut;
  }
  get document(): TransferDocument | null {
    return this.report;
  }
  get isRunning(): boolean {
    return this.currentStep === 'starting' || this.currentStep === 'running';
  }

  /** Everything the page shows, for a page that has just come up. */
  snapshot(): HostMessage {
    const { currentStep: step, currentRequest: request, currentOut: out, plan, report: document, error } = this;
    const state: TransferPageState = { step, request, out, suggestedOut: this.suggest(request), plan, document, error };
    return { type: 'transfer/state', state };
  }

  lastProgress(): HostMessage | null {
    return this.progress && this.isRunning ? { type: 'analysis/progress', progress: this.progress } : null;
  }

  /** Makes the plan, with changes to the request where given. A report that was there gives way to it. Never rejects. */
  async replan(change: Partial<TransferRequest> = {}): Promise<void> {
    if (this.isRunning) return;
    this.currentRequest = { ...this.currentRequest, ...change };
    // Another module or target is another folder; what was chosen for the old ones would be overwritten by accident.
    if (change.module !== undefined || change.to !== undefined) this.currentOut = null;
    this.report = null;
    await this.work('planning', async (signal) => {
      this.plan = null;
      const plan = await this.engine.plan(this.currentRequest, signal);
      return () => {
        this.plan = plan;
        this.enter('plan');
      };
    });
  }

  /** Runs into a folder. Settles when the run has ended, never rejects. */
  async run(out: string, overwrite: boolean): Promise<void> {
    if (this.isRunning) return;
    this.currentOut = out;
    this.report = null;
    await this.work('starting', async (signal, run) => {
      const document = await this.engine.run({ run, request: this.currentRequest, out, overwrite }, signal);
      return () => {
        this.report = document;
        this.currentOut = document.out;
        this.enter('done');
      };
    });
  }

  /** Remembers a folder without running. */
  setOut(out: string): void {
    this.currentOut = out;
    this.message.fire(this.snapshot());
  }

  /** Ends up failed without asking the engine (for example in an untrusted workspace). */
  refuse(error: ModulensError): void {
    this.error = error.toRecord();
    this.enter('failed');
  }

  cancel(): void {
    this.current?.controller.abort();
  }

  dispose(): void {
    this.cancel();
    this.current = null;
    this.disposables.dispose();
  }

  /** One piece of work at a time: a new one takes the place of the old one, whose result is thrown away. */
  private async work(step: TransferStep, task: (signal: AbortSignal, run: string) => Promise<() => void>): Promise<void> {
    this.current?.controller.abort();
    const mine = (this.current = { run: randomUUID(), controller: new AbortController() });
    this.error = null;
    this.progress = null;
    this.enter(step);
    try {
      const finish = await task(mine.controller.signal, mine.run);
      if (this.current !== mine) return;
      this.current = null;
      finish();
    } catch (error) {
      if (this.current !== mine) return;
      this.current = null;
      const cancelled = error instanceof ModulensError && error.code === 'cancelled';
      this.error = cancelled ? null : toErrorRecord(error);
      this.enter(cancelled ? 'cancelled' : 'failed');
    }
  }

  private enter(step: TransferStep): void {
    this.currentStep = step;
    this.message.fire(this.snapshot());
    this.stepChange.fire(step);
  }
}
