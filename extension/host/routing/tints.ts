import { NEAR_TIE, type RoutingHead, type RoutingSite } from '../../protocol/routing';
import { type Names, nameExpert, STRENGTHS, tintClass } from './palette';
import { type SpanIndex, spansOfLines } from './spanIndex';
import type { TraceView } from './traceView';

/** What the strength of a tint means; the hue is always the first expert. */
export const CHANNELS = ['weight', 'margin', 'entropy'] as const;
export type Channel = (typeof CHANNELS)[number];

export const GRANULARITIES = ['token', 'word', 'line'] as const;
export type Granularity = (typeof GRANULARITIES)[number];

/** A stretch of one line in one tint class. */
export interface TintRange {
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly tint: number;
}

/** Borders of the weak, middle and strong bins. */
const RELATIVE_WEIGHT = [0.3, 0.45, 0.65] as const;
const PLAIN_WEIGHT = [0.25, 0.5, 0.75] as const;
const MARGIN = [NEAR_TIE, 0.15, 0.35] as const;
const ENTROPY = [0.5, 0.7, 0.85] as const;

/** Strength 0-3 of a weight: on a simplex by how far it is from chance to one, else as it is. */
export function weightStrength(site: RoutingSite, weight: number): number {
  const relative = relativeWeight(site, weight);
  return relative === null ? bin(Math.abs(weight), PLAIN_WEIGHT) : bin(relative, RELATIVE_WEIGHT);
}

/**
 * 0 for the weight that chance gives, 1 for weight one, logarithmic: the first of 64 experts at 0.1 is as far ahead as the
 * first of 8 at 0.33. Null where weights are no shares of one.
 */
export function relativeWeight(site: RoutingSite, weight: number): number | null {
  if (site.semantics !== 'simplex' && site.semantics !== 'sub-simplex' && site.semantics !== 'truncated') return null;
  const shares = site.semantics === 'truncated' ? Math.max(1, site.k) : site.E;
  return shares === 1 ? 1 : weight <= 0 ? 0 : Math.max(0, 1 + Math.log(weight) / Math.log(shares));
}

function bin(value: number, borders: readonly number[]): number {
  let strength = 0;
  while (strength < borders.length && value >= borders[strength]) strength++;
  return strength;
}

/** Tint class of every token at a site; -1 where there is nothing to show. */
export function tintTokens(trace: TraceView, site: number, channel: Channel, names: Names): Int8Array {
  const { tokens, sites } = trace.head;
  const facts = sites[site];
  const out = new Int8Array(tokens.length).fill(-1);
  if (!facts || !trace.has(site)) return out;
  const hues = Array.from({ length: facts.E }, (_, expert) => nameExpert(trace.head, site, expert, names).hue);
  for (let token = 0; token < tokens.length; token++) {
    const expert = trace.top(site, token);
    if (tokens[token].start === null || expert < 0 || expert >= facts.E) continue;
    const strength =
      channel === 'weight' ? weightStrength(facts, trace.weight(site, token)) : channel === 'margin' ? bin(trace.margin(site, token), MARGIN) : bin(facts.E > 1 ? trace.entropy(site, token) / Math.log(facts.E) : 0, ENTROPY);
    out[token] = tintClass(hues[expert], strength);
  }
  return out;
}

/** Lines to paint, with the spans and the tint classes of one block. */
export interface TintSource {
  readonly index: SpanIndex;
  readonly tints: Int8Array;
  readonly head: RoutingHead;
}

/**
 * Ranges of the lines `[first, last]`, equal neighbours as one. When there are more than `budget`, words and then
 * lines take the tint that most of their characters have; which of them is said with the ranges. `finest` is where to begin.
 */
export function tintRanges(sources: readonly TintSource[], first: number, last: number, budget: number, finest: Granularity = 'token'): { readonly ranges: readonly TintRange[]; readonly granularity: Granularity } {
  for (const granularity of GRANULARITIES.slice(GRANULARITIES.indexOf(finest))) {
    const ranges: TintRange[] = [];
    // Beyond the budget the rest need not be looked at: the next granularity is tried.
    const enough = granularity === 'line' ? Infinity : budget;
    for (const source of sources) if (ranges.length <= enough) collect(source, first, last, granularity, ranges, enough);
    if (ranges.length <= budget || granularity === 'line') return { ranges: ranges.slice(0, budget), granularity };
  }
  return { ranges: [], granularity: 'line' };
}

function collect({ index, tints, head }: TintSource, first: number, last: number, granularity: Granularity, out: TintRange[], enough: number): void {
  const [from, to] = spansOfLines(index, first, last);
  const begin = out.length;
  const add = (line: number, start: number, end: number, tint: number): void => {
    const before = out.length > begin ? out[out.length - 1] : undefined;
    if (before && before.line === line && before.end === start && before.tint === tint) out[out.length - 1] = { line, start: before.start, end, tint };
    else if (tint >= 0) out.push({ line, start, end, tint });
  };
  for (let i = from; i < to && out.length <= enough; ) {
    let next = i + 1;
    while (granularity !== 'token' && next < to && index.lines[next] === index.lines[i] && (granularity === 'line' || !beginsWord(head, index, next))) next++;
    add(index.lines[i], index.starts[i], index.ends[next - 1], next === i + 1 ? tints[index.tokens[i]] : commonTint(index, tints, i, next));
    i = next;
  }
}

function beginsWord(head: RoutingHead, index: SpanIndex, span: number): boolean {
  return /^\s/.test(head.tokens[index.tokens[span]].text) || index.starts[span] > index.ends[span - 1];
}

/** The tint that most characters of some spans have; the first of equals. */
function commonTint(index: SpanIndex, tints: Int8Array, from: number, to: number): number {
  const widths = new Map<number, number>();
  for (let i = from; i < to; i++) {
    const tint = tints[index.tokens[i]];
    if (tint >= 0) widths.set(tint, (widths.get(tint) ?? 0) + index.ends[i] - index.starts[i]);
  }
  let best = -1;
  let width = 0;
  for (const [tint, sum] of widths) if (sum > width) [best, width] = [tint, sum];
  return best;
}

/** A change of the first expert: where the new one begins. */
export interface SwitchMark {
  readonly line: number;
  readonly column: number;
  readonly token: number;
  readonly hue: number;
}

/** First change of expert on every line, at most `most` of them (evenly thinned). */
export function switchMarks({ index, tints, head }: TintSource, trace: TraceView, site: number, most: number): readonly SwitchMark[] {
  const marks: SwitchMark[] = [];
  let before = -1;
  for (let i = 0; i < index.tokens.length; i++) {
    const token = index.tokens[i];
    if (head.tokens[token].start === null) continue;
    const expert = trace.top(site, token);
    if (expert < 0) continue;
    if (before >= 0 && expert !== before && marks.at(-1)?.line !== index.lines[i]) marks.push({ line: index.lines[i], column: index.starts[i], token, hue: Math.floor(tints[token] / STRENGTHS) });
    before = expert;
  }
  const step = Math.ceil(marks.length / Math.max(1, most));
  return step > 1 ? marks.filter((_, i) => i % step === 0) : marks;
}
