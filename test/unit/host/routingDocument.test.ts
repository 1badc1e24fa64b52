import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RouteRequest, RoutingResult } from '../../../extension/protocol/routing';
import { failure } from '../../../extension/protocol/errors';
import type { BlockKind } from '../../../extension/host/routing/blocks';
import { LensDocument, QUIET_MS } from '../../../extension/host/routing/lensDocument';
import { type Asked, FakeClient } from './fakeClient';
import { resultOf, type SampleOptions, sliceOf } from './routingSamples';

const MODEL = { path: '/m', router: 'avg-k' } as const;
const TEXT = 'one two three four';

let engine: FakeClient;
let document: LensDocument;
const results = new Map<string, RoutingResult>();
let keys = 0;
const LETTERS: readonly (readonly number[])[] = [[0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 2, 3]];
let letters = LETTERS;

beforeEach(() => {
  vi.useFakeTimers();
  letters = LETTERS;
  engine = new FakeClient();
});
afterEach(() => {
  document.dispose();
  vi.useRealTimers();
});

function open(text: string, kind: BlockKind = 'text'): LensDocument {
  return (document = new LensDocument('prompts.txt', kind, text, engine, MODEL, () => ({ seed: 0 })));
}
const textsOf = (asked: Asked): readonly string[] => (asked.params.request as RouteRequest).texts.map(({ text }) => text);
const pending = (method: string): Asked[] => engine.asked.filter((one) => one.method === method && !answered.has(one) && one.signal?.aborted !== true);
const answered = new WeakSet<Asked>();

/** Answers every request that waits, as an engine does, until nothing waits. */
async function answer(options: SampleOptions = {}): Promise<void> {
  for (let quiet = 0; quiet < 4; ) {
    await vi.advanceTimersByTimeAsync(1);
    const waiting = engine.asked.filter((one) => !answered.has(one) && one.signal?.aborted !== true);
    quiet = waiting.length === 0 ? quiet + 1 : 0;
    for (const one of waiting) {
      answered.add(one);
      if (one.method === 'routing/run' || one.method === 'routing/update') {
        const { whatIf } = one.params.request as RouteRequest, plain = resultOf(textsOf(one), { ...options, key: `k${keys++}` });
        const result: RoutingResult = whatIf ? { ...plain, head: { ...plain.head, whatIf: { ...whatIf, says: 'changed' } } } : plain;
        results.set(result.key, result);
        one.resolve(result);
      } else if (one.method === 'routing/slice') {
        const { key, from, to } = one.params as { key: string; from: number; to: number };
        one.resolve(sliceOf(results.get(key)!, from, to));
      } else one.resolve({ sites: [], labels: [], tokens: 0, tokensPerLabel: [], letters, matching: null });
    }
  }
}

describe('routing a document', () => {
  it('asks once for all of it, then for its numbers and letters', async () => {
    open(TEXT);
    const done = document.route();
    expect(document.state).toBe('starting');
    await answer();
    await done;
    expect(document.state).toBe('done');
    expect(engine.asked.map(({ method }) => method)).toEqual(['routing/run', 'routing/summary', 'routing/slice']);
    expect(engine.asked[0].params).toMatchObject({ request: { path: '/m', router: 'avg-k', seed: 0, texts: [{ text: TEXT }] } });
    expect(document.site).toBe(1);
    expect(document.names?.letters).toHaveLength(3);
    expect(document.blocks[0].tints(1, 'weight', document.names)?.some((tint) => tint >= 0)).toBe(true);
    expect(document.isStale).toBe(false);
  });

  it('says why there is nothing: empty text, binary text, what the engine says', async () => {
    open('  \n');
    await document.route();
    expect(document.error?.message).toMatch(/no text to route\. Write something/);
    open('PK\0\u0003');
    await document.route();
    expect(document.error?.message).toMatch(/prompts\.txt holds bytes that are no text/);
    expect(engine.asked).toEqual([]);
    open(TEXT);
    const done = document.route();
    engine.asked[0].reject(failure('routing/no-router', { path: '/m', router: 'avg-k', reason: 'it has no tokenizer' }));
    await done;
    expect(document.state).toBe('failed');
    expect(document.error?.message).toContain('no tokenizer');
  });

  it('cuts a text that does not fit into windows at its paragraphs, and routes those together', async () => {
    const text = Array.from({ length: 12 }, (_, i) => `Paragraph number ${i} has these words.`).join('\n\n');
    open(text);
    const done = document.route();
    await answer({ context: 30 });
    await done;
    const runs = engine.asked.filter(({ method }) => method === 'routing/run').map(textsOf);
    expect(runs[0]).toEqual([text]);
    expect(runs.length).toBeLessThanOrEqual(5);
    const last = runs[runs.length - 1];
    expect(last.join('')).toBe(text);
    expect(last.length).toBeGreaterThan(3);
    expect(document.blocks.map(({ cut }) => cut).every((cut) => cut === 0)).toBe(true);
    for (const part of last.slice(1)) expect(part).toMatch(/^Paragraph/);
  });

  it('reports progress of its own run only', async () => {
    open(TEXT);
    const done = document.route();
    const { run } = engine.asked[0].params as { run: string };
    engine.tell({ name: 'run/progress', params: { run: 'other', progress: { stage: 'x', done: 0, total: 1, etaSeconds: null } } });
    expect(document.progress).toBeNull();
    engine.tell({ name: 'run/progress', params: { run, progress: { stage: 'layer 2: finding experts', done: 0, total: 1, etaSeconds: null } } });
    expect([document.progress?.stage, document.state]).toEqual(['layer 2: finding experts', 'running']);
    await answer();
    await done;
  });
});

describe('an edit', () => {
  const shown = async (text: string, kind: BlockKind = 'text'): Promise<void> => {
    open(text, kind);
    const done = document.route();
    await answer();
    await done;
    engine.asked.length = 0;
  };

  it('makes the rest of its block stale at once, and asks after a rest', async () => {
    await shown(TEXT);
    document.edit('one two nine three four');
    expect(document.isStale).toBe(true);
    expect(document.blocks[0].fresh).toBe('one two'.length);
    expect(document.blocks[0].staleTokens).toBe(2);
    expect([...(document.blocks[0].index(document.lines)?.tokens ?? [])]).toEqual([1, 2]);
    await vi.advanceTimersByTimeAsync(QUIET_MS - 1);
    expect(engine.asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(2);
    expect(pending('routing/update').map(textsOf)).toEqual([['one two nine three four']]);
    await answer();
    expect(document.isStale).toBe(false);
    expect(document.state).toBe('done');
    expect(document.page?.texts).toEqual(['one two nine three four']);
    expect(document.blocks[0].tokens).toHaveLength(6);
  });

  it('waits while keys come, and cancels what is overtaken', async () => {
    await shown(TEXT);
    for (const text of [`${TEXT} a`, `${TEXT} ab`, `${TEXT} abc`]) {
      document.edit(text);
      await vi.advanceTimersByTimeAsync(QUIET_MS / 2);
    }
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    expect(engine.asked.map(textsOf)).toEqual([[`${TEXT} abc`]]);
    document.edit(`${TEXT} abcd`);
    expect(engine.asked[0].signal?.aborted).toBe(true);
    await answer();
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    await answer();
    expect(document.page?.texts).toEqual([`${TEXT} abcd`]);
    expect(document.error).toBeNull();
  });

  it('that is taken back makes everything fresh without asking', async () => {
    await shown(TEXT);
    document.edit(`${TEXT}!`);
    document.edit(TEXT);
    expect(document.isStale).toBe(false);
    await vi.advanceTimersByTimeAsync(QUIET_MS + 1);
    expect(engine.asked).toEqual([]);
  });

  it('names the same session for the same block', async () => {
    await shown(TEXT);
    const sessions: unknown[] = [];
    for (const text of [`${TEXT} a`, `b ${TEXT}`]) {
      document.edit(text);
      await vi.advanceTimersByTimeAsync(QUIET_MS);
      sessions.push(engine.asked.findLast(({ method }) => method === 'routing/update')?.params.session);
      await answer();
    }
    expect(sessions[0]).toBe(sessions[1]);
    expect(sessions[0]).toEqual(expect.any(String));
  });

  it('of one record asks for that record alone; the others stay', async () => {
    const rows = ['alpha beta', 'gamma delta', 'epsilon zeta'];
    const source = (texts: readonly string[]): string => texts.map((text) => JSON.stringify({ text })).join('\n');
    await shown(source(rows), 'records');
    document.edit(source([rows[0], 'gamma "new" delta', rows[2]]));
    expect(document.blocks.map((block) => block.isStale)).toEqual([false, true, false]);
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    expect(pending('routing/update').map(textsOf)).toEqual([['gamma "new" delta']]);
    await answer();
    expect(document.isStale).toBe(false);
    // A page shows one result over all records.
    document.attachPage(true);
    await answer();
    expect(engine.asked.filter(({ method }) => method === 'routing/run').map(textsOf)).toEqual([[rows[0], 'gamma "new" delta', rows[2]]]);
    expect(document.summary).not.toBeNull();
  });

  it('keeps pins on their tokens', async () => {
    await shown(TEXT);
    document.selection.pin(1);
    document.selection.pin(4);
    document.edit('one twelve three four');
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    await answer();
    const { pinned } = document.selection.value;
    expect(pinned.map((token) => document.page?.result.head.tokens[token].text)).toEqual(['one', ' four']);
  });

  it('during a run is stale when the run comes', async () => {
    open(TEXT);
    const done = document.route();
    document.edit(`${TEXT} five`);
    await answer();
    await done;
    await vi.advanceTimersByTimeAsync(QUIET_MS * 2);
    await answer();
    expect(document.isStale).toBe(false);
    expect(document.page?.texts).toEqual([`${TEXT} five`]);
  });

  it('of an empty document routes it when there is text', async () => {
    open('');
    await document.route();
    document.edit('hello');
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    await answer();
    expect([document.state, document.error]).toEqual(['done', null]);
  });

  it('after which the engine has lost the trace routes all again', async () => {
    await shown(TEXT);
    document.edit(`${TEXT}!`);
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    const [update] = pending('routing/update');
    answered.add(update);
    update.reject(failure('routing/gone', { key: 'k' }));
    await answer();
    expect(document.isStale).toBe(false);
    expect(engine.asked.some(({ method }) => method === 'routing/run')).toBe(true);
  });

  it('that fails says so and keeps what is fresh', async () => {
    await shown(TEXT);
    document.edit(`${TEXT}!`);
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    const [update] = pending('routing/update');
    answered.add(update);
    update.reject(failure('engine/stopped', { how: 'SIGKILL', doing: 'routing' }));
    await vi.advanceTimersByTimeAsync(1);
    expect([document.state, document.error?.code]).toEqual(['failed', 'engine/stopped']);
    expect(document.blocks[0].fresh).toBeGreaterThan(0);
  });
});

describe('choices', () => {
  it('of another router route again and forget pins; the layer stays', async () => {
    open(TEXT);
    void document.route();
    await answer();
    document.showSite('blocks.2.ffn');
    document.selection.pin(1);
    void document.route({ ...MODEL, router: 'similarity' });
    expect(document.state).toBe('starting');
    await answer();
    expect([document.siteId, document.selection.value.pinned, document.state]).toEqual(['blocks.2.ffn', [], 'done']);
  });
});

describe('a what-if', () => {
  const mute = { mute: [{ expert: 'B', site: 'blocks.1.ffn' }] };
  const requests = (): (RouteRequest | undefined)[] => engine.asked.filter(({ method }) => method === 'routing/run' || method === 'routing/update').map(({ params }) => params.request as RouteRequest);

  it('is asked for with every request from then on, keeps the names of experts, and ends', async () => {
    open(TEXT);
    let done: Promise<unknown> = document.route();
    await answer();
    await done;
    // What the engine would match on the changed model.
    letters = [[3, 2, 1, 0], [3, 2, 1, 0], [3, 2, 1, 0]];
    done = document.setWhatIf(mute);
    await answer();
    expect(await done).toBeNull();
    expect([document.names?.letters, document.summary?.letters, document.summary?.matching]).toEqual([LETTERS, LETTERS, null]);
    document.edit(`${TEXT} five`);
    await vi.advanceTimersByTimeAsync(QUIET_MS + 1);
    await answer();
    expect(requests().map((request) => request?.whatIf)).toEqual([undefined, mute, mute]);
    expect(document.names?.letters).toEqual(LETTERS);
    done = document.setWhatIf(null);
    await answer();
    await done;
    expect(requests().at(-1)).not.toHaveProperty('whatIf');
    expect(document.names?.letters).toEqual(letters);
  });

  it('that cannot be routed is given back, and what was shown stays', async () => {
    open(TEXT);
    const first = document.route();
    await answer();
    await first;
    const { page } = document, done = document.setWhatIf(mute), asked = engine.asked.at(-1);
    asked?.reject(failure('routing/what-if', { reason: 'no expert would be left' }));
    expect((await done)?.message).toContain('no expert would be left');
    expect([document.whatIf, document.error, document.state, document.page]).toEqual([null, null, 'done', page]);
  });

  it('does not outlive a change of router', async () => {
    open(TEXT);
    const first = document.setWhatIf(mute);
    await answer();
    await first;
    const done = document.route({ path: '/m', router: 'similarity' });
    await answer();
    await done;
    expect([document.whatIf, requests().at(-1)?.whatIf]).toEqual([null, undefined]);
  });
});
