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
  return {
    plan: (request, signal) => engine.request('transfer/plan', { request }, signal),
    run: ({ run, request, out, overwrite }, signal) => engine.request('transfer/run', { run, request, path: out, overwrite }, signal),
    html: (document, out) => engine.request('transfer/html', { document, out }),
  };
}
