import { type LowRank, stackLowRank } from '../../numerics/lowRank';

/** An update with the factor that it is applied with. */
export interface ScaledUpdate {
  readonly factors: LowRank;
  readonly scaling: number;
}

/**
 * General-knowledge subtraction as PEFT does it: the mean A from A and the mean B from B. The product is not the update
 * less the mean update, and depends on the basis in which each adapter's factors happen to lie; ranks must be equal.
 */
export function subtractFactors(task: LowRank, general: readonly LowRank[]): LowRank {
  for (const g of general) if (g.rank !== task.rank || g.inWidth !== task.inWidth || g.outWidth !== task.outWidth) throw new RangeError(`factors of rank ${task.rank} and ${g.rank} cannot be subtracted from each other`);
  const minusMean = (own: Float32Array, others: readonly Float32Array[]): Float32Array => own.map((x, i) => x - others.reduce((sum, o) => sum + o[i], 0) / others.length);
  return { ...task, a: minusMean(task.a, general.map((g) => g.a)), b: minusMean(task.b, general.map((g) => g.b)) };
}

/**
 * General-knowledge subtraction of the updates themselves, the same for every basis: scaling * result = scaling * B A less
 * the mean of the general updates as they are applied. The result is the stack [B, -B_g / n] [A; A_g] of rank
 * r + sum of the general ranks.
 */
export function subtractUpdates(task: ScaledUpdate, general: readonly ScaledUpdate[]): LowRank {
  return stackLowRank([{ factors: task.factors, weight: 1 }, ...general.map(({ factors, scaling }) => ({ factors, weight: -scaling / (task.scaling * general.length) }))]);
}
