import type { BoundModel } from '../architecture/resolve';
import type { LinearSpec } from '../architecture/spec';
import type { LoraFactors } from '../module/writeLora';
import type { DataRow, TextFile } from '../probe/texts';
import type { Tokenizer } from '../probe/tokenizer';
import type { ModelFacts, Notice } from '../protocol/documents';
import type { DroppedPart, HeadPairs, LayerPair, LayerRule, TransferDocument, TransferMethodName, TransferPlan, TransferredSite, TransferRequest } from '../protocol/transfer';
import type { LayerStatistics } from './statistics';

/** A module as transfers see it: whatever its kind, updates of linear maps as low-rank factors. */
export interface SourceModule {
  readonly path: string;
  readonly name: string;
  readonly kind: string;
  /** What adapter_config.json calls its base. */
  readonly base: string | null;
  readonly rank: number | null;
  readonly parameters: number;
  readonly factors: readonly LoraFactors[];
  /** Parts that are not of this form and stay behind, with the reason. */
  readonly left?: readonly { readonly name: string; readonly reason: string }[];
}

/** A base, opened by the caller. */
export interface TransferModel {
  readonly model: BoundModel;
  readonly facts: ModelFacts;
  readonly tokenizer: Tokenizer | null;
}

/** Everything that a plan is made from. */
export interface TransferInputs {
  readonly module: SourceModule;
  readonly from: TransferModel;
  readonly to: TransferModel;
  /** Texts that both bases read. */
  readonly probe: TextFile | null;
  readonly data: { readonly name: string; readonly rows: readonly DataRow[] } | null;
}

/** The function that a linear map has in its block; parts of one role correspond across families. */
export const ROLES = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] as const;
export type Role = (typeof ROLES)[number];

/** One linear map, or the part of a fused one that has a role of its own. */
export interface SitePart {
  /** `blocks.3.attention.q`, also where q is a part of a fused map. */
  readonly name: string;
  readonly layer: number;
  readonly role: Role;
  readonly linear: LinearSpec;
  /** Module path of the map as PEFT names it. */
  readonly target: string;
  /** Outputs of the map that are this part's, in this part's order; null: all. */
  readonly rows: Int32Array | null;
  readonly inWidth: number;
  readonly outWidth: number;
  /** Heads that the outputs (q, k, v) consist of; `rotary`: features of each that turn with the position. */
  readonly heads: { readonly count: number; readonly width: number; readonly rotary: number } | null;
}

/** A part of the module, on its source. */
export interface SourcePart {
  readonly part: SitePart;
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly rank: number;
  readonly scaling: number;
  /** Squared Frobenius norm of the update over that of the whole module. */
  readonly share: number;
}

/** What goes where: a part of the target with the source parts that it is made from (several where layers are averaged). */
export interface PartPair {
  readonly to: SitePart;
  readonly from: readonly SourcePart[];
  /** Target layers that take the same source layer: the update is divided by it. */
  readonly copies: number;
}

/** A part that a method has carried; `a` is `[rank, in]` and `b` `[out, rank]` on the target. */
export interface CarriedPart {
  readonly pair: PartPair;
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly rank: number;
  readonly scaling: number;
  readonly maps: Omit<TransferredSite, 'name' | 'from' | 'kept' | 'coverage' | 'relativeNormFrom' | 'relativeNormTo'>;
}

/** One target layer to be carried. */
export interface LayerWork {
  readonly layer: number;
  readonly pairs: readonly PartPair[];
  /** Null for methods that need no activations. */
  readonly statistics: LayerStatistics | null;
  /** Heads of the two bases' layers. */
  readonly counts: { readonly to: HeadCounts; readonly from: HeadCounts };
  readonly tools: TransferTools;
}

export interface HeadCounts {
  readonly q: number;
  readonly kv: number;
}

export interface LayerCarried {
  readonly parts: readonly CarriedPart[];
  readonly heads: readonly HeadPairs[];
  readonly dropped: readonly DroppedPart[];
}

/** Large dense algebra with turns for others in between. */
export interface TransferTools {
  readonly seed: number;
  /** Orthogonal polar factor of `c` `[rows, columns]` and the sum of its singular values. */
  polar(c: Float64Array, rows: number, columns: number): Promise<{ readonly factor: Float64Array; readonly singularSum: number }>;
  /** A random order of n rows, always the same. */
  order(n: number): Int32Array;
  /** Lets others have their turn; throws when cancelled. */
  turn(): Promise<void>;
  readonly signal?: AbortSignal;
}

/** A group of activations that a method asks for. */
export interface WantedGroup {
  /** `in:attention`, `in:o`, `in:ffn`, `in:down`, or `out:` and a role. */
  readonly group: GroupName;
  /** `covariance`: sums over all tokens; `samples`: rows of some thousand tokens; `both`. */
  readonly kind: 'covariance' | 'samples' | 'both';
}
export type GroupName = 'in:attention' | 'in:o' | 'in:ffn' | 'in:down' | `out:${Role}`;

/** A way to carry a module; one file in `methods/` exports one. */
export interface TransferMethod {
  readonly name: TransferMethodName;
  readonly title: string;
  /** What it does, in one sentence. */
  readonly says: string;
  readonly needs: {
    /** Both bases must read texts. */
    readonly activations: boolean;
    /** Which tokens of the two bases are taken for the same: those over the same characters, or those of the same index and spelling. */
    readonly pairing: 'characters' | 'index';
  };
  /** Layer rule where the request names none, and those it can follow. */
  readonly layerRules: readonly LayerRule[];
  /** Source layers of each target layer where the method has a rule of its own. */
  layers?(from: number, to: number): readonly (readonly number[])[];
  /** How a part will be carried, or why it cannot be. */
  plan(pair: PartPair): { readonly rule: string } | { readonly drop: string };
  /** Activations needed for these parts of one layer. */
  wanted?(pairs: readonly PartPair[]): readonly WantedGroup[];
  run(work: LayerWork): Promise<LayerCarried>;
}

/** A plan with what is needed to run it. */
export interface PlannedTransfer {
  readonly plan: TransferPlan;
  readonly request: TransferRequest;
  readonly inputs: TransferInputs;
  readonly method: TransferMethod;
  readonly sources: readonly SourcePart[];
  /** Parts that no layer map could bring over. */
  readonly left: readonly DroppedPart[];
}

/** Where statistics of a pair of bases are kept; the engine's result store is one. */
export interface StatisticsStore {
  key(parts: { readonly [name: string]: string | number | readonly (string | number)[] }): string;
  get<T>(key: string): Promise<T | undefined>;
  put(key: string, value: unknown): Promise<string | null>;
}

export interface TransferRunOptions {
  readonly progress?: (stage: string, done: number, total: number) => void;
  readonly store?: StatisticsStore;
  /** The control: tokens are paired at random, everything else is as always. */
  readonly shufflePairs?: boolean;
}

/** What arrived. */
export interface TransferResult {
  readonly factors: readonly LoraFactors[];
  readonly sites: readonly TransferredSite[];
  readonly dropped: readonly DroppedPart[];
  readonly layers: readonly LayerPair[];
  readonly heads: readonly HeadPairs[];
  readonly probe: TransferDocument['probe'];
  readonly warnings: readonly Notice[];
  /** Seconds by stage. */
  readonly timings: Readonly<Record<string, number>>;
}
