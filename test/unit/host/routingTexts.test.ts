import { describe, expect, it } from 'vitest';
import { compareLines, whyLines } from '../../../extension/host/routing/comparisons';
import { factLines, fixed, percent, routerTitle, stripText, tokenFacts, visible } from '../../../extension/host/routing/facts';
import { codeSpan, escapeMarkdown, hoverMarkdown } from '../../../extension/host/routing/hoverText';
import { blockFacts, blockTitle, depthBars, lineSummary, plural, statusText } from '../../../extension/host/routing/lensText';
import { siteTitle } from '../../../extension/host/routing/palette';
import { checkedSelection, SharedSelection } from '../../../extension/host/routing/selection';
import { alone, checkedWhatIf, muted, namedExpert, tempered, whatIfText } from '../../../extension/host/routing/whatIf';
import type { RoutingHead } from '../../../extension/protocol/routing';
import type { LibraryFacts } from '../../../extension/protocol/routingLibrary';
import { TraceView } from '../../../extension/host/routing/traceView';
import { expertOf, resultOf, sliceOf, type SampleOptions } from './routingSamples';

function traceOf(texts: readonly string[], options: SampleOptions = {}): TraceView {
  const result = resultOf(texts, options);
  const trace = new TraceView(result);
  trace.add(sliceOf(result));
  return trace;
}
const LINKS = [{ title: 'Pin', command: 'modulens.pinToken' }, { title: 'Why', command: 'modulens.whyExpert' }];
/** What VS Code lets through in the style of a span. */
const STYLE = /^(color:(#[0-9a-fA-F]+|var\(--vscode(-[a-zA-Z0-9]+)+\));)?(background-color:(#[0-9a-fA-F]+|var\(--vscode(-[a-zA-Z0-9]+)+\));)?(border-radius:[0-9]+px;)?$/;

describe('hovers', () => {
  const trace = traceOf(['one two three']);
  const hover = hoverMarkdown(tokenFacts(trace, 1, 2, null), LINKS, 't7', 'dark');

  it('tell token, experts, margin and entropy, layers, links, in this order', () => {
    const places = ['`·two`', 'token 3 of 4', 'L1', '| expert', '0.70', 'chosen', 'margin 0.50', 'entropy 0.85 of 1.39 nats', 'chance 0.25', 'L0 ', ' L2', '---', '[Pin](command:modulens.pinToken'].map((part) => hover.indexOf(part));
    expect(places.every((at) => at >= 0)).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
    expect(hover.match(/chosen/g)).toHaveLength(1);
  });

  it('put the current layer in brackets, its letter on its hue', () => {
    expect(hover).toMatch(/\\\[[A-D]\\\]/);
    expect(hover.match(/background-color/g)).toHaveLength(4 + 3);
  });

  it('carry only styles that VS Code lets through, and ids instead of data', () => {
    const styles = [...hover.matchAll(/style="([^"]*)"/g)].map(([, style]) => style);
    expect(styles.length).toBeGreaterThan(8);
    for (const style of styles) expect(style).toMatch(STYLE);
    expect(decodeURIComponent(/command:modulens\.pinToken\?([^)]*)/.exec(hover)?.[1] ?? '')).toBe('["t7"]');
  });

  it('give model text no way out', () => {
    const nasty = '<img src=x> [x](command:evil) `code` | **b** $(sync)';
    const facts = { ...tokenFacts(traceOf(['x'], { site: { kind: 'library', labels: [nasty, nasty, nasty, nasty] } }), 0, 1, null), text: nasty };
    const text = hoverMarkdown(facts, LINKS, 't1', 'light');
    const outside = text.replace(/(`+)[\s\S]*?\1(?!`)/, '');
    expect(outside).not.toMatch(/<img|\[x\]\(|[^\\]\*\*b|[^\\]\$\(|[^\\]\| \\\*/);
    expect(codeSpan('a``b`')).toBe('``` a``b` ```');
    expect(codeSpan('\n')).toBe('` `');
    expect(escapeMarkdown('a<b>&|_*[x](y)\n#')).toBe('a&lt;b&gt;&amp;\\|\\_\\*\\[x\\]\\(y\\) \\#');
  });

  it('leave logits and chance out where a router has none', () => {
    const result = resultOf(['one'], { site: { semantics: 'signed' } });
    const view = new TraceView(result);
    view.add({ ...sliceOf(result), logits: null });
    const text = hoverMarkdown(tokenFacts(view, 0, 1, null), LINKS, 't', 'dark');
    expect(text).not.toContain('logit');
    expect(text).not.toContain('chance');
  });

  it('mark near ties and parts of a character', () => {
    const result = resultOf(['one']);
    const view = new TraceView(result);
    view.add({ ...sliceOf(result), margins: new Float32Array(6).fill(0.01) });
    expect(hoverMarkdown(tokenFacts(view, 0, 1, null), LINKS, 't', 'dark', '1 of 4 tokens here')).toMatch(/1 of 4 tokens here[\s\S]*margin 0\.01 \(near tie\)/);
  });
});

describe('lists and texts', () => {
  const trace = traceOf(['one two three']);

  it('say what the hover says', () => {
    const text = factLines(tokenFacts(trace, 1, 2, null)).map(({ label, detail }) => `${label}: ${detail}`).join('\n');
    for (const part of ['token 3 of 4', 'L1', 'weight 0.70, logit 2.00, chosen', 'Margin 0.50', 'chance 0.25', 'Entropy 0.85 nats', 'of at most 1.39', 'L0 ']) expect(text).toContain(part);
  });

  it('why: scores, what is used, how a weight comes from a score', () => {
    const text = whyLines(trace, 0, 1, tokenFacts(trace, 0, 1, null)).map(({ label, detail }) => `${label}: ${detail}`).join('\n');
    expect(text).toMatch(/Score 2\.00 for ., 1\.00 for .: ahead by 1\.00[\s\S]*1 of 4 experts are used: .*left out by 1\.00[\s\S]*softmax of the scores/);
  });

  it('compare two tokens layer by layer, beside chance', () => {
    const lines = compareLines({ trace, token: 1 }, { trace, token: 2 }, 0, null);
    const same = [0, 1, 2].filter((site) => expertOf('one', site) === expertOf(' two', site)).length;
    expect(lines[0].label).toContain(`same first expert at ${same} of 3`);
    expect(lines[0].detail).toBe('0.75 of 3 for experts drawn evenly by chance'.replace('0.75', fixed(0.75, 1)));
    expect(lines).toHaveLength(4);
    expect(compareLines({ trace, token: 1 }, { trace, token: 1 }, 0, null)[0].label).toContain('at 3 of 3');
  });

  it('sum up a block with what chance gives', () => {
    const view = traceOf(['a a a b']);
    const facts = blockFacts(view, 0, [0, 1, 2, 3, 4], Infinity, null);
    expect(facts.tokens).toBe(4);
    expect(facts.stale).toBe(0);
    const tops = [1, 2, 3, 4].map((token) => view.top(0, token));
    expect(facts.switches).toBe(tops.filter((top, i) => i > 0 && top !== tops[i - 1]).length);
    // Mean over all orders of the same experts.
    const orders = permutations(tops);
    const mean = orders.reduce((sum, order) => sum + order.filter((top, i) => i > 0 && top !== order[i - 1]).length, 0) / orders.length;
    expect(facts.switchesByChance).toBeCloseTo(mean, 10);
    expect(blockTitle(view.head, 0, facts, 3)).toMatch(/^avg-k k = 1 of 4 at L0 · 4 tokens · mostly [A-D] \d+\u202f% \(chance 25\u202f%\) · \d switch(es)? \(\d in random order\) · 3 tokens over the context, not routed$/);
    expect(blockTitle(view.head, 0, blockFacts(view, 0, [1, 2, 3, 4], 3, null), 0)).toContain('2 of them stale');
    expect(blockFacts(view, 0, [], Infinity, null).most).toBeNull();
  });

  it('sum up a line and its depth', () => {
    expect(lineSummary(trace, 0, [1], null)).toMatch(/^[A-D] 70\u202f% · [A-D] 20\u202f% · entropy 0\.85 · .{3}$/);
    expect(depthBars(trace, 0, [1])).toBe('\u2586\u2586\u2586');
    expect(lineSummary(trace, 0, [], null)).toBe('');
    expect(depthBars(traceOf(['a'], { layers: 1 }), 0, [1])).toBe('');
    expect([...depthBars(traceOf(['a'], { layers: 40 }), 0, [1])]).toHaveLength(8);
  });

  it('name sites, also where a layer has several', () => {
    expect(siteTitle(trace.head, 2)).toBe('L2');
    const head = { ...trace.head, sites: [{ ...trace.head.sites[0], module: 'attention.q' }, { ...trace.head.sites[0], module: 'attention.k' }] };
    expect(siteTitle(head, 1)).toBe('L0 attention.k');
    expect(routerTitle({ ...head, sites: [{ ...head.sites[0], k: 4 }] }, 0)).toBe('avg-k, 4 experts');
  });

  it('show states in the status bar', () => {
    const base = { head: trace.head, site: 1, router: 'avg-k', channel: 'weight' } as const;
    expect(statusText({ ...base, state: { kind: 'shown', tokens: 64, pinned: 1, granularity: 'word', letters: false, left: 0 } })).toBe('$(layers) L1 of 3 · avg-k · tint: weight · 64 tokens, shown by word, 1 pinned');
    expect(statusText({ ...base, state: { kind: 'stale', tokens: 38 } })).toContain('38 tokens stale');
    expect(statusText({ ...base, head: null, state: { kind: 'starting' } })).toBe('$(loading~spin) avg-k · starting the engine');
    expect(statusText({ ...base, state: { kind: 'failed', message: 'x' } })).toContain('no routing');
  });

  it('print numbers as the pages do', () => {
    expect([0.125, 0.774, 0.05, 1, 0].map(percent)).toEqual(['12.5\u202f%', '77\u202f%', '5\u202f%', '100\u202f%', '0\u202f%']);
    expect([fixed(-1.234), fixed(Number.NaN), fixed(Infinity)]).toEqual(['\u22121.23', '\u2013', '\u221e']);
    expect([plural(1, 'token'), plural(2, 'switch', 'switches'), plural(3_100_000, 'character')]).toEqual(['1 token', '2 switches', '3\u202f100\u202f000 characters']);
    expect(visible(' a\r\n')).toBe('·a\u240d\u23ce');
    expect(stripText([])).toBe('');
  });
});

describe('the selection that page and editor share', () => {
  it('is previewed by the cursor unless something is locked', () => {
    const shared = new SharedSelection();
    const seen: string[] = [];
    shared.onChange(({ selection, source }) => seen.push(`${source} ${selection.token} ${selection.locked}`));
    shared.preview(3);
    shared.preview(3);
    shared.set({ ...shared.value, token: 5, locked: true }, 'page');
    shared.preview(7);
    expect(seen).toEqual(['editor 3 false', 'page 5 true']);
    shared.pin(5);
    shared.pin(5);
    expect(shared.value.pinned).toEqual([5]);
    shared.forget((token) => token + 1);
    expect(shared.value).toMatchObject({ token: 6, locked: true, pinned: [6] });
    shared.forget();
    expect(shared.value).toMatchObject({ token: null, locked: false, pinned: [] });
  });

  it('takes only what exists from a page', () => {
    expect(checkedSelection({ token: 12, site: -1, expert: 2, locked: true, pinned: [1, 1, 99, 2] }, 10, 3)).toEqual({ token: null, site: null, expert: 2, locked: true, pinned: [1, 2] });
    expect(checkedSelection({ token: '1', pinned: 'x' } as never, 10, 3)).toEqual({ token: null, site: null, expert: null, locked: false, pinned: [] });
  });
});

function permutations<T>(values: readonly T[]): T[][] {
  return values.length <= 1 ? [[...values]] : values.flatMap((value, i) => permutations([...values.slice(0, i), ...values.slice(i + 1)]).map((rest) => [value, ...rest]));
}

describe('why an adapter', () => {
  const labels = ['law', 'maths', 'code', 'notes'], result = resultOf(['one two'], { site: { kind: 'library', labels, id: 'blocks.0.attention.q', semantics: 'truncated', k: 2 } }), view = new TraceView(result);
  const numbers = (of: (adapter: number) => number): Float32Array => Float32Array.from(labels, (_, i) => of(i));
  const library: LibraryFacts = {
    schema: 'modulens-library-1', model: { hash: '', kind: '', name: '' }, library: '/l', genKnowSub: 'none', adapters: labels.map((name) => ({ name, base: null, rank: 4, parameters: 100, sites: 1, hardlyDetermined: 0 })), sites: [{ id: 'blocks.0.attention.q', layer: 0, module: 'attention.q' }],
    facts: { rank: numbers(() => 4), scaling: numbers(() => 1), sigma1: numbers(() => 2.5), ratio: numbers((i) => [0.3, 0.95, 0, NaN][i]), energy: numbers((i) => [0.8, 0.5, 0, NaN][i]), stableRank: numbers(() => 1.25), frobenius: numbers((i) => [2.8, 3.5, 0, NaN][i]) },
    similarity: [], byLayer: null, by: 'update', order: [], joinings: [], groupings: [], says: '', subtraction: null, skipped: [], warnings: [], seconds: 0,
  };
  const text = (adapters: Parameters<typeof whyLines>[4], norm = 4): string => {
    const slice = sliceOf(result);
    view.add({ ...slice, norms: new Float32Array(slice.margins.length).fill(norm) });
    return whyLines(view, 0, 1, tokenFacts(view, 0, 1, null), adapters).map(({ label, detail }) => `${label}: ${detail}`).join('\n');
  };

  it('tells cosines, and how far each direction can be trusted', () => {
    const found = text({ library, site: 'blocks.0.attention.q' });
    expect(found).toMatch(/Cosine 0\.5 for \w+, 0\.25 for \w+.*length of what the linear map reads, 4\.00/);
    expect(found).toMatch(/law: rank 4, norm 2\.8, first singular value 2\.5: second over first 0\.30, first holds 80 % of the squares: its direction is well determined/);
    expect(found).toMatch(/maths: .*hardly determined: take its score with care/);
    expect(found).toMatch(/code: .*untrained: its update is zero/);
    expect(found).not.toMatch(/notes: rank/);
  });

  it('leaves out what is not known', () => {
    expect(text(null)).not.toContain('rank 4');
    expect(text(null, 0)).toContain('What the linear map reads here is zero');
    expect(whyLines(traceOf(['one']), 0, 1, tokenFacts(traceOf(['one']), 0, 1, null)).some(({ label }) => label.startsWith('Cosine'))).toBe(false);
  });
});

describe('what-ifs in the editor', () => {
  const mute = [{ expert: 'B', site: 'blocks.1.ffn' }], result = resultOf(['one two three']), head: RoutingHead = { ...result.head, whatIf: { mute, temperature: 2, says: 'Neurons give nothing.' } };
  const names = { letters: [[0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 2, 3]], rank: [0, 1, 2, 3] };
  const view = new TraceView({ ...result, head });
  view.add(sliceOf(result));

  it('are said wherever routing is, with experts as the editor names them', () => {
    expect(whatIfText(head, names)).toBe('without A at L1; temperature 2');
    expect(whatIfText(result.head, names)).toBe('');
    const facts = tokenFacts(view, 1, 2, names);
    expect(hoverMarkdown(facts, LINKS, 't', 'dark')).toContain('**what if:** without A at L1; temperature 2');
    expect(factLines(facts).map(({ label, detail }) => `${label}: ${detail}`)).toContain('What if: without A at L1; temperature 2: Neurons give nothing.');
    expect(blockTitle(head, 1, blockFacts(view, 1, [1, 2], Infinity, names), 0)).toMatch(/^what if: without A at L1; temperature 2 · avg-k/);
    expect(statusText({ head, site: 1, router: 'avg-k', channel: 'weight', state: { kind: 'stale', tokens: 1 } })).toContain('avg-k · what if · tint');
  });

  it('grow and shrink by what is chosen', () => {
    const B = { expert: 'B', site: 'blocks.1.ffn' }, C = { expert: 'C', site: 'blocks.1.ffn' }, law = { expert: 'law' };
    expect(namedExpert(result.head, 1, 1)).toEqual(B);
    expect(namedExpert({ ...result.head, sites: result.head.sites.map((site) => ({ ...site, kind: 'library' as const })) }, 1, 1)).toEqual({ expert: 'B' });
    expect(muted(muted(null, B), B)).toEqual({ mute: [B] });
    expect(muted({ force: [B, law], temperature: 2 }, B)).toEqual({ mute: [B], force: [law], temperature: 2 });
    expect(alone({ mute: [C, law] }, C)).toEqual({ mute: [law], force: [C] });
    expect(alone(alone(null, B), C)).toEqual({ force: [C] });
    expect(tempered({ mute: [B], temperature: 2 }, undefined)).toEqual({ mute: [B] });
    expect(tempered({ temperature: 2 }, undefined)).toBeNull();
    expect(tempered(null, 0.5)).toEqual({ temperature: 0.5 });
  });

  it('of a page are taken apart before they are used', () => {
    expect(checkedWhatIf(null)).toBeNull();
    expect(checkedWhatIf({})).toBeNull();
    expect(checkedWhatIf({ mute: [{ expert: 'B', site: 's', more: 1 }], force: [], other: 2, temperature: 3 })).toEqual({ mute: [{ expert: 'B', site: 's' }], temperature: 3 });
    for (const bad of [7, [], 'x', { mute: 3 }, { mute: [3] }, { force: [{ expert: 3 }] }, { mute: [{ expert: 'B', site: 4 }] }, { temperature: '2' }]) expect(() => checkedWhatIf(bad)).toThrow(/none/);
  });
});
