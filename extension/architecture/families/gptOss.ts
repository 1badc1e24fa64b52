import { mixtureSize, stackedExperts } from '../experts';
import { linear } from '../build';
import type { Architecture } from '../spec';
import { buildLlama, plainTraits } from './llama';

/** GPT-OSS: sinks, a sliding window in every second block, biases everywhere, experts in interleaved stacks (bfloat16, or MXFP4 as published). */
export const gptOss: Architecture = {
  name: 'gpt-oss',
  modelTypes: ['gpt_oss'],
  read(config, has) {
    const d = config.number('hidden_size'), size = mixtureSize(config, d, { experts: ['num_local_experts', 'num_experts'], width: 'intermediate_size' });
    const layerTypes = config.list('layer_types'), windowSize = config.optionalNumber('sliding_window'), biases = config.booleanOr(true, 'attention_bias');
    const activation = { kind: 'clampedSwiglu', alpha: config.numberOr(1.702, 'swiglu_alpha'), limit: config.numberOr(7, 'swiglu_limit') } as const;
    return buildLlama('gpt-oss', config, has, {
      ...plainTraits(config), qkvBias: biases, oBias: biases, sinks: true, window: (i) => ((layerTypes ? layerTypes[i] === 'sliding_attention' : i % 2 === 0) ? windowSize : null),
      moe: (i) => {
        const site = `blocks.${i}.ffn`, at = `layers.${i}.mlp`, gateUp = `${at}.experts.gate_up_proj`, down = `${at}.experts.down_proj`, packed = has(`${gateUp}_blocks`);
        const biased = { gateUpBias: `${gateUp}_bias`, downBias: `${down}_bias`, arrangement: 'interleaved' } as const;
        return {
          activation, rule: { kind: 'topKSoftmax' }, k: size.k, router: linear(`${site}.router`, `${at}.router`, d, size.experts, true),
          experts: stackedExperts(`${site}.experts`, packed
            ? { ...biased, gateUp: `${gateUp}_blocks`, down: `${down}_blocks`, layout: 'outIn', scales: { gateUp: `${gateUp}_scales`, down: `${down}_scales` } }
            : { ...biased, gateUp, down, layout: 'inOut' }, size),
        };
      },
    });
  },
};
