import { linear } from './build';
import { count, LIMITS } from './config';
import type { ConfigReader, ExpertSpec, LinearSpec } from './spec';

/** Sizes of a mixture of experts. */
export interface MixtureSize {
  readonly experts: number;
  /** Experts that a token uses. */
  readonly k: number;
  readonly dModel: number;
  /** Neurons of one expert. */
  readonly width: number;
}

/** Reads a mixture's sizes; a count outside its limit, and a k above the number of experts, are refused. */
export function mixtureSize(config: ConfigReader, dModel: number, fields: { readonly experts: readonly string[]; readonly width: string }): MixtureSize {
  const experts = count(config, LIMITS.experts, ...fields.experts), k = count(config, LIMITS.experts, 'num_experts_per_tok'), layers = count(config, LIMITS.layers, 'num_hidden_layers');
  if (k > experts) config.unsupported('num_experts_per_tok', k, `at most ${fields.experts[0]} (${experts})`);
  if (layers * experts > LIMITS.allExperts) config.unsupported(fields.experts[0], experts, `at most ${LIMITS.allExperts} experts in all layers together`);
  return { experts, k, dModel, width: count(config, LIMITS.width, fields.width) };
}

/** Names of one expert's matrices on disk. */
export const PROJECTIONS = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' } as const;
/** The same in Mixtral's own files. */
export const NUMBERED = { gate: 'w1', up: 'w3', down: 'w2' } as const;

/** Experts with tensors of their own: `at.7.gate_proj.weight` and so on. */
export function separateExperts(site: string, at: string, names: Readonly<Record<'gate' | 'up' | 'down', string>>, { experts, dModel, width }: MixtureSize): readonly ExpertSpec[] {
  return Array.from({ length: experts }, (_, e) => gated(`${site}.${e}`, `${at}.${e}`, names, dModel, width));
}

/** One gated FFN without biases, e.g. a shared expert. */
export function gated(site: string, at: string, names: Readonly<Record<'gate' | 'up' | 'down', string>>, dModel: number, width: number): ExpertSpec {
  return {
    gate: linear(`${site}.gate`, `${at}.${names.gate}`, dModel, width, false), up: linear(`${site}.up`, `${at}.${names.up}`, dModel, width, false),
    down: linear(`${site}.down`, `${at}.${names.down}`, width, dModel, false),
  };
}

/** How a stack of experts lies on disk. */
export interface StackedNames {
  /** Gate and up of all experts: `[E, 2f, d]` (`outIn`) or `[E, d, 2f]` (`inOut`). */
  readonly gateUp: string;
  /** `[E, d, f]` (`outIn`) or `[E, f, d]` (`inOut`). */
  readonly down: string;
  readonly layout: 'outIn' | 'inOut';
  /** `halves`: all of gate, then all of up. `interleaved`: gate 0, up 0, gate 1, ... */
  readonly arrangement: 'halves' | 'interleaved';
  /** Biases `[E, 2f]` and `[E, d]`. */
  readonly gateUpBias?: string;
  readonly downBias?: string;
  /** Both stacks are packed as MXFP4; their scales. */
  readonly scales?: { readonly gateUp: string; readonly down: string };
}

/** Experts that lie in two stacks (transformers 5, Granite, GPT-OSS). */
export function stackedExperts(site: string, names: StackedNames, { experts, dModel, width }: MixtureSize): readonly ExpertSpec[] {
  const { layout } = names, stack = (inWidth: number, outputs: number): readonly [number, number, number] => (layout === 'outIn' ? [experts, outputs, inWidth] : [experts, inWidth, outputs]);
  const part = (e: number, name: 'gate' | 'up'): LinearSpec => ({
    site: `${site}.${e}.${name}`, weight: names.gateUp, ...(names.gateUpBias ? { bias: names.gateUpBias } : {}), inWidth: dModel, outWidth: width, layout,
    slice: { shape: stack(dModel, 2 * width), index: e, ...(names.arrangement === 'halves' ? { from: name === 'gate' ? 0 : width, step: 1 } : { from: name === 'gate' ? 0 : 1, step: 2 }) },
    ...(names.scales ? { mxfp4: { scales: names.scales.gateUp } } : {}),
  });
  return Array.from({ length: experts }, (_, e): ExpertSpec => ({
    gate: part(e, 'gate'), up: part(e, 'up'),
    down: {
      site: `${site}.${e}.down`, weight: names.down, ...(names.downBias ? { bias: names.downBias } : {}), inWidth: width, outWidth: dModel, layout, slice: { shape: stack(width, dModel), index: e, from: 0, step: 1 },
      ...(names.scales ? { mxfp4: { scales: names.scales.down } } : {}),
    },
  }));
}
