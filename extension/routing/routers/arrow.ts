import { linearsOf } from '../../architecture/resolve';
import { floatData } from '../../graph/hostTensor';
import type { Notice } from '../../protocol/documents';
import { failure } from '../../protocol/errors';
import type { RoutingSite } from '../../protocol/routing';
import { HARDLY_DETERMINED } from '../../protocol/routingLibrary';
import { ARROW_TEMPERATURE, ARROW_TOP_K } from '../library/arrowSettings';
import { ARROW_OUTPUTS, type ArrowOptions, attachArrow, readsEveryToken } from '../library/attachArrow';
import { bindLibrary } from '../library/bindLibrary';
import { openLibrary } from '../library/openLibrary';
import type { BoundLibrary, LibrarySite } from '../library/types';
import type { PreparedRouter, Router, RouterRequest } from '../types';
import { checkWhatIf, type SiteWhatIf, whatIfAt, withoutTakenOut } from '../whatIf';

/**
 * Arrow (Ostapenko et al., arXiv 2405.11157) with PEFT's semantics on any folder of LoRAs on one base: at every adapted
 * linear map a token goes to the adapters whose main direction it lies along most. Nothing is trained and no router is
 * stored: prototypes are derived from the adapters, exactly.
 */
export const arrowRouter: Router = {
  name: 'arrow',
  title: 'Arrow (library of LoRAs)',
  says: 'At every adapted linear map, each token goes to the LoRAs whose main input direction it lies along most; their outputs are mixed.',
  prepare: async (request) => {
    const { model, modules } = request;
    if (modules === undefined) throw unusable(request, 'it routes between the LoRAs of a folder, and no folder was chosen. Give one (--modules FOLDER)');
    const bound = await bindLibrary(model, await openLibrary(modules), request.genKnowSub), { library } = bound;
    const { whatIf } = request, E = library.adapters.length, k = request.topK ?? library.arrow?.topK ?? Math.min(ARROW_TOP_K, E), temperature = whatIf?.temperature ?? request.temperature ?? library.arrow?.temperature ?? ARROW_TEMPERATURE;
    if (!Number.isInteger(k) || k < 1 || k > E) throw unusable(request, `a token cannot use ${k} of the ${E} adapters in ${library.path}. Choose a whole number from 1 to ${E}`);
    if (!Number.isFinite(temperature) || temperature <= 0) throw unusable(request, `its temperature is ${temperature}. Choose a number above 0`);
    const mix = request.baseActivations !== true;
    const named = bound.sites.map(({ spec, experts }) => ({ id: spec.site, labels: experts.map(({ adapter }) => library.adapters[adapter].name) }));
    checkWhatIf(whatIf, named, true);
    const left = new Map(named.flatMap((site) => { const change = whatIfAt(whatIf, site); return change ? [[site.id, change] as const] : []; }));
    return preparedArrow(request, bound, { k, temperature, mix, left });
  },
};

function preparedArrow({ layers, whatIf }: RouterRequest, bound: BoundLibrary, options: ArrowSet): PreparedRouter {
  const { left } = options, chosen = bound.sites.filter(({ layer, spec }) => layers.includes(layer) && readsEveryToken(spec.site) && left.get(spec.site)?.count !== 0), index = new Map(chosen.map(({ spec }, i) => [spec.site, i]));
  return {
    sites: chosen.map((site) => describeSite(site, bound, options)),
    composition: options.mix ? 'outputs' : 'none', granularity: 'token', provenance: options.mix ? 'exact' : 'base-activation',
    attached: attachArrow(bound, options), files: bound.library.files, ...(whatIf ? { changed: changedText(options) } : {}), warnings: warningsOf(bound, chosen),
    plan: (block) => {
      const here = linearsOf(block).filter(({ site }) => index.has(site));
      if (here.length === 0) return null;
      return {
        taps: new Set(),
        read: (outputs) => here.map(({ site }) => {
          const change = left.get(site), logits = floatData(outputs[ARROW_OUTPUTS.logits(site)]);
          return { site: index.get(site) ?? 0, weights: floatData(outputs[ARROW_OUTPUTS.weights(site)]), logits, norms: floatData(outputs[ARROW_OUTPUTS.norm(site)]), ...(change ? { ranking: withoutTakenOut(logits, change) } : {}) };
        }),
      };
    },
  };
}

/** How the set is routed. */
interface ArrowSet extends ArrowOptions {
  readonly left: ReadonlyMap<string, SiteWhatIf>;
}

function changedText({ mix }: ArrowSet): string {
  return mix ? 'Adapters that were taken out are no choice and add nothing, in the forward pass itself; where none is left the base runs alone and nothing is shown.' : 'Adapters that were taken out are no choice. Adapters were off in any case: activations are those of the base.';
}

function describeSite({ spec, layer, experts }: LibrarySite, { library, genKnowSub }: BoundLibrary, options: ArrowSet): RoutingSite {
  const E = experts.length, k = Math.min(options.k, options.left.get(spec.site)?.count ?? E), labels = experts.map(({ adapter }) => library.adapters[adapter].name);
  const notes = [
    `Weight = softmax of |x \u00b7 v|${options.temperature === 1 ? '' : ` / ${options.temperature}`}${k < E ? ` over the ${k} largest` : ''}; v is the direction of its input that an adapter amplifies most, found exactly. |x \u00b7 v| is not normalised: it grows with the length of x, so that later layers often look more decided; the cosine view divides by it.`,
    options.mix ? 'The adapters\u2019 outputs are mixed, as PEFT does.' : 'Adapters were off: activations are those of the base, which is exact for the first adapted linear map only.',
  ];
  if (genKnowSub === 'peft') notes.push('General knowledge was subtracted factor by factor, as PEFT does when it loads this set; a set that PEFT saved after running it holds subtracted factors already, and they are subtracted again.');
  if (genKnowSub === 'update') notes.push('General knowledge was subtracted from the updates themselves.');
  const silent = experts.flatMap(({ spectrum }, e) => (spectrum.frobenius === 0 ? [labels[e]] : []));
  if (silent.length > 0) notes.push(`${silent.join(', ')}: the update is zero here (untrained), its logit is 0 and it can still receive weight.`);
  const vague = experts.flatMap(({ spectrum }, e) => (spectrum.ratio > HARDLY_DETERMINED ? [`${labels[e]} ${spectrum.ratio.toFixed(2)}`] : []));
  if (vague.length > 0) notes.push(`Hardly determined direction, second over first singular value above ${HARDLY_DETERMINED}: ${vague.join(', ')}. PEFT's own 15 power steps would give another one.`);
  if (E < library.adapters.length) notes.push(`${library.adapters.filter((_, i) => !experts.some((x) => x.adapter === i)).map((a) => a.name).join(', ')}: no factors here, so no choice.`);
  notes.push(...library.remarks);
  return { id: spec.site, layer, module: spec.site.split('.').slice(2).join('.'), kind: 'library', semantics: k < E ? 'truncated' : 'simplex', E, labels, k, temperature: options.temperature, scale: 1, note: notes.join(' ') };
}

function warningsOf({ library }: BoundLibrary, chosen: readonly LibrarySite[]): readonly Notice[] {
  const out = library.remarks.map((message): Notice => ({ code: 'routing/library', message }));
  const all = chosen.flatMap((site) => site.experts), vague = all.filter(({ spectrum }) => spectrum.ratio > HARDLY_DETERMINED).length;
  if (vague > 0) out.push({ code: 'routing/hardly-determined', message: `${vague} of ${all.length} directions that tokens are compared with are hardly determined: the second singular value of the update is more than ${HARDLY_DETERMINED} of the first. Weights at those linear maps say little; each map's note names them.` });
  return out;
}

/**
 * The cosine view of Arrow's logits: |cos(x, v)|, comparable between layers where |x . v| is not. A token of length 0 gets 0.
 * @param logits `[tokens, E]`
 * @param norms length of x `[tokens]`
 */
export function cosineLogits(logits: Float32Array, norms: Float32Array): Float32Array {
  const E = norms.length === 0 ? 0 : logits.length / norms.length;
  return logits.map((value, i) => (norms[Math.floor(i / E)] > 0 ? Math.min(1, value / norms[Math.floor(i / E)]) : 0));
}

function unusable({ model }: RouterRequest, reason: string): Error {
  return failure('routing/no-router', { path: model.checkpoint.path, router: 'arrow', reason });
}
