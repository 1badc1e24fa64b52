import { randomUUID } from 'node:crypto';
import { failure } from '../../protocol/errors';
import type { RouteRequest, RoutingTrace } from '../../protocol/routing';

/** Bytes of traces that are kept for pages and editors; the one that was asked for least recently goes first. */
const LIMIT_BYTES = 256 << 20;

/** A trace and what it was made with. */
interface Kept {
  readonly trace: RoutingTrace;
  readonly request: RouteRequest;
}

const traces = new Map<string, Kept>();

const bytesOf = ({ trace }: Kept): number => trace.ids.byteLength + trace.weights.byteLength + (trace.logits?.byteLength ?? 0) + 3 * trace.margins.byteLength + 200 * trace.tokens.length;

/** Keeps a trace and gives its key; `replaces` is let go. */
export function keepTrace(trace: RoutingTrace, request: RouteRequest, replaces?: string): string {
  if (replaces !== undefined) traces.delete(replaces);
  const key = randomUUID();
  traces.set(key, { trace, request });
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
  return kept(key).trace;
}

/** The request that a kept trace answers. @throws routing/gone */
export function keptRequest(key: string): RouteRequest {
  return kept(key).request;
}

function kept(key: string): Kept {
  const one = traces.get(key);
  if (!one) throw failure('routing/gone', { key });
  traces.delete(key);
  traces.set(key, one);
  return one;
}
