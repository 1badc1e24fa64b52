import type { FfnWeights } from '../../architecture/ffnWeights';
import { floatData } from '../../graph/hostTensor';
import { failure } from '../../protocol/errors';
import type { RouterName, RoutingSite } from '../../protocol/routing';
import { letterOf } from '../../protocol/routingNames';
import type { BlockPlan, PreparedRouter, Router, RouterRequest } from '../types';
import { checkWhatIf, type SiteWhatIf, whatIfAt, withoutTakenOut } from '../whatIf';

interface Layer {
  readonly ffn: FfnWeights;
  readonly labels: Int32Array;
  readonly experts: number;
}

/** What tells one emergent router from another. */
export interface EmergentRouter {
  readonly name: RouterName;
  readonly title: string;
  readonly says: string;
  /** How a weight comes from a score, in words. */
  readonly note: string;
  /** Score function of a layer: from what the FFN reads `[tokens, d_model]`, or from its hidden activations `[tokens, d_ff]`, to `[tokens, experts]`. */
  readonly reads: 'ffn.input' | 'ffn.hidden';
  scorer(layer: Layer, seed: number): Promise<(values: Float32Array, tokens: number) => Float32Array>;
  readonly shares: (scores: Float32Array, tokens: number, experts: number) => Float32Array;
  /** Whether shares are a softmax, which a temperature makes sharper or flatter. */
  readonly isSoftmax: boolean;
}

/** How weights of routers come about that run their chosen experts unweighted. */
export const STANDARDISED = 'Weight: softmax of the scores, standardised over the experts of the token. EMoE runs the chosen experts unweighted.';

/** A router over the experts that a dense layer's neurons were split into. */
export function emergentRouter(kind: EmergentRouter): Router {
  return { name: kind.name, title: kind.title, says: kind.says, prepare: (request) => prepare(kind, request) };
}

async function prepare(kind: EmergentRouter, request: RouterRequest): Promise<PreparedRouter> {
  if (request.layers.length === 0) throw failure('routing/no-router', { path: request.model.checkpoint.path, router: kind.name, reason: 'it has no dense FFN layer that could be split into experts' });
  const sites: RoutingSite[] = [], plans = new Map<number, BlockPlan>(), { whatIf } = request, temperature = whatIf?.temperature;
  if (temperature !== undefined && !kind.isSoftmax) throw failure('routing/what-if', { reason: `the weights of ${kind.name} are no softmax, so that no temperature can change them. Leave it out, or choose avg-k` });
  for (const index of request.layers) {
    const layer = await request.partition(index), score = await kind.scorer(layer, request.seed), site = sites.length, { experts } = layer;
    const id = `blocks.${index}.ffn`, labels = Array.from({ length: experts }, (_, e) => letterOf(e)), change = whatIfAt(whatIf, { id, labels });
    const k = Math.min(change?.count ?? experts, request.topK ?? Math.max(1, Math.round(experts / 4)));
    sites.push({ id, layer: index, module: 'ffn', kind: 'emergent', semantics: 'simplex', E: experts, labels, k, temperature: temperature ?? null, scale: 1, note: kind.note });
    plans.set(index, {
      taps: new Set([kind.reads]), ...(change ? { mask: maskOf(layer, change) } : {}),
      read: (outputs, tokens) => {
        const logits = score(floatData(outputs[`tap:${kind.reads}`]), tokens);
        return [{ site, logits, weights: sharesOf(kind, logits, tokens, change, temperature), ...(change ? { ranking: withoutTakenOut(logits, change) } : {}) }];
      },
    });
  }
  checkWhatIf(whatIf, sites);
  return { sites, composition: 'outputs', granularity: 'token', provenance: 'exact', attached: null, ...(whatIf ? { changed: CHANGED } : {}), plan: (block) => plans.get(block.index) ?? null };
}

const CHANGED = 'Neurons of experts that were taken out give 0 in the forward pass, so that later layers see what the dense model computes without them; all other neurons run as ever, chosen or not. A temperature changes the shares that are shown and nothing else.';

/** 0 for neurons of experts that were taken out `[d_ff]`. */
function maskOf({ labels }: Layer, { allowed }: SiteWhatIf): Float32Array {
  return Float32Array.from(labels, (expert) => allowed[expert]);
}

/** Shares among the experts that are left `[tokens, experts]`, 0 for the others. */
function sharesOf({ shares }: EmergentRouter, scores: Float32Array, tokens: number, change: SiteWhatIf | null, temperature = 1): Float32Array {
  const experts = tokens === 0 ? 0 : scores.length / tokens, left = Array.from({ length: experts }, (_, e) => e).filter((e) => change === null || change.allowed[e] === 1);
  const packed = left.length === experts ? scores : Float32Array.from({ length: tokens * left.length }, (_, i) => scores[Math.floor(i / left.length) * experts + left[i % left.length]]);
  const found = tempered(shares(packed, tokens, left.length), left.length, temperature);
  if (left.length === experts) return found;
  const out = new Float32Array(scores.length);
  for (let t = 0; t < tokens; t++) for (const [i, e] of left.entries()) out[t * experts + e] = found[t * left.length + i];
  return out;
}

/** A softmax with its scores divided by a temperature: shares to the power of 1 / temperature, scaled to sum one. */
function tempered(shares: Float32Array, experts: number, temperature: number): Float32Array {
  if (temperature === 1) return shares;
  const out = new Float32Array(shares.length);
  for (let row = 0; row < shares.length; row += experts) {
    let most = 0, sum = 0;
    for (let e = 0; e < experts; e++) most = Math.max(most, shares[row + e]);
    for (let e = 0; e < experts; e++) sum += out[row + e] = (shares[row + e] / most) ** (1 / temperature);
    for (let e = 0; e < experts; e++) out[row + e] /= sum;
  }
  return out;
}
