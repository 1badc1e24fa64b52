import type { EngineMethod, EngineParams, EngineResult } from '../../../extension/protocol/engineRpc';
import { failure } from '../../../extension/protocol/errors';
import { Emitter } from '../../../extension/host/disposables';
import type { EngineClient } from '../../../extension/host/engineClient';
import type { EngineNotification } from '../../../extension/host/engineProcess';

export interface Asked {
  readonly method: EngineMethod;
  readonly params: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal | undefined;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** An engine in the test's hands: requests wait until the test answers them. */
export class FakeClient implements EngineClient {
  readonly asked: Asked[] = [];
  private readonly notification = new Emitter<EngineNotification>();
  readonly onNotification = this.notification.on;

  request<M extends EngineMethod>(method: M, params: EngineParams<M>, signal?: AbortSignal): Promise<EngineResult<M>> {
    return new Promise((resolve, reject) => {
      this.asked.push({ method, params: { ...params }, signal, resolve: resolve, reject });
      signal?.addEventListener('abort', () => reject(failure('cancelled', { what: method })));
    });
  }

  tell(notification: EngineNotification): void {
    this.notification.fire(notification);
  }
}
