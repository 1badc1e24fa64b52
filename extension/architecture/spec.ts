/**
 * What a model is, as data: stacks of blocks of sublayers, every linear map a named site. Nothing here reads a file;
 * tensor names are resolved against a checkpoint by `resolve.ts`.
 */

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
}

/** Where q, k and v lie: three linear maps, or one whose output holds all three. */
export type QkvSpec =
  | { readonly kind: 'separate'; readonly q: LinearSpec; readonly k: LinearSpec; readonly v: LinearSpec }
  /** `concat`: all q, then all k, then all v. `perHead`: q, k, v of head 0, then of head 1, ... (GPT-NeoX). */
  | { readonly kind: 'fused'; readonly linear: LinearSpec; readonly arrangement: 'concat' | 'perHead' };

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
  readonly o: LinearSpec;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Factor on q·k. */
  readonly scale: number;
  readonly causal: boolean;
  /** Keys further back than this many positions are not seen. */
  readonly window?: number;
  /** Key into the stack's rotary tables; absent = no rotation. */
  readonly rope?: string;
  /** Norm over each head of q and k before the rotation (Qwen 3, Gemma 3). */
  readonly qNorm?: NormSpec;
  readonly kNorm?: NormSpec;
  /** Scores become cap * tanh(scores / cap) (Gemma 2). */
  readonly softcap?: number;
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

export type SublayerSpec = AttentionSpec | FfnSpec;

export interface BlockSpec {
  readonly index: number;
  /** Blocks of one weight group share their tensors (ALBERT). */
  readonly weightGroup: string;
  /** `parallel`: attention and FFN read the same residual stream and are added together (GPT-NeoX). */
  readonly residual: 'serial' | 'parallel';
  readonly attention: AttentionSpec;
  readonly ffn: FfnSpec;
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

/** The FFN whose neurons partitions are made of, with its block. */
export function ffnOf(block: BlockSpec): FfnSpec {
  return block.ffn;
}

/** The linear map whose rows are a neuron's keys: gate in gated FFNs, else up. */
export function keyLinear(ffn: FfnSpec): LinearSpec {
  return ffn.gate ?? ffn.up;
}
