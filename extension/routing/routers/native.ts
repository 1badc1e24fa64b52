import { linearsOf } from '../../architecture/resolve';
import type { BlockSpec, LinearSpec, MoeSpec } from '../../architecture/spec';
import type { BlockTap } from '../../graph/block';
import { floatData, floats } from '../../graph/hostTensor';
import type { AttachedModules } from '../../module/attach';
import { failure } from '../../protocol/errors';
import type { RoutingSite, WhatIf } from '../../protocol/routing';
import { ruleOf } from '../mixtureRule';
import { type MoeRule, moeWeights, rulesInWords, semanticsOf } from '../moeRule';
import type { PreparedRouter, Router, RouterRequest } from '../types';
import { checkWhatIf, type SiteWhatIf, TAKEN_OUT, whatIfAt, withoutTakenOut } from '../whatIf';

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
  readonly router: LinearSpec;
}

async function prepare({ model, layers, topK, temperature, whatIf }: RouterRequest): Promise<PreparedRouter> {
  const refuse = (reason: string): never => { throw failure('routing/no-router', { path: model.checkpoint.path, router: 'native', reason }); };
  const mixtures = model.spec.stacks[0].blocks.flatMap(mixturesOf);
  if (mixtures.length === 0) refuse(`the family ${model.spec.family} has no experts of its own. Split its FFN into experts and use avg-k, or use a folder of LoRAs with arrow`);
  const wanted = mixtures.filter(({ layer }) => layers.includes(layer));
  if (wanted.length === 0) refuse(`none of the layers asked for holds experts. Those that do: ${[...new Set(mixtures.map(({ layer }) => layer))].join(', ')}`);
  const trained = wanted[0].k;
  if (topK !== undefined && topK !== trained) refuse(`it was trained to use ${trained} experts a token and is shown as it runs. Leave out the number of experts`);
  if (temperature !== undefined && temperature !== 1) refuse('it has no temperature and is shown as it runs. Leave out the temperature, or ask what would happen with another one (a what-if)');
  const sitesAsTrained = await Promise.all(wanted.map(async (mixture) => ({ mixture, rule: await ruleOf(model, mixture), labels: labelsOf(mixture), id: `blocks.${mixture.layer}.${mixture.module}` })));
  checkWhatIf(whatIf, sitesAsTrained);
  const changes = sitesAsTrained.map((site) => whatIfAt(whatIf, site)), rules = sitesAsTrained.map(({ rule }, i) => ({ ...rule, k: Math.min(rule.k, changes[i]?.count ?? rule.k) }));
  return {
    sites: wanted.map((mixture, i) => siteOf(mixture, rules[i], whatIf?.temperature)), composition: 'outputs', granularity: 'token', provenance: 'exact',
    ...(whatIf ? { attached: attachChanges(wanted, changes, whatIf), changed: CHANGED } : { attached: null }),
    plan: (block) => {
      const here = wanted.flatMap((mixture, site) => (mixture.layer === block.index ? [{ site, tap: mixture.tap }] : []));
      if (here.length === 0) return null;
      return {
        taps: new Set(here.map(({ tap }) => tap)),
        read: (outputs, tokens) => here.map(({ site, tap }) => {
          const logits = withoutTakenOut(floatData(outputs[`tap:${tap}`]), changes[site]), { weights, ranking } = moeWeights(logits, tokens, rules[site]);
          return { site, weights, logits, ...(ranking ? { ranking } : {}) };
        }),
      };
    },
  };
}

function mixturesOf({ index, attention: { qkv }, ffn }: BlockSpec): readonly Mixture[] {
  return [
    ...(qkv.kind === 'routed' ? [{ layer: index, module: 'attention' as const, tap: 'attention.router.logits' as const, experts: qkv.experts.length, router: qkv.router, rule: qkv.rule, k: qkv.k }] : []),
    ...(ffn.kind === 'moe' ? [{ ...ffn, layer: index, module: 'ffn' as const, tap: 'router.logits' as const, experts: ffn.experts.length }] : []),
  ];
}

const CHANGED = 'Logits of experts that were taken out are minus infinity before the router\u2019s own rule, in the forward pass itself, and a temperature divides all logits: what comes after is what the model computes then.';

/** The what-if inside the graph: logits / temperature, far below zero where an expert was taken out. */
function attachChanges(mixtures: readonly Mixture[], changes: readonly (SiteWhatIf | null)[], { temperature = 1 }: WhatIf): AttachedModules {
  const bySite = new Map(mixtures.map((mixture, i) => [mixture.router.site, { E: mixture.experts, out: floats([mixture.experts], Float32Array.from({ length: mixture.experts }, (_, e) => (changes[i]?.allowed[e] === 0 ? TAKEN_OUT : 0))) }]));
  const inverse = floats([1], Float32Array.of(1 / temperature));
  return {
    key: `what-if at ${[...bySite.keys()].join()}`, modules: [],
    hook: (b, spec, _x, y) => {
      const found = bySite.get(spec.site);
      if (!found) return y;
      // What was taken out stands at one value whatever its logit was.
      const out = b.input(`whatIf.${spec.site}.out`, 'float32', [found.E]), kept = b.cast(b.greater(out, b.scalar('what.if.out', TAKEN_OUT / 2)), 'float32');
      return b.add(b.mul(b.mul(y, b.input('whatIf.inverse', 'float32', [1])), kept), out);
    },
    feeds: (block) => {
      const here = linearsOf(block).flatMap(({ site }) => { const found = bySite.get(site); return found ? [[`whatIf.${site}.out`, found.out] as const] : []; });
      return here.length === 0 ? {} : { 'whatIf.inverse': inverse, ...Object.fromEntries(here) };
    },
  };
}

function labelsOf({ experts }: Mixture): readonly string[] {
  return Array.from({ length: experts }, (_, e) => String(e));
}

function siteOf(mixture: Mixture, rule: MoeRule, temperature = 1): RoutingSite {
  const { layer, module, experts: E, weightScale: scale = 1, shared } = mixture, { k } = rule;
  const scaled = scale === 1 ? '' : `; the model multiplies the weights shown by ${scale}`;
  const beside = shared ? `; beside them a shared expert${shared.gate ? ', scaled by a gate of its own,' : ''} that every token uses and that is not shown` : '';
  return {
    id: `blocks.${layer}.${module}`, layer, module, kind: 'moe', semantics: semanticsOf(rule), E, labels: labelsOf(mixture), k, temperature, scale,
    ...(rule.kind === 'sigmoidGroups' ? { bias: Array.from(rule.bias) } : {}), note: `The model\u2019s own router${module === 'attention' ? ' of attention heads' : ''}: ${rulesInWords(rule)}${scaled}${beside}.`,
  };
}
