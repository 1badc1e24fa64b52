/** Which side of the null counts as evidence. */
export type ScoreDirection = 'greater' | 'less';

/**
 * A modularity figure together with what the same number is when nothing is there. No page, table, CSV or report
 * accepts a modularity figure in any other form.
 */
export interface Score {
  /** The figure itself; null when it is not finite (then `why` says so). */
  readonly value: number | null;
  /** Mean of the figure over the null's draws. */
  readonly null: number | null;
  readonly nullSd: number | null;
  readonly nullDraws: number;
  /** (value - null) / nullSd. */
  readonly z: number | null;
  /** One-sided p-value in `direction`: (r+1)/(N+1) from 19 draws on, below that a Student-t prediction from the draws. */
  readonly p: number | null;
  /** Sample size that the figure rests on, counted in `nOf`. */
  readonly n: number;
  readonly nOf: string;
  /** Unit of `value` ("ARI", "Q", "share", "experts", "nats per token", ...). */
  readonly unit: string;
  readonly direction: ScoreDirection;
  /** What was drawn for the null, in words ("keys with columns permuted independently"). */
  readonly nullKind: string;
  /** 95 % interval of the value, where it was estimated. */
  readonly interval?: readonly [number, number];
  /** 95 % interval of the null. */
  readonly nullInterval?: readonly [number, number];
  readonly why?: string;
}

/** Level below which a figure counts as told from chance. */
export const SIGNIFICANCE = 0.05;

/** Whether the figure can be told from chance. */
export function isEvidence(score: Score): boolean {
  return score.value !== null && score.p !== null && score.p < SIGNIFICANCE;
}

const MINUS = '\u2212';

/** Three significant digits, true minus sign, thin spaces in thousands; "–" for null. */
export function formatNumber(value: number | null, digits = 3): string {
  if (value === null || !Number.isFinite(value)) return '\u2013';
  const magnitude = Math.abs(value);
  let text: string;
  if (Number.isInteger(value) && magnitude >= 1000) text = groupThousands(String(magnitude));
  else if (Number.isInteger(value)) text = String(magnitude);
  else if (magnitude >= 1000) text = groupThousands(Math.round(magnitude).toString());
  else if (magnitude !== 0 && magnitude < 1e-4) text = magnitude.toExponential(digits - 1).replace('-', MINUS);
  else text = Number(magnitude.toPrecision(digits)) === 0 ? '0' : trimFixed(magnitude, digits);
  return (value < 0 ? MINUS : '') + text;
}

function groupThousands(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}
function trimFixed(magnitude: number, digits: number): string {
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(magnitude)));
  return magnitude.toFixed(Math.min(decimals, 6));
}

/** `0.42 [0.39, 0.45]`; without an interval the number alone. */
export function formatInterval(value: number | null, interval?: readonly [number, number]): string {
  return interval ? `${formatNumber(value)} [${formatNumber(interval[0])}, ${formatNumber(interval[1])}]` : formatNumber(value);
}

/** The parts of a score as every table, report, CSV and page prints them. There is no formatter that leaves one out. */
export interface ScoreText {
  readonly value: string;
  readonly null: string;
  readonly n: string;
  readonly verdict: string;
}

export function formatScore(score: Score): ScoreText {
  return {
    value: formatInterval(score.value, score.interval),
    null: `null ${formatNumber(score.null)}` + (score.nullInterval ? ` [${formatNumber(score.nullInterval[0])}, ${formatNumber(score.nullInterval[1])}]` : ` \u00b1 ${formatNumber(score.nullSd)}`),
    n: `n = ${formatNumber(score.n)} ${score.nOf}, ${formatNumber(score.nullDraws)} null draws`,
    verdict: score.value === null ? score.why ?? 'not finite' : isEvidence(score) ? `p ${formatP(score.p)}` : `no evidence (p ${formatP(score.p)})`,
  };
}

/** `= 0.012`, `< 0.001`. */
export function formatP(p: number | null): string {
  if (p === null) return 'unknown';
  return p < 0.001 ? '< 0.001' : `= ${formatNumber(p, 2)}`;
}
