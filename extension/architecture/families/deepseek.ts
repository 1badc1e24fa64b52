import { activationOf, count, LIMITS } from '../config';
import { gated, mixtureSize, PROJECTIONS, separateExperts, stackedExperts } from '../experts';
import { linear, rmsNorm } from '../build';
import { ropeOf } from '../rope';
import type { Architecture, ConfigReader, RouterRule } from '../spec';
import { buildLlama, type LlamaTraits, plainTraits } from './llama';

/** DeepSeek-V2 and V3: latent attention, fine experts in groups beside a shared one, the first layers dense. */
export const deepseek: Architecture = {
  name: 'deepseek',
  modelTypes: ['deepseek_v2', 'deepseek_v3'],
  read(config, has) {
    const d = config.number('hidden_size'), activation = activationOf(config, 'silu', 'hidden_act'), third = config.modelType === 'deepseek_v3';
    const size = mixtureSize(config, d, { experts: ['n_routed_experts', 'num_local_experts', 'num_experts'], width: 'moe_intermediate_size' });
    const dense = config.numberOr(third ? 3 : 0, 'first_k_dense_replace'), every = config.numberOr(1, 'moe_layer_freq'), shared = config.numberOr(third ? 1 : 2, 'n_shared_experts') * size.width;
    if (every !== 1) config.unsupported('moe_layer_freq', every, '1');
    return buildLlama('deepseek', config, has, {
      ...plainTraits(config), ...latentTraits(config, d),
      moe: (i) => {
        if (i < dense) return null;
        const site = `blocks.${i}.ffn`, at = `layers.${i}.mlp`;
        return {
          activation, rule: ruleOf(config, `${at}.gate.e_score_correction_bias`, size.experts), k: size.k, weightScale: config.numberOr(third ? 2.5 : 1, 'routed_scaling_factor'), router: linear(`${site}.router`, `${at}.gate`, d, size.experts, false),
          experts: has(`${at}.experts.gate_up_proj`)
            ? stackedExperts(`${site}.experts`, { gateUp: `${at}.experts.gate_up_proj`, down: `${at}.experts.down_proj`, layout: 'outIn', arrangement: 'halves' }, size)
            : separateExperts(`${site}.experts`, `${at}.experts`, PROJECTIONS, size),
          ...(shared > 0 ? { shared: { expert: gated(`${site}.shared`, `${at}.shared_experts`, PROJECTIONS, d, shared) } } : {}),
        };
      },
    });
  },
};

function ruleOf(config: ConfigReader, bias: string, experts: number): RouterRule {
  const third = config.modelType === 'deepseek_v3', whole = (name: string, fallback: number): number => (config.has(name) ? count(config, LIMITS.experts, name) : fallback);
  const groups = whole('n_group', third ? 8 : 1), keepGroups = whole('topk_group', third ? 4 : 1);
  if (experts % groups !== 0) config.unsupported('n_group', groups, `a divisor of the ${experts} experts`);
  if (keepGroups > groups) config.unsupported('topk_group', keepGroups, `from 1 to n_group (${groups})`);
  if (third) return { kind: 'sigmoidGroups', groups, keepGroups, bias, renormalise: config.booleanOr(true, 'norm_topk_prob') };
  const method = config.stringOr('greedy', 'topk_method');
  if (method === 'group_limited_greedy') return { kind: 'softmaxGroups', groups, keepGroups };
  return method === 'greedy' ? { kind: 'softmaxTopK', renormalise: false } : config.unsupported('topk_method', method, 'greedy, group_limited_greedy');
}

/** Epsilon of the norms on latents, which no config holds. */
const LATENT_EPSILON = 1e-6;

function latentTraits(config: ConfigReader, d: number): Partial<LlamaTraits> {
  const heads = count(config, LIMITS.heads, 'num_attention_heads'), width = (name: string): number => count(config, LIMITS.width, name);
  const plainDim = width('qk_nope_head_dim'), ropeDim = width('qk_rope_head_dim'), valueDim = width('v_head_dim'), rank = width('kv_lora_rank'), headDim = plainDim + ropeDim;
  const qRank = config.has('q_lora_rank') ? width('q_lora_rank') : null, biased = config.booleanOr(false, 'attention_bias'), interleaved = config.booleanOr(true, 'rope_interleave');
  const scaling = config.object('rope_scaling') ?? config.object('rope_parameters'), all = scaling?.numberOr(0, 'mscale_all_dim') ?? 0;
  const stretched = scaling && scaling.stringOr('default', 'rope_type', 'type') !== 'default' && all !== 0 ? scaling.number('factor') : 1;
  return {
    ropes: () => new Map([['rope', ropeOf(config, ropeDim)]]),
    latent: (i) => {
      const site = `blocks.${i}.attention`, at = `layers.${i}.self_attn`;
      return {
        kvHeads: heads, headDim, valueDim, scale: headDim ** -0.5 * (stretched > 1 ? 0.1 * all * Math.log(stretched) + 1 : 1) ** 2,
        qkv: {
          kind: 'latent', plainDim, ropeDim, interleaved,
          ...(qRank === null
            ? { q: linear(`${site}.q`, `${at}.q_proj`, d, heads * headDim, false) }
            : { q: linear(`${site}.q`, `${at}.q_b_proj`, qRank, heads * headDim, false), qLatent: { down: linear(`${site}.qDown`, `${at}.q_a_proj`, d, qRank, biased), norm: rmsNorm(`${at}.q_a_layernorm`, qRank, LATENT_EPSILON) } }),
          kvDown: linear(`${site}.kvDown`, `${at}.kv_a_proj_with_mqa`, d, rank + ropeDim, biased), kvNorm: rmsNorm(`${at}.kv_a_layernorm`, rank, LATENT_EPSILON), kvUp: linear(`${site}.kvUp`, `${at}.kv_b_proj`, rank, heads * (plainDim + valueDim), false),
        },
        o: linear(`${site}.o`, `${at}.o_proj`, heads * valueDim, d, biased),
      };
    },
  };
}
