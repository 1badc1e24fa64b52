import type { BlockSpec, LinearSpec } from '../architecture/spec';
import type { TensorInfo } from '../checkpoint/types';
import type { SublayerJoin } from '../graph/block';
import type { GraphBuilder } from '../graph/builder';
import type { HostTensor } from '../graph/hostTensor';
import type { Value } from '../graph/ir';

/** Tensors by the names of the graph inputs that a part's functions ask for. */
export type PartInputs = Readonly<Record<string, HostTensor>>;

/**
 * What a module does at one linear map. Several parts at one map act side by side: what the map reads is changed by every `before`, what the base gives
 * is multiplied by every `scale`, and every `add` comes on top.
 */
export interface LinearPart {
  readonly inputs: PartInputs;
  /** What the map reads instead of x `[tokens, in]`. */
  readonly before?: (b: GraphBuilder, spec: LinearSpec, x: Value) => Value;
  /** Factors on what the base gives `[out]`. */
  readonly scale?: (b: GraphBuilder, spec: LinearSpec) => Value;
  /** What is added to y; `x` `[tokens, in]` is what reaches the map, `y` `[tokens, out]` what the base gives, bias included. */
  readonly add?: (b: GraphBuilder, spec: LinearSpec, x: Value, y: Value) => Value;
}

/** What a module does where a sublayer's output joins the residual stream. */
export interface BranchPart {
  readonly inputs: PartInputs;
  /** The stream after the sum and its norm, or null where this part leaves the join alone. */
  readonly join: (b: GraphBuilder, block: BlockSpec, at: SublayerJoin) => Value;
}

/** A low-rank change of the rows of a table: row i becomes row i + scaling * B a_i. */
export interface RowFactors {
  /** `[rank, rows]` */
  readonly a: Float32Array;
  /** `[width, rank]` */
  readonly b: Float32Array;
  readonly rank: number;
  readonly rows: number;
  readonly width: number;
  readonly scaling: number;
}

/** A low-rank update of the decoder: logits += scaling * (x A^T) B^T. */
export interface HeadFactors {
  readonly id: string;
  /** `[rank, in]` */
  readonly a: Float32Array;
  /** `[vocabulary, rank]` */
  readonly b: Float32Array;
  readonly rank: number;
  readonly inWidth: number;
  readonly scaling: number;
}

/** A tensor of the base saved anew. */
export interface SavedTensor {
  readonly tensor: TensorInfo;
  readonly strength: number;
}

/** Keys and values that every sequence sees before its own, one pair per block. */
export interface PrefixPart {
  readonly length: number;
  /** By block index, `[kvHeads, length, headDim]`. */
  readonly blocks: readonly { readonly key: HostTensor; readonly value: HostTensor }[];
  /** Factor on the attention that goes there: exp(score) is multiplied with it. */
  readonly strength: number;
  /** Positions of the text start behind it (PEFT), or where they would without it (AdapterHub). */
  readonly shifts: boolean;
  /** Factors on keys and values, made of each text: the mean over its tokens of sigmoid(x W^T + b), one output for both or one each. By block index. */
  readonly gates?: readonly { readonly weight: HostTensor; readonly bias: HostTensor }[];
}

/** Embedding rows that stand before every sequence. */
export interface PromptPart {
  readonly length: number;
  /** `[length, width]`, as they enter in the place of token rows. */
  readonly rows: Float32Array;
  /** The family's factor on token rows applies to them. */
  readonly scaled: boolean;
  /** Factor on the attention that goes there: exp(score) is multiplied with it. */
  readonly strength: number;
}

/** Everything that a module does to a base, at a given strength. */
export interface ModuleParts {
  /** By the tensor name of the map in the model's spec. */
  readonly linears?: ReadonlyMap<string, readonly LinearPart[]>;
  /** By block index and sublayer: {@link branchName}. */
  readonly branches?: ReadonlyMap<string, BranchPart>;
  readonly tokens?: readonly RowFactors[];
  readonly head?: readonly HeadFactors[];
  /** By the name of the tensor in the base's files. */
  readonly saved?: ReadonlyMap<string, SavedTensor>;
  /** The decoder's own matrix and bias, where a tied model got one. */
  readonly savedHead?: SavedTensor;
  readonly prefix?: PrefixPart;
  readonly prompt?: PromptPart;
  /** Something in it averages over whole texts, so that a text cannot be run token by token. */
  readonly averages?: boolean;
  /** What of the module changes nothing that is computed here, in whole sentences. */
  readonly remarks?: readonly string[];
}

export function branchName(block: number, part: SublayerJoin['part']): string {
  return `${block}.${part}`;
}
