import type { BoundModel } from '../architecture/resolve';
import type { Checkpoint, TensorInfo } from '../checkpoint/types';
import type { ModuleControl } from './controls';
import type { ModuleParts } from './parts';
import type { LoraFactors } from './writeLora';

/** A place of the base at which a module acts. */
export interface ModuleSite {
  /** Module path on the base as its library names it ("model.layers.0.self_attn.q_proj"). */
  readonly target: string;
}

/** A part of a module that is no update of a linear map of a block. */
export interface ModuleExtra {
  /** Tensor or module path, as the base names it. */
  readonly name: string;
  /** In a few words: "a weight of the base saved anew". */
  readonly what: string;
  readonly parameters: number;
}

/** How strongly a module acts, and whether what it learned is replaced by chance. */
export interface BindOptions {
  readonly strength: number;
  readonly control?: ModuleControl;
  /** Starts the names of the graph inputs of this module: unique among the modules that act at once. */
  readonly prefix: string;
}

/**
 * A plugged-in module as read from its folder, whatever its kind; learned values are still in the file. A kind is one file of this room, which
 * reads such a module and says what it does to a base.
 */
export interface PluggedModule {
  /** `lora`, `ia3`, ... */
  readonly kind: string;
  readonly path: string;
  readonly name: string;
  /** What the module's settings call its base; null where they do not say. */
  readonly base: string | null;
  /** Revision of the base, where the settings name one. */
  readonly revision?: string;
  /** `CAUSAL_LM`, `SEQ_CLS`, ...; null where the settings do not say. */
  readonly taskType?: string | null;
  /** The settings' rank; null for kinds without one. */
  readonly rank: number | null;
  readonly sites: readonly ModuleSite[];
  /** What the module holds besides. */
  readonly extras: readonly ModuleExtra[];
  readonly weights: Checkpoint;
  /** What it does to a base. @throws module/no-site, module/shape and other typed failures where it does not fit */
  bind(model: BoundModel, options: BindOptions): Promise<ModuleParts>;
  /** Its updates of linear maps as factors; absent for kinds that are no such updates. */
  lower?(model: BoundModel, options: LowerOptions): Promise<LoweredModule>;
}

export interface LowerOptions {
  /** Most ranks that an update gets which is not of low rank by itself; undefined: as many as hold `ENERGY_KEPT` of it, within a limit. */
  readonly rank?: number;
}

/** An update of one linear map as factors. */
export interface LoweredSite extends LoraFactors {
  /** Share of the squared Frobenius norm of the update that the factors hold: 1 where they are exact. */
  readonly energy: number;
}

/** A module as updates of linear maps, and what is lost by that. */
export interface LoweredModule {
  readonly sites: readonly LoweredSite[];
  readonly left: readonly { readonly name: string; readonly reason: string }[];
}

/** LoRA factors of one linear map: y += strength * scaling * (x A^T) B^T. */
export interface LoraSite extends ModuleSite {
  /** `[rank, in]` */
  readonly a: TensorInfo;
  /** `[out, rank]` */
  readonly b: TensorInfo;
  readonly rank: number;
  /** alpha / r, or alpha / sqrt(r) for rsLoRA. */
  readonly scaling: number;
  /** DoRA (arXiv 2402.09353): length of each row of the changed weight `[out]`. */
  readonly magnitude?: TensorInfo;
  /** Bias of the factor B `[out]` (lora_bias). */
  readonly bias?: TensorInfo;
}

/** LoRA factors of a table of rows: row i += strength * scaling * B a_i; `a` is `[rank, rows]`, `b` `[width, rank]`. */
export type EmbeddingSite = Pick<LoraSite, 'target' | 'a' | 'b' | 'rank' | 'scaling'>;

/** What a PEFT LoRA folder holds; factors are still in the file. */
export interface LoraModule {
  readonly kind: 'lora';
  readonly path: string;
  readonly name: string;
  /** `base_model_name_or_path` of adapter_config.json. */
  readonly base: string | null;
  readonly rank: number;
  readonly sites: readonly LoraSite[];
  readonly weights: Checkpoint;
}

/** A PEFT LoRA that can act and be lowered. */
export type PluggedLora = LoraModule & PluggedModule;
