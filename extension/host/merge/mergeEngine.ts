import type { MergeDocument, MergeMethodFacts, MergeOptions } from '../../protocol/merge';
import type { MergeInspectDocument, MergeInspectRequest } from '../../protocol/mergeInspect';
import type { RecipeChecker, RecipeText } from './recipeState';

/** What editor, commands and pages of merging ask of the engine. */
export interface MergeEngine extends RecipeChecker {
  /** Facts of every method; asked for once. */
  methods(): Promise<readonly MergeMethodFacts[]>;
  /** Merges; what an interrupted run with the same recipe and folder had finished is not done again. */
  merge(run: string, recipe: RecipeText, out: string, options: MergeOptions, signal: AbortSignal): Promise<MergeDocument>;
  /** How models lie to each other; reads all their weights, writes nothing. */
  inspect(run: string, request: MergeInspectRequest, signal: AbortSignal): Promise<MergeInspectDocument>;
}
