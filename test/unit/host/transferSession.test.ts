import { describe, expect, it } from 'vitest';
import { TransferSession } from '../../../extension/host/transfer/transferSession';
import { failure } from '../../../extension/protocol/errors';
import type { HostMessage } from '../../../extension/protocol/pageMessages';
import type { TransferDocument, TransferPlan, TransferRequest } from '../../../extension/protocol/transfer';
import type { TransferPageState } from '../../../extension/protocol/transferPage';
import { FakeClient } from './fakeClient';

const REQUEST: TransferRequest = { module: '/m/lora', from: '/m/a', to: '/m/b', method: 'activation-transport' };
const PLAN = { sites: [] } as unknown as TransferPlan;
const DOCUMENT = { kind: 'transfer', out: '/m/lora-on-b', sentence: 'lora helps b' } as unknown as TransferDocument;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function begin(document: TransferDocument | null = null): { client: FakeClient; session: TransferSession; messages: HostMessage[]; state: () => TransferPageState } {
  const client = new FakeClient();
  const session = new TransferSession(client, { request: REQUEST, out: null, document }, ({ to }) => `/suggested${to}`);
  const messages: HostMessage[] = [];
  session.onMessage((message) => messages.push(message));
  return { client, session, messages, state: () => (session.snapshot() as Extract<HostMessage, { type: 'transfer/state' }>).state };
}

describe('TransferSession', () => {
  it('plans, runs into a folder and ends with the document', async () => {
    const { client, session, state } = begin();
    const planned = session.replan();
    expect(client.asked[0]).toMatchObject({ method: 'transfer/plan', params: { request: REQUEST } });
    expect(state()).toMatchObject({ step: 'planning', plan: null, suggestedOut: '/suggested/m/b' });
    client.asked[0].resolve(PLAN);
    await planned;
    expect(state()).toMatchObject({ step: 'plan', plan: PLAN, out: null });

    const ran = session.run('/out/x', true);
    expect(client.asked[1]).toMatchObject({ method: 'transfer/run', params: { request: REQUEST, path: '/out/x', overwrite: true } });
    expect(state().step).toBe('starting');
    const run = client.asked[1].params.run as string;
    client.tell({ name: 'run/progress', params: { run, progress: { stage: 'layer 1', done: 1, total: 3, etaSeconds: 2 } } });
    expect(state().step).toBe('running');
    expect(session.lastProgress()).toMatchObject({ progress: { stage: 'layer 1' } });
    client.asked[1].resolve(DOCUMENT);
    await ran;
    expect(state()).toMatchObject({ step: 'done', document: DOCUMENT, out: '/m/lora-on-b' });
    expect(session.lastProgress()).toBeNull();
  });

  it('listens to the progress of its own run only', async () => {
    const { client, session, messages } = begin();
    void session.run('/out/x', false);
    const before = messages.length;
    client.tell({ name: 'run/progress', params: { run: 'another', progress: { stage: 'x', done: 0, total: 1, etaSeconds: null } } });
    expect(messages).toHaveLength(before);
    expect(session.step).toBe('starting');
    session.dispose();
  });

  it('keeps the plan when a run is cancelled or fails, and says which it was', async () => {
    const { client, session, state } = begin();
    const planned = session.replan();
    client.asked[0].resolve(PLAN);
    await planned;
    const ran = session.run('/out/x', false);
    session.cancel();
    await ran;
    expect(client.asked[1].signal?.aborted).toBe(true);
    expect(state()).toMatchObject({ step: 'cancelled', plan: PLAN, document: null, error: null });
    const again = session.run('/out/x', false);
    client.asked[2].reject(failure('transfer/no-effect', { path: '/m/lora' }));
    await again;
    expect(state()).toMatchObject({ step: 'failed', plan: PLAN, error: { code: 'transfer/no-effect' } });
  });

  it('a newer plan takes the place of an older one, whose answer is thrown away', async () => {
    const { client, session, state } = begin();
    const first = session.replan({ method: 'copy' });
    const second = session.replan({ method: 'skip' });
    expect(client.asked[0].signal?.aborted).toBe(true);
    await first;
    expect(state()).toMatchObject({ step: 'planning', error: null, request: { method: 'skip' } });
    client.asked[1].resolve(PLAN);
    await second;
    expect(state().step).toBe('plan');
  });

  it('takes no change while it runs', async () => {
    const { client, session } = begin();
    void session.run('/out/x', false);
    await session.replan({ method: 'copy' });
    await session.run('/out/y', true);
    await settle();
    expect(client.asked).toHaveLength(1);
    expect(session.request).toEqual(REQUEST);
    session.dispose();
  });

  it('forgets the folder when module or target change, not when the method does', async () => {
    const { client, session, state } = begin();
    session.setOut('/out/x');
    void session.replan({ method: 'copy' });
    expect(state().out).toBe('/out/x');
    void session.replan({ to: '/m/c' });
    expect(state()).toMatchObject({ out: null, suggestedOut: '/suggested/m/c' });
    expect(client.asked).toHaveLength(2);
    session.dispose();
  });

  it('begins with a report that was there, and a new plan takes its place', async () => {
    const { client, session, state } = begin(DOCUMENT);
    expect(state()).toMatchObject({ step: 'done', document: DOCUMENT });
    expect(client.asked).toHaveLength(0);
    void session.replan();
    expect(state()).toMatchObject({ step: 'planning', document: null });
    session.dispose();
  });
});
