import type { CancellationToken, MessageConnection } from 'vscode-jsonrpc/node';
import type { EngineMethod, EngineParams, EngineResult } from '../protocol/engineRpc';
import { failure, toErrorRecord } from '../protocol/errors';
import { BUILD_ID } from '../protocol/version';
import type { EngineSettings, HandlerContext, Notify } from './context';
import type { HandledMethod, HandlerTable } from './handlers';
import { cancelledError, toResponseError } from './rpcErrors';
import { throttleProgress } from './rpcProgress';

/**
 * A cancelled request is answered when its operation has wound down, or after this time at the latest. With slices of
 * 250 ms that keeps the answer under half a second; what still runs then is not waited for.
 */
export const CANCEL_GRACE_MS = 200;

/** Long work that lets interactive requests go first. */
const BATCH_METHODS: ReadonlySet<EngineMethod> = new Set<EngineMethod>(['analysis/run', 'analysis/ablation', 'merge/run']);

export interface RpcServerOptions {
  readonly connection: MessageConnection;
  readonly handlers: HandlerTable;
  readonly build?: string;
  readonly pid?: number;
}

/** Routes requests of one connection to handlers: greeting with build id, progress, cancellation, typed failures. */
export class RpcServer {
  private settings: EngineSettings | null = null;
  private readonly running = new Map<AbortController, Promise<unknown>>();
  private readonly notify: Notify;

  constructor(private readonly options: RpcServerOptions) {
    const { connection, handlers } = options;
    this.notify = (name, params) => {
      // The host may be gone already; then there is nobody to tell.
      connection.sendNotification(name, params).catch(() => undefined);
    };
    connection.onRequest('engine/hello', (params: EngineParams<'engine/hello'>) => this.hello(params));
    for (const method of Object.keys(handlers) as HandledMethod[]) {
      connection.onRequest(method, (params: unknown, token: CancellationToken) => this.handle(method, params, token));
    }
    connection.onRequest((method) => toResponseError(failure('engine/unknown-method', { method })));
  }

  /** Aborts everything that runs and waits until it has wound down, at most `limitMs`. */
  async stop(limitMs: number): Promise<void> {
    for (const controller of this.running.keys()) controller.abort(failure('cancelled', { what: 'The request' }));
    await Promise.race([Promise.allSettled(this.running.values()), delay(limitMs)]);
  }

  private hello(params: EngineParams<'engine/hello'>): EngineResult<'engine/hello'> | ReturnType<typeof toResponseError> {
    const build = this.options.build ?? BUILD_ID;
    if (params.build !== build) return toResponseError(failure('engine/build-mismatch', { host: params.build, engine: build }));
    this.settings = { cacheDir: params.cacheDir, cacheBytes: params.cacheBytes, threads: params.threads ?? 0, device: params.device ?? 'auto' };
    return { build, pid: this.options.pid ?? process.pid };
  }

  private async handle(method: HandledMethod, params: unknown, token: CancellationToken): Promise<unknown> {
    const settings = this.settings;
    if (!settings) return toResponseError(failure('engine/not-greeted', { method }));
    const controller = new AbortController();
    const run = runOf(params);
    const progress = throttleProgress((record) => {
      if (run !== null) this.notify('run/progress', { run, progress: record });
    });
    const context: HandlerContext = {
      signal: controller.signal,
      progress: progress.report,
      log: (level, text) => this.notify('engine/log', { level, text }),
      settings,
      interactive: !BATCH_METHODS.has(method),
      notify: this.notify,
    };
    const work = this.call(method, params, context).finally(() => {
      progress.flush();
      this.running.delete(controller);
    });
    this.running.set(controller, work);
    const cancelled = new Promise<unknown>((resolve) => {
      const abort = (): void => {
        controller.abort(failure('cancelled', { what: method }));
        void delay(CANCEL_GRACE_MS).then(() => resolve(cancelledError(method)));
      };
      if (token.isCancellationRequested) abort();
      else token.onCancellationRequested(abort);
    });
    try {
      return await Promise.race([work, cancelled]);
    } catch (error) {
      if (controller.signal.aborted) return cancelledError(method);
      const record = toErrorRecord(error);
      if (record.code === 'internal' && error instanceof Error) context.log('error', `${method}: ${error.stack ?? error.message}`);
      return toResponseError(error);
    }
  }

  /** Calls a handler so that a synchronous throw becomes a rejection too. */
  private async call(method: HandledMethod, params: unknown, context: HandlerContext): Promise<unknown> {
    const handler = this.options.handlers[method] as (params: unknown, context: HandlerContext) => Promise<unknown>;
    return handler(params, context);
  }
}

function runOf(params: unknown): string | null {
  const run = (params as { readonly run?: unknown } | null)?.run;
  return typeof run === 'string' ? run : null;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
