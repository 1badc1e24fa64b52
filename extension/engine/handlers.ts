import type { EngineMethod, EngineParams, EngineResult } from '../protocol/engineRpc';
import { failure } from '../protocol/errors';
import type { HandlerContext } from './context';

/** The server answers the greeting itself; every other method has a handler. */
export type HandledMethod = Exclude<EngineMethod, 'engine/hello'>;

export type Handler<M extends HandledMethod> = (params: EngineParams<M>, context: HandlerContext) => Promise<EngineResult<M>>;

/** One handler per method. A handler imports its operation when it is first called, so that the engine starts fast and without ONNX Runtime. */
export type HandlerTable = { readonly [M in HandledMethod]: Handler<M> };

const notAvailable = (method: HandledMethod) => async (): Promise<never> => {
  throw failure('engine/not-available', { method });
};

export const handlers: HandlerTable = {
  'engine/status': notAvailable('engine/status'),
  'checkpoint/inspect': notAvailable('checkpoint/inspect'),
  'checkpoint/describe': notAvailable('checkpoint/describe'),
  'checkpoint/find': notAvailable('checkpoint/find'),
  'analysis/run': notAvailable('analysis/run'),
  'analysis/picture': notAvailable('analysis/picture'),
  'analysis/tile': notAvailable('analysis/tile'),
  'analysis/expert': notAvailable('analysis/expert'),
  'analysis/ablation': notAvailable('analysis/ablation'),
  'analysis/html': notAvailable('analysis/html'),
  'tensors/statistics': notAvailable('tensors/statistics'),
  'tensors/tile': notAvailable('tensors/tile'),
  'store/clear': notAvailable('store/clear'),
  'store/usage': notAvailable('store/usage'),
};
