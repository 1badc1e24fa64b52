import type { FfnWeights } from '../../architecture/ffnWeights';
import { floatData } from '../../graph/hostTensor';
import { failure } from '../../protocol/errors';
import type { RouterName, RoutingSite } from '../../protocol/routing';
import { letterOf } from '../../protocol/routingNames';
import type { BlockPlan, PreparedRouter, Router, RouterRequest } from '../types';

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
}

/** How weights of routers come about that run their chosen experts unweighted. */
export const STANDARDISED = 'Weight: softmax of the scores, standardised over the experts of the token. EMoE runs the chosen experts unweighted.';

/** A router over the experts that a dense layer's neurons were split into. */
export function emergentRouter(kind: EmergentRouter): Router {
  return { name: kind.name, title: kind.title, says: kind.says, prepare: (request) => prepare(kind, request) };
}

async function prepare(kind: EmergentRouter, request: RouterRequest): Promise<PreparedRouter> {
  if (request.layers.length === 0) throw failure('routing/no-router', { path: request.model.checkpoint.path, router: kind.name, reason: 'it has no dense FFN layer that could be split into experts' });
  const sites: RoutingSite[] = [], plans = new Map<number, BlockPlan>();
  for (const index of request.layers) {
    const layer = await request.partition(index), score = await kind.scorer(layer, request.seed), site = sites.length, { experts } = layer;
    const k = Math.min(experts, request.topK ?? Math.max(1, Math.round(experts / 4)));
    sites.push({ id: `blocks.${index}.ffn`, layer: index, module: 'ffn', kind: 'emergent', semantics: 'simplex', E: experts, labels: Array.from({ length: experts }, (_, e) => letterOf(e)), k, temperature: null, scale: 1, note: kind.note });
    plans.set(index, {
      taps: new Set([kind.reads]),
      read: (outputs, tokens) => {
        const logits = score(floatData(outputs[`tap:${kind.reads}`]), tokens);
        return [{ site, logits, weights: kind.shares(logits, tokens, experts) }];
      },
    });
  }
  return { sites, composition: 'outputs', granularity: 'token', provenance: 'exact', attached: null, plan: (block) => plans.get(block.index) ?? null };
}
