import { analysisErrors } from './errors/analysis';
import { checkpointErrors } from './errors/checkpoint';
import { commonErrors } from './errors/common';
import { engineErrors } from './errors/engine';
import { mergeErrors } from './errors/merge';
import { modelErrors } from './errors/model';
import { routingErrors } from './errors/routing';
import { runtimeErrors } from './errors/runtime';
import { transferErrors } from './errors/transfer';

/**
 * Every failure that a user can meet, as a code with typed arguments. Text is made where it is shown, by `describeError`.
 * A room adds its codes to its own catalogue under `errors/`.
 */
const catalogue = { ...commonErrors, ...checkpointErrors, ...modelErrors, ...mergeErrors, ...runtimeErrors, ...analysisErrors, ...routingErrors, ...transferErrors, ...engineErrors } as const;

type Catalogue = typeof catalogue;
export type ErrorCode = keyof Catalogue;
export type ErrorArgs<C extends ErrorCode> = Parameters<Catalogue[C]['text']>[0];

/** What crosses processes and stands in `--json` output: `{"error": {"code", "args", "message"}}`. */
export interface ErrorRecord {
  readonly code: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly message: string;
  /** Exit code of the command line (design: 0 done, 1 cannot, 2 usage, 3 input at fault, 130 interrupted). */
  readonly exit: number;
}

/** An expected failure: names the file, the thing, what was expected and what to do. */
export class ModulensError extends Error {
  override readonly name = 'ModulensError';
  constructor(readonly code: ErrorCode, readonly args: Readonly<Record<string, unknown>>, options?: ErrorOptions) {
    super(describeError(code, args), options);
  }
  get exit(): number {
    return catalogue[this.code].exit;
  }
  toRecord(): ErrorRecord {
    return { code: this.code, args: this.args, message: this.message, exit: this.exit };
  }
}

/** Makes the error of a code: `throw failure('checkpoint/truncated', { file, ... })`. */
export function failure<C extends ErrorCode>(code: C, args: ErrorArgs<C>, cause?: unknown): ModulensError {
  return new ModulensError(code, args, cause === undefined ? undefined : { cause });
}

/** The English text of an error: what happened, to what, and the remedy. */
export function describeError(code: ErrorCode, args: Readonly<Record<string, unknown>>): string {
  return (catalogue[code].text as (args: Readonly<Record<string, unknown>>) => string)(args);
}

/** Any thrown value as a record; unknown ones get the code `internal` and keep their message. */
export function toErrorRecord(error: unknown): ErrorRecord {
  if (error instanceof ModulensError) return error.toRecord();
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', args: { message }, message: describeError('internal', { message }), exit: 1 };
}

/** Rebuilds an error that crossed a process boundary; null when the code is not ours. */
export function fromErrorRecord(record: ErrorRecord): ModulensError | null {
  return record.code in catalogue ? new ModulensError(record.code as ErrorCode, record.args) : null;
}
