import { describe, expect, it } from 'vitest';
import { type RoutedBlock, staleTokens } from '../../../extension/host/routing/staleTokens';
import type { TraceView } from '../../../extension/host/routing/traceView';
import { inventedTrace } from '../../e2e/pages/inventedRouting';

const { result } = inventedTrace({ kind: 'layers', labels: true });
const trace = { result } as unknown as TraceView;
const whole = (record: number): RoutedBlock => ({ trace, record, fresh: Infinity });
const { records, tokens } = result.head;

describe('tokens that an edit left behind', () => {
  it('are none while every text holds', () => {
    expect(staleTokens(result, records.map((_, r) => whole(r)))).toEqual([]);
  });
  it('are those from the edit on, in its text alone', () => {
    const at = records[1].from + 10;
    const blocks = records.map((_, r) => (r === 1 ? { ...whole(r), fresh: tokens[at].start ?? 0 } : whole(r)));
    expect(staleTokens(result, blocks)).toEqual([[at, records[1].to]]);
  });
  it('are all of a text that is gone, and all when the texts were routed again elsewhere', () => {
    expect(staleTokens(result, records.flatMap((_, r) => (r === 2 ? [] : [whole(r)])))).toEqual([[records[2].from, records[2].to]]);
    const other = { result: { ...result, key: 'another' } } as unknown as TraceView;
    expect(staleTokens(result, records.map((_, r) => ({ ...whole(r), trace: other })))).toEqual([[0, tokens.length]]);
  });
});
