import type { GroupName } from './types';

/** Rows of one group of activations on both bases, paired: `[n, width]` each. */
export interface PairedRows {
  readonly n: number;
  readonly from: Float32Array;
  readonly to: Float32Array;
}

/** What is known of one group of activations at a pair of layers. The predictor of an `in:` group is the target base, that of an `out:` group the source base. */
export interface GroupStatistics {
  readonly group: GroupName;
  /** Widths on the source and on the target base. */
  readonly fromWidth: number;
  readonly toWidth: number;
  /** Paired tokens behind the sums. */
  readonly tokens: number;
  /** Sums over the fit tokens, float64; null where only samples were asked for. */
  readonly sums: {
    /** Predictor times predictor `[p, p]`, predictor times outcome `[p, o]`, and the same with pairs shuffled. */
    readonly gram: Float64Array;
    readonly cross: Float64Array;
    readonly crossShuffled: Float64Array;
    readonly predictor: Float64Array;
    readonly outcome: Float64Array;
    readonly predictorSquares: Float64Array;
    readonly outcomeSquares: Float64Array;
  } | null;
  /** Rows of the first fit tokens; null where only sums were asked for. */
  readonly samples: PairedRows | null;
  /** Rows that nothing was fitted on. */
  readonly heldOut: PairedRows;
}

/** Statistics of one pair of layers. */
export type LayerStatistics = ReadonlyMap<GroupName, GroupStatistics>;
