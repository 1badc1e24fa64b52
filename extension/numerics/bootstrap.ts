import type { Random } from './random';
import { quantile } from './statistics';

export interface BootstrapOptions {
  readonly random: Random;
  /** Resamples; 2,000 by default. */
  readonly resamples?: number;
  /** Coverage; 0.95 by default. */
  readonly level?: number;
}

/**
 * Percentile bootstrap interval of a statistic of `count` items. `statistic` gets how often each item was drawn (`[count]`,
 * sums to count) and returns the statistic of that resample; resamples on which it is not finite are left out.
 */
export function bootstrapInterval(count: number, statistic: (weights: Int32Array) => number, options: BootstrapOptions): readonly [number, number] {
  const resamples = options.resamples ?? 2000;
  const tail = (1 - (options.level ?? 0.95)) / 2;
  const weights = new Int32Array(count);
  const values: number[] = [];
  for (let b = 0; b < resamples; b++) {
    weights.fill(0);
    for (let i = 0; i < count; i++) weights[options.random.integer(count)]++;
    const value = statistic(weights);
    if (Number.isFinite(value)) values.push(value);
  }
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? [NaN, NaN] : [quantile(sorted, tail), quantile(sorted, 1 - tail)];
}

/** Bootstrap interval of a mean, or of a ratio of sums when `sizes` are given (loss per token from losses and token counts of documents). */
export function bootstrapMean(values: ArrayLike<number>, options: BootstrapOptions, sizes?: ArrayLike<number>): readonly [number, number] {
  return bootstrapInterval(
    values.length,
    (weights) => {
      let sum = 0;
      let size = 0;
      for (let i = 0; i < weights.length; i++) {
        sum += weights[i] * values[i];
        size += weights[i] * (sizes ? sizes[i] : 1);
      }
      return sum / size;
    },
    options,
  );
}

/** Interval of mean(a - b) over the same resampled items: what two runs on the same documents differ by. */
export function pairedBootstrap(a: ArrayLike<number>, b: ArrayLike<number>, options: BootstrapOptions, sizes?: ArrayLike<number>): readonly [number, number] {
  if (a.length !== b.length) throw new RangeError(`paired bootstrap of different length: ${a.length} and ${b.length}`);
  const difference = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) difference[i] = a[i] - b[i];
  return bootstrapMean(difference, options, sizes);
}
