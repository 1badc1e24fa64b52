import { describe, expect, it } from 'vitest';
import type { AnalysisHead, LayerResult } from '../../../extension/protocol/documents';
import { failure } from '../../../extension/protocol/errors';
import type { HostMessage } from '../../../extension/protocol/pageMessages';
import { AnalysisSession } from '../../../extension/host/analysisSession';
import { FakeClient } from './fakeClient';

type State = Extract<HostMessage, { type: 'analysis/state' }>;
const head = (key: string): AnalysisHead => ({ key, layerIndices: [0, 1, 2] }) as unknown as AnalysisHead;
const layer = (index: number): LayerResult => ({ index }) as unknown as LayerResult;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function begin(): { client: FakeClient; session: AnalysisSession; messages: HostMessage[]; state: () => State; run: () => string } {
  const client = new FakeClient();
  const session = new AnalysisSession('/m/sample', 'sample', client, { seed: 5 });
  const messages: HostMessage[] = [];
  session.onMessage((message) => messages.push(message));
  return { client, session, messages, state: () => session.snapshot() as State, run: () => client.asked.at(-1)?.params.run as string };
}

describe('AnalysisSession', () => {
  it('collects layers as they come, and gives a page that comes later everything', async () => {
    const { client, session, messages, state, run } = begin();
    const done = session.run();
    expect(client.asked[0].params).toMatchObject({ path: '/m/sample', options: { seed: 5 } });
    expect(state().state).toBe('starting');
    client.tell({ name: 'analysis/started', params: { run: run(), head: head('k') } });
    client.tell({ name: 'analysis/layer', params: { run: run(), layer: layer(2) } });
    client.tell({ name: 'analysis/layer', params: { run: run(), layer: layer(0) } });
    client.tell({ name: 'run/progress', params: { run: run(), progress: { stage: 'layer 1', done: 2, total: 3, etaSeconds: 4 } } });
    expect(messages.map(({ type }) => type)).toEqual(['analysis/state', 'analysis/state', 'analysis/layer', 'analysis/layer', 'analysis/progress']);
    expect(state()).toMatchObject({ state: 'running', head: { key: 'k' }, layers: [{ index: 0 }, { index: 2 }] });
    expect(session.lastProgress()).toMatchObject({ progress: { stage: 'layer 1' } });
    client.asked[0].resolve({ ...head('k'), layers: [layer(0), layer(1), layer(2)], finding: 'f' });
    await done;
    expect(state()).toMatchObject({ state: 'done', layers: [{ index: 0 }, { index: 1 }, { index: 2 }], document: { finding: 'f' } });
    expect(state().head).not.toHaveProperty('layers');
    expect(session.lastProgress()).toBeNull();
  });

  it('keeps finished layers over a crash and shows them while the retry runs', async () => {
    const { client, session, state, run } = begin();
    const first = session.run();
    client.tell({ name: 'analysis/started', params: { run: run(), head: head('k') } });
    client.tell({ name: 'analysis/layer', params: { run: run(), layer: layer(0) } });
    client.asked[0].reject(failure('engine/stopped', { how: 'signal SIGKILL', doing: 'analyzing sample' }));
    await first;
    expect(state()).toMatchObject({ state: 'failed', error: { code: 'engine/stopped' }, layers: [{ index: 0 }] });
    void session.run();
    expect(state()).toMatchObject({ state: 'starting', error: null, layers: [{ index: 0 }] });
    client.tell({ name: 'analysis/started', params: { run: run(), head: head('k') } });
    expect(state()).toMatchObject({ state: 'running', layers: [{ index: 0 }] });
  });

  it('drops layers of other parameters', async () => {
    const { client, session, state, run } = begin();
    void session.run();
    client.tell({ name: 'analysis/started', params: { run: run(), head: head('k') } });
    client.tell({ name: 'analysis/layer', params: { run: run(), layer: layer(0) } });
    void session.run({ seed: 6 });
    client.tell({ name: 'analysis/started', params: { run: run(), head: head('other') } });
    expect(state().layers).toEqual([]);
    expect(client.asked[0].signal?.aborted).toBe(true);
    await settle();
    expect(state().state).toBe('running');
  });

  it('says cancelled without an error, and ignores what an earlier run still tells', async () => {
    const { client, session, state, run } = begin();
    const done = session.run();
    const old = run();
    client.tell({ name: 'analysis/started', params: { run: old, head: head('k') } });
    session.cancel();
    await done;
    expect(state()).toMatchObject({ state: 'cancelled', error: null });
    expect(session.isRunning).toBe(false);
    client.tell({ name: 'analysis/layer', params: { run: old, layer: layer(1) } });
    expect(state().layers).toEqual([]);
  });

  it('asks first for the layer that the user looks at', () => {
    const { client, session } = begin();
    session.select({ layer: 2, expert: 1 });
    void session.run();
    expect(client.asked[0].params).toMatchObject({ options: { seed: 5, firstLayer: 2 } });
    expect(session.snapshot()).toMatchObject({ selection: { layer: 2, expert: 1 } });
  });

  it('fills in keys and run ids, and refuses before there are results', () => {
    const { client, session, run } = begin();
    expect(() => session.fillIn('analysis/picture')).toThrow(/before the analysis of sample began/);
    void session.run();
    client.tell({ name: 'analysis/started', params: { run: run(), head: head('k') } });
    expect(session.fillIn('analysis/picture')).toEqual({ key: 'k' });
    expect(session.fillIn('analysis/ablation')).toMatchObject({ key: 'k', run: expect.any(String) });
  });

  it('cancels its run when its tab is closed', async () => {
    const { client, session } = begin();
    const done = session.run();
    session.dispose();
    await done;
    expect(client.asked[0].signal?.aborted).toBe(true);
  });
});
