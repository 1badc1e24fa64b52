import { activationOf } from '../config';
import { mixtureSize, stackedExperts } from '../experts';
import { linear } from '../build';
import type { Architecture, ConfigReader } from '../spec';
import { buildLlama, type LlamaTraits, plainTraits } from './llama';

/** Granite 3 and its mixtures: the Llama shape with factors on embeddings, scores, branches and logits; experts lie in stacks. */
export const granite: Architecture = {
  name: 'granite',
  modelTypes: ['granite', 'granitemoe'],
  read(config, has) {
    const traits = traitsOf(config);
    if (config.modelType === 'granite') return buildLlama('granite', config, has, traits);
    const d = config.number('hidden_size'), size = mixtureSize(config, d, { experts: ['num_local_experts'], width: 'intermediate_size' }), activation = activationOf(config, 'silu', 'hidden_act');
    return buildLlama('granite', config, has, {
      ...traits,
      moe: (i) => {
        const site = `blocks.${i}.ffn`, at = `layers.${i}.block_sparse_moe`, renamed = has(`${at}.experts.gate_up_proj`);
        const names = renamed ? { gateUp: `${at}.experts.gate_up_proj`, down: `${at}.experts.down_proj` } : { gateUp: `${at}.input_linear.weight`, down: `${at}.output_linear.weight` };
        return {
          activation, rule: { kind: 'topKSoftmax' }, k: size.k, router: linear(`${site}.router`, renamed ? `${at}.router` : `${at}.router.layer`, d, size.experts, false),
          experts: stackedExperts(`${site}.experts`, { ...names, layout: 'outIn', arrangement: 'halves' }, size),
        };
      },
    });
  },
};

function traitsOf(config: ConfigReader): LlamaTraits {
  return {
    ...plainTraits(config), embeddingScale: config.numberOr(1, 'embedding_multiplier'), scale: config.numberOr(1, 'attention_multiplier'),
    residualScale: config.numberOr(1, 'residual_multiplier'), headScale: 1 / config.numberOr(1, 'logits_scaling'),
  };
}
