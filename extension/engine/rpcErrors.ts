import { ResponseError } from 'vscode-jsonrpc/node';
import { RPC_FAILURE } from '../protocol/engineRpc';
import type { ErrorRecord } from '../protocol/errors';
import { failure, toErrorRecord } from '../protocol/errors';

/** Any thrown value as a JSON-RPC error with the code `RPC_FAILURE` and an `ErrorRecord` as its data. */
export function toResponseError(error: unknown): ResponseError<ErrorRecord> {
  const record = toErrorRecord(error);
  return new ResponseError(RPC_FAILURE, record.message, record);
}

/** What a cancelled request answers, whatever its operation threw on the way out. */
export function cancelledError(method: string): ResponseError<ErrorRecord> {
  return toResponseError(failure('cancelled', { what: WORDS.get(method) ?? method }));
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['analysis/run', 'The analysis'],
  ['analysis/ablation', 'The ablation'],
  ['analysis/html', 'The report'],
  ['tensors/statistics', 'Reading tensor statistics'],
]);
