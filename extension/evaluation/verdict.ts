import { formatNumber } from '../protocol/score';
import type { ChangedText, PairedDifference, TransferVerdict } from '../protocol/transfer';
import type { DocumentLoss } from './loss';

/**
 * Three zones. `helps`: the loss is lower than the target's alone and lower than with every module that carries nothing, each with a
 * 95 % interval below zero. `hurts`: the interval against the target alone is above zero. Otherwise there is no evidence.
 */
export function verdictOf(againstBase: PairedDifference, againstChance: readonly PairedDifference[]): Exclude<TransferVerdict, 'no-verdict'> {
  if (againstBase.low > 0) return 'hurts';
  return againstBase.high < 0 && againstChance.every((d) => d.high < 0) ? 'helps' : 'no-evidence';
}

export interface VerdictFacts {
  readonly module: string;
  readonly from: string;
  readonly to: string;
  readonly verdict: TransferVerdict;
  readonly againstBase: PairedDifference | null;
  /** Against modules that carry nothing, and against other ways to use the module (a plain copy). */
  readonly againstChance: readonly PairedDifference[];
  readonly againstOthers: readonly PairedDifference[];
  readonly lift: { readonly value: number | null; readonly low: number | null; readonly high: number | null } | null;
}

/** The answer in one sentence with its number, interval, controls and n. */
export function verdictSentence({ module, from, to, verdict, againstBase, againstChance, againstOthers, lift }: VerdictFacts): string {
  const moved = `${module} was carried from ${from} to ${to}`;
  if (verdict === 'no-verdict' || !againstBase) return `${moved}; no verdict: no texts were given to measure on.`;
  const size = Math.abs(againstBase.value), interval = `[${formatNumber(againstBase.low)}, ${formatNumber(againstBase.high)}]`, n = `n = ${formatNumber(againstBase.n)} texts`;
  const change = `${formatNumber(againstBase.value)} nats per token ${interval} against ${to} alone, ${n}`;
  if (verdict === 'hurts') return `${moved} and hurts: ${change}.`;
  if (verdict === 'helps') {
    const nearest = againstChance.length === 0 ? null : againstChance.reduce((best, d) => (d.value > best.value ? d : best));
    const recovered = lift !== null && lift.value !== null ? `; ${formatNumber(100 * lift.value)} % [${formatNumber(100 * (lift.low ?? NaN))}, ${formatNumber(100 * (lift.high ?? NaN))}] of its gain on its own base` : '';
    return `${moved} and helps: ${change}${nearest ? `, and ${formatNumber(nearest.value)} [${formatNumber(nearest.low)}, ${formatNumber(nearest.high)}] against the best control (${nearest.against})` : ''}${recovered}.${othersText(againstOthers)}`;
  }
  const told = againstBase.high < 0 ? [...new Set(againstChance.filter((d) => !(d.high < 0)).map((d) => d.against.replace(/ \d+$/, '')))] : [];
  return `${moved}; no evidence that it helps: ${change}${told.length > 0 ? `, which cannot be told from ${told.join(' and ')}` : size === 0 ? ', no change at all' : ''}.`;
}

/** Where another way is no worse, the reader should know: it may be simpler. */
function othersText(others: readonly PairedDifference[]): string {
  return others.filter((d) => d.high >= 0).map((d) => ` The control \u201c${d.against}\u201d does ${d.low > 0 ? 'better' : 'as well'}: ${formatNumber(d.value)} [${formatNumber(d.low)}, ${formatNumber(d.high)}].`).join('');
}

/** Texts of each direction that a report lists. */
const CHANGED_PER_DIRECTION = 5;
/** Characters of a text that a report shows. */
const SHOWN_CHARACTERS = 400;

/** The texts whose loss per token changed most, both directions, largest changes first; ties go to the earlier row. */
export function changedTexts(rows: readonly { readonly row: number; readonly text: string; readonly label: string | null }[], before: readonly DocumentLoss[], after: readonly DocumentLoss[]): ChangedText[] {
  const all = rows.flatMap(({ row, text, label }, i): ChangedText[] => {
    if (before[i].tokens === 0) return [];
    const a = before[i].nll / before[i].tokens, b = after[i].nll / after[i].tokens;
    return a === b ? [] : [{ row, text: [...text].slice(0, SHOWN_CHARACTERS).join(''), label, before: a, after: b, direction: b < a ? 'better' : 'worse' }];
  });
  const most = (direction: ChangedText['direction']): ChangedText[] => all.filter((c) => c.direction === direction).sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before) || a.row - b.row).slice(0, CHANGED_PER_DIRECTION);
  return [...most('better'), ...most('worse')];
}
