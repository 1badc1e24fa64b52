import type { MoeSpec } from '../../architecture/spec';
import { floatData } from '../../graph/hostTensor';
import { failure } from '../../protocol/errors';
import type { RoutingSite } from '../../protocol/routing';
import { ruleOf } from '../mixtureRule';
import { type MoeRule, moeWeights, rulesInWords, semanticsOf } from '../moeRule';
import type { PreparedRouter, Router, RouterRequest } from '../types';

/** The router that a mixture of experts was trained with: its logits are a tap, its weights follow from them by the family's own rule. */
export const nativeRouter: Router = {
  name: 'native', title: 'The model\u2019s own router', says: 'Shows which experts a mixture-of-experts model sends each token to, exactly as it runs.',
  prepare,
};

async function prepare({ model, layers, topK, temperature }: RouterRequest): Promise<PreparedRouter> {
  const refuse = (reason: string): never => { throw failure('routing/no-router', { path: model.checkpoint.path, router: 'native', reason }); };
  const { blocks } = model.spec.stacks[0], mixtures = blocks.flatMap(({ index, ffn }) => (ffn.kind === 'moe' ? [{ index, moe: ffn }] : []));
  if (mixtures.length === 0) refuse(`the family ${model.spec.family} has no experts of its own. Split its FFN into experts and use avg-k, or use a folder of LoRAs with arrow`);
  const wanted = mixtures.filter(({ index }) => layers.includes(index));
  if (wanted.length === 0) refuse(`none of the layers asked for holds experts. Those that do: ${mixtures.map(({ index }) => index).join(', ')}`);
  const trained = wanted[0].moe.k;
  if (topK !== undefined && topK !== trained) refuse(`it was trained to use ${trained} experts a token and is shown as it runs. Leave out the number of experts`);
  if (temperature !== undefined && temperature !== 1) refuse('it has no temperature and is shown as it runs. Leave out the temperature');
  const rules = await Promise.all(wanted.map(({ moe }) => ruleOf(model, moe))), sites = wanted.map(({ index, moe }, i) => siteOf(index, moe, rules[i]));
  return {
    sites, composition: 'outputs', granularity: 'token', provenance: 'exact', attached: null,
    plan: (block) => {
      const site = sites.findIndex((s) => s.layer === block.index);
      if (site < 0) return null;
      return {
        taps: new Set(['router.logits'] as const),
        read: (outputs, tokens) => {
          const logits = floatData(outputs['tap:router.logits']), { weights, ranking } = moeWeights(logits, tokens, rules[site]);
          return [{ site, weights, logits, ...(ranking ? { ranking } : {}) }];
        },
      };
    },
  };
}

function siteOf(layer: number, moe: MoeSpec, rule: MoeRule): RoutingSite {
  const E = moe.experts.length, scale = moe.weightScale ?? 1;
  const scaled = scale === 1 ? '' : `; the model multiplies the weights shown by ${scale}`;
  const shared = moe.shared ? `; beside them a shared expert${moe.shared.gate ? ', scaled by a gate of its own,' : ''} that every token uses and that is not shown` : '';
  return {
    id: `blocks.${layer}.ffn`, layer, module: 'ffn', kind: 'moe', semantics: semanticsOf(rule), E, labels: Array.from({ length: E }, (_, e) => String(e)), k: moe.k, temperature: 1, scale,
    ...(rule.kind === 'sigmoidGroups' ? { bias: Array.from(rule.bias) } : {}), note: `The model\u2019s own router: ${rulesInWords(rule)}${scaled}${shared}.`,
  };
}
