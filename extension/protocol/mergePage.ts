import type { ErrorRecord } from './errors';
import type { MergeDtype, MergeMethodName, MergePlanDocument } from './merge';
import type { MergeInspectDocument } from './mergeInspect';

/** How far the page's reading is. */
export type MergeStep = 'reading' | 'cancelled' | 'failed' | 'done';

/** Everything that the merge page shows. */
export interface MergePageState {
  readonly step: MergeStep;
  /** The recipe's name; null for models that were selected without one. */
  readonly recipe: string | null;
  /** What the recipe would do; null without a recipe, and until headers are read. */
  readonly plan: MergePlanDocument | null;
  /** What is compared, as chosen. */
  readonly models: readonly string[];
  readonly base: string | null;
  /** How the models lie to each other; null until it is read. */
  readonly document: MergeInspectDocument | null;
  /** Why models are not compared though the plan stands (modules inside a recipe, a single model). */
  readonly note: string | null;
  readonly error: ErrorRecord | null;
}

/** What a new recipe should say, asked for by a piece of advice; what is left out stays as it is. */
export interface RecipeWish {
  readonly method?: MergeMethodName;
  /** Weight of every model. */
  readonly weight?: number;
  readonly outDtype?: MergeDtype;
  readonly tokenizer?: 'union' | 'base';
  /** Models to leave out, by their number in `models`. */
  readonly without?: readonly number[];
}
