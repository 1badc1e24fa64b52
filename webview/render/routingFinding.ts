import type { RoutingHead, RoutingResult, RoutingSummary } from '../../extension/protocol/routing';
import type { RunState } from '../../extension/protocol/pageMessages';
import type { Score } from '../../extension/protocol/score';
import { formatInterval, formatNumber, isEvidence, SIGNIFICANCE } from '../../extension/protocol/score';
import type { SiteRow, TokenFilter } from './routingTrace';

export interface FindingInput {
  readonly state: RunState;
  readonly source: string;
  readonly stale: boolean;
  /** What was changed on purpose, in words; null where the model routes as it is. */
  readonly whatIf?: string | null;
  readonly head: RoutingHead | null;
  readonly rows: readonly SiteRow[];
  readonly filter: TokenFilter;
  /** Divergence between kinds of text per site; null where there are no labels or the filter leaves one kind. */
  readonly divergence: readonly (Score | null)[] | null;
  /** Switch rate per site; null entries are not known yet. */
  readonly switches: readonly (Score | null)[];
}

/** The page's answer: the words, and the scores that it rests on (for the tooltip). */
export interface RoutingFinding {
  readonly text: string;
  readonly score: Score | null;
  readonly note: string;
}

/** One sentence from the same numbers as the pictures. */
export function routingFinding(input: FindingInput): RoutingFinding {
  const plain = (text: string): RoutingFinding => ({ text, score: null, note: '' });
  if (!input.head) {
    if (input.state === 'failed') return plain(`${input.source} could not be routed.`);
    if (input.state === 'cancelled') return plain('Cancelled before the text was routed.');
    return plain(`Routing ${input.source || 'the text'}\u2026`);
  }
  const found = input.divergence && input.divergence.some((score) => score !== null) ? kindsApart(input, input.divergence) : switching(input);
  const lead = input.stale ? 'Before the last edit: ' : input.state === 'failed' ? 'Of the last run that worked: ' : '';
  const said = lead ? { ...found, text: lead + lower(found.text) } : found;
  return input.whatIf ? { ...said, text: `What if: ${input.whatIf}. ${said.text}` } : said;
}

function lower(text: string): string {
  return text.charAt(0).toLocaleLowerCase('en') + text.slice(1);
}

function unit(input: FindingInput): readonly [one: string, many: string] {
  return input.rows.some((row) => row.name !== row.full) ? ['site', 'sites'] : ['layer', 'layers'];
}

function counted(count: number, of: number, [one, many]: readonly [string, string]): string {
  return `${count} of ${of} ${of === 1 ? one : many}`;
}

function byChance(sites: number): string {
  return `Counted where p < ${SIGNIFICANCE}; chance alone would give ${formatNumber(sites * SIGNIFICANCE, 2)} of ${sites}.`;
}

function kindsApart(input: FindingInput, scores: readonly (Score | null)[]): RoutingFinding {
  const names = unit(input);
  const best = strongest(scores, (score) => (score.value ?? 0) - (score.null ?? 0));
  const score = scores[best] ?? null;
  const row = input.rows[best]?.words ?? '';
  const apart = scores.filter((entry) => entry !== null && isEvidence(entry)).length;
  const note = byChance(scores.length);
  if (!score) return { text: 'Kinds of text could not be compared.', score: null, note };
  const value = `${formatInterval(two(score), twoInterval(score))} nats, against ${formatNumber(score.null, 2)} with shuffled labels`;
  if (apart === 0) return { text: `No evidence that routing tells kinds of text apart at any of ${scores.length} ${names[1]}; the most is ${value}, at ${row}.`, score, note };
  return { text: `Routing tells kinds of text apart at ${counted(apart, scores.length, names)}, most at ${row}: ${value}.`, score, note };
}

function two(score: Score): number | null {
  return score.value === null ? null : Number(score.value.toPrecision(3));
}
function twoInterval(score: Score): readonly [number, number] | undefined {
  return score.interval ? [Number(score.interval[0].toPrecision(3)), Number(score.interval[1].toPrecision(3))] : undefined;
}

function switching(input: FindingInput): RoutingFinding {
  const names = unit(input);
  const known = input.switches.filter((score): score is Score => score !== null);
  const note = byChance(input.switches.length);
  const of = input.filter.kind === 'label' ? ` in \u201c${input.filter.label}\u201d` : input.filter.kind === 'record' ? ` in text ${input.filter.record + 1}` : '';
  if (known.length < input.switches.length || known.length === 0) return { text: `Comparing neighbouring tokens${of} with random order\u2026`, score: null, note };
  const best = strongest(input.switches, (score) => (score.null ?? 0) - (score.value ?? 0));
  const score = input.switches[best] ?? null;
  const row = input.rows[best]?.words ?? '';
  const kept = known.filter(isEvidence).length;
  if (!score || score.value === null) return { text: `There are too few neighbouring tokens${of} to say whether routing follows the text.`, score: null, note };
  const value = `${formatInterval(two(score), twoInterval(score))} of neighbours differ, against ${formatNumber(score.null)} in random order`;
  if (kept === 0) return { text: `No evidence that routing follows the text${of}: neighbouring tokens change experts as often as in random order at all ${input.switches.length} ${names[1]} (at ${row}, ${value}).`, score, note };
  return { text: `Neighbouring tokens${of} keep their expert more than chance at ${counted(kept, input.switches.length, names)}, most at ${row}: ${value}.`, score, note };
}

function strongest(scores: readonly (Score | null)[], by: (score: Score) => number): number {
  let best = -1;
  let most = -Infinity;
  scores.forEach((score, i) => {
    if (score && score.value !== null && by(score) > most) [best, most] = [i, by(score)];
  });
  return best;
}

const COMPOSITION = { outputs: 'outputs are mixed', parameters: 'parameters are mixed', none: 'nothing is run with the experts' } as const;
const PROVENANCE = { exact: 'exact', 'base-activation': 'on the base alone: approximate', 'router-only': 'router only: given hidden states', imported: 'imported numbers' } as const;

/** One fact: words with the parts that stand out, and what the tooltip adds. */
export interface Fact {
  /** Pieces in turn: plain, strong, plain, ... */
  readonly pieces: readonly string[];
  readonly tip?: string;
}

/** The line below the sentence. */
export function routingFacts(result: RoutingResult, summary: RoutingSummary | null, modelName: string, rows: readonly SiteRow[]): readonly Fact[] {
  const { head } = result;
  const site = head.sites[0];
  const experts = [...new Set(head.sites.map((one) => one.E))];
  const ks = [...new Set(head.sites.map((one) => one.k))];
  const range = (values: readonly number[]): string => (values.length === 1 ? String(values[0]) : `${Math.min(...values)}\u2013${Math.max(...values)}`);
  const kind = { emergent: 'emergent experts', moe: 'experts of the model', library: `${range(experts)} adapters`, imported: 'imported trace' }[site?.kind ?? 'imported'];
  const facts: Fact[] = [
    { pieces: ['', modelName || head.model.name, `, ${kind}`] },
    { pieces: ['router ', head.router, ` k = ${range(ks)} of ${range(experts)}${site?.temperature != null ? `, T = ${formatNumber(site.temperature)}` : ''}`], ...(site?.note ? { tip: site.note } : {}) },
    { pieces: ['', formatNumber(head.tokens.length), ` tokens, ${formatNumber(head.records.length)} ${head.records.length === 1 ? 'text' : 'texts'}`] },
  ];
  const blocks = new Set(rows.map((row) => row.layer)).size;
  if (blocks < rows.length) facts.push({ pieces: ['', formatNumber(rows.length), ` sites in ${blocks} blocks`] });
  const scale = [...new Set(head.sites.map((one) => one.scale))].filter((value) => value !== 1);
  if (scale.length > 0) facts.push({ pieces: ['weights are shown without their factor ', scale.map((value) => formatNumber(value)).join(', ')], tip: 'The model multiplies what is shown by this number.' });
  if (head.composition !== 'none') facts.push({ pieces: [COMPOSITION[head.composition]] });
  if (summary?.matching && summary.letters) facts.push({ pieces: ['letters matched layer to layer by shared tokens, agreement ', formatNumber(summary.matching.value, 2), ' (chance ', formatNumber(summary.matching.null, 2), ')'] });
  facts.push({ pieces: [head.router === 'native' && head.provenance === 'exact' ? 'exact: the model\u2019s own router' : site?.kind === 'library' && head.provenance === 'exact' ? 'adapters active: exact' : PROVENANCE[head.provenance]] });
  const cut = head.records.reduce((sum, record) => sum + record.cut, 0);
  if (cut > 0) facts.push({ pieces: ['', formatNumber(cut), ' tokens did not fit the context'] });
  if (result.reused > 0) facts.push({ pieces: ['', formatNumber(result.reused), ' tokens kept from before the edit'] });
  const device = { cpu: 'CPU', webgpu: 'WebGPU', cuda: 'CUDA', dml: 'DirectML', coreml: 'CoreML' }[result.device.used ?? 'cpu'];
  facts.push({ pieces: [`${result.device.used ? device : 'nothing was run'}, `, `${formatNumber(result.seconds, 2)} s`], ...(result.device.reason ? { tip: result.device.reason } : {}) });
  return facts;
}
