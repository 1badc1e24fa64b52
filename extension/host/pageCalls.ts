import { failure, toErrorRecord } from '../protocol/errors';
import type { EngineMethod, EngineParams } from '../protocol/engineRpc';
import { type HostMessage, PAGE_METHODS, type PageMessage, type PageMethod } from '../protocol/pageMessages';
import { compact } from './compact';
import type { Disposable } from './disposables';
import type { EngineClient } from './engineClient';

type Call = Extract<PageMessage, { type: 'call' }>;
type Reply = Extract<HostMessage, { type: 'reply' }>;

/** What a page must not choose itself: the host puts it over the page's parameters, or refuses by throwing. */
export type FillIn = (method: PageMethod) => Readonly<Record<string, unknown>>;

/** Relays a page's calls to the engine: only allowed methods, with the host's own paths and keys, cancellable. */
export class PageCalls implements Disposable {
  private readonly running = new Map<number, AbortController>();

  constructor(
    private readonly engine: EngineClient,
    private readonly allowed: readonly PageMethod[],
    private readonly fillIn: FillIn,
    private readonly reply: (message: Reply) => void,
  ) {}

  async call({ id, method, params }: Call): Promise<void> {
    const controller = new AbortController();
    this.running.set(id, controller);
    try {
      const result = await this.ask(method, params, controller.signal);
      if (!controller.signal.aborted) this.reply({ type: 'reply', id, result: compact(result) });
    } catch (error) {
      this.reply({ type: 'reply', id, error: toErrorRecord(error) });
    } finally {
      this.running.delete(id);
    }
  }

  cancel(id: number): void {
    this.running.get(id)?.abort();
  }

  /** Cancels what a page that is gone has asked for. */
  dispose(): void {
    for (const controller of this.running.values()) controller.abort();
    this.running.clear();
  }

  private async ask(method: PageMethod, params: unknown, signal: AbortSignal): Promise<unknown> {
    if (!PAGE_METHODS.includes(method) || !this.allowed.includes(method)) throw failure('engine/unknown-method', { method: String(method) });
    if (params === null || typeof params !== 'object') throw failure('internal', { message: `the page called ${method} without parameters` });
    const filled = { ...params, ...this.fillIn(method) } as unknown as EngineParams<EngineMethod & PageMethod>;
    return this.engine.request(method, filled, signal);
  }
}
