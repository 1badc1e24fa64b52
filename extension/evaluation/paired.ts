import { bootstrapInterval } from '../numerics/bootstrap';
import type { Random } from '../numerics/random';
import type { PairedDifference, TransferProof } from '../protocol/transfer';
import type { DocumentLoss } from './loss';

/** Resamples of an interval: enough for two digits of a 95 % bound. */
export const RESAMPLES = 1000;

/** Documents on which a strength is chosen, and those on which everything is reported; both ascending. */
export interface Halves {
  readonly choose: readonly number[];
  readonly report: readonly number[];
}

/** Splits documents at random into two halves, the larger one for the report. With one document there is nothing to choose on. */
export function halvesOf(documents: number, random: Random): Halves {
  const order = [...random.permutation(documents)], cut = Math.floor(documents / 2), ascending = (a: number, b: number): number => a - b;
  return { choose: order.slice(0, cut).sort(ascending), report: order.slice(cut).sort(ascending) };
}

/**
 * Nats per token of one run minus another on the same documents, with a 95 % interval from resampled documents. Both runs have
 * scored the same tokens; a skipped document counts nothing.
 */
export function lossDifference(run: { readonly name: string; readonly documents: readonly DocumentLoss[] }, against: { readonly name: string; readonly documents: readonly DocumentLoss[] }, random: Random): PairedDifference {
  const n = run.documents.length;
  const statistic = (weights: ArrayLike<number> | null): number => {
    let difference = 0, tokens = 0;
    for (let i = 0; i < n; i++) {
      const w = weights ? weights[i] : 1;
      difference += w * (run.documents[i].nll - against.documents[i].nll);
      tokens += w * run.documents[i].tokens;
    }
    return difference / tokens;
  };
  const [low, high] = bootstrapInterval(n, statistic, { random, resamples: RESAMPLES });
  return { run: run.name, against: against.name, unit: 'nats per token', value: statistic(null), low, high, n, resamples: RESAMPLES };
}

/** Share of right labels of one run minus another on the same rows, with a 95 % interval from resampled rows. */
export function accuracyDifference(run: { readonly name: string; readonly correct: Uint8Array }, against: { readonly name: string; readonly correct: Uint8Array }, random: Random): PairedDifference {
  const n = run.correct.length;
  const statistic = (weights: ArrayLike<number> | null): number => {
    let difference = 0;
    for (let i = 0; i < n; i++) difference += (weights ? weights[i] : 1) * (run.correct[i] - against.correct[i]);
    return difference / n;
  };
  const [low, high] = bootstrapInterval(n, statistic, { random, resamples: RESAMPLES });
  return { run: run.name, against: against.name, unit: 'accuracy', value: statistic(null), low, high, n, resamples: RESAMPLES };
}

/** What a module does on a base: losses of the same texts without and with it. */
export interface ModuleEffect {
  readonly without: readonly DocumentLoss[];
  readonly with: readonly DocumentLoss[];
}

/**
 * Share of a module's effect on its own base that it has on the target: quotient of the two reductions in bits per byte, so that
 * tokenizers may differ. Undefined while the reduction on its own base cannot be told from zero.
 */
export function recoveredLift(target: ModuleEffect, source: ModuleEffect, random: Random): TransferProof['lift'] {
  const n = target.with.length;
  const gain = (effect: ModuleEffect, weights: ArrayLike<number> | null): number => {
    let nats = 0, bytes = 0;
    for (let i = 0; i < n; i++) {
      if (effect.with[i].tokens === 0) continue;
      const w = weights ? weights[i] : 1;
      nats += w * (effect.without[i].nll - effect.with[i].nll);
      bytes += w * effect.with[i].bytes;
    }
    return nats / Math.LN2 / bytes;
  };
  const [low, high] = bootstrapInterval(n, (weights) => gain(source, weights), { random: random.fork('source'), resamples: RESAMPLES });
  if (!(low > 0) && !(high < 0)) return { value: null, low: null, high: null, measure: 'bits per byte', why: 'On its own base the module has no effect on these texts that can be told from zero.' };
  if (high < 0) return { value: null, low: null, high: null, measure: 'bits per byte', why: 'On its own base the module makes these texts less likely, so there is no gain to recover.' };
  const interval = bootstrapInterval(n, (weights) => gain(target, weights) / gain(source, weights), { random: random.fork('lift'), resamples: RESAMPLES });
  return { value: gain(target, null) / gain(source, null), low: interval[0], high: interval[1], measure: 'bits per byte' };
}
