import { describe, expect, it } from 'vitest';
import { formatNumber, isEvidence } from '../../../extension/protocol/score';
import type { RoutingPalette } from '../../../webview/render/routingColours';
import { compareAt, comparedRows, compareFinding, compareLayout, compareTables, compareTip, differByChance, differingTokens, drawComparison, variantsOf } from '../../../webview/render/routingCompare';
import { expertAxis } from '../../../webview/render/routingExperts';
import { routingFinding } from '../../../webview/render/routingFinding';
import { siteRows, sitesOf, countedTokens } from '../../../webview/render/routingTrace';
import { quantitiesOf, scoreStats, slotValue } from '../../../webview/render/routingValues';
import { namedExpert, whatIfWords, withExpert, withTemperature } from '../../../webview/render/routingWhatIf';
import { leadOf, sliceBars } from '../../../webview/render/routingSlice';
import { inventedComparison, inventedTrace, inventedWhatIf } from '../../e2e/pages/inventedRouting';

const PALETTE: RoutingPalette = { page: [31, 31, 31], ink: [204, 204, 204], hues: [[34, 131, 196], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0], [240, 228, 66], [153, 153, 153]], highContrast: false };
const layers = inventedTrace({ kind: 'layers', labels: true });
const adapters = inventedTrace({ kind: 'sites', labels: true });
const { head } = layers.result;
const rows = siteRows(head.sites);
const axis = expertAxis(head, layers.summary, 'id');
const result = inventedComparison(layers, 'similarity');

describe('what a trace can be compared with', () => {
  it('are routers over the same experts, other settings, and itself without an expert', () => {
    const texts = variantsOf(head, layers.summary, axis, rows, 7, 2).map(({ text }) => text);
    expect(texts).toEqual(['similarity', 'oracle', 'random', 'avg-k, k = 1', 'avg-k, k = 4', 'avg-k without expert C at L7']);
    const library = variantsOf(adapters.result.head, adapters.summary, expertAxis(adapters.result.head, adapters.summary, 'id'), siteRows(adapters.result.head.sites), 4, 0);
    expect(library.map(({ variant }) => variant)).toEqual([{ router: 'arrow', topK: 1 }, { router: 'arrow', topK: 6 }, { router: 'arrow', temperature: 0.5 }, { router: 'arrow', temperature: 2 }, { router: 'arrow', baseActivations: true }, { router: 'arrow', whatIf: { mute: [{ expert: 'code' }] } }]);
  });
  it('is the model as it is where there is a what-if, and nothing for imported numbers', () => {
    const changed = inventedWhatIf(layers, { temperature: 2 }).result.head;
    expect(variantsOf(changed, layers.summary, axis, rows, 7, 2)[0]).toEqual({ text: 'the model as it is', variant: { router: 'avg-k' } });
    expect(variantsOf({ ...head, sites: head.sites.map((site) => ({ ...site, kind: 'imported' as const })) }, layers.summary, axis, rows, 7, 2)).toEqual([]);
  });
});

describe('two routers', () => {
  it('are told apart in a sentence with value, null and how many sites', () => {
    const { text, score } = compareFinding(result, rows);
    const told = result.sites.filter((site) => isEvidence(site.agreement)).length;
    expect(text).toContain(`more than chance at ${told} of 12 sites`);
    expect(score?.value).toBe(Math.min(...result.sites.map((site) => site.agreement.value ?? 1)));
    expect(text).toContain(`against ${formatNumber(score?.null ?? null)}`);
    const chance = { ...result, sites: result.sites.map((site) => ({ ...site, agreement: { ...site.agreement, p: 0.5 } })) };
    expect(compareFinding(chance, rows).text).toMatch(/^No evidence/);
  });
  it('are drawn as two tracks and a row of tokens per site: grey where they agree, else the other\u2019s hue', () => {
    const layout = compareLayout(comparedRows(result, rows), 800);
    const tokens = head.tokens.length;
    const rasters = drawComparison(result, rows, axis, layout, tokens, 7, PALETTE).marks.filter((mark) => mark.kind === 'raster');
    expect(rasters).toHaveLength(12);
    const [first] = rasters;
    for (let t = 0; t < tokens; t++) {
      const [a, b] = [result.perToken?.firsts[0][t * 12], result.perToken?.firsts[1][t * 12]];
      const [red, green, blue] = first.rgba.subarray(t * 4, t * 4 + 3);
      expect(Math.max(red, green, blue) - Math.min(red, green, blue) < 2, `token ${t}`).toBe(a === b || axis.columns[axis.columnOf(0, b ?? 0)].hue === 8);
    }
    expect(compareAt(layout, tokens, layout.x[2] + (layout.raster * 40.5) / tokens, layout.y[3] + 2)).toEqual({ site: 3, token: 40 });
    expect(compareAt(layout, tokens, layout.x[0] + 5, layout.y[3] + 2)).toEqual({ site: 3, token: -1 });
    expect(drawComparison({ ...result, perToken: null }, rows, axis, layout, tokens, 7, PALETTE).marks.some((mark) => mark.kind === 'raster')).toBe(false);
  });
  it('list tokens that go elsewhere, most sites first, beside what shuffled tokens give', () => {
    const list = differingTokens(result, head);
    expect(list.every((entry, i) => i === 0 || list[i - 1].sites >= entry.sites)).toBe(true);
    const [{ token, sites }] = list;
    expect(sites).toBe(Array.from({ length: 12 }, (_, s) => token * 12 + s).filter((at) => result.perToken?.firsts[0][at] !== result.perToken?.firsts[1][at]).length);
    expect(differByChance(result)).toBeCloseTo(12 * 0.58, 9);
    expect(compareTip(result, head, axis, rows, { site: 0, token })).toContain('similarity: expert');
    const tables = compareTables(result, head);
    expect(tables[0].rows[0].slice(1)).toEqual([result.sites[0].agreement, result.sites[0].divergence]);
    expect(tables[1].rows).toHaveLength(list.length);
  });
  it('keep the blocks of their own sites together', () => {
    const some = { ...result, sites: result.sites.filter((_, s) => s % 2 === 0) };
    expect(comparedRows(some, rows).map((row) => row.group)).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('a what-if', () => {
  const here = namedExpert(head, 7, 1);
  it('names experts of one layer at their own, adapters wherever they are', () => {
    expect(here).toEqual({ expert: 'B', site: 'blocks.7.ffn' });
    expect(namedExpert(adapters.result.head, 7, 1)).toEqual({ expert: 'prose' });
    expect(namedExpert(head, 7, 99)).toBeNull();
  });
  it('mutes, leaves alone and lets go; nothing left is none', () => {
    if (!here) throw new Error('no expert');
    const muted = withExpert(null, here, 'mute');
    expect(muted).toEqual({ mute: [here] });
    expect(withExpert(muted, here, 'force')).toEqual({ force: [here] });
    expect(withExpert(muted, here, 'own')).toBeNull();
    expect(withTemperature(muted, 2)).toEqual({ mute: [here], temperature: 2 });
    expect(withTemperature({ temperature: 2 }, null)).toBeNull();
  });
  it('is said with the page\u2019s own names, and stands before the sentence', () => {
    if (!here) throw new Error('no expert');
    const changed = inventedWhatIf(layers, { mute: [here], temperature: 2 }).result.head;
    const words = whatIfWords(changed, axis, rows);
    expect(words).toBe('without B at L7; temperature 2');
    expect(whatIfWords(head, axis, rows)).toBeNull();
    const found = routingFinding({ state: 'done', source: 'a', stale: false, whatIf: words, head: changed, rows, filter: { kind: 'all' }, divergence: layers.summary.sites.map((site) => site.divergence), switches: [] });
    expect(found.text).toMatch(/^What if: without B at L7; temperature 2\. Routing tells kinds of text apart/);
  });
});

describe('weights, logits and cosines', () => {
  const numbers = sitesOf(adapters.slice(18, 19), adapters.result.head)[0];
  it('are offered where a trace has them', () => {
    expect(quantitiesOf(numbers)).toEqual(['weight', 'logit', 'cosine']);
    expect(quantitiesOf(sitesOf(layers.slice(7, 8), head)[0])).toEqual(['weight', 'logit']);
    expect(quantitiesOf({ ...numbers, logits: null })).toEqual(['weight']);
    expect(quantitiesOf(null)).toEqual(['weight']);
  });
  it('a cosine is the logit over the length, at most one, zero for a token of no length', () => {
    const at = 57 * numbers.slots;
    expect(slotValue(numbers, 57, 2, 'cosine')).toBeCloseTo((numbers.logits?.[at + 2] ?? 0) / (numbers.norms?.[57] ?? 1), 6);
    const norms = Float32Array.from(numbers.norms ?? []);
    norms[57] = 0;
    expect(slotValue({ ...numbers, norms }, 57, 0, 'cosine')).toBe(0);
    norms[57] = 1e-3;
    expect(slotValue({ ...numbers, norms }, 57, 0, 'cosine')).toBe(1);
  });
  it('means are those of all tokens, with the mean over experts as what they are compared with', () => {
    const counted = countedTokens(adapters.result.head, { kind: 'all' });
    const stats = scoreStats(numbers, counted, 'cosine');
    let sum = 0;
    for (const t of counted.tokens) for (let j = 0; j < numbers.slots; j++) if (numbers.ids[t * numbers.slots + j] === 3) sum += slotValue(numbers, t, j, 'cosine');
    expect(stats.mean[3]).toBeCloseTo(sum / counted.tokens.length, 6);
    expect(stats.level).toBeCloseTo(stats.mean.reduce((a, b) => a + b, 0) / 6, 9);
    expect(stats.half.every((half) => half > 0 && half < 0.2)).toBe(true);
  });
  it('a muted expert has no score and counts for nothing', () => {
    const logits = Float32Array.from(numbers.logits ?? [], (value, i) => (numbers.ids[i] === 3 ? -Infinity : value));
    const stats = scoreStats({ ...numbers, logits }, countedTokens(adapters.result.head, { kind: 'all' }), 'logit');
    expect([stats.n[3], Number.isNaN(stats.mean[3]), Number.isFinite(stats.level)]).toEqual([0, true, true]);
  });
  it('bars of scores are drawn for experts whose weight is zero, and lead is the first over the second', () => {
    const site = adapters.result.head.sites[18];
    const columns = expertAxis(adapters.result.head, adapters.summary, 'id');
    expect(sliceBars(numbers, site, 57, columns, 6)).toHaveLength(3);
    const bars = sliceBars(numbers, site, 57, columns, 6, 'cosine');
    expect(bars).toHaveLength(6);
    expect(leadOf(bars)).toBeCloseTo(bars[0].value - bars[1].value, 9);
    expect(leadOf(bars.slice(0, 1))).toBeNull();
  });
});
