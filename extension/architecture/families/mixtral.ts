import { activationOf } from '../config';
import { mixtureSize, NUMBERED, separateExperts, stackedExperts } from '../experts';
import { linear } from '../build';
import type { Architecture } from '../spec';
import { buildLlama, plainTraits } from './llama';

/** Mixtral: Mistral with eight experts. Hub files number an expert's matrices (w1, w2, w3); transformers 5 may save stacks. */
export const mixtral: Architecture = {
  name: 'mixtral',
  modelTypes: ['mixtral'],
  read(config, has) {
    const windowSize = config.optionalNumber('sliding_window'), d = config.number('hidden_size');
    const size = mixtureSize(config, d, { experts: ['num_local_experts', 'num_experts'], width: 'intermediate_size' }), activation = activationOf(config, 'silu', 'hidden_act');
    return buildLlama('mixtral', config, has, {
      ...plainTraits(config), qkvBias: false, oBias: false, mlpBias: false, window: () => windowSize,
      moe: (i) => {
        const site = `blocks.${i}.ffn`, stacked = has(`layers.${i}.mlp.experts.gate_up_proj`), at = stacked ? `layers.${i}.mlp` : `layers.${i}.block_sparse_moe`;
        return {
          activation, rule: { kind: 'softmaxTopK', renormalise: true }, k: size.k, router: linear(`${site}.router`, `${at}.gate`, d, size.experts, false),
          experts: stacked
            ? stackedExperts(`${site}.experts`, { gateUp: `${at}.experts.gate_up_proj`, down: `${at}.experts.down_proj`, layout: 'outIn', arrangement: 'halves' }, size)
            : separateExperts(`${site}.experts`, `${at}.experts`, NUMBERED, size),
        };
      },
    });
  },
};
