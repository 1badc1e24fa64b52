import type { DeviceUse, DocumentHead, JsonArray } from './documents';
import type { GenKnowSub } from './routingLibrary';
import type { Score } from './score';

/** Routers that a person can ask for. `imported` is a trace that another program made. */
export const ROUTERS = ['avg-k', 'similarity', 'oracle', 'random', 'native', 'arrow', 'imported'] as const;
export type RouterName = (typeof ROUTERS)[number];

/** What the weights of a token over a site's experts are; each kind has its own scale. */
export const WEIGHT_SEMANTICS = ['simplex', 'truncated', 'sub-simplex', 'sigmoid', 'signed', 'binary'] as const;
export type WeightSemantics = (typeof WEIGHT_SEMANTICS)[number];

/** What decides: each token, each text, a task, or nothing but the file. */
export type RoutingGranularity = 'token' | 'example' | 'task' | 'static';
/** How chosen experts are put together: their outputs are added, their parameters are, or nothing is run with them. */
export type Composition = 'outputs' | 'parameters' | 'none';
/**
 * `exact`: the model as it runs with this router. `base-activation`: on activations of the base alone, adapters off.
 * `router-only`: the router on given hidden states, because the family's attention is not built. `imported`: somebody else's numbers.
 */
export type RoutingProvenance = 'exact' | 'base-activation' | 'router-only' | 'imported';

/** A place where tokens are routed. */
export interface RoutingSite {
  /** `blocks.3.ffn`, `blocks.3.attention.q` */
  readonly id: string;
  readonly layer: number;
  /** `ffn`, `attention.q` */
  readonly module: string;
  readonly kind: 'emergent' | 'moe' | 'library' | 'imported';
  readonly semantics: WeightSemantics;
  /** Number of experts. */
  readonly E: number;
  /** One per expert: letters for emergent experts, names for adapters, numbers for MoE experts. */
  readonly labels: readonly string[];
  /** Experts that a token uses. */
  readonly k: number;
  /** What logits are divided by before the softmax; null where there is none, or where each token has its own (`note` says so). */
  readonly temperature: number | null;
  /** Weights on disk are this many times what is shown (DeepSeek-V3: 2.5); 1 otherwise. */
  readonly scale: number;
  /** Added to scores for the choice only, one per expert. */
  readonly bias?: readonly number[];
  /** How a weight comes from a logit, in words. */
  readonly note: string;
}

export interface RoutingToken {
  readonly id: number;
  /** As people read it; bytes that are no whole character as `<0xE2>`. */
  readonly text: string;
  /** Index into `records`. */
  readonly record: number;
  /** UTF-16 range in the record's text; null for tokens without one (specials, prompts). Tokens inside one character share its range. */
  readonly start: number | null;
  readonly end: number | null;
  readonly special: boolean;
  /** `[i, n]`: the i-th (from 0) of n tokens that share the range. */
  readonly part?: readonly [number, number];
  /** The range was found by matching text, not by the tokenizer's own rules. */
  readonly uncertain?: boolean;
}

/** One text of the run. */
export interface RoutingRecord {
  /** Tokens `[from, to)`. */
  readonly from: number;
  readonly to: number;
  readonly label: string | null;
  /** Tokens that did not fit the context. */
  readonly cut: number;
}

/** An expert, at one site or wherever there is one of that name. */
export interface NamedExpert {
  /** As the site's `labels` name it. */
  readonly expert: string;
  /** A site's id; all sites without. */
  readonly site?: string;
}

/** What is changed on purpose, to see what would happen. */
export interface WhatIf {
  /** Experts that no token may go to. */
  readonly mute?: readonly NamedExpert[];
  /** Where any are named, tokens go to these alone. */
  readonly force?: readonly NamedExpert[];
  /** What scores are divided by before the weights are made of them; instead of the router's own. */
  readonly temperature?: number;
}

/** What-ifs in a few words, for titles: "without B; temperature 2". */
export function whatIfTitle({ mute = [], force = [], temperature }: WhatIf): string {
  const named = (list: readonly NamedExpert[]): string => list.map(({ expert, site }) => (site === undefined ? expert : `${expert} at ${site}`)).join(', ');
  return [...(force.length > 0 ? [`only ${named(force)}`] : []), ...(mute.length > 0 ? [`without ${named(mute)}`] : []), ...(temperature === undefined ? [] : [`temperature ${temperature}`])].join('; ');
}

/** Everything about a trace but its numbers. */
export interface RoutingHead {
  readonly schema: 'modulens-routing-1';
  readonly model: { readonly hash: string; readonly kind: string; readonly name: string };
  readonly tokenizer: { readonly hash: string } | null;
  readonly router: RouterName;
  readonly composition: Composition;
  readonly granularity: RoutingGranularity;
  readonly provenance: RoutingProvenance;
  /** Whether a token's routing depends on what stands before it alone; otherwise an edit changes the whole text's. */
  readonly causal: boolean;
  /** The model was changed on purpose: this is not how it routes. `says`: what was done to the forward pass, in whole sentences. */
  readonly whatIf?: WhatIf & { readonly says: string };
  readonly records: readonly RoutingRecord[];
  readonly tokens: readonly RoutingToken[];
  readonly sites: readonly RoutingSite[];
  /** Experts kept per token and site, best first: all of them where there are few. */
  readonly slots: number;
}

/**
 * Routing decisions of a text `[tokens, sites, slots]`, tokens slowest. Slots are sorted by weight, then by logit, then by expert. In
 * truncated routers exactly k weights of a row are not zero.
 */
export interface RoutingTrace extends RoutingHead {
  /** Expert of each slot. */
  readonly ids: Uint16Array;
  readonly weights: Float32Array;
  /** Raw scores; absent where a router has none. */
  readonly logits: Float32Array | null;
  /** Weight of the first slot minus weight of the second `[tokens, sites]`. */
  readonly margins: Float32Array;
  /** Score by which the last chosen expert beat the first one left out `[tokens, sites]`; infinite where all are chosen. */
  readonly choiceMargins: Float32Array;
  /** Mean weight of every expert over the tokens that have a place in the text, all sites one after the other `[sum of E]`. */
  readonly meanWeights: Float32Array;
  /** Entropy of the weights in nats `[tokens, sites]`, over all experts, kept or not. */
  readonly entropies: Float32Array;
  /** Length of what the router reads `[tokens, sites]`, where scores grow with it (Arrow): score / length is a cosine. Null elsewhere. */
  readonly norms: Float32Array | null;
}

/** Below this weight margin the first two experts of a token are drawn as a near tie. */
export const NEAR_TIE = 0.03;

/** A trace as a JSON document (`modulens route --json`); `schema` and following fields are the trace's. */
export interface RouteDocument extends DocumentHead, RoutingHead {
  readonly kind: 'route';
  readonly device: DeviceUse;
  readonly seed: number;
  readonly ids: JsonArray;
  readonly weights: JsonArray;
  readonly logits: JsonArray | null;
  readonly margins: JsonArray;
  readonly choiceMargins: JsonArray;
  readonly entropies: JsonArray;
  readonly norms: JsonArray | null;
  readonly meanWeights: JsonArray;
  readonly summary: RoutingSummary;
  /** With `--compare-with`. */
  readonly comparison?: RoutingComparison & { readonly divergences: JsonArray };
  /** With `--compare-keys`, on models with a router of their own. */
  readonly trained?: readonly TrainedVersusKeys[];
}

/** What a trace says as a whole, each figure with what chance gives. */
export interface RoutingSummary {
  readonly sites: readonly SiteSummary[];
  /** Names of the labels that `bySite` rows stand for; empty where records have none. */
  readonly labels: readonly string[];
  /** Tokens with a place in the text, and those of each label. */
  readonly tokens: number;
  readonly tokensPerLabel: readonly number[];
  /** Emergent experts of neighbouring layers matched by shared tokens: letters by site and expert, and how well the matching fits. */
  readonly letters: readonly (readonly number[])[] | null;
  readonly matching: Score | null;
}

export interface SiteSummary {
  /** Share of tokens whose first expert it is, per expert. */
  readonly load: readonly number[];
  /** Mean weight per expert. */
  readonly mean: readonly number[];
  readonly entropy: number;
  /** Mean weight by label and expert `[labels * E]`, with 95 % intervals from resampled records or blocks of tokens. */
  readonly byLabel: readonly { readonly mean: number; readonly low: number; readonly high: number; readonly nullLow: number; readonly nullHigh: number }[];
  /** Jensen-Shannon divergence between labels, null = labels shuffled in blocks of 16 tokens; null where there are no labels. */
  readonly divergence: Score | null;
  /** Share of neighbouring tokens with different first experts; null = tokens in random order. */
  readonly switchRate: Score;
}

/** How like avg-k a trained router is at one site. */
export interface TrainedVersusKeys {
  readonly site: string;
  readonly layer: number;
  /** Mean cosine of a router row with the mean gate key of its own expert. */
  readonly cosine: Score;
  /** Share of choices that a router made of those mean keys would have made too. */
  readonly agreement: Score;
}

/** What to route with, on which texts. */
export interface RouteRequest {
  readonly path: string;
  readonly router: RouterName;
  readonly texts: readonly { readonly text: string; readonly label?: string }[];
  /** Folder of adapters (`arrow`). */
  readonly modules?: string;
  /** "0-5,11" */
  readonly layers?: string;
  /** Experts of a partition that is made on demand, and how many a token uses. */
  readonly experts?: number;
  readonly topK?: number;
  readonly temperature?: number;
  /** How a library's general knowledge is subtracted; by default as its settings say. */
  readonly genKnowSub?: GenKnowSub;
  /** Adapters off, routing on the base's activations: cheap and approximate. */
  readonly baseActivations?: boolean;
  readonly whatIf?: WhatIf;
  readonly seed?: number;
}

/** Another router, or the same one set otherwise; everything else is as in the trace that it is compared with. */
export type RoutingVariant = Pick<RouteRequest, 'router' | 'topK' | 'temperature' | 'baseActivations' | 'genKnowSub' | 'whatIf'>;

/** Two routers at one site, on the same tokens. */
export interface ComparedSite {
  readonly id: string;
  readonly layer: number;
  /** Its index in either trace. */
  readonly sites: readonly [number, number];
  /** Share of tokens with the same first expert; null = the second router's tokens shuffled in blocks of 16. */
  readonly agreement: Score;
  /** Mean Jensen-Shannon divergence of a token's two weight rows, in nats (at most ln 2); the same null, less is closer. */
  readonly divergence: Score;
}

/** Two routers that choose between the same experts. */
export interface RoutingComparison {
  /** Both in words: `avg-k, k = 2`. */
  readonly names: readonly [string, string];
  /** Tokens with a place in the text: what the figures are of. */
  readonly tokens: number;
  readonly sites: readonly ComparedSite[];
  /** Sites of one alone, or where the two choose between different experts. */
  readonly left: readonly string[];
}

/** A comparison with its numbers token by token `[tokens, compared sites]`, tokens of the trace in order; null where they are too many for a message. */
export interface RoutingComparisonResult extends RoutingComparison {
  readonly perToken: { readonly divergences: Float32Array; readonly firsts: readonly [Uint16Array, Uint16Array] } | null;
}

/** A finished trace that the engine keeps under `key`; numbers are asked for slice by slice. */
export interface RoutingResult {
  readonly key: string;
  readonly head: RoutingHead;
  readonly device: DeviceUse;
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly seconds: number;
  /** Tokens of the first record that were not computed again (live update). */
  readonly reused: number;
}

/** Numbers of the sites `[from, to)` of a trace, shapes as in the trace with `to - from` sites. */
export interface RoutingSlice {
  readonly from: number;
  readonly to: number;
  readonly ids: Uint16Array;
  readonly weights: Float32Array;
  readonly logits: Float32Array | null;
  readonly margins: Float32Array;
  readonly choiceMargins: Float32Array;
  readonly entropies: Float32Array;
  readonly norms?: Float32Array | null;
  /** The first token that the arrays hold; 0 where nothing is said. */
  readonly firstToken?: number;
}

/** What a folder beside a base holds, and what can be shown of it today. */
export interface RoutableKind {
  /** `arrow`, `lora-library`, `x-lora`, `adapter-fusion`, `poly`, ... */
  readonly kind: string;
  readonly title: string;
  /** What is there, in one sentence; names damage ("2 of 3 classifier layers are missing"). */
  readonly says: string;
  /** Router that can be run on it; null when it can only be described. */
  readonly router: RouterName | null;
  readonly granularity: RoutingGranularity;
  readonly composition: Composition;
  readonly experts: readonly string[];
  readonly complete: boolean;
}

/** What the page and the editor look at together. Hover previews (`locked` false), a click locks, Esc steps back. */
export interface RoutingSelection {
  readonly token: number | null;
  readonly site: number | null;
  readonly expert: number | null;
  readonly locked: boolean;
  readonly pinned: readonly number[];
}
export const NO_SELECTION: RoutingSelection = { token: null, site: null, expert: null, locked: false, pinned: [] };
