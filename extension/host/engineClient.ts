import type { EngineMethod, EngineParams, EngineResult } from '../protocol/engineRpc';
import type { Disposable } from './disposables';
import type { EngineNotification } from './engineProcess';

/** What panels, trees and commands need of the engine; tests put something small in its place. */
export interface EngineClient {
  request<M extends EngineMethod>(method: M, params: EngineParams<M>, signal?: AbortSignal): Promise<EngineResult<M>>;
  onNotification(listener: (notification: EngineNotification) => void): Disposable;
}
