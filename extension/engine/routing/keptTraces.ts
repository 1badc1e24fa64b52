import { randomUUID } from 'node:crypto';
import { failure } from '../../protocol/errors';
import type { RoutingTrace } from '../../protocol/routing';

/** Bytes of traces that are kept for pages and editors; the one that was asked for least recently goes first. */
const LIMIT_BYTES = 256 << 20;

const traces = new Map<string, RoutingTrace>();

const bytesOf = (trace: RoutingTrace): number => trace.ids.byteLength + trace.weights.byteLength + (trace.logits?.byteLength ?? 0) + 3 * trace.margins.byteLength + 200 * trace.tokens.length;

/** Keeps a trace and gives its key; `replaces` is let go. */
export function keepTrace(trace: RoutingTrace, replaces?: string): string {
  if (replaces !== undefined) traces.delete(replaces);
  const key = randomUUID();
  traces.set(key, trace);
  let total = [...traces.values()].reduce((sum, one) => sum + bytesOf(one), 0);
  for (const [old, one] of traces) {
    if (total <= LIMIT_BYTES || old === key) break;
    traces.delete(old);
    total -= bytesOf(one);
  }
  return key;
}

/** @throws routing/gone */
export function keptTrace(key: string): RoutingTrace {
  const trace = traces.get(key);
  if (!trace) throw failure('routing/gone', { key });
  traces.delete(key);
  traces.set(key, trace);
  return trace;
}
