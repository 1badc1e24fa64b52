import { linearsOf } from '../../architecture/resolve';
import { floats, type HostTensor } from '../../graph/hostTensor';
import type { AttachedModules } from '../../module/attach';
import { stackLowRank } from '../../numerics/lowRank';
import { topKSoftmax } from './topKSoftmax';
import type { SiteWhatIf } from '../whatIf';
import type { BoundLibrary, LibrarySite } from './types';

/** How tokens are sent to adapters. */
export interface ArrowOptions {
  /** Adapters per token; at a linear map with fewer all of them are used. */
  readonly k: number;
  readonly temperature: number;
  /** Adapters that are left at a linear map, by site; sites without an entry have all. */
  readonly left?: ReadonlyMap<string, SiteWhatIf>;
  /** False: adapters stay off and only the routing is computed, on the base's activations. */
  readonly mix: boolean;
}

/** Names of what a routed linear map gives out, `[tokens, E]` and `[tokens, 1]`. */
export const ARROW_OUTPUTS = {
  logits: (site: string): string => `routing:${site}:logits`,
  weights: (site: string): string => `routing:${site}:weights`,
  /** Length of what the linear map reads. */
  norm: (site: string): string => `routing:${site}:norm`,
} as const;

/** Far below any product; such an adapter's weight is 0. */
const OUT = -1e30;

interface Tensors {
  readonly id: number;
  readonly site: LibrarySite;
  /** `[E, in]` */
  readonly prototypes: HostTensor;
  /** All factors side by side: `[R, in]`, `[out, R]`, R = sum of ranks. */
  readonly a: HostTensor;
  readonly b: HostTensor;
  /** Row e: the scaling of expert e at its own columns of R, 0 elsewhere `[E, R]`. */
  readonly spread: HostTensor;
}

/**
 * Arrow routing inside the graph, as PEFT computes it: logit = |x . v| with v the direction that an adapter reads most,
 * softmax(logit / T) over the k largest, and the adapters' outputs mixed with these weights and each one's own scaling.
 * The factors lie side by side: z = x A^T `[tokens, R]`, each expert's columns times its weight and scaling, times B^T.
 * That is the mixture of the outputs exactly, for any ranks, without an output per expert.
 */
export function attachArrow(bound: BoundLibrary, options: ArrowOptions): AttachedModules {
  const byWeight = new Map<string, Tensors>();
  for (const site of bound.sites) if (!byWeight.has(site.spec.weight)) byWeight.set(site.spec.weight, tensorsOf(site, byWeight.size, options.mix));
  const files = [...bound.library.adapters, ...bound.library.general].map(({ lora }) => lora.weights.files.map((f) => `${f.path}.${f.mtimeMs}.${f.size}`).join());
  return {
    key: `arrow|${options.k}|${options.temperature}|${options.mix ? 'mixed' : 'base'}|${bound.genKnowSub}|${[...(options.left ?? [])].map(([site, { allowed }]) => `${site}:${allowed.join('')}`).join()}|${files.join('+')}`,
    modules: [],
    hook: (builder, spec, x, y) => {
      const found = byWeight.get(spec.weight);
      if (!found) return y;
      const { id, site: { experts }, prototypes, a, b, spread } = found, left = options.left?.get(spec.site);
      // Where no adapter is left the base runs alone.
      if (left?.count === 0) return y;
      const input = (name: keyof Omit<Tensors, 'id' | 'site'>, tensor: HostTensor) => builder.input(`arrow.${id}.${name}`, 'float32', tensor.dims);
      const logits = builder.unary('Abs', builder.gemm(x, input('prototypes', prototypes), { transposed: true, width: experts.length }));
      const open = left ? builder.add(logits, builder.floats(`arrow.${spec.site}.out`, [experts.length], Float32Array.from(left.allowed, (x) => (x === 1 ? 0 : OUT)))) : logits;
      const weights = topKSoftmax(builder, open, experts.length, Math.min(options.k, left?.count ?? options.k), options.temperature);
      if (readsEveryToken(spec.site)) {
        builder.output(ARROW_OUTPUTS.logits(spec.site), logits);
        builder.output(ARROW_OUTPUTS.weights(spec.site), weights);
        builder.output(ARROW_OUTPUTS.norm(spec.site), builder.unary('Sqrt', builder.reduce('ReduceSum', builder.mul(x, x), -1, true)));
      }
      if (!options.mix) return y;
      const rank = a.dims[0];
      const inner = builder.mul(builder.gemm(x, input('a', a), { transposed: true, width: rank }), builder.gemm(weights, input('spread', spread), { transposed: false, width: rank }));
      return builder.add(y, builder.gemm(inner, input('b', b), { transposed: true, width: spec.outWidth }));
    },
    feeds: (block) => {
      const out: Record<string, HostTensor> = {};
      for (const spec of linearsOf(block)) {
        const found = byWeight.get(spec.weight);
        if (!found || options.left?.get(spec.site)?.count === 0) continue;
        const { id, prototypes, a, b, spread } = found;
        out[`arrow.${id}.prototypes`] = prototypes;
        if (options.mix) Object.assign(out, { [`arrow.${id}.a`]: a, [`arrow.${id}.b`]: b, [`arrow.${id}.spread`]: spread });
      }
      return out;
    },
  };
}

/** Maps inside the experts of a mixture see only the tokens sent there: adapters act in them, but no row per token comes out. */
export function readsEveryToken(site: string): boolean {
  return !/\.experts\.\d+\./.test(site);
}

function tensorsOf(site: LibrarySite, id: number, mix: boolean): Tensors {
  const { experts, spec } = site, prototypes = new Float32Array(experts.length * spec.inWidth);
  for (const [e, { spectrum }] of experts.entries()) prototypes.set(spectrum.direction, e * spec.inWidth);
  const none = floats([0], new Float32Array(0)), own = { id, site, prototypes: floats([experts.length, spec.inWidth], prototypes) };
  if (!mix) return { ...own, a: none, b: none, spread: none };
  const stack = stackLowRank(experts.map(({ factors }) => ({ factors, weight: 1 }))), spread = new Float32Array(experts.length * stack.rank);
  let at = 0;
  for (const [e, { factors, scaling }] of experts.entries()) {
    spread.fill(scaling, e * stack.rank + at, e * stack.rank + at + factors.rank);
    at += factors.rank;
  }
  return { ...own, a: floats([stack.rank, spec.inWidth], stack.a), b: floats([spec.outWidth, stack.rank], stack.b), spread: floats([experts.length, stack.rank], spread) };
}
