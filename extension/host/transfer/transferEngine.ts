import type { EngineMethod } from '../../protocol/engineRpc';
import type { TransferDocument, TransferPlan, TransferRequest } from '../../protocol/transfer';
import type { EngineClient } from '../engineClient';

/** The engine's side of a transfer. */
export interface TransferEngine {
  plan(request: TransferRequest, signal: AbortSignal): Promise<TransferPlan>;
  /** Progress comes as `run/progress` notifications under the id `run`. */
  run(params: { readonly run: string; readonly request: TransferRequest; readonly out: string; readonly overwrite: boolean }, signal: AbortSignal): Promise<TransferDocument>;
  html(document: TransferDocument, out: string): Promise<{ file: string }>;
}

export function transferEngine(engine: EngineClient): TransferEngine {
  const ask = (method: string, params: unknown, signal?: AbortSignal): Promise<unknown> => engine.request(method as EngineMethod, params as never, signal);
  return {
    plan: (request, signal) => ask('transfer/plan', { request }, signal) as Promise<TransferPlan>,
    run: ({ run, request, out, overwrite }, signal) => ask('transfer/run', { run, request, path: out, overwrite }, signal) as Promise<TransferDocument>,
    html: (document, out) => ask('transfer/html', { document, out }) as Promise<{ file: string }>,
  };
}
