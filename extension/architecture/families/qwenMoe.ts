import { activationOf, count, LIMITS } from '../config';
import { gated, mixtureSize, PROJECTIONS, separateExperts, stackedExperts } from '../experts';
import { linear } from '../build';
import type { Architecture, ConfigReader } from '../spec';
import { buildLlama, type LlamaTraits, plainTraits } from './llama';

/** Qwen's mixtures (Qwen2-MoE with its shared expert, Qwen3-MoE) and OLMoE: one layout on disk, some layers may be dense. */
export const qwenMoe: Architecture = {
  name: 'qwen-moe',
  modelTypes: ['qwen2_moe', 'qwen3_moe', 'olmoe'],
  read(config, has) {
    const d = config.number('hidden_size'), activation = activationOf(config, 'silu', 'hidden_act');
    const size = mixtureSize(config, d, { experts: ['num_experts', 'num_local_experts'], width: config.modelType === 'olmoe' ? 'intermediate_size' : 'moe_intermediate_size' });
    const renormalise = config.booleanOr(false, 'norm_topk_prob'), isMoe = mixtureLayers(config);
    const sharedWidth = config.modelType === 'qwen2_moe' ? count(config, LIMITS.width, 'shared_expert_intermediate_size') : null;
    return buildLlama('qwen-moe', config, has, {
      ...traitsOf(config),
      moe: (i) => {
        if (!isMoe(i)) return null;
        const site = `blocks.${i}.ffn`, at = `layers.${i}.mlp`;
        return {
          activation, rule: { kind: 'softmaxTopK', renormalise }, k: size.k, router: linear(`${site}.router`, `${at}.gate`, d, size.experts, false),
          experts: has(`${at}.experts.gate_up_proj`)
            ? stackedExperts(`${site}.experts`, { gateUp: `${at}.experts.gate_up_proj`, down: `${at}.experts.down_proj`, layout: 'outIn', arrangement: 'halves' }, size)
            : separateExperts(`${site}.experts`, `${at}.experts`, PROJECTIONS, size),
          ...(sharedWidth === null ? {} : { shared: { expert: gated(`${site}.shared`, `${at}.shared_expert`, PROJECTIONS, d, sharedWidth), gate: linear(`${site}.shared.router`, `${at}.shared_expert_gate`, d, 1, false) } }),
        };
      },
    });
  },
};

/** Which layers hold experts: every `decoder_sparse_step`-th, less those that `mlp_only_layers` names. */
function mixtureLayers(config: ConfigReader): (i: number) => boolean {
  if (config.modelType === 'olmoe') return () => true;
  const dense = new Set(config.list('mlp_only_layers') ?? []), step = config.numberOr(1, 'decoder_sparse_step');
  return (i) => !dense.has(i) && (i + 1) % step === 0;
}

function traitsOf(config: ConfigReader): LlamaTraits {
  const plain = plainTraits(config), windowSize = config.optionalNumber('sliding_window'), on = config.booleanOr(false, 'use_sliding_window'), layerTypes = config.list('layer_types');
  if (config.modelType === 'olmoe') {
    const clip = config.optionalNumber('clip_qkv');
    return { ...plain, mlpBias: false, qkNorm: 'all', ...(clip === null ? {} : { clip }) };
  }
  if (config.modelType === 'qwen3_moe') return { ...plain, mlpBias: false, qkNorm: 'head', window: () => (on ? windowSize : null) };
  const until = config.numberOr(28, 'max_window_layers');
  return { ...plain, qkvBias: config.booleanOr(true, 'qkv_bias'), oBias: false, mlpBias: false, window: (i) => (on && (layerTypes ? layerTypes[i] === 'sliding_attention' : i % 2 === 0 && i < until) ? windowSize : null) };
}
