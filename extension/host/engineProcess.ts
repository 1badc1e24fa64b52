import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import type { EngineMethod, EngineNotifications, EngineParams, EngineResult } from '../protocol/engineRpc';
import { failure, ModulensError } from '../protocol/errors';
import { type Disposable, Emitter } from './disposables';
import { type Activity, blamed, describeActivity, describeWork } from './engineActivity';
import { EngineChild, EngineGone, type EngineExit, type EngineLog } from './engineChild';
import { Backoff } from './engineBackoff';

/** Waiting times in milliseconds. */
export interface EngineTimes {
  /** Without a request for this long, the process is ended. */
  readonly idle: number;
  /** To come up and answer the greeting. */
  readonly start: number;
  /** A cancelled request that is not answered for so long blocks the engine (20 slices of 250 ms): it is killed. */
  readonly cancel: number;
  /** Between closing the channel and killing. */
  readonly farewell: number;
}
export const ENGINE_TIMES: EngineTimes = { idle: 10 * 60_000, start: 20_000, cancel: 5_000, farewell: 1_500 };

export type EngineState = 'stopped' | 'starting' | 'ready' | 'busy' | 'failed';

export interface EngineProcessOptions {
  readonly file: string;
  readonly env: () => NodeJS.ProcessEnv;
  readonly hello: () => EngineParams<'engine/hello'>;
  readonly log: EngineLog;
  readonly times?: Partial<EngineTimes>;
  readonly backoff?: Backoff;
}

export type EngineNotification = { readonly [N in keyof EngineNotifications]: { readonly name: N; readonly params: EngineNotifications[N] } }[keyof EngineNotifications];

interface InFlight extends Activity {
  /** The process that works on it. */
  child?: EngineChild;
  /** Set when the process ended under this request. */
  verdict?: ModulensError | 'retry';
}

/**
 * Owns the engine: starts it on first use, ends it after ten idle minutes, restarts it with growing pauses after
 * crashes, says what it was doing when it died, and asks innocent requests again once. Needs no VS Code.
 */
export class EngineProcess implements Disposable {
  private readonly notification = new Emitter<EngineNotification>();
  private readonly stateChange = new Emitter<EngineState>();
  readonly onNotification = this.notification.on;
  readonly onState = this.stateChange.on;
  private readonly times: EngineTimes;
  private readonly backoff: Backoff;
  private child: EngineChild | null = null;
  private starting: Promise<EngineChild> | null = null;
  private readonly inFlight: InFlight[] = [];
  private idleTimer: NodeJS.Timeout | undefined;
  /** Why a process is being ended by us, so that its exit is not taken for a crash. */
  private readonly ending = new WeakMap<EngineChild, ModulensError>();
  private currentState: EngineState = 'stopped';
  private disposed = false;

  constructor(private readonly options: EngineProcessOptions) {
    this.times = { ...ENGINE_TIMES, ...options.times };
    this.backoff = options.backoff ?? new Backoff();
  }

  get state(): EngineState {
    return this.currentState;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /**
   * Asks the engine, starting it if need be. Rejects with a `ModulensError`: the engine's own failure, `cancelled`, or one
   * of `engine/*`. Aborting the signal passes a cancel request on and waits for the answer.
   */
  async request<M extends EngineMethod>(method: M, params: EngineParams<M>, signal?: AbortSignal): Promise<EngineResult<M>> {
    const activity: InFlight = { method, params, stage: '' };
    for (let attempt = 0; ; attempt++) {
      throwIfCancelled(signal, activity);
      const child = await orCancelled(this.start(), signal, activity);
      activity.verdict = undefined;
      activity.stage = '';
      this.enter(activity, child);
      try {
        return await this.ask(child, activity, method, params, signal);
      } catch (error) {
        if (!(error instanceof EngineGone)) throw error;
        const blame = blameOf(activity);
        if (blame) throw blame;
        if (attempt > 0) throw failure('engine/stopped', { how: 'twice in a row', doing: describeActivity(activity) });
        this.options.log.info(`asking again after the engine's end: ${describeActivity(activity)}`);
      } finally {
        this.leave(activity);
      }
    }
  }

  /** Ends the process now and forgets past crashes; the next request starts a new one. */
  async restart(): Promise<void> {
    this.backoff.reset();
    await this.end((doing) => failure('engine/restarted', { doing }));
  }

  dispose(): void {
    this.disposed = true;
    void this.end((doing) => failure('cancelled', { what: doing }));
  }

  private async end(reason: (doing: string) => ModulensError): Promise<void> {
    clearTimeout(this.idleTimer);
    const child = this.child ?? (await this.starting?.catch(() => null)) ?? null;
    if (!child?.isAlive) return this.setState('stopped');
    this.ending.set(child, reason(describeWork(this.workOf(child))));
    // A request that comes from now on gets a new process and does not wait for this one's end.
    this.child = null;
    await child.end();
  }

  private start(): Promise<EngineChild> {
    if (this.disposed) return Promise.reject(failure('engine/start-failed', { file: this.options.file, reason: 'Modulens is shutting down' }));
    clearTimeout(this.idleTimer);
    if (this.child?.isAlive) return Promise.resolve(this.child);
    this.starting ??= this.launch().finally(() => {
      this.starting = null;
    });
    return this.starting;
  }

  private async launch(): Promise<EngineChild> {
    this.setState('starting');
    try {
      await this.backoff.wait();
      const begun = performance.now();
      let greeted = false;
      const child = new EngineChild({
        file: this.options.file,
        env: this.options.env(),
        log: this.options.log,
        hello: this.options.hello(),
        onExit: (exit) => greeted && this.onExit(child, exit),
        startMs: this.times.start,
        farewellMs: this.times.farewell,
        onNotification: (name, params) => this.receive({ name, params } as EngineNotification),
      });
      await child.ready;
      greeted = true;
      this.child = child;
      this.options.log.info(`engine ${child.pid} ready after ${Math.round(performance.now() - begun)} ms`);
      this.setState('ready');
      return child;
    } catch (error) {
      // A wrong build stays wrong; everything else may be a passing weakness of the machine.
      if (error instanceof ModulensError && error.code === 'engine/start-failed') this.backoff.crashed(0, error.message);
      this.options.log.error(error instanceof Error ? error.message : String(error));
      this.setState('failed');
      throw error;
    }
  }

  private async ask<M extends EngineMethod>(child: EngineChild, activity: InFlight, method: M, params: EngineParams<M>, signal?: AbortSignal): Promise<EngineResult<M>> {
    const source = new CancellationTokenSource();
    let killTimer: NodeJS.Timeout | undefined;
    const cancel = (): void => {
      source.cancel();
      killTimer = setTimeout(() => this.killUnanswering(child, activity), this.times.cancel);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await child.send(method, params, source.token);
    } finally {
      clearTimeout(killTimer);
      signal?.removeEventListener('abort', cancel);
      source.dispose();
    }
  }

  private killUnanswering(child: EngineChild, activity: InFlight): void {
    const doing = describeActivity(activity);
    activity.verdict = failure('engine/killed', { doing, seconds: this.times.cancel / 1000 });
    const others = this.workOf(child).filter((other) => other !== activity);
    this.options.log.warn(`the engine did not answer a cancel request, killing it while ${doing}` + (others.length > 0 ? `; asked again: ${others.map(describeActivity).join('; ')}` : ''));
    for (const other of others) other.verdict = 'retry';
    child.kill();
  }

  private onExit(child: EngineChild, exit: EngineExit): void {
    const work = this.workOf(child);
    const planned = this.ending.get(child);
    const killed = work.some((activity) => activity.verdict);
    if (planned) {
      this.options.log.info(`engine ended (${exit.how})`);
      for (const activity of work) activity.verdict = planned;
    } else if (!killed) this.judge(child, work, exit);
    if (this.child !== null && this.child !== child) return;
    this.child = null;
    if (this.starting === null) this.setState('stopped');
  }

  private workOf(child: EngineChild): readonly InFlight[] {
    return this.inFlight.filter((activity) => activity.child === child);
  }

  private judge(child: EngineChild, work: readonly InFlight[], exit: EngineExit): void {
    const culprits = new Set(blamed(work));
    const doing = describeWork(work);
    this.options.log.error(`engine stopped (${exit.how}) while ${doing}`);
    this.backoff.crashed(Date.now() - child.startedAt, exit.how);
    for (const activity of work) activity.verdict = culprits.has(activity) ? failure('engine/stopped', { how: exit.how, doing: describeActivity(activity) }) : 'retry';
  }

  private receive(notification: EngineNotification): void {
    if (notification.name === 'engine/log') this.options.log[notification.params.level](notification.params.text);
    if (notification.name === 'run/progress') {
      const { run, progress } = notification.params;
      const activity = this.inFlight.find(({ params }) => (params as { readonly run?: string }).run === run);
      if (activity) activity.stage = progress.stage;
    }
    this.notification.fire(notification);
  }

  private enter(activity: InFlight, child: EngineChild): void {
    clearTimeout(this.idleTimer);
    activity.child = child;
    this.inFlight.push(activity);
    this.setState('busy');
  }

  private leave(activity: InFlight): void {
    this.inFlight.splice(this.inFlight.indexOf(activity), 1);
    if (this.inFlight.length > 0 || !this.child?.isAlive) return;
    this.setState('ready');
    this.idleTimer = setTimeout(() => {
      this.options.log.info('ending the idle engine');
      void this.end((doing) => failure('engine/restarted', { doing }));
    }, this.times.idle).unref();
  }

  private setState(state: EngineState): void {
    if (state === this.currentState) return;
    this.currentState = state;
    this.stateChange.fire(state);
  }
}

/** Why a request that lost its process is not asked again; null when it is. */
function blameOf({ verdict }: InFlight): ModulensError | null {
  return verdict instanceof ModulensError ? verdict : null;
}

/** Waits for the start, but not longer than the user wants. */
async function orCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined, activity: Activity): Promise<T> {
  if (!signal) return work;
  let stop: (() => void) | undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
  });
  const result = await Promise.race([work, aborted]);
  if (stop) signal.removeEventListener('abort', stop);
  throwIfCancelled(signal, activity);
  return result as T;
}

function throwIfCancelled(signal: AbortSignal | undefined, activity: Activity): void {
  if (signal?.aborted) throw failure('cancelled', { what: describeActivity(activity) });
}
