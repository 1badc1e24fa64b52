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
  'merge/methods': async () => (await import('./operations/mergeRecipes')).methods(),
  'merge/check': async (params) => (await import('./operations/mergeRecipes')).check(params),
  'merge/plan': async ({ text, file, path: out, folders, options }, context) => (await import('./operations/merge')).plan({ ...options, ...(folders ? { folders } : {}), recipe: file, text, ...(out === undefined ? {} : { out }) }, context),
  'merge/inspect': async ({ request }, context) => (await import('./operations/mergeInspect')).run(request, context),
  'merge/run': async ({ text, file, path: out, data, options }, context) => (await import('./operations/merge')).run({ ...options, recipe: file, text, out, ...(data === undefined ? {} : { data }) }, context),
  'transfer/plan': async (params) => (await import('./operations/transfer')).plan(params),
  'transfer/run': async ({ request, path: out, overwrite }, context) => (await import('./operations/transfer')).run({ request, out, ...(overwrite ? { overwrite } : {}) }, context),
  'transfer/html': async (params) => (await import('./operations/transfer')).html(params),
  'tensors/statistics': async (params, context) => (await import('./operations/tensors')).statistics(params, context),
  'tensors/tile': async (params, context) => interactive(context, async () => (await import('./operations/tensors')).tile(params, context)),
  'store/clear': async (_params, context) => (await store(context)).clear(),
  'store/usage': async (_params, context) => (await store(context)).usage(),
};
