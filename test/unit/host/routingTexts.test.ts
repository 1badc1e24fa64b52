import { describe, expect, it } from 'vitest';
import { compareLines, whyLines } from '../../../extension/host/routing/comparisons';
import { factLines, fixed, percent, routerTitle, stripText, tokenFacts, visible } from '../../../extension/host/routing/facts';
import { codeSpan, escapeMarkdown, hoverMarkdown } from '../../../extension/host/routing/hoverText';
import { blockFacts, blockTitle, depthBars, lineSummary, plural, statusText } from '../../../extension/host/routing/lensText';
import { siteTitle } from '../../../extension/host/routing/palette';
import { checkedSelection, SharedSelection } from '../../../extension/host/routing/selection';
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
