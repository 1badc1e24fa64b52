import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';
import { type CancellationToken, createMessageConnection, IPCMessageReader, IPCMessageWriter, type MessageConnection, ResponseError } from 'vscode-jsonrpc/node';
import { type EngineMethod, type EngineNotifications, type EngineParams, type EngineResult, RPC_FAILURE } from '../protocol/engineRpc';
import { type ErrorRecord, failure, fromErrorRecord } from '../protocol/errors';

/** Where lines about the engine go; the shape of VS Code's log channel. */
export interface EngineLog {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

/** How a process ended, in words for messages ("signal SIGKILL"), with what it wrote last. */
export interface EngineExit {
  readonly how: string;
}

export interface EngineChildOptions {
  /** The engine's bundle. */
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: EngineLog;
  readonly hello: EngineParams<'engine/hello'>;
  /** Time for the process to come up and answer the greeting. */
  readonly startMs: number;
  /** Time between closing the channel and killing. */
  readonly farewellMs: number;
  /** Called once when the process has ended, before the requests that were in flight are rejected. */
  readonly onExit: (exit: EngineExit) => void;
  readonly onNotification: <N extends keyof EngineNotifications>(name: N, params: EngineNotifications[N]) => void;
}

const NOTIFICATIONS: Readonly<Record<keyof EngineNotifications, true>> = {
  'run/progress': true,
  'analysis/started': true,
  'analysis/layer': true,
  'engine/log': true,
  'engine/device': true,
};

/** What a request rejects with when the process ended under it. */
export class EngineGone extends Error {
  override readonly name = 'EngineGone';
}

/** One life of the engine process: forked, greeted, talked to, ended. Never reused after its end. */
export class EngineChild {
  /** Settles when the engine has answered the greeting of the same build. */
  readonly ready: Promise<void>;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<EngineExit>;
  readonly startedAt = Date.now();
  private readonly process: ChildProcess;
  private readonly connection: MessageConnection;
  private readonly waiting = new Set<(reason: Error) => void>();
  private lastWords = '';
  private hasExited = false;

  constructor(private readonly options: EngineChildOptions) {
    // The host's own executable: on macOS no other may load libraries signed by someone else.
    const child = (this.process = fork(options.file, [], { env: options.env, execArgv: [], serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }));
    this.exited = this.watch(child);
    this.connection = createMessageConnection(new IPCMessageReader(child), new IPCMessageWriter(child));
    for (const name of Object.keys(NOTIFICATIONS) as (keyof EngineNotifications)[]) {
      this.connection.onNotification(name, (params: EngineNotifications[typeof name]) => options.onNotification(name, params));
    }
    this.connection.onError(([error]) => options.log.warn(`engine channel: ${error.message}`));
    this.connection.listen();
    this.ready = this.greet();
    this.ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  get isAlive(): boolean {
    return !this.hasExited;
  }

  /** Sends one request. Rejects with a `ModulensError` when the engine says no, with `EngineGone` when the process ended meanwhile. */
  send<M extends EngineMethod>(method: M, params: EngineParams<M>, token?: CancellationToken): Promise<EngineResult<M>> {
    return new Promise((resolve, reject) => {
      if (this.hasExited) return reject(new EngineGone());
      this.waiting.add(reject);
      const answered = (settle: () => void): void => {
        this.waiting.delete(reject);
        settle();
      };
      this.connection.sendRequest<EngineResult<M>>(method, params, token).then(
        (result) => answered(() => resolve(result)),
        (error: unknown) => {
          // When the channel broke, the end of the process is near and says more than the connection does.
          if (!this.hasExited && this.process.connected) answered(() => reject(asModulensError(error)));
        },
      );
    });
  }

  /** Closes the channel, which lets the engine clean up and end; kills it when it does not. */
  async end(): Promise<EngineExit> {
    if (this.process.connected) this.process.disconnect();
    const timer = setTimeout(() => this.kill(), this.options.farewellMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  private async greet(): Promise<void> {
    const { hello, file, startMs } = this.options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(failure('engine/start-failed', { file, reason: `it gave no sign of life within ${startMs / 1000} seconds` })), startMs);
    });
    const greeting = this.send('engine/hello', hello).catch(async (error: unknown) => {
      if (!(error instanceof EngineGone)) throw error;
      const { how } = await this.exited;
      throw failure('engine/start-failed', { file, reason: `it ended at once (${how})` });
    });
    try {
      const answer = await Promise.race([greeting, late]);
      if (answer.build !== hello.build) throw failure('engine/build-mismatch', { host: hello.build, engine: answer.build });
    } catch (error) {
      this.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private watch(child: ChildProcess): Promise<EngineExit> {
    const { log } = this.options;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => log.info(`[engine] ${text.trimEnd()}`));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.lastWords = lastLine(text) || this.lastWords;
      log.warn(`[engine] ${text.trimEnd()}`);
    });
    return new Promise((resolve) => {
      const gone = (how: string): void => {
        this.hasExited = true;
        this.connection?.dispose();
        const exit = { how: this.lastWords ? `${how}; last output: ${this.lastWords}` : how };
        this.options.onExit(exit);
        for (const reject of this.waiting) reject(new EngineGone());
        this.waiting.clear();
        resolve(exit);
      };
      // `close` never comes after our own disconnect, so the pipes are waited for here: the last words shall be complete.
      child.once('exit', (code, signal) => {
        void Promise.race([Promise.all([ended(child.stdout), ended(child.stderr)]), delay(PIPES_MS)]).then(() => gone(signal ? `signal ${signal}` : `exit code ${code}`));
      });
      child.once('error', (error) => gone(error.message));
    });
  }
}

/** A grandchild could hold the pipes open for ever. */
const PIPES_MS = 200;

function ended(pipe: Readable | null): Promise<void> {
  return new Promise((resolve) => (pipe && !pipe.readableEnded ? pipe.once('end', resolve) : resolve()));
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Long native stack lines would fill a message. */
const LAST_WORDS_LIMIT = 200;

function lastLine(text: string): string {
  return (text.trim().split('\n').at(-1) ?? '').trim().slice(0, LAST_WORDS_LIMIT);
}

function asModulensError(error: unknown): Error {
  if (!(error instanceof ResponseError) || error.code !== RPC_FAILURE) return error instanceof Error ? error : new Error(String(error));
  const record = error.data as ErrorRecord;
  return fromErrorRecord(record) ?? failure('internal', { message: record.message });
}
