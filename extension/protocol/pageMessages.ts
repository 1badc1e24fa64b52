import type { AnalysisDocument, AnalysisHead, InspectDocument, LayerResult } from './documents';
import type { MergePageState, RecipeWish } from './mergePage';
import type { AnalyzeOptions, EngineMethod, EngineParams, EngineResult } from './engineRpc';
import type { ErrorRecord } from './errors';
import type { Progress } from './progress';
import type { RoutingResult, RoutingSelection, RoutingSummary, WhatIf } from './routing';
import type { LayerRule, TransferMethodName } from './transfer';
import type { TransferChoice, TransferPageState } from './transferPage';

/** Engine methods that a page may call through the host; the host fills in paths and keys that pages must not choose. */
export const PAGE_METHODS = ['analysis/picture', 'analysis/tile', 'analysis/expert', 'analysis/ablation', 'tensors/statistics', 'tensors/tile', 'routing/slice', 'routing/trained', 'routing/compare', 'routing/library', 'routing/libraryOverlaps'] as const satisfies readonly EngineMethod[];
export type PageMethod = (typeof PAGE_METHODS)[number];

export type RunState = 'starting' | 'running' | 'done' | 'cancelled' | 'failed';

/** Host to page. */
export type HostMessage =
  | { readonly type: 'analysis/state'; readonly state: RunState; readonly name: string; readonly head: AnalysisHead | null; readonly layers: readonly LayerResult[]; readonly document: AnalysisDocument | null; readonly error: ErrorRecord | null; readonly selection: { readonly layer?: number; readonly expert?: number } | null }
  | { readonly type: 'analysis/layer'; readonly layer: LayerResult }
  | { readonly type: 'analysis/progress'; readonly progress: Progress }
  | { readonly type: 'tensors/state'; readonly document: InspectDocument | null; readonly error: ErrorRecord | null }
  /** `texts`: the records' texts; `source`: what the editor calls the document; `modules`: folder of adapters that `routing/library` describes, null without; `staleTokens`: tokens `[from, to)` of the result that the text has left behind, null where that cannot be told. Positions of what is shown stay while `state` is running. */
  | { readonly type: 'routing/state'; readonly state: RunState; readonly source: string; readonly model: string; readonly result: RoutingResult | null; readonly summary: RoutingSummary | null; readonly texts: readonly string[]; readonly modules?: string | null; readonly stale: boolean; readonly staleTokens?: readonly (readonly [number, number])[] | null; readonly error: ErrorRecord | null }
  | { readonly type: 'routing/selection'; readonly selection: RoutingSelection }
  | { readonly type: 'transfer/state'; readonly state: TransferPageState }
  | { readonly type: 'merge/state'; readonly state: MergePageState }
  | { readonly type: 'reply'; readonly id: number; readonly result?: unknown; readonly error?: ErrorRecord }
  | { readonly type: 'reveal'; readonly layer?: number; readonly expert?: number };

/** Page to host. */
export type PageMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'call'; readonly id: number; readonly method: PageMethod; readonly params: unknown }
  | { readonly type: 'cancelCall'; readonly id: number }
  | { readonly type: 'run'; readonly options: AnalyzeOptions | null }
  | { readonly type: 'cancelRun' }
  | { readonly type: 'chooseProbe' }
  | { readonly type: 'chooseOptions' }
  | { readonly type: 'showLog' }
  | { readonly type: 'openTensors'; readonly name?: string }
  | { readonly type: 'analyze' }
  | { readonly type: 'select'; readonly layer: number; readonly expert: number | null }
  /** The page made a file's content (PNG as base64, SVG, CSV, JSON); the host asks where to and writes it. */
  | { readonly type: 'save'; readonly suggestedName: string; readonly content: string; readonly encoding: 'utf8' | 'base64' }
  /** The engine makes the standalone report; the host asks where to. */
  | { readonly type: 'saveReport' }
  | { readonly type: 'routing/select'; readonly selection: RoutingSelection }
  /** Show the token in the editor. */
  | { readonly type: 'routing/reveal'; readonly token: number }
  /** Change something on purpose, or nothing any more; the trace comes by `routing/state`, its head says so. */
  | { readonly type: 'routing/whatIf'; readonly whatIf: WhatIf | null }
  /** Ask for another router, model or set of layers. */
  | { readonly type: 'routing/choose' }
  /** Let the user pick another module, base, text or folder; the plan is made again. */
  | { readonly type: 'transfer/choose'; readonly what: TransferChoice }
  | { readonly type: 'transfer/set'; readonly method?: TransferMethodName; readonly layers?: LayerRule }
  /** From the report back to the plan, to run with other choices. */
  | { readonly type: 'transfer/replan' }
  /** Pick texts of the task and run again with them. */
  | { readonly type: 'transfer/evaluate' }
  | { readonly type: 'transfer/openModule' }
  /** Show a row of the data file in an editor. */
  | { readonly type: 'transfer/reveal'; readonly row: number }
  /** Let the user pick the base, or other models. */
  | { readonly type: 'merge/choose'; readonly what: 'base' | 'models' }
  /** Write a recipe for what is compared and open it in an editor. */
  | { readonly type: 'merge/write'; readonly wish: RecipeWish }
  /** Merge by the recipe that the page belongs to. */
  | { readonly type: 'merge/merge' }
  | { readonly type: 'copy'; readonly text: string }
  | { readonly type: 'fault'; readonly message: string };

export type CallParams<M extends PageMethod> = EngineParams<M>;
export type CallResult<M extends PageMethod> = EngineResult<M>;
