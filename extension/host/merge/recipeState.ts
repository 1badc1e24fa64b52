import type { CheckedRecipe, MergePlanDocument, RecipeProblem } from '../../protocol/merge';
import { type ErrorRecord, toErrorRecord } from '../../protocol/errors';
import { type Disposable, Emitter } from '../disposables';
import { formatBytes } from '../itemText';

/** What is checked: the text as it is in the editor, and from where its paths start. */
export interface RecipeText {
  readonly text: string;
  /** The recipe's file; null while it has none. */
  readonly file: string | null;
}

/** What checking needs of the engine. */
export interface RecipeChecker {
  check(recipe: RecipeText, signal: AbortSignal): Promise<CheckedRecipe>;
  /** Reads headers only. */
  plan(recipe: RecipeText, signal: AbortSignal): Promise<MergePlanDocument>;
}

/** After the last key stroke. */
const QUIET_MS = 250;

/**
 * The checks of one recipe: problems soon after each edit; where there is no error, what the merge would read and write. Answers that an edit has
 * overtaken are dropped.
 */
export class RecipeState implements Disposable {
  private readonly change = new Emitter<void>();
  readonly onChange = this.change.on;
  private timer: NodeJS.Timeout | undefined;
  private running: AbortController | null = null;
  private settled: Promise<void> = Promise.resolve();
  /** Null before the first check. */
  problems: readonly RecipeProblem[] | null = null;
  plan: MergePlanDocument | null = null;
  /** Why there is no plan though the recipe has no error; or why it could not be checked. */
  failure: ErrorRecord | null = null;
  isChecking = false;
  private last: string | null = null;

  constructor(private readonly checker: RecipeChecker, private readonly quietMs: number = QUIET_MS) {}

  /** Checks a text when nothing has been typed for a moment; a text that is known is not checked again. */
  update(recipe: RecipeText): void {
    if (recipe.text === this.last) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.check(recipe), this.quietMs);
  }

  /** Checks now, also what is known already (files may have come or gone). */
  check(recipe: RecipeText): Promise<void> {
    clearTimeout(this.timer);
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    this.last = recipe.text;
    this.isChecking = true;
    this.change.fire();
    this.settled = this.run(recipe, running.signal).finally(() => {
      if (this.running !== running) return;
      this.isChecking = false;
      this.change.fire();
    });
    return this.settled;
  }

  /** Whether what is known belongs to this text. */
  isAbout(text: string): boolean {
    return this.last === text && this.problems !== null;
  }

  get errors(): number {
    return this.problems?.filter(({ severity }) => severity === 'error').length ?? 0;
  }

  get warnings(): number {
    return this.problems?.filter(({ severity }) => severity === 'warning').length ?? 0;
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.running?.abort();
  }

  private async run(recipe: RecipeText, signal: AbortSignal): Promise<void> {
    try {
      const { problems } = await this.checker.check(recipe, signal);
      if (signal.aborted) return;
      this.problems = problems;
      this.failure = null;
      if (this.errors > 0) {
        this.plan = null;
        return;
      }
      this.change.fire();
      const plan = await this.checker.plan(recipe, signal);
      if (signal.aborted) return;
      this.plan = plan;
    } catch (error) {
      if (signal.aborted) return;
      this.plan = null;
      // Cancelled by someone else, with the engine for instance: the next edit or "Check" asks again.
      const record = toErrorRecord(error);
      this.failure = record.code === 'cancelled' ? null : record;
    }
  }
}

const count = (n: number, one: string): string => `${n} ${n === 1 ? one : `${one}s`}`;

/** The result of the last check on one line, for the lens. */
export function resultLine({ problems, plan, failure, errors, warnings, isChecking }: Pick<RecipeState, 'problems' | 'plan' | 'failure' | 'errors' | 'warnings' | 'isChecking'>): string {
  if (problems === null) return failure?.message ?? (isChecking ? 'checking\u2026' : 'not checked yet');
  const found = [errors > 0 ? count(errors, 'error') : null, warnings > 0 ? count(warnings, 'warning') : null].filter((part) => part !== null).join(', ');
  if (errors > 0) return found;
  const result = failure?.message ?? (plan ? describePlan(plan) : isChecking ? 'reading headers\u2026' : 'no errors');
  return found ? `${found}; ${result}` : result;
}

/** "2 inputs, 111 tensors, 12.1 MB to write" */
export function describePlan({ inputs, tensors, bytes, free }: MergePlanDocument): string {
  const space = free !== null && free < bytes ? ` (only ${formatBytes(free)} free)` : '';
  return `${count(inputs.filter(({ role }) => role !== 'lora').length, 'input')}, ${count(tensors, 'tensor')}, ${formatBytes(bytes)} to write${space}`;
}
