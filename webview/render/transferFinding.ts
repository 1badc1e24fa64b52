import { formatNumber } from '../../extension/protocol/score';
import type { TransferDocument, TransferPlan, TransferVerdict } from '../../extension/protocol/transfer';
import { LAYER_RULE_WORDS, TRANSFER_METHOD_WORDS, type TransferStep } from '../../extension/protocol/transferPage';
import { droppedShare, isLost, type LayerMap, sitePlace } from './transferData';
import { fixed, percent } from './transferLayers';
import { changeText, level } from './transferRuns';

/** The verdict in words; there is no coloured badge. */
export const VERDICT_WORDS: Readonly<Record<TransferVerdict, string>> = { helps: 'helps', 'no-evidence': 'no evidence', hurts: 'hurts', 'no-verdict': 'no verdict' };

/** A fact of the line under the sentence: what it is, its value, more on hover. */
export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly tip?: string;
}

/** What moves where and what stays behind, in one sentence made of the plan's own numbers. */
export function planSentence(plan: TransferPlan): string {
  const { module, from, to, sites, dropped } = plan;
  const carried = new Set(sites.map((site) => site.from)).size;
  const many = sites.length !== carried ? ` (${sites.length} sites of the target)` : '';
  const start = `Plan: ${module.name} moves from ${from.name} to ${to.name} at ${carried === module.sites ? `all ${module.sites}` : `${carried} of ${module.sites}`} sites${many}.`;
  if (dropped.length === 0) return start;
  const layers = new Set(dropped.flatMap(({ name }) => sitePlace(name).layer ?? []));
  const where = layers.size > 1 ? ` on ${layers.size} layers` : layers.size === 1 ? ` on layer ${[...layers][0]}` : '';
  return `${start} ${dropped.length} ${dropped.length === 1 ? 'site' : 'sites'}${where} ${dropped.length === 1 ? 'has' : 'have'} no place: ${percent(droppedShare(dropped))} of the module\u2019s norm.`;
}

/** What the page says while there is no result to talk about. */
export function stateSentence(step: TransferStep, plan: TransferPlan | null, name: string): string {
  if (plan) return planSentence(plan);
  return step === 'failed' ? `${name} cannot be carried this way` : `Planning the transfer of ${name}`;
}

const between = (a: string | number | null, b: string | number | null): string => (a === b ? String(a ?? 'unknown') : `${a ?? '?'} \u2192 ${b ?? '?'}`);

const RELATIONS: Readonly<Record<TransferPlan['relation'], string>> = { identical: 'same weights', lineage: 'one lineage', 'same-shapes': 'same shapes', different: 'different shapes' };

export function planFacts(plan: TransferPlan): readonly Fact[] {
  const ranks = plan.sites.map(({ rank }) => rank);
  const [low, high] = [Math.min(...ranks), Math.max(...ranks)];
  return [
    { name: 'method', value: TRANSFER_METHOD_WORDS[plan.method].title, tip: plan.methodSays },
    { name: 'kind', value: plan.module.kind },
    ...(ranks.length > 0 ? [{ name: 'rank', value: low === high ? `${low}${low === plan.module.rank ? ', kept' : ''}` : `${low} to ${high}` }] : []),
    { name: 'width', value: between(plan.from.dModel, plan.to.dModel) },
    ...(plan.heads ? [{ name: 'heads', value: between(plan.heads.from.q, plan.heads.to.q), tip: `query heads ${plan.heads.from.q} and ${plan.heads.to.q}\nkey/value heads ${plan.heads.from.kv} and ${plan.heads.to.kv}\nwidth of a head ${plan.heads.from.width} and ${plan.heads.to.width}` }] : []),
    { name: 'layers', value: between(plan.from.layers, plan.to.layers), tip: LAYER_RULE_WORDS[plan.layerRule].says },
    { name: 'bases', value: RELATIONS[plan.relation], ...(plan.weightCosine === null ? {} : { tip: `mean cosine of their weights at the module\u2019s sites: ${formatNumber(plan.weightCosine)}` }) },
    { name: 'computed so far', value: 'nothing' },
  ];
}

export function reportFacts(document: TransferDocument): readonly Fact[] {
  const { proof, runs, sites, module, dropped } = document;
  const main = proof?.differences[0];
  const tokens = runs.find(({ name }) => name === 'transferred')?.tokens;
  const carried = new Set(sites.map(({ from }) => from)).size;
  const fitted = sites.flatMap(({ r2, r2Null, heldOut }) => (r2 === null ? [] : [{ r2, r2Null, heldOut }]));
  const facts: Fact[] = [{ name: 'verdict', value: VERDICT_WORDS[document.verdict] }];
  facts.push({ name: 'n', value: main ? `${formatNumber(main.n)} texts${tokens === undefined ? '' : `, ${formatNumber(tokens)} tokens`}` : '0 texts' });
  if (proof && main) {
    const { lift } = proof;
    facts.push({ name: 'recovered lift', value: lift.value === null ? 'undefined' : lift.low === null || lift.high === null ? fixed(lift.value) : `${fixed(lift.value)} [${fixed(lift.low)}, ${fixed(lift.high)}]`, tip: lift.value === null ? lift.why ?? 'the source module has no measurable effect' : `share of what the module does on its own base that arrived, in ${lift.measure}` });
    facts.push({ name: 'interval', value: '95\u202f%, paired bootstrap', tip: `${formatNumber(main.resamples)} resamples of the ${formatNumber(main.n)} texts` });
    if (proof.damage) facts.push({ name: 'unrelated texts', value: changeText({ value: proof.damage.after - proof.damage.before, low: null, high: null }), tip: `change of loss on texts that have nothing to do with the task (${proof.damage.name}): ${level(proof.damage.before)} before, ${level(proof.damage.after)} after\nn = ${formatNumber(proof.damage.tokens)} tokens` });
  }
  facts.push({ name: 'method', value: TRANSFER_METHOD_WORDS[document.method].title }, { name: 'sites', value: `${carried} of ${module.sites}`, ...(dropped.length > 0 ? { tip: `${percent(droppedShare(dropped))} of the module\u2019s norm stayed behind` } : {}) });
  if (fitted.length > 0) {
    const values = fitted.map(({ r2 }) => r2);
    const nulls = fitted.flatMap(({ r2Null }) => (r2Null === null ? [] : [r2Null]));
    const held = Math.min(...fitted.map(({ heldOut }) => heldOut));
    facts.push({ name: 'maps', value: `R\u00b2 ${fixed(Math.min(...values))} to ${fixed(Math.max(...values))}`, tip: `held-out share of variance that the maps explain, ${fitted.length} sites\nn = ${formatNumber(held)} held-out tokens` });
    facts.push({ name: 'shuffled pairs', value: nulls.length === 0 ? 'not run' : `R\u00b2 ${fixed(Math.min(...nulls))} to ${fixed(Math.max(...nulls))}`, tip: 'the same maps fitted on token pairs that were shuffled' });
  }
  return facts;
}

/** What deserves a sentence about the layers: the heaviest one stays behind. */
export function heaviestLost(map: LayerMap): { readonly layer: number; readonly share: number } | null {
  const heaviest = [...map.source].sort((a, b) => b.share - a.share)[0];
  return heaviest && heaviest.share > 0 && isLost(heaviest) ? { layer: heaviest.index, share: heaviest.share } : null;
}

/** What will be run, in order. */
export function planSteps(plan: TransferPlan): readonly string[] {
  const fits = plan.relation !== 'identical' && !['copy', 'skip', 'average', 'average-as-released'].includes(plan.method);
  const steps: string[] = [];
  if (fits) {
    steps.push(plan.probe ? `Run ${formatNumber(plan.probe.texts)} texts (${plan.probe.name}) through both bases` : 'Run texts through both bases', `Fit the maps of ${plan.sites.length} sites, and again on shuffled pairs`);
  } else steps.push(`Copy ${plan.sites.length} sites`);
  steps.push('Write to a temporary folder, check, rename');
  steps.push(plan.data ? `Measure strengths and controls on ${formatNumber(plan.data.rows)} texts (${plan.data.name})` : 'Measure nothing: no data was given, so there will be no verdict');
  return steps;
}

/** What the transferred module will be compared with. */
export function planControls(plan: TransferPlan): readonly Fact[] {
  if (!plan.data) return [];
  const widths = plan.from.dModel !== plan.to.dModel ? `widths ${plan.from.dModel ?? '?'} and ${plan.to.dModel ?? '?'} differ` : 'shapes differ';
  return [
    { name: 'target', value: 'alone, without a module' },
    { name: 'random', value: 'modules with the same moments, and with the same norm' },
    { name: 'pairs', value: 'maps fitted on shuffled token pairs' },
    { name: 'copy', value: plan.relation === 'different' ? `not possible: ${widths}` : 'the module as it is' },
    { name: 'source', value: 'with and without its module' },
  ];
}

/** What was looked at before the run. `warn`: the user should know. */
export interface Check extends Fact {
  readonly warn?: boolean;
}

export function planChecks(plan: TransferPlan): readonly Check[] {
  const { module, from, heads, data } = plan;
  const last = (name: string): string => name.split(/[\\/]/).filter(Boolean).at(-1) ?? name;
  const named = module.base !== null && [from.name, from.path].some((one) => last(one).toLowerCase() === last(module.base ?? '').toLowerCase());
  const checks: Check[] = [
    module.base === null ? { name: 'base', value: 'adapter_config.json names no base', warn: true } : named ? { name: 'base', value: `the module names ${last(module.base)}` } : { name: 'base', value: `the module names ${last(module.base)}, chosen is ${from.name}`, warn: true },
    data ? { name: 'data', value: `${formatNumber(data.rows)} texts: one half chooses the strength, the other reports`, warn: data.rows < FEW_TEXTS } : { name: 'data', value: 'none: geometry only, no verdict', warn: true },
  ];
  if (heads && heads.from.q > heads.to.q) checks.push({ name: 'heads', value: `${heads.from.q} into ${heads.to.q}: q, k, v and o lose ${heads.from.q - heads.to.q} of them`, warn: true });
  return checks;
}

/** Below this many texts hardly any change can be told from chance. */
export const FEW_TEXTS = 50;
