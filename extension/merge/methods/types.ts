import type { MergeMethodFacts } from '../../protocol/merge';
import type { Kernel, TensorJob } from '../engine/passTypes';

/** One tensor to merge, as a method sees it. */
export interface MergeTask {
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Whether input 0 is the base. */
  readonly hasBase: boolean;
  /** Inputs beside the base. */
  readonly models: number;
  /** Names of the inputs beside the base, for messages and random streams. */
  readonly names: readonly string[];
  readonly seed: number;
  /** mergekit's numbers where this program differs on purpose. */
  readonly asMergekit: boolean;
  /** A setting of the merge. */
  number(name: string): number;
  flag(name: string): boolean;
  /** A setting of model i (the base not counted). */
  of(model: number, name: string): number;
  /** Told once per code, with the number of tensors it holds for. */
  warn(code: string, message: string): void;
}

/** A way to merge. One file per method exports one object of this kind. */
export interface MergeMethod extends MergeMethodFacts {
  /**
   * Whether a listed base counts as one of the models (`slerp`, `linear`) rather than as the origin of differences.
   * With `true`, input 0 is not a base and all listed models are inputs.
   */
  readonly baseIsModel: boolean;
  /** Checks the settings of one tensor before anything is read; the reason why they cannot be used, or null. */
  readonly check?: (task: MergeTask) => string | null;
  /** The passes over the tensor. */
  readonly merge: (task: MergeTask) => TensorJob;
  /** Kernels that the passes name, beside the common ones. */
  readonly kernels?: Readonly<Record<string, Kernel>>;
}
