import type { Checkpoint } from '../checkpoint/types';

/** Routers of a family that is not run, found by names and shapes alone. */
export interface RecognisedRouters {
  /** Matrices `[experts, d]` that score experts. */
  readonly routers: readonly { readonly tensor: string; readonly experts: number }[];
  /** Blocks that hold at least one. */
  readonly layers: number;
  readonly experts: number;
  /** Experts that a token uses, neurons of one: as config.json says, null where it does not. */
  readonly perToken: number | null;
  readonly width: number | null;
}

/** How routers of published families end; `gate_proj` is none. */
const ROUTER_ENDS = /(^|[._])(gate|router|router\.layer|router\.classifier|w_gate|w_gate\.\d+|gate_network(\.\d+)?)\.weight$/;
/** Fields that hold the number of experts, of experts that a token uses, and of an expert's neurons. */
const COUNTS = ['num_local_experts', 'num_experts', 'n_routed_experts', 'n_mlp_experts', 'n_att_experts', 'moe_num_experts'];
const USED = ['num_experts_per_tok', 'moe_k', 'moe_top_k', 'moe_topk', 'num_selects', 'k_mlp', 'k_att'];
const WIDTHS = ['moe_intermediate_size', 'ffd_hidden', 'expert_dim', 'd_ff', 'intermediate_size'];

/**
 * Routers by their names and by config.json's number of experts, which one side of the matrix must be. Null where there are none: a matrix called
 * `gate` in a model without experts is no router.
 */
export function recogniseRouters(checkpoint: Checkpoint): RecognisedRouters | null {
  const { config } = checkpoint;
  const whole = (names: readonly string[]): number[] => names.flatMap((name) => { const value = config?.[name]; return typeof value === 'number' && Number.isInteger(value) && value > 0 ? [value] : []; });
  const counts = new Set(whole(COUNTS).filter((n) => n > 1));
  if (counts.size === 0) return null;
  const routers = [...checkpoint.tensors.values()].flatMap(({ name, shape }) => (shape.length === 2 && ROUTER_ENDS.test(name) && counts.has(shape[0]) ? [{ tensor: name, experts: shape[0] }] : []));
  if (routers.length === 0) return null;
  const blocks = new Set(routers.map(({ tensor }) => /^(.*?\.\d+)\./.exec(tensor)?.[1] ?? tensor));
  return { routers, layers: blocks.size, experts: routers[0].experts, perToken: whole(USED).at(0) ?? (config?.['model_type'] === 'switch_transformers' ? 1 : null), width: whole(WIDTHS).at(0) ?? null };
}
