import { describe, expect, it } from 'vitest';
import type { HostMessage, PageMethod } from '../../../extension/protocol/pageMessages';
import { compact } from '../../../extension/host/compact';
import { PageCalls } from '../../../extension/host/pageCalls';
import { FakeClient } from './fakeClient';

type Reply = Extract<HostMessage, { type: 'reply' }>;

function begin(): { client: FakeClient; calls: PageCalls; replies: Reply[] } {
  const client = new FakeClient();
  const replies: Reply[] = [];
  const calls = new PageCalls(client, ['analysis/picture'], () => ({ key: 'the host’s' }), (reply) => replies.push(reply));
  return { client, calls, replies };
}

describe('PageCalls', () => {
  it('puts the host’s key over what the page says and sends small buffers', async () => {
    const { client, calls, replies } = begin();
    const done = calls.call({ type: 'call', id: 7, method: 'analysis/picture', params: { key: 'forged', layer: 3 } });
    expect(client.asked[0].params).toEqual({ key: 'the host’s', layer: 3 });
    client.asked[0].resolve({ index: 3, mass: new Float32Array(new ArrayBuffer(4096), 16, 2) });
    await done;
    expect(replies).toHaveLength(1);
    const { mass } = replies[0].result as { mass: Float32Array };
    expect(mass).toHaveLength(2);
    expect(mass.buffer.byteLength).toBe(8);
  });

  it('refuses methods that the page may not call', async () => {
    const { client, calls, replies } = begin();
    await calls.call({ type: 'call', id: 1, method: 'tensors/tile', params: {} });
    await calls.call({ type: 'call', id: 2, method: 'store/clear' as PageMethod, params: {} });
    await calls.call({ type: 'call', id: 3, method: 'analysis/picture', params: null });
    expect(client.asked).toEqual([]);
    expect(replies.map(({ id, error }) => [id, error?.code])).toEqual([[1, 'engine/unknown-method'], [2, 'engine/unknown-method'], [3, 'internal']]);
  });

  it('cancels one call, and all when the page is gone', async () => {
    const { client, calls, replies } = begin();
    const all = [1, 2, 3].map((id) => calls.call({ type: 'call', id, method: 'analysis/picture', params: { layer: id } }));
    calls.cancel(2);
    expect(client.asked.map(({ signal }) => signal?.aborted)).toEqual([false, true, false]);
    calls.dispose();
    await Promise.all(all);
    expect(client.asked.every(({ signal }) => signal?.aborted)).toBe(true);
    expect(replies.map(({ error }) => error?.code)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });
});

describe('compact', () => {
  it('copies windows only and keeps everything else', () => {
    const whole = new Float64Array([1, 2]);
    const value = { a: [new Int16Array([1, 2, 3]).subarray(1)], whole, text: 'x', nothing: null, missing: undefined };
    const copied = compact(value);
    expect(copied.a[0]).toEqual(new Int16Array([2, 3]));
    expect(copied.a[0].buffer.byteLength).toBe(4);
    expect(copied.whole).toBe(whole);
    expect(copied).toMatchObject({ text: 'x', nothing: null });
  });
});
