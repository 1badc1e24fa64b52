import { formatNumber } from '../../extension/protocol/score';

/** 124 M, 6.74 G. */
export function shortCount(value: number): string {
  for (const [size, unit] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) if (value >= size) return `${formatNumber(Number((value / size).toPrecision(3)))} ${unit}`;
  return formatNumber(value);
}
