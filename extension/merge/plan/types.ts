import type { Dtype } from '../../checkpoint/dtypes';
import type { Checkpoint, TensorInfo } from '../../checkpoint/types';
import type { LoraModule } from '../../module/types';
import type { Notice } from '../../protocol/documents';
import type { MergeRecipe } from '../../protocol/merge';
import type { LoraFactors } from '../engine/passTypes';
import type { MergeMethod, MergeTask } from '../methods/types';

/** A model of the recipe, opened: headers only. */
export interface OpenedModel {
  /** As the recipe names it. */
  readonly reference: string;
  readonly path: string;
  readonly checkpoint: Checkpoint;
  readonly lora: LoraModule | null;
}

/** One tensor of one model that goes into a merge. */
export interface TensorSource {
  readonly model: OpenedModel;
  readonly tensor: TensorInfo;
  /** Reads the LoRA factors that are added to it; null without any. */
  readonly loras: (() => Promise<readonly LoraFactors[]>) | null;
  /** Replaces the tensor by rows in the order of another vocabulary; see `vocabulary.ts`. */
  readonly rows: RowMap | null;
}

/** For each row of the result the rows of the sources whose mean it is; none: zeros. */
export interface RowMap {
  readonly rows: readonly (readonly { readonly source: TensorInfo; readonly row: number }[])[];
}

/** One tensor of the result. */
export interface PlannedTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
  /** The base first where the method has one. */
  readonly sources: readonly TensorSource[];
  /** Null: the first source is copied. */
  readonly task: MergeTask | null;
}

/** A file of the result: its header is known before anything is computed. */
export interface PlannedFile {
  readonly name: string;
  readonly head: Uint8Array;
  readonly bytes: number;
  /** In the order in which they lie and are computed, with their byte offsets in the file. */
  readonly tensors: readonly { readonly tensor: PlannedTensor; readonly offset: number }[];
}

/** A merge that has been checked as far as headers allow. */
export interface MergePlan {
  readonly recipe: MergeRecipe;
  readonly recipeText: string;
  readonly method: MergeMethod;
  readonly seed: number;
  readonly asMergekit: boolean;
  readonly models: readonly OpenedModel[];
  /** The model whose configuration and other files the result takes. */
  readonly template: OpenedModel;
  readonly base: OpenedModel | null;
  readonly tensors: readonly PlannedTensor[];
  readonly files: readonly PlannedFile[];
  readonly layers: number;
  /** Configuration of the result; null where the template has none. */
  readonly config: Readonly<Record<string, unknown>> | null;
  /** Tokenizer files of the result that are not copied but made. */
  readonly made: ReadonlyMap<string, string>;
  /** Folder from which tokenizer files are copied. */
  readonly tokenizerFolder: string;
  readonly dtype: string;
  readonly vocabulary: number | null;
  /** Names what the result is, for the folder of an unfinished merge. */
  readonly id: string;
  readonly warnings: readonly Notice[];
  /** Remarks of methods, with the number of tensors they hold for; filled while merging. */
  readonly remarks: Map<string, { readonly message: string; count: number }>;
}
