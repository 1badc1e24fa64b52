import type { MergeInspectRequest } from '../../protocol/mergeInspect';
import type { MergePageState } from '../../protocol/mergePage';
import { toErrorRecord } from '../../protocol/errors';
import type { Progress } from '../../protocol/progress';
import { type Disposable, Emitter } from '../disposables';
import type { MergeEngine } from './mergeEngine';
import type { RecipeText } from './recipeState';

/** What a merge page is about: a recipe, or models that were chosen. */
export type MergeSubject =
  | { readonly kind: 'recipe'; readonly name: string; readonly read: () => Promise<RecipeText> }
  | { readonly kind: 'models'; readonly models: readonly string[]; readonly base: string | null };

/** The reading behind one merge page: first the plan where there is a recipe, then the comparison of its models. What is known stays while it is read anew. */
export class MergeSession implements Disposable {
  private readonly change = new Emitter<void>();
  readonly onChange = this.change.on;
  private running: AbortController | null = null;
  progress: Progress | null = null;
  state: MergePageState;

  constructor(
    private readonly engine: MergeEngine,
    private subject: MergeSubject,
    private readonly run: { newRun(): string; onProgress(run: string, listener: (progress: Progress) => void): Disposable },
  ) {
    const chosen = subject.kind === 'models' ? subject : { models: [], base: null };
    this.state = { step: 'reading', recipe: subject.kind === 'recipe' ? subject.name : null, plan: null, models: chosen.models, base: chosen.base, document: null, note: null, error: null };
  }

  get isReading(): boolean {
    return this.running !== null;
  }

  /** Compares others; a page of a recipe becomes one of models. */
  choose(subject: MergeSubject): Promise<void> {
    this.subject = subject;
    return this.read();
  }

  cancel(): void {
    this.running?.abort();
  }

  /** Reads now; what an earlier call still reads is given up. */
  async read(): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    const { signal } = running, { subject } = this;
    this.progress = null;
    this.set({ step: 'reading', error: null, note: null, recipe: subject.kind === 'recipe' ? subject.name : null, ...(subject.kind === 'models' ? { models: subject.models, base: subject.base, plan: null } : {}) });
    try {
      const request = subject.kind === 'recipe' ? await this.planned(subject, signal) : { models: subject.models, base: subject.base };
      if (signal.aborted && this.running !== running) return;
      const document = request && (await this.inspected(request, signal));
      if (this.running === running) this.set({ step: 'done', document: document ?? null });
    } catch (error) {
      if (this.running !== running) return;
      const record = toErrorRecord(error);
      this.set(record.code === 'cancelled' ? { step: 'cancelled' } : { step: 'failed', error: record });
    } finally {
      if (this.running === running) {
        this.running = null;
        this.change.fire();
      }
    }
  }

  dispose(): void {
    this.running?.abort();
    this.running = null;
  }

  private async planned(subject: Extract<MergeSubject, { kind: 'recipe' }>, signal: AbortSignal): Promise<MergeInspectRequest | null> {
    const plan = await this.engine.plan(await subject.read(), signal);
    const paths = (role: string): string[] => [...new Set(plan.inputs.filter((input) => input.role === role).map(({ path }) => path))];
    const [base = null] = paths('base'), models = paths('model').filter((path) => path !== base), modules = paths('lora');
    // Modules on one base say more about themselves than the whole checkpoints that they make.
    const compared = modules.length > 1 && models.length === 0 ? { models: modules, base: null } : { models, base };
    const note = compared.models.length > 1 ? null : compared.models.length === 1 && base !== null ? null : 'This recipe has a single model, so there is nothing to compare.';
    this.set({ plan, models: compared.models, base: compared.base, note });
    return note === null ? compared : null;
  }

  private async inspected(request: MergeInspectRequest, signal: AbortSignal) {
    const run = this.run.newRun();
    const listening = this.run.onProgress(run, (progress) => {
      this.progress = progress;
      this.change.fire();
    });
    try {
      return await this.engine.inspect(run, request, signal);
    } finally {
      listening.dispose();
    }
  }

  private set(change: Partial<MergePageState>): void {
    this.state = { ...this.state, ...change };
    this.change.fire();
  }
}
