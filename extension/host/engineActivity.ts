import type { EngineMethod } from '../protocol/engineRpc';
import { nameOf } from './paths';

/** Long runs: when the engine dies, they are blamed before the short requests beside them. */
const BATCH: ReadonlySet<EngineMethod> = new Set<EngineMethod>(['analysis/run', 'analysis/ablation', 'analysis/html', 'routing/run', 'merge/run', 'merge/inspect', 'transfer/run']);

/** A request on its way, as far as messages need to know it. */
export interface Activity {
  readonly method: EngineMethod;
  readonly params: unknown;
  /** Step that the engine reported last; empty before the first. */
  stage: string;
}

const WORDS: Readonly<Record<EngineMethod, string>> = {
  'engine/hello': 'starting',
  'engine/status': 'looking at the devices',
  'checkpoint/inspect': 'reading the headers',
  'checkpoint/describe': 'reading headers',
  'checkpoint/find': 'looking for checkpoints',
  'analysis/run': 'analyzing',
  'analysis/picture': 'preparing a picture',
  'analysis/tile': 'preparing a heatmap',
  'analysis/expert': 'describing an expert',
  'analysis/ablation': 'measuring an ablation',
  'analysis/html': 'writing a report',
  'routing/run': 'routing a text',
  'routing/update': 'routing an edited text',
  'routing/slice': 'reading routing weights',
  'routing/summary': 'summing up routing',
  'routing/describe': 'looking for routers',
  'routing/trained': 'comparing a router with its experts',
  'routing/compare': 'comparing two routers',
  'routing/library': 'comparing adapters',
  'routing/libraryOverlaps': 'comparing adapters at one linear map',
  'merge/methods': 'listing merge methods',
  'merge/check': 'checking a recipe',
  'merge/plan': 'planning a merge',
  'merge/inspect': 'comparing models',
  'merge/run': 'merging into',
  'transfer/plan': 'planning a transfer',
  'transfer/run': 'carrying a module into',
  'transfer/html': 'writing a report',
  'tensors/statistics': 'reading tensor statistics',
  'tensors/tile': 'reading a tensor',
  'store/clear': 'clearing the cached results',
  'store/usage': 'counting the cached results',
};

/** "analyzing modulens-sample, layer 5: shuffling tokens" */
export function describeActivity({ method, params, stage }: Activity): string {
  const path = (params as { readonly path?: unknown } | null)?.path;
  const what = typeof path === 'string' ? `${WORDS[method]} ${nameOf(path)}` : WORDS[method];
  return stage ? `${what}, ${stage}` : what;
}

/**
 * Which requests may have brought the engine down. The engine works on one thing at a time but does not say which, so
 * long runs are blamed where there are any, else the oldest request. The others are innocent and are asked again.
 */
export function blamed<A extends Activity>(inFlight: readonly A[]): readonly A[] {
  const batch = inFlight.filter((activity) => BATCH.has(activity.method));
  return batch.length > 0 ? batch : inFlight.slice(0, 1);
}

/** What the engine was doing, in words: the blamed requests, or idling. */
export function describeWork(inFlight: readonly Activity[]): string {
  const work = blamed(inFlight).map(describeActivity);
  return work.length > 0 ? work.join('; ') : 'waiting for work';
}
