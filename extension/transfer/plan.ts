import path from 'node:path';
import { blockParameters } from '../probe/forward';
import type { Notice } from '../protocol/documents';
import { failure } from '../protocol/errors';
import type { LayerRule, TransferPlan, TransferRequest } from '../protocol/transfer';
import { layersByRule } from './layers';
import { methodOf } from './methods/index';
import { pairUp } from './pairUp';
import { relationOf } from './relation';
import { sourceParts } from './sources';
import { defaultPairs } from './tokenPairs';
import type { HeadCounts, PlannedTransfer, TransferInputs, TransferMethod, TransferModel } from './types';

/**
 * What a transfer would do: parts, layers, sites and what is dropped, from headers, the module's factors and a few rows of weights. Runs neither base.
 * A module that goes to the same base, or to one whose weights hardly differ, is copied whatever the method.
 * @throws transfer/* where it cannot be done at all
 */
export async function planTransfer(request: TransferRequest, inputs: TransferInputs): Promise<PlannedTransfer> {
  const { module, from, to, probe, data } = inputs, { sources, dropped } = sourceParts(module, from), warnings: Notice[] = [];
  const { relation, weightCosine } = await relationOf(from, to, sources), asked = methodOf(request.method);
  const method = relation === 'identical' && asked.needs.activations ? methodOf('copy') : asked;
  if (method !== asked) warnings.push({ code: 'same-base', message: `${to.facts.name} has the weights of ${from.facts.name}: the module is copied, and nothing is mapped.` });
  if (relation === 'lineage' && asked.needs.activations) warnings.push({ code: 'lineage', message: `The weights of the two bases are alike (mean cosine ${(weightCosine ?? 0).toFixed(2)}): one continues the other\u2019s training, and a plain copy may do as well.` });
  if (module.base !== null && !names(module.base, from)) warnings.push({ code: 'other-base', message: `adapter_config.json of ${module.name} names the base \u201c${module.base}\u201d, and the source chosen is ${from.facts.name}.` });
  if (method.needs.activations) {
    for (const base of [from, to]) if (!base.tokenizer) throw failure('probe/no-tokenizer', { path: base.model.checkpoint.folder });
    if (!probe) throw failure('transfer/unsupported', { path: module.path, method: method.name, reason: 'it needs texts that both bases read, and there are none' });
    if (from.tokenizer?.hash !== to.tokenizer?.hash) warnings.push({ code: 'tokenizers', message: 'The bases have different tokenizers: only tokens that stand for the same characters are used.' });
  }
  const layerRule = ruleOf(method, request.layers), counts = [from, to].map(({ model }) => model.spec.stacks[0].blocks.length);
  const map = layerMap(method, layerRule, counts[0], counts[1]), paired = pairUp(method, map, sources, to);
  if (paired.sites.length === 0) throw failure('transfer/no-sites', { path: module.path, to: to.facts.name, reason: [...paired.dropped, ...dropped].at(0)?.reason ?? 'the module has no linear maps' });
  if (counts[1] > counts[0]) warnings.push({ code: 'deeper', message: `${to.facts.name} has ${counts[1]} layers to ${from.facts.name}\u2019s ${counts[0]}: where several layers take the same part its strength is divided among them.` });
  const attention = sources.some((s) => s.part.heads !== null), plan: TransferPlan = {
    module: { name: module.name, path: module.path, kind: module.kind, base: module.base, rank: module.rank, sites: module.factors.length, parameters: module.parameters },
    from: from.facts, to: to.facts, method: method.name, methodTitle: method.title, methodSays: method.says, layerRule, relation, weightCosine,
    layers: paired.pairs.map((pair) => ({ ...pair, cka: null })), provisionalLayers: layerRule === 'cka' && method.needs.activations, sites: paired.sites, dropped: [...paired.dropped, ...dropped],
    heads: attention ? { from: headFacts(from), to: headFacts(to) } : null,
    probe: method.needs.activations && probe ? { name: probe.name, texts: probe.texts.length } : null, data: data ? { name: data.name, rows: data.rows.length } : null,
    estimate: estimate(method, from, to, request.tokens ?? defaultPairs(from, to), paired.sites.length), warnings,
  };
  return { plan, request, inputs, method, sources, left: dropped };
}

/** The layer rule that a method follows: the one asked for where it can, else its own first. */
function ruleOf(method: TransferMethod, asked: LayerRule | undefined): LayerRule {
  return asked !== undefined && method.layerRules.includes(asked) ? asked : method.layerRules[0];
}

/** Source layers of each target layer, before activations are known. */
export function layerMap(method: TransferMethod, rule: LayerRule, from: number, to: number): readonly (readonly number[])[] {
  return method.layers?.(from, to) ?? layersByRule(rule, from, to);
}

/** Heads of a base's first layer. */
export function headCounts({ model }: TransferModel, layer = 0): HeadCounts {
  const { heads, kvHeads } = model.spec.stacks[0].blocks[layer].attention;
  return { q: heads, kv: kvHeads };
}

function headFacts(base: TransferModel): { readonly q: number; readonly kv: number; readonly width: number } {
  return { ...headCounts(base), width: base.model.spec.stacks[0].blocks[0].attention.headDim };
}

/** Whether what adapter_config.json calls its base can be this checkpoint: a path or a hub name that ends like the folder, or the folder of a snapshot. */
function names(base: string, { facts }: TransferModel): boolean {
  const last = path.basename(base.replace(/[\\/]+$/, '')).toLowerCase(), own = facts.path.toLowerCase();
  return facts.name.toLowerCase() === last || own.split(/[\\/]/).some((step) => step === last || step.endsWith(`--${last}`));
}

/** Floating-point operations a second that a laptop's two cores give, and dense algebra in float64 here. */
const DEVICE_FLOPS = 4e10;
const OWN_FLOPS = 8e8;
/** Seconds that a paired token costs at a site besides the products: rows are copied, paired and screened (measured on the sample). */
const SECONDS_PER_ROW = 1e-4;

function estimate(method: TransferMethod, from: TransferModel, to: TransferModel, tokens: number, sites: number): TransferPlan['estimate'] {
  const stacks = [from, to].map(({ model }) => model.spec.stacks[0]), parameters = stacks.map((s) => s.blocks.reduce((sum, block) => sum + blockParameters(block), 0));
  if (!method.needs.activations) return { seconds: 1, bytes: 4 * sites * 64 * (stacks[0].dModel + stacks[1].dModel) };
  const d = Math.max(stacks[0].dModel, stacks[1].dModel), forward = 2 * tokens * (parameters[0] + parameters[1]), products = sites * 6 * tokens * d * d, algebra = method.name === 'activation-transport' ? sites * 6 * d ** 3 : sites * d ** 3;
  const largest = Math.max(...stacks.flatMap((s) => s.blocks.map((block) => blockParameters(block, true))));
  return { seconds: Math.ceil(1 + (forward + products) / DEVICE_FLOPS + algebra / OWN_FLOPS + sites * tokens * SECONDS_PER_ROW), bytes: 4 * (2 * tokens * (stacks[0].dModel + stacks[1].dModel) + 2 * largest) + 8 * 12 * d * d * 3 };
}
