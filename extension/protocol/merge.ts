import type { DocumentHead, EvaluationRun } from './documents';

/** Every method that a recipe may name, in the order in which lists show them. */
export const MERGE_METHODS = [
  'linear', 'task_arithmetic', 'ties', 'dare_linear', 'dare_ties', 'breadcrumbs', 'breadcrumbs_ties', 'della', 'della_linear', 'slerp', 'nuslerp', 'multislerp', 'karcher',
  'model_stock', 'nearswap', 'sce', 'arcee_fusion', 'ram', 'passthrough', 'negation', 'analogy',
] as const;
export type MergeMethodName = (typeof MERGE_METHODS)[number];

/** A stretch of a recipe's text; lines and columns count from 0, columns in UTF-16 units, as an editor does. */
export interface TextRange {
  readonly start: { readonly line: number; readonly column: number };
  readonly end: { readonly line: number; readonly column: number };
  /** The same as offsets into the text. */
  readonly from: number;
  readonly to: number;
}

export type RecipeProblemCode =
  | 'yaml' | 'unknown-key' | 'unknown-method' | 'unknown-parameter' | 'misplaced-parameter' | 'missing' | 'type' | 'range' | 'model-count' | 'base-missing' | 'base-unused' | 'layers' | 'unsupported' | 'ignored' | 'conflict' | 'duplicate' | 'not-found';

/** What is wrong with a recipe, where, and what to write instead. */
export interface RecipeProblem {
  readonly code: RecipeProblemCode;
  /** An error stops the merge; a warning does not. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly range: TextRange;
  /** Text that could stand in the place of `range`. */
  readonly suggestion?: string;
}

/** A number or a switch, or several that are spread over the layers (a gradient). */
export type PlainSetting = number | boolean | readonly number[];
/** The value for tensors whose name holds `filter`; null or "*" fits every tensor. The first that fits counts. */
export interface FilteredSetting {
  readonly filter: string | null;
  readonly value: PlainSetting;
}
export type Setting = PlainSetting | readonly FilteredSetting[];
export type Settings = Readonly<Record<string, Setting>>;

/** A model as a recipe names it: path or hub id, `@revision`, `+lora`. */
export interface ModelReference {
  /** As written. */
  readonly text: string;
  readonly model: string;
  readonly revision: string | null;
  readonly lora: string | null;
  readonly range: TextRange;
}

export interface RecipeInput {
  readonly model: ModelReference;
  readonly parameters: Settings;
}

export interface RecipeSlice {
  readonly sources: readonly (RecipeInput & { readonly layers: readonly [number, number] })[];
  readonly base: ModelReference | null;
  readonly parameters: Settings;
  readonly range: TextRange;
}

export const MERGE_DTYPES = ['float32', 'float16', 'bfloat16'] as const;
export type MergeDtype = (typeof MERGE_DTYPES)[number];

/** Where the vocabulary of the result comes from. */
export interface TokenizerChoice {
  readonly source: 'base' | 'union' | ModelReference;
  readonly padToMultipleOf: number | null;
}

/** A recipe that was read without an error. Exactly one of `models` and `slices` is given. */
export interface MergeRecipe {
  readonly method: MergeMethodName;
  readonly base: ModelReference | null;
  readonly models: readonly RecipeInput[] | null;
  readonly slices: readonly RecipeSlice[] | null;
  readonly parameters: Settings;
  /** Inputs are read as this; also the dtype of the result where `outDtype` is not given. Null: the dtype of the base. */
  readonly dtype: MergeDtype | null;
  readonly outDtype: MergeDtype | null;
  readonly tokenizer: TokenizerChoice | null;
  readonly chatTemplate: string | null;
}

export interface CheckedRecipe {
  /** Null where there is an error. */
  readonly recipe: MergeRecipe | null;
  readonly problems: readonly RecipeProblem[];
}

/** One setting of a method. */
export interface MergeParameter {
  readonly name: string;
  readonly type: 'number' | 'boolean';
  /** `model`: given for each model, or for all at once; `merge`: given once. */
  readonly scope: 'model' | 'merge';
  /** Null: has to be given. */
  readonly default: number | boolean | null;
  readonly least?: number;
  readonly most?: number;
  readonly says: string;
}

/** What editors and pages tell about a method. */
export interface MergeMethodFacts {
  readonly name: MergeMethodName;
  readonly title: string;
  /** θ₀ base, θᵢ models, τᵢ = θᵢ − θ₀, wᵢ weights. */
  readonly formula: string;
  readonly says: string;
  /** Where the formula comes from. */
  readonly source: string;
  readonly base: 'required' | 'optional' | 'unused';
  /** Models beside the base; null: no limit. */
  readonly models: readonly [number, number | null];
  readonly parameters: readonly MergeParameter[];
}

/** What a merge would do, before a byte is written. */
export interface MergePlanDocument extends DocumentHead {
  readonly kind: 'merge-plan';
  readonly method: MergeMethodName;
  readonly formula: string;
  readonly inputs: readonly MergeInputFacts[];
  readonly layers: number;
  readonly tensors: number;
  readonly parameters: number;
  /** Tensors by what happens to them. */
  readonly merged: number;
  readonly copied: number;
  readonly dtype: string;
  readonly vocabulary: number | null;
  readonly outputs: readonly { readonly file: string; readonly bytes: number; readonly tensors: number }[];
  readonly bytes: number;
  readonly bytesRead: number;
  /** Bytes free where the result would lie; null where it is not known. */
  readonly free: number | null;
}

export interface MergeInputFacts {
  /** As the recipe names it. */
  readonly reference: string;
  readonly path: string;
  readonly role: 'base' | 'model' | 'lora';
  readonly files: readonly { readonly file: string; readonly bytes: number; readonly sha256?: string }[];
}

export interface MergeEvaluation {
  readonly data: { readonly file: string; readonly documents: number; readonly skipped: number; readonly sha256: string };
  /** First the merge. */
  readonly runs: readonly EvaluationRun[];
  /** Base, every parent, and the plain average of the parents. */
  readonly controls: readonly EvaluationRun[];
  /** Mean change of loss per token against each control, nats, with a 95 % bootstrap interval over documents; below 0: the merge is better. */
  readonly against: readonly { readonly control: string; readonly change: number; readonly interval: readonly [number, number]; readonly documents: number }[];
}

export interface MergeDocument extends DocumentHead {
  readonly kind: 'merge';
  readonly method: MergeMethodName;
  readonly formula: string;
  readonly seed: number;
  readonly device: { readonly requested: string; readonly used: string | null };
  readonly out: string;
  readonly inputs: readonly MergeInputFacts[];
  readonly outputs: readonly { readonly file: string; readonly bytes: number; readonly sha256: string }[];
  readonly tensors: number;
  readonly merged: number;
  readonly copied: number;
  /** Tensors that an earlier, interrupted run had finished. */
  readonly resumed: number;
  readonly threads: number;
  readonly bytesRead: number;
  readonly evaluation?: MergeEvaluation;
}

/** Options of a merge that do not stand in the recipe. */
export interface MergeOptions {
  readonly seed?: number;
  readonly threads?: number;
  readonly overwrite?: boolean;
  /** Bytes of one output file. */
  readonly shardBytes?: number;
  /** The numbers of mergekit where this program differs on purpose. */
  readonly asMergekit?: boolean;
  /** Folders in which model references are looked for after all other places. */
  readonly folders?: readonly string[];
}
