import type { GroupName } from './types';

/** Rows of one group of activations on both bases, paired: `[n, width]` each. */
export interface PairedRows {
  readonly n: number;
  readonly from: Float32Array;
  readonly to: Float32Array;
}

/** Sums of products over the fit tokens, float64; the predictor of an `in:` group is the target base, that of an `out:` group the source base. */
export interface ProductSums {
  /** Predictor times predictor `[p, p]`, predictor times outcome `[p, o]`, and the same with pairs shuffled. */
  readonly gram: Float64Array;
  readonly cross: Float64Array;
  readonly crossShuffled: Float64Array;
}

/** What is known of one group of activations at a pair of layers. Rows of `out:` groups have the first tokens' means taken off, so that sums in float32 lose nothing to them. */
export interface GroupStatistics {
  readonly group: GroupName;
  /** Widths on the source and on the target base. */
  readonly fromWidth: number;
  readonly toWidth: number;
  /** Paired tokens behind the sums. */
  readonly tokens: number;
  readonly predictorSum: Float64Array;
  readonly outcomeSum: Float64Array;
  readonly outcomeSquares: Float64Array;
  /** Null where only samples were asked for. */
  readonly products: ProductSums | null;
  /** Rows of the first fit tokens; null where only sums were asked for. */
  readonly samples: PairedRows | null;
  /** Rows that nothing was fitted on. */
  readonly heldOut: PairedRows;
}

/** Statistics of one pair of layers. */
export type LayerStatistics = ReadonlyMap<GroupName, GroupStatistics>;
