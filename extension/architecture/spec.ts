/**
 * What a model is, as data: stacks of blocks of sublayers, every linear map a named site. Nothing here reads a file;
 * tensor names are resolved against a checkpoint by `resolve.ts`.
 */
import { failure } from '../protocol/errors';

/** The part of a stack of matrices (one per expert, on the first axis) that one linear map is. */
export interface SliceSpec {
  /** `[experts, out, in]` where the layout is `outIn`, else `[experts, in, out]`; `out` counts the outputs of all maps that share the matrix. */
  readonly shape: readonly [number, number, number];
  readonly index: number;
  /** The matrix's outputs that are this map's: `from`, `from + step`, ... (GPT-OSS interleaves gate and up). */
  readonly from: number;
  readonly step: 1 | 2;
}

/** One linear map as it lies on disk. */
export interface LinearSpec {
  /** Stable name that modules, transfer, merge and reports use: `blocks.3.attention.q`. */
  readonly site: string;
  /** Tensor name without the body prefix; `.weight` included. */
  readonly weight: string;
  readonly bias?: string;
  readonly inWidth: number;
  readonly outWidth: number;
  /** `outIn`: torch Linear, rows are outputs. `inOut`: GPT-2's Conv1D, rows are inputs. */
  readonly layout: 'outIn' | 'inOut';
  /** Present where the tensor holds the matrices of several maps; its bias is then `[experts, out]`. */
  readonly slice?: SliceSpec;
  /**
   * Microscaling FP4: `weight` is uint8 `[experts, out, in / 32, 16]`, two values a byte, low half first; `scales` is uint8
   * `[experts, out, in / 32]`, a power of two offset by 127 (OCP Microscaling Formats 1.0). The layout is `outIn`.
   */
  readonly mxfp4?: { readonly scales: string };
}

/**
 * Latent attention (DeepSeek-V2, arXiv 2405.04434): queries, and keys with values, go through narrow latents. Of each head's query and key
 * the first `plainDim` features carry no position; the last `ropeDim` are rotated, and those of the key are shared by all heads.
 */
export interface LatentQkvSpec {
  readonly kind: 'latent';
  /** To all heads' queries, from the block's input or from a latent of its own. */
  readonly q: LinearSpec;
  readonly qLatent?: { readonly down: LinearSpec; readonly norm: NormSpec };
  /** To the latent and the shared rotated key. */
  readonly kvDown: LinearSpec;
  readonly kvNorm: NormSpec;
  /** From the latent to each head's plain key and value. */
  readonly kvUp: LinearSpec;
  readonly plainDim: number;
  readonly ropeDim: number;
  /** Features that turn together lie side by side, not half a head apart. */
  readonly interleaved: boolean;
}

/**
 * A mixture of attention heads (JetMoE, arXiv 2404.07413): keys and values are one map, shared by all experts; an expert has its own query and
 * output maps, and each token's queries and outputs are those of the experts it uses, outputs weighted.
 */
export interface RoutedQkvSpec {
  readonly kind: 'routed';
  /** `[experts, d_model]`: its output is the tap `attention.router.logits`. */
  readonly router: LinearSpec;
  readonly rule: RouterRule;
  readonly k: number;
  /** All keys, then all values. */
  readonly kv: LinearSpec;
  readonly experts: readonly { readonly q: LinearSpec; readonly o: LinearSpec }[];
  /** Tensor `[d_model]`, added once. */
  readonly bias: string;
}

/** Where q, k and v lie: three linear maps, one whose output holds all three, behind latents, or in experts. */
export type QkvSpec =
  | { readonly kind: 'separate'; readonly q: LinearSpec; readonly k: LinearSpec; readonly v: LinearSpec }
  /** `concat`: all q, then all k, then all v. `perHead`: q, k, v of head 0, then of head 1, ... (GPT-NeoX). */
  | { readonly kind: 'fused'; readonly linear: LinearSpec; readonly arrangement: 'concat' | 'perHead' }
  | LatentQkvSpec
  | RoutedQkvSpec;

export interface NormSpec {
  readonly kind: 'layer' | 'rms';
  readonly weight: string | null;
  readonly bias?: string | null;
  readonly width: number;
  readonly epsilon: number;
  /** Gemma multiplies by 1 + weight. */
  readonly addOne?: boolean;
}

/** Norms of a sublayer: on its input, on its branch before the residual sum (Gemma 2), after the residual sum (BERT). */
export interface SublayerNorms {
  readonly before?: NormSpec;
  readonly branch?: NormSpec;
  readonly after?: NormSpec;
}

export interface AttentionSpec {
  readonly kind: 'attention';
  readonly norms: SublayerNorms;
  readonly qkv: QkvSpec;
  /** Absent where each expert has its own. */
  readonly o?: LinearSpec;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Width of a head's values where it differs from that of its keys (latent attention). */
  readonly valueDim?: number;
  /** Factor on q·k. */
  readonly scale: number;
  readonly causal: boolean;
  /** Keys further back than this many positions are not seen. */
  readonly window?: number;
  /** Key into the stack's rotary tables; absent = no rotation. */
  readonly rope?: string;
  /** Norm over each head of q and k before the rotation (Qwen 3, Gemma 3), or over all heads at once where it is that wide (OLMoE). */
  readonly qNorm?: NormSpec;
  readonly kNorm?: NormSpec;
  /** Scores become cap * tanh(scores / cap) (Gemma 2). */
  readonly softcap?: number;
  /** q, k and v are held within plus and minus this after their norms (OLMoE). */
  readonly clip?: number;
  /** Tensor `[heads]`: a score of each head that takes part in the softmax and adds no value (GPT-OSS). */
  readonly sinks?: string;
}

/** Names of activations as config files spell their meaning. */
export const ACTIVATIONS = ['relu', 'relu2', 'gelu', 'geluTanh', 'quickGelu', 'silu', 'tanh', 'sigmoid'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export interface FfnSpec {
  readonly kind: 'ffn';
  readonly norms: SublayerNorms;
  readonly activation: Activation;
  /** Present in gated FFNs: hidden = activation(gate x) * (up x); without it hidden = activation(up x). */
  readonly gate?: LinearSpec;
  readonly up: LinearSpec;
  readonly down: LinearSpec;
}

/** How experts are chosen from a router's logits z, and what weights they get (`routing/moeRule.ts` computes the same). */
export type RouterRule =
  /** p = softmax(z); the k largest p, divided by their sum where `renormalise` (Mixtral, OLMoE, Qwen). */
  | { readonly kind: 'softmaxTopK'; readonly renormalise: boolean }
  /** The k largest z, softmax over them (Granite, GPT-OSS, JetMoE). */
  | { readonly kind: 'topKSoftmax' }
  /** p = softmax(z); experts stand in equal groups, a group counts as its best p, the best `keepGroups` stay; the k largest p as they are (DeepSeek-V2). */
  | { readonly kind: 'softmaxGroups'; readonly groups: number; readonly keepGroups: number }
  /**
   * s = sigmoid(z), chosen by s + bias (tensor `[experts]`): a group counts as its best two, the best `keepGroups` stay; the weights of the k
   * chosen are s, divided by their sum where `renormalise` (DeepSeek-V3, arXiv 2412.19437).
   */
  | { readonly kind: 'sigmoidGroups'; readonly groups: number; readonly keepGroups: number; readonly bias: string; readonly renormalise: boolean };

/** One gated FFN of a mixture. */
export interface ExpertSpec {
  readonly gate: LinearSpec;
  readonly up: LinearSpec;
  readonly down: LinearSpec;
}

/** hidden = activation(gate x) * (up x), or GPT-OSS's: g = min(gate x, limit), u = up x within plus and minus limit, hidden = g * sigmoid(alpha g) * (u + 1). */
export type ExpertActivation = Activation | { readonly kind: 'clampedSwiglu'; readonly alpha: number; readonly limit: number };

/** A mixture of experts in the place of an FFN: output = sum over the chosen experts of weight * expert(x), plus the shared expert. */
export interface MoeSpec {
  readonly kind: 'moe';
  readonly norms: SublayerNorms;
  readonly activation: ExpertActivation;
  /** `[experts, d_model]`: its output is the tap `router.logits`. */
  readonly router: LinearSpec;
  readonly rule: RouterRule;
  /** Factor on all weights of the experts that the router chooses (DeepSeek). */
  readonly weightScale?: number;
  /** Experts that a token uses. */
  readonly k: number;
  readonly experts: readonly ExpertSpec[];
  /** Tensor `[d_model]`, added once (JetMoE). */
  readonly bias?: string;
  /** An expert that every token uses, scaled by sigmoid(gate x) where it has a gate of its own (Qwen2-MoE). */
  readonly shared?: { readonly expert: ExpertSpec; readonly gate?: LinearSpec };
}

export type SublayerSpec = AttentionSpec | FfnSpec | MoeSpec;

export interface BlockSpec {
  readonly index: number;
  /** Blocks of one weight group share their tensors (ALBERT). */
  readonly weightGroup: string;
  /** `parallel`: attention and FFN read the same residual stream and are added together (GPT-NeoX). */
  readonly residual: 'serial' | 'parallel';
  readonly attention: AttentionSpec;
  readonly ffn: FfnSpec | MoeSpec;
  /** Factor on what each branch adds to the residual stream (Granite). */
  readonly residualScale?: number;
  /** Factor on the block's output (none today but Gemma 3n and kin have one). */
  readonly outputScale?: number;
}

export interface RopeSpec {
  /** Features of a head that are rotated; the rest passes. */
  readonly rotaryDim: number;
  readonly inverseFrequencies: Float64Array;
  /** Factor on cos and sin (YaRN). */
  readonly attentionFactor: number;
}

export interface EmbeddingSpec {
  readonly token: string;
  readonly width: number;
  /** Factor on the token rows (Gemma: sqrt(d_model), rounded as the reference does). */
  readonly scale: number;
  /** Learned positions: row = position + offset. */
  readonly position?: { readonly weight: string; readonly offset: number };
  /** Row of token type 0, added everywhere. */
  readonly tokenType?: string;
  readonly norm?: NormSpec;
  /** To d_model where the embedding is narrower (ALBERT, some OPT). */
  readonly projection?: LinearSpec;
}

export interface HeadSpec {
  readonly kind: 'causal' | 'masked';
  /** Masked LMs: dense, activation, norm before the decoder. */
  readonly transform?: { readonly dense: LinearSpec; readonly activation: Activation; readonly norm: NormSpec };
  /** OPT with a narrower embedding projects back first. */
  readonly projection?: LinearSpec;
  readonly decoder: LinearSpec;
  /** Decoder rows come from the token embedding. */
  readonly tied: boolean;
  readonly softcap?: number;
  /** Factor on the logits. */
  readonly scale?: number;
}

export interface StackSpec {
  readonly name: 'decoder' | 'encoder' | 'vision';
  /** What tap names start with: '' for a model of one stack. */
  readonly tapPrefix: string;
  readonly dModel: number;
  readonly context: number;
  readonly vocabulary: number;
  readonly embedding: EmbeddingSpec;
  readonly ropes: ReadonlyMap<string, RopeSpec>;
  readonly blocks: readonly BlockSpec[];
  readonly finalNorm?: NormSpec;
}

export interface ModelSpec {
  /** config.json's model_type. */
  readonly family: string;
  /** Name of the architecture file. */
  readonly architecture: string;
  readonly stacks: readonly StackSpec[];
  readonly head?: HeadSpec;
  /** Prefixes that the body's tensor names may carry, most usual first ("transformer.", ""). */
  readonly bodyPrefixes: readonly string[];
  /** Tensors that are buffers, not weights. */
  readonly buffers: readonly RegExp[];
}

/** One architecture file: the families it serves and how their config becomes a spec. */
export interface Architecture {
  readonly name: string;
  readonly modelTypes: readonly string[];
  /** `has` tells whether a tensor exists under any body prefix (heads and ties depend on it). */
  read(config: ConfigReader, has: (tensor: string) => boolean): ModelSpec;
}

/** Typed access to config.json; a field of the wrong type is an input error that names the file and the field. */
export interface ConfigReader {
  readonly modelType: string;
  number(...names: string[]): number;
  numberOr(fallback: number, ...names: string[]): number;
  optionalNumber(...names: string[]): number | null;
  booleanOr(fallback: boolean, ...names: string[]): boolean;
  string(...names: string[]): string;
  stringOr(fallback: string, ...names: string[]): string;
  list(name: string): readonly unknown[] | null;
  object(name: string): ConfigReader | null;
  has(name: string): boolean;
  /** Refuses a configuration that the architecture file does not cover, naming the field. */
  unsupported(field: string, value: unknown, supported: string): never;
}

/** The dense FFN of a block, whose neurons partitions are made of; null where the block has a mixture of experts instead. */
export function ffnOf(block: BlockSpec): FfnSpec | null {
  return block.ffn.kind === 'ffn' ? block.ffn : null;
}

/** The dense FFN of a block. @throws model/no-dense-ffn where the block has a mixture of experts instead */
export function requireFfn(block: BlockSpec): FfnSpec {
  if (block.ffn.kind === 'moe') throw failure('model/no-dense-ffn', { layer: block.index, experts: block.ffn.experts.length });
  return block.ffn;
}

/** The linear map whose rows are a neuron's keys: gate in gated FFNs, else up. */
export function keyLinear(ffn: FfnSpec): LinearSpec {
  return ffn.gate ?? ffn.up;
}
