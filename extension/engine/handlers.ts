import path from 'node:path';
import type { EngineMethod, EngineParams, EngineResult } from '../protocol/engineRpc';
import type { HandlerContext } from './context';
import { runtimeHost } from './runtimeHost';

/** The server answers the greeting itself; every other method has a handler. */
export type HandledMethod = Exclude<EngineMethod, 'engine/hello'>;

export type Handler<M extends HandledMethod> = (params: EngineParams<M>, context: HandlerContext) => Promise<EngineResult<M>>;

/** One handler per method. A handler imports its operation when it is first called, so that the engine starts fast and without ONNX Runtime. */
export type HandlerTable = { readonly [M in HandledMethod]: Handler<M> };

/** Lets batch work stand back while someone waits in front of a picture. */
const interactive = <T>(context: HandlerContext, work: () => Promise<T>): Promise<T> => (context.interactive ? runtimeHost.scheduler.asInteractive(work) : work());
const store = async (context: HandlerContext) => new (await import('../store/resultStore')).ResultStore(path.join(context.settings.cacheDir, 'results'), context.settings.cacheBytes);

export const handlers: HandlerTable = {
  'engine/status': async (params, context) => (await import('./operations/engineStatus')).run(params, context),
  'checkpoint/inspect': async (params, context) => (await import('./operations/inspect')).run(params, context),
  'checkpoint/describe': async (params, context) => (await import('./operations/checkpoints')).describe(params, context),
  'checkpoint/find': async (params) => [...(await (await import('../checkpoint/findCheckpoints')).findCheckpoints(params.folders, { huggingFaceCache: params.huggingFaceCache }))],
  'analysis/run': async ({ run, path: target, options }, context) => {
    const { run: analyze } = await import('./operations/analyze');
    return analyze({ path: target, options }, context, {
      started: (head) => { context.notify('analysis/started', { run, head }); context.notify('engine/device', { used: head.device.used, reason: head.device.reason ?? '' }); },
      layer: (layer) => { context.notify('analysis/layer', { run, layer }); },
    });
  },
  'analysis/picture': async (params, context) => interactive(context, async () => (await import('./operations/analysisViews')).picture(params, context)),
  'analysis/tile': async (params, context) => interactive(context, async () => (await import('./operations/analysisViews')).tile(params, context)),
  'analysis/expert': async (params, context) => interactive(context, async () => (await import('./operations/analysisViews')).expert(params, context)),
  'analysis/ablation': async (params, context) => (await import('./operations/analysisViews')).ablation(params, context),
  'analysis/html': async (params, context) => (await import('./operations/analysisViews')).html(params, context),
  'routing/run': async (params, context) => interactive(context, async () => (await import('./operations/route')).run(params, context)),
  'routing/update': async (params, context) => interactive(context, async () => (await import('./operations/route')).update(params, context)),
  'routing/slice': async (params) => (await import('./operations/route')).slice(params),
  'routing/summary': async (params, context) => (await import('./operations/route')).summary(params, context),
  'routing/trained': async (params, context) => (await import('./operations/route')).trained(params, context),
  'routing/describe': async (params, context) => (await import('./operations/describeRouting')).run(params, context),
  'routing/compare': async (params, context) => interactive(context, async () => (await import('./operations/compareRouting')).run(params, context)),
  'routing/library': async (params, context) => (await import('./operations/libraryFacts')).run(params, context),
  'routing/libraryOverlaps': async (params, context) => (await import('./operations/libraryFacts')).overlaps(params, context),
  'tensors/statistics': async (params, context) => (await import('./operations/tensors')).statistics(params, context),
  'tensors/tile': async (params, context) => interactive(context, async () => (await import('./operations/tensors')).tile(params, context)),
  'store/clear': async (_params, context) => (await store(context)).clear(),
  'store/usage': async (_params, context) => (await store(context)).usage(),
};
