import type { EvaluationRun } from '../../extension/protocol/documents';
import { formatNumber } from '../../extension/protocol/score';
import type { PairedDifference, TransferDocument } from '../../extension/protocol/transfer';
import type { Drawing, Mark } from './drawing';
import { round } from './drawing';
import { sentences } from './sentences';
import { mean } from './transferData';

/** What the bars are drawn in. */
export type RunUnit = PairedDifference['unit'];

/** A run beside its own base. */
export interface RunRow {
  readonly key: string;
  readonly name: string;
  readonly slimName: string;
  readonly role: 'reference' | 'asked' | 'random' | 'control' | 'source' | 'impossible';
  /** Change against the base of the row; bounds are null where no interval was computed. */
  readonly change: { readonly value: number; readonly low: number | null; readonly high: number | null } | null;
  /** Level of the run itself in the unit of the bars. */
  readonly level: number | null;
  /** What the change is against, in words. */
  readonly against: string;
  readonly documents: number | null;
  readonly draws: number;
  /** Remark beside the row, or why there is no run. */
  readonly note: string | null;
}

export interface RunsPicture {
  readonly unit: RunUnit;
  readonly rows: readonly RunRow[];
  /** What random modules do: from the lowest to the highest bound; null without such a run. */
  readonly band: readonly [number, number] | null;
  /** The verdict told the transferred module from chance. */
  readonly told: boolean;
}

const ASKED = 'transferred';
const BASE = 'base';
const SOURCE = 'source module';
const SOURCE_BASE = 'source base';

const NAMES: ReadonlyMap<string, readonly [string, string]> = new Map([
  ['moment-matched random', ['random, same moments', 'random, moments']], ['norm-matched random', ['random, same norm', 'random, norm']],
  ['shuffled pairs', ['maps of shuffled pairs', 'shuffled pairs']], ['naive copy', ['naive copy', 'naive copy']],
]);
const ORDER = ['moment-matched random', 'norm-matched random', 'shuffled pairs', 'naive copy'];

/** Units that the document has differences of the transferred module in; the first is that of the verdict. */
export function runUnits(document: TransferDocument): readonly RunUnit[] {
  return [...new Set((document.proof?.differences ?? []).filter(({ run, against }) => run === ASKED && against === BASE).map(({ unit }) => unit))];
}

/** Rows of the chart, or null where nothing was measured. */
export function runsPicture(document: TransferDocument, unit: RunUnit): RunsPicture | null {
  const { proof } = document;
  const base = document.runs.find(({ name }) => name === BASE);
  const asked = document.runs.find(({ name }) => name === ASKED);
  if (!proof || !base || !asked) return null;
  const find = (run: string, against: string): PairedDifference | undefined => proof.differences.find((one) => one.run === run && one.against === against && one.unit === unit);
  const levelOf = (run: EvaluationRun): number | null => (unit === 'accuracy' ? run.accuracy ?? null : run.lossPerToken);
  const changeOf = (run: EvaluationRun, against: EvaluationRun): RunRow['change'] => {
    const known = find(run.name, against.name);
    if (known) return { value: known.value, low: known.low, high: known.high };
    const [a, b] = [levelOf(run), levelOf(against)];
    return a === null || b === null ? null : { value: a - b, low: null, high: null };
  };
  const n = find(ASKED, BASE)?.n ?? null;
  const rows: RunRow[] = [
    { key: BASE, name: 'target alone', slimName: 'target alone', role: 'reference', change: { value: 0, low: null, high: null }, level: levelOf(base), against: 'itself', documents: n, draws: 1, note: 'reference' },
    { key: ASKED, name: `with ${document.module.name}, \u03b1 = ${alphaText(proof.chosen)}`, slimName: `transferred, \u03b1 = ${alphaText(proof.chosen)}`, role: 'asked', change: changeOf(asked, base), level: levelOf(asked), against: 'the target alone', documents: n, draws: 1, note: null },
  ];
  const stems = new Map<string, EvaluationRun[]>();
  for (const run of document.controls) {
    const stem = stemOf(run.name);
    const known = stems.get(stem);
    if (known) known.push(run);
    else stems.set(stem, [run]);
  }
  const place = (stem: string): number => (ORDER.includes(stem) ? ORDER.indexOf(stem) : ORDER.length);
  for (const [stem, runs] of [...stems].sort(([a], [b]) => place(a) - place(b))) {
    const [name, slimName] = NAMES.get(stem) ?? [stem, stem];
    rows.push({ key: stem, name, slimName, role: stem.includes('random') ? 'random' : 'control', change: merged(runs.map((run) => changeOf(run, base))), level: mean(runs.flatMap((run) => levelOf(run) ?? [])), against: 'the target alone', documents: n, draws: runs.length, note: null });
  }
  for (const { name, why } of document.impossible) {
    const [words, slim] = NAMES.get(name) ?? [name, name];
    rows.push({ key: name, name: words, slimName: slim, role: 'impossible', change: null, level: null, against: '', documents: null, draws: 0, note: `not possible: ${shortReason(why)}` });
  }
  const source = document.runs.find(({ name }) => name === SOURCE);
  const sourceBase = document.runs.find(({ name }) => name === SOURCE_BASE);
  if (source && sourceBase) {
    const alone = levelOf(sourceBase);
    rows.push({ key: SOURCE, name: 'source with its module', slimName: 'source + module', role: 'source', change: changeOf(source, sourceBase), level: levelOf(source), against: `the source alone${alone === null ? '' : `, ${level(alone)}`}`, documents: find(SOURCE, SOURCE_BASE)?.n ?? n, draws: 1, note: null });
  }
  const band = bandOf(rows);
  const change = rows[1]?.change;
  const [low, high] = [change?.low ?? change?.value ?? 0, change?.high ?? change?.value ?? 0];
  const outside = band === null || high < band[0] || low > band[1];
  // The verdict was made in the first unit; in another one the interval decides.
  const decided = unit === proof.differences[0]?.unit ? document.verdict === 'helps' || document.verdict === 'hurts' : (low > 0 || high < 0) && outside;
  return { unit, rows, band, told: decided };
}

/** The reason in a message: its first sentence, without what introduces it. */
export function shortReason(why: string): string {
  const first = sentences(why)[0] ?? why;
  const colon = first.indexOf(': ');
  return (colon >= 0 ? first.slice(colon + 2) : first).replace(/\.$/, '');
}

/** Draws of one control carry a number after their name. */
function stemOf(name: string): string {
  return name.replace(/\s*(\(.*\)|#?\d+)$/, '');
}

function merged(changes: readonly RunRow['change'][]): RunRow['change'] {
  const known = changes.flatMap((change) => change ?? []);
  if (known.length === 0) return null;
  if (known.length === 1) return known[0] ?? null;
  return { value: mean(known.map(({ value }) => value)) ?? 0, low: Math.min(...known.map(({ value, low }) => low ?? value)), high: Math.max(...known.map(({ value, high }) => high ?? value)) };
}

function bandOf(rows: readonly RunRow[]): readonly [number, number] | null {
  const random = rows.filter(({ role }) => role === 'random').flatMap(({ change }) => (change ? [change.low ?? change.value, change.high ?? change.value] : []));
  return random.length === 0 ? null : [Math.min(...random), Math.max(...random)];
}

/** Losses and their changes: three decimals, more where those would all be zero. */
export function level(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '\u2013';
  if (value !== 0 && Math.abs(value) < 0.0005) return formatNumber(value, 2);
  return (value < 0 ? '\u2212' : '') + Math.abs(value).toFixed(Math.abs(value) >= 100 ? 1 : 3);
}

/** `+0.003`, `−0.142`: differences always show their sign. */
export function signed(value: number | null): string {
  return value !== null && value > 0 ? `+${level(value)}` : value === 0 ? '0' : level(value);
}

/** A strength as it was given: `0.75`, not `0.750`. */
export function alphaText(alpha: number): string {
  return String(Number(alpha.toPrecision(3)));
}

/** `−0.142 [−0.171, −0.114]`. */
export function changeText(change: RunRow['change']): string {
  if (!change) return '\u2013';
  return change.low === null || change.high === null ? signed(change.value) : `${signed(change.value)} [${signed(change.low)}, ${signed(change.high)}]`;
}

/** Everything a row says, in lines. */
export function runTip(row: RunRow, picture: RunsPicture): string {
  const unit = picture.unit === 'accuracy' ? 'share of right labels' : 'nats per token';
  if (row.role === 'impossible') return `${row.name}\n${row.note ?? ''}`;
  const lines = [row.name, ...(row.level === null ? [] : [`${picture.unit === 'accuracy' ? 'accuracy' : 'loss'} ${level(row.level)}`])];
  if (row.role !== 'reference') {
    lines.push(`change ${changeText(row.change)} ${unit} against ${row.against}`);
    if (row.role === 'asked') lines.push(picture.band ? `random modules [${signed(picture.band[0])}, ${signed(picture.band[1])}]` : 'no random module was run');
    if (row.role === 'asked' && !picture.told) lines.push('Not told from zero or from random modules: no evidence');
    if (row.change?.low === null) lines.push('no interval was computed');
    if (row.draws > 1) lines.push(`mean and range of ${row.draws} draws`);
  }
  if (row.documents !== null) lines.push(`n = ${formatNumber(row.documents)} texts`);
  return lines.join('\n');
}

/** Decimals that tell apart what is shown on an axis with this step. */
function decimalsOf(step: number): number {
  return Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
}

/** Round values inside a range, at most `most` of them, zero among them where it lies inside. */
export function ticks(low: number, high: number, most: number): readonly number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = span / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
  const out: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) out.push(Number((i * step).toFixed(10)));
  return out;
}

/** A tick's number, with as many decimals as its neighbours need. */
export function tickText(value: number, all: readonly number[]): string {
  const step = all.length > 1 ? Math.abs((all[1] ?? 0) - (all[0] ?? 0)) : Math.abs(value) || 1;
  return value === 0 ? '0' : (value < 0 ? '\u2212' : '') + Math.abs(value).toFixed(decimalsOf(step));
}

const TOP = 34;
const ROW = 30;
export const RUNS_FOOT = 24;

/** Bars of every run's change against its own base; blue = the transferred module, hollow where it is not told from chance. */
export function drawRuns(picture: RunsPicture, width: number, slim: boolean): Drawing {
  const { rows, band, unit, told } = picture;
  const names = slim ? 140 : Math.max(140, Math.min(230, 10 + 6.3 * Math.max(...rows.map(({ name }) => name.length))));
  const right = slim ? 4 : 176;
  const bounds = [0, ...(band ?? []), ...rows.flatMap(({ change }) => (change ? [change.value, change.low ?? change.value, change.high ?? change.value] : []))];
  const span = Math.max(1e-9, Math.max(...bounds) - Math.min(...bounds));
  const [low, high] = [Math.min(...bounds) - span * 0.06, Math.max(...bounds) + span * 0.06];
  const wide = Math.max(60, width - names - right - 8);
  const x = (value: number): number => round(names + (wide * (value - low)) / (high - low));
  const bottom = TOP + rows.length * ROW;
  const marks: Mark[] = [];
  if (band) marks.push({ kind: 'rect', x: x(band[0]), y: TOP - 4, width: Math.max(2, x(band[1]) - x(band[0])), height: bottom - TOP + 4, fill: 'var(--ml-null)', tip: `random modules: ${signed(band[0])} to ${signed(band[1])}` });
  const places = ticks(low, high, Math.max(2, Math.floor(wide / 70)));
  for (const value of places) {
    marks.push({ kind: 'line', x1: x(value), x2: x(value), y1: TOP - 4, y2: bottom, stroke: value === 0 ? 'var(--ml-inside)' : 'var(--ml-grid)' });
    marks.push({ kind: 'text', x: x(value), y: bottom + 15, text: tickText(value, places), size: 11, mono: true, anchor: 'middle', fill: 'var(--ml-ink-dim)' });
  }
  const [left, toRight] = unit === 'accuracy' ? ['\u2190 hurts', 'helps \u2192'] : ['\u2190 helps', 'hurts \u2192'];
  const roomRight = width - right - x(0) > 60;
  marks.push({ kind: 'text', x: Math.max(names + 46, Math.min(x(0) - 10, names + wide - (roomRight ? 0 : 66))), y: 12, text: left, size: 11, bold: true, anchor: 'end', fill: 'var(--ml-ink)' });
  marks.push({ kind: 'text', x: roomRight ? Math.max(x(0) + 10, names + 66) : width - right + (slim ? 0 : 4), y: 12, text: toRight, size: 11, bold: true, anchor: roomRight ? 'start' : 'end', fill: 'var(--ml-ink)' });
  if (!slim) {
    marks.push({ kind: 'text', x: width - right + 104, y: 12, text: unit === 'accuracy' ? 'change' : 'nats per token', size: 11, anchor: 'end', fill: 'var(--ml-ink-dim)' });
    marks.push({ kind: 'text', x: width, y: 12, text: unit === 'accuracy' ? 'accuracy' : 'loss', size: 11, anchor: 'end', fill: 'var(--ml-ink-dim)' });
  }
  rows.forEach((row, i) => {
    const middle = TOP + i * ROW + ROW / 2;
    const asked = row.role === 'asked';
    const quiet = row.role === 'impossible';
    marks.push({ kind: 'text', x: 0, y: middle + 4, text: fitted(slim ? row.slimName : row.name, names - 8), size: 12, bold: asked, fill: quiet ? 'var(--ml-ink-dim)' : 'var(--ml-ink)' });
    marks.push(...barMarks(row, picture, x, middle));
    if (quiet) marks.push({ kind: 'text', x: names + 4, y: middle + 4, text: fitted(row.note ?? '', width - names - 8), size: 11, fill: 'var(--ml-ink-dim)', name: 'edged' });
    if (!slim && row.change) {
      const dim = row.role === 'random' || (asked && !told);
      marks.push({ kind: 'text', x: width - right + 104, y: middle + 4, text: row.role === 'reference' ? '0' : signed(row.change.value), size: 12, mono: true, anchor: 'end', fill: dim ? 'var(--ml-inside)' : 'var(--ml-ink)' });
      if (row.level !== null) marks.push({ kind: 'text', x: width, y: middle + 4, text: level(row.level), size: 12, mono: true, anchor: 'end', fill: 'var(--ml-ink-dim)' });
    }
    marks.push({ kind: 'rect', x: 0, y: TOP + i * ROW, width, height: ROW, fill: 'transparent', name: 'hit', key: i, tip: runTip(row, picture) });
  });
  return { width, height: bottom + RUNS_FOOT, marks };
}

function barMarks(row: RunRow, picture: RunsPicture, x: (value: number) => number, middle: number): readonly Mark[] {
  const { change } = row;
  if (!change) return [];
  if (row.role === 'reference') return [{ kind: 'circle', x: x(0), y: middle, r: 4, fill: 'var(--ml-ink)' }];
  const asked = row.role === 'asked';
  const hollow = asked && !picture.told;
  const [from, to] = [Math.min(x(0), x(change.value)), Math.max(x(0), x(change.value))];
  const colour = asked ? 'var(--ml-cat-1)' : 'var(--ml-excess)';
  const marks: Mark[] = [{ kind: 'rect', x: from, y: middle - 5, width: Math.max(1, to - from), height: 10, fill: hollow ? 'var(--ml-page)' : colour, ...(hollow ? { stroke: colour, strokeWidth: 1.5 } : {}) }];
  if (change.low !== null && change.high !== null) {
    const [a, b] = [x(change.low), x(change.high)];
    const stroke = asked ? 'var(--ml-ink-strong)' : 'var(--ml-ink)';
    marks.push({ kind: 'line', x1: a, x2: b, y1: middle, y2: middle, stroke, strokeWidth: 1.5 });
    marks.push({ kind: 'path', d: `M${a} ${middle - 4}V${middle + 4}M${b} ${middle - 4}V${middle + 4}`, fill: 'none', stroke, strokeWidth: 1.5 });
  }
  return marks;
}

/** Cuts text that is wider than its place, before what follows its last comma; the hover has it whole. */
export function fitted(text: string, width: number, perCharacter = 6.3): string {
  const room = Math.max(3, Math.floor(width / perCharacter));
  if (text.length <= room) return text;
  const comma = text.lastIndexOf(', \u03b1');
  const tail = comma > 0 ? text.slice(comma) : '';
  return `${text.slice(0, Math.max(1, room - 1 - tail.length))}\u2026${tail}`;
}
