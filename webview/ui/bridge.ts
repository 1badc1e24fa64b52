import type { ErrorRecord } from '../../extension/protocol/errors';
import type { CallParams, CallResult, HostMessage, PageMessage, PageMethod } from '../../extension/protocol/pageMessages';

interface EditorApi {
  postMessage(message: PageMessage): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): EditorApi;

/** A call that the host answered with an error, or that was cancelled (`record` null). */
export class CallError extends Error {
  override readonly name = 'CallError';
  constructor(readonly record: ErrorRecord | null) {
    super(record?.message ?? 'cancelled');
  }
}

/** An answer on its way; `cancel` rejects it at once and tells the host to stop working on it. */
export interface PendingCall<T> {
  readonly result: Promise<T>;
  cancel(): void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: CallError): void;
}

/** The page's side of the conversation with the host: messages out, answers matched by id, view state. */
export class Bridge {
  readonly #api = acquireVsCodeApi();
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  /** Listens for messages and says that the page is ready. Replies are handled here and not passed on. */
  listen(onMessage: (message: HostMessage) => void): void {
    window.addEventListener('message', (event: MessageEvent<HostMessage>) => {
      const message = event.data;
      if (message.type === 'reply') this.#answer(message);
      else onMessage(message);
    });
    window.addEventListener('error', (event) => this.post({ type: 'fault', message: event.message }));
    window.addEventListener('unhandledrejection', (event) => {
      if (!(event.reason instanceof CallError)) this.post({ type: 'fault', message: String(event.reason) });
    });
    this.post({ type: 'ready' });
  }

  post(message: PageMessage): void {
    this.#api.postMessage(message);
  }

  /** Asks the engine through the host. */
  call<M extends PageMethod>(method: M, params: CallParams<M>): PendingCall<CallResult<M>> {
    const id = this.#next++;
    const result = new Promise<CallResult<M>>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    this.post({ type: 'call', id, method, params });
    const cancel = (): void => {
      const waiting = this.#waiting.get(id);
      if (!waiting) return;
      this.#waiting.delete(id);
      this.post({ type: 'cancelCall', id });
      waiting.reject(new CallError(null));
    };
    return { result, cancel };
  }

  /** View state that survives hiding the page. */
  restore<T>(): Partial<T> {
    return this.#api.getState() ?? {};
  }

  keep(state: unknown): void {
    this.#api.setState(state);
  }

  #answer(message: Extract<HostMessage, { type: 'reply' }>): void {
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(new CallError(message.error));
    else waiting.resolve(message.result);
  }
}
