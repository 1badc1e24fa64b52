import type { AblationDetail, AnalysisDocument, AnalysisHead, DeviceChoice, DeviceName, ExpertDetail, HeatmapTile, InspectDocument, LayerPicture, LayerResult, ModelFacts, PartitionMethod, TensorStatistics, TensorTile } from './documents';
import type { ErrorRecord } from './errors';
import type { CheckedRecipe, MergeDocument, MergeMethodFacts, MergeOptions, MergePlanDocument } from './merge';
import type { MergeInspectDocument, MergeInspectRequest } from './mergeInspect';
import type { Progress } from './progress';
import type { LibraryFacts, LibraryOverlaps, LibraryRequest } from './routingLibrary';
import type { RoutableKind, RouteRequest, RouterName, RoutingComparisonResult, RoutingResult, RoutingSlice, RoutingSummary, RoutingVariant, TrainedVersusKeys } from './routing';
import type { TransferDocument, TransferPlan, TransferRequest } from './transfer';

export interface AnalyzeOptions {
  /** .txt or .jsonl; undefined = the default probe set. */
  readonly probe?: string;
  /** Never probe, even when there is a tokenizer. */
  readonly weightsOnly?: boolean;
  readonly method?: PartitionMethod;
  readonly experts?: number;
  readonly topK?: number;
  /** Zero-based, inclusive: "0-5,11". */
  readonly layers?: string;
  readonly seed?: number;
  readonly device?: DeviceChoice;
  readonly threads?: number;
  /** Measure the loss without each layer's experts, against matched random groups. */
  readonly ablation?: boolean;
  /** Layer to finish first (what the user looks at). */
  readonly firstLayer?: number;
}

export interface DeviceInfo {
  readonly name: DeviceName;
  readonly available: boolean;
  /** Measured speed relative to the CPU (1 = equal); null when not measured. */
  readonly speed: number | null;
  readonly note: string;
}

export interface EngineStatus {
  readonly build: string;
  readonly pid: number;
  readonly node: string;
  readonly ort: string | null;
  /** Why ONNX Runtime cannot be used here; null when it can. */
  readonly ortError: string | null;
  readonly devices: readonly DeviceInfo[];
  readonly chosen: DeviceName | null;
}

/** A request of the host to the engine by method name. Each value is `[params, result]`. */
export interface EngineRequests {
  'engine/hello': [{ build: string; cacheDir: string; cacheBytes: number; threads?: number; device?: DeviceChoice }, { build: string; pid: number }];
  'engine/status': [Record<string, never>, EngineStatus];
  'checkpoint/inspect': [{ path: string }, InspectDocument];
  /** Cheap facts of many places, for trees; a place that cannot be read gives its error. */
  'checkpoint/describe': [{ paths: string[] }, ({ path: string; facts: ModelFacts | null; module: ModuleFacts | null; error: ErrorRecord | null })[]];
  /** Checkpoints and PEFT folders in these folders (depth-limited) and, if asked, in the local Hugging Face cache. */
  'checkpoint/find': [{ folders: string[]; huggingFaceCache: boolean }, FoundCheckpoint[]];
  /** Runs or reopens an analysis; layers arrive as `analysis/layer` notifications while it runs. */
  'analysis/run': [{ run: string; path: string; options: AnalyzeOptions }, AnalysisDocument];
  'analysis/picture': [{ key: string; layer: number }, LayerPicture];
  'analysis/tile': [{ key: string; layer: number; kind: 'excess' | 'raw'; rows: readonly [number, number]; columns: readonly [number, number]; width: number; height: number }, HeatmapTile];
  'analysis/expert': [{ key: string; layer: number; expert: number }, ExpertDetail];
  'analysis/ablation': [{ run: string; key: string; layer: number; expert: number }, AblationDetail];
  'analysis/html': [{ key: string; out: string }, { file: string }];
  /** Routes texts; the engine keeps the trace under the key it gives back, the last few of them. */
  'routing/run': [{ run: string; request: RouteRequest }, RoutingResult];
  /**
   * Routes one text again after an edit: what a causal model computed for an unchanged beginning is used again. `session` names the text
   * (a document's block); its earlier trace is replaced.
   */
  'routing/update': [{ session: string; request: RouteRequest }, RoutingResult];
  /** Numbers of some sites of a kept trace, from `firstToken` on; fails with `routing/gone` when it is kept no more. */
  'routing/slice': [{ key: string; from: number; to: number; firstToken?: number }, RoutingSlice];
  'routing/summary': [{ key: string }, RoutingSummary];
  /** Whether the model's own router looks like avg-k, on the texts of a kept trace; reads every expert's gate. */
  'routing/trained': [{ key: string }, { sites: readonly TrainedVersusKeys[] }];
  /**
   * Two routers on the same tokens: a kept trace against another kept one (`other`), or against another router (`with`), which is run for it.
   * `modules`: folder of adapters for `with`, instead of the first trace's.
   */
  'routing/compare': [{ key: string; other?: string; with?: RoutingVariant; modules?: string }, RoutingComparisonResult];
  /** What a folder of adapters or a checkpoint offers to route with; `modules`: the folder of adapters that was found, there or beside the checkpoint. */
  'routing/describe': [{ path: string }, { kinds: RoutableKind[]; routers: { name: RouterName; title: string; says: string; available: boolean; why?: string; modules?: string }[] }];
  /** What the weights of a folder of adapters say, compared pair by pair and in groups; no text is run. */
  'routing/library': [LibraryRequest, LibraryFacts];
  /** How the adapters lie to each other at one linear map (a `sites[].id` of `routing/library`). */
  'routing/libraryOverlaps': [LibraryRequest & { site: string }, LibraryOverlaps];
  /** Every merge method with its formula and parameters; never changes. */
  'merge/methods': [Record<string, never>, readonly MergeMethodFacts[]];
  /** Checks a recipe's text without opening a model; where `file` is given, also whether its models are found. */
  'merge/check': [{ text: string; file?: string; folders?: readonly string[] }, CheckedRecipe];
  /** What a merge would do: opens every model, reads headers only. With `path`, whether the result may be written there. */
  'merge/plan': [{ text: string; file: string; folders?: readonly string[]; path?: string; options?: MergeOptions }, MergePlanDocument];
  /** How checkpoints, or modules, lie to each other before they are merged; reads their weights, writes nothing. */
  'merge/inspect': [{ run: string; request: MergeInspectRequest }, MergeInspectDocument];
  /** Merges into the folder `path`. What an interrupted run had finished is not done again. */
  'merge/run': [{ run: string; text: string; file: string; path: string; data?: string; options?: MergeOptions }, MergeDocument];
  /** What a transfer would do; runs nothing. */
  'transfer/plan': [{ request: TransferRequest }, TransferPlan];
  /** Carries a module and writes it to the folder `path`, which appears whole or not at all. */
  'transfer/run': [{ run: string; request: TransferRequest; path: string; overwrite?: boolean }, TransferDocument];
  /** Writes the report of a finished transfer. */
  'transfer/html': [{ document: TransferDocument; out: string }, { file: string }];
  'tensors/statistics': [{ path: string; names: string[] }, TensorStatistics[]];
  'tensors/tile': [{ path: string; name: string; leading: number[]; width: number; height: number }, TensorTile];
  'store/clear': [Record<string, never>, { bytes: number }];
  'store/usage': [Record<string, never>, { bytes: number; results: number }];
}
export type EngineMethod = keyof EngineRequests;
export type EngineParams<M extends EngineMethod> = EngineRequests[M][0];
export type EngineResult<M extends EngineMethod> = EngineRequests[M][1];

/** What the engine tells without being asked. `run` is the id that the request carried. */
export interface EngineNotifications {
  'run/progress': { run: string; progress: Progress };
  'analysis/started': { run: string; head: AnalysisHead };
  'analysis/layer': { run: string; layer: LayerResult };
  'engine/log': { level: 'info' | 'warn' | 'error'; text: string };
  'engine/device': { used: DeviceName | null; reason: string };
}

export interface ModuleFacts {
  readonly path: string;
  readonly kind: string;
  readonly base: string | null;
  readonly parameters: number;
  readonly rank: number | null;
  readonly sites: number;
  /** Whether Modulens can run it today; otherwise why not. */
  readonly cannotRun?: string;
}

export interface FoundCheckpoint {
  readonly path: string;
  readonly name: string;
  readonly kind: 'checkpoint' | 'module';
  readonly source: 'folder' | 'huggingFaceCache';
}

/** JSON-RPC error code under which an `ErrorRecord` travels in `error.data`. */
export const RPC_FAILURE = -32050;
