import type { Checkpoint, TensorInfo } from '../checkpoint/types';

/** LoRA factors of one linear map: y += strength * scaling * (x A^T) B^T. */
export interface LoraSite {
  /** Module path on the base as PEFT names it ("model.layers.0.self_attn.q_proj"). */
  readonly target: string;
  /** `[rank, in]` */
  readonly a: TensorInfo;
  /** `[out, rank]` */
  readonly b: TensorInfo;
  readonly rank: number;
  /** alpha / r, or alpha / sqrt(r) for rsLoRA. */
  readonly scaling: number;
}

/** A plugged-in module as read from its folder; factors are still in the file. */
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
