import type { BlockSpec, MoeSpec } from '../../architecture/spec';
import type { BlockTap } from '../../graph/block';
import { floatData } from '../../graph/hostTensor';
import { failure } from '../../protocol/errors';
import type { RoutingSite } from '../../protocol/routing';
import { ruleOf } from '../mixtureRule';
import { type MoeRule, moeWeights, rulesInWords, semanticsOf } from '../moeRule';
import type { PreparedRouter, Router, RouterRequest } from '../types';

/** The router that a mixture of experts was trained with: its logits are a tap, its weights follow from them by the family's own rule. */
export const nativeRouter: Router = {
  name: 'native', title: 'the model\u2019s own router', says: 'Shows which experts a mixture-of-experts model sends each token to, exactly as it runs.',
  prepare,
};

/** A place where a model routes: its FFN, or the heads of its attention. */
interface Mixture extends Pick<MoeSpec, 'rule' | 'k' | 'weightScale' | 'shared'> {
  readonly layer: number;
  readonly module: 'ffn' | 'attention';
  readonly tap: BlockTap;
  readonly experts: number;
}

async function prepare({ model, layers, topK, temperature }: RouterRequest): Promise<PreparedRouter> {
  const refuse = (reason: string): never => { throw failure('routing/no-router', { path: model.checkpoint.path, router: 'native', reason }); };
  const mixtures = model.spec.stacks[0].blocks.flatMap(mixturesOf);
  if (mixtures.length === 0) refuse(`the family ${model.spec.family} has no experts of its own. Split its FFN into experts and use avg-k, or use a folder of LoRAs with arrow`);
  const wanted = mixtures.filter(({ layer }) => layers.includes(layer));
  if (wanted.length === 0) refuse(`none of the layers asked for holds experts. Those that do: ${[...new Set(mixtures.map(({ layer }) => layer))].join(', ')}`);
  const trained = wanted[0].k;
  if (topK !== undefined && topK !== trained) refuse(`it was trained to use ${trained} experts a token and is shown as it runs. Leave out the number of experts`);
  if (temperature !== undefined && temperature !== 1) refuse('it has no temperature and is shown as it runs. Leave out the temperature');
  const rules = await Promise.all(wanted.map((mixture) => ruleOf(model, mixture)));
  return {
    sites: wanted.map((mixture, i) => siteOf(mixture, rules[i])), composition: 'outputs', granularity: 'token', provenance: 'exact', attached: null,
    plan: (block) => {
      const here = wanted.flatMap((mixture, site) => (mixture.layer === block.index ? [{ site, tap: mixture.tap }] : []));
      if (here.length === 0) return null;
      return {
        taps: new Set(here.map(({ tap }) => tap)),
        read: (outputs, tokens) => here.map(({ site, tap }) => {
          const logits = floatData(outputs[`tap:${tap}`]), { weights, ranking } = moeWeights(logits, tokens, rules[site]);
          return { site, weights, logits, ...(ranking ? { ranking } : {}) };
        }),
      };
    },
  };
}

function mixturesOf({ index, attention: { qkv }, ffn }: BlockSpec): readonly Mixture[] {
  return [
    ...(qkv.kind === 'routed' ? [{ layer: index, module: 'attention' as const, tap: 'attention.router.logits' as const, experts: qkv.experts.length, rule: qkv.rule, k: qkv.k }] : []),
    ...(ffn.kind === 'moe' ? [{ ...ffn, layer: index, module: 'ffn' as const, tap: 'router.logits' as const, experts: ffn.experts.length }] : []),
  ];
}

function siteOf({ layer, module, experts: E, k, weightScale: scale = 1, shared }: Mixture, rule: MoeRule): RoutingSite {
  const scaled = scale === 1 ? '' : `; the model multiplies the weights shown by ${scale}`;
  const beside = shared ? `; beside them a shared expert${shared.gate ? ', scaled by a gate of its own,' : ''} that every token uses and that is not shown` : '';
  return {
    id: `blocks.${layer}.${module}`, layer, module, kind: 'moe', semantics: semanticsOf(rule), E, labels: Array.from({ length: E }, (_, e) => String(e)), k, temperature: 1, scale,
    ...(rule.kind === 'sigmoidGroups' ? { bias: Array.from(rule.bias) } : {}), note: `The model\u2019s own router${module === 'attention' ? ' of attention heads' : ''}: ${rulesInWords(rule)}${scaled}${beside}.`,
  };
}
