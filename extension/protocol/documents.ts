import type { Score } from './score';

/** Bumped when a field changes its meaning or goes away. */
export const SCHEMA_VERSION = 1;

export const DEVICES = ['auto', 'cpu', 'webgpu', 'cuda', 'dml', 'coreml'] as const;
export type DeviceChoice = (typeof DEVICES)[number];
export type DeviceName = Exclude<DeviceChoice, 'auto'>;

export interface DeviceUse {
  readonly requested: DeviceChoice;
  /** What really ran; null when nothing was run (weights only). */
  readonly used: DeviceName | null;
  /** Why it was chosen, in words. */
  readonly reason?: string;
}

/** A remark that is not a failure ("3 texts were cut to the context of 512 tokens"). */
export interface Notice {
  readonly code: string;
  readonly message: string;
}

/** What every JSON document starts with. */
export interface DocumentHead {
  readonly schemaVersion: number;
  readonly program: { readonly name: 'modulens'; readonly version: string };
  readonly warnings: readonly Notice[];
  /** Seconds by stage. */
  readonly timings: Readonly<Record<string, number>>;
}

/** A typed array in JSON. Non-finite numbers are null with a sibling `why`. */
export interface JsonArray {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | null)[];
  readonly why?: string;
}

// ---------------------------------------------------------------- inspect

export interface TensorEntry {
  readonly name: string;
  /** As safetensors spells it: F32, BF16, I64, ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Relative to the checkpoint's folder. */
  readonly file: string;
  readonly bytes: number;
}

/** Facts about a checkpoint that need its headers only. */
export interface ModelFacts {
  readonly name: string;
  readonly path: string;
  readonly fingerprint: string;
  /** config.json's `model_type`; null if unknown. */
  readonly family: string | null;
  /** Name of our architecture file; null when the family is not known to us. */
  readonly architecture: string | null;
  readonly format: 'safetensors' | 'pytorch' | 'onnx';
  /** Elements in the files. */
  readonly parameters: number;
  readonly bytes: number;
  /** Dtype that most elements have. */
  readonly dtype: string;
  readonly layers: number | null;
  readonly dModel: number | null;
  /** Neurons of a dense FFN, or of one expert where no layer is dense. */
  readonly dFf: number | null;
  /** Layers that hold experts in the place of one FFN: how many, experts in each, how many a token uses, neurons of one and of the shared one (null: unknown, or none shared). */
  readonly mixture?: { readonly layers: number; readonly experts: number; readonly perToken: number | null; readonly width: number | null; readonly shared: number | null };
  readonly heads: number | null;
  readonly vocabulary: number | null;
  readonly context: number | null;
  readonly activation: string | null;
  /** True when a tokenizer can be read from the folder. */
  readonly tokenizer: boolean;
  /** Taps and forward passes possible; false with `cannotRun` saying why. */
  readonly runnable: boolean;
  readonly cannotRun?: string;
}

export interface InspectDocument extends DocumentHead, ModelFacts {
  readonly kind: 'inspect';
  readonly sha256?: string;
  readonly tensors: readonly TensorEntry[];
  /** Tensors that no role of the family claims. */
  readonly leftOver: readonly string[];
}

// ---------------------------------------------------------------- analyze

/** How neurons are grouped. The last two are controls: groups that nothing was learnt for, scored on text like the others. */
export const PARTITION_METHODS = ['keys', 'coactivation', 'random', 'contiguous'] as const;
export type PartitionMethod = (typeof PARTITION_METHODS)[number];

/** The method in a sentence: "16 experts a layer, by keys". */
export const METHOD_WORDS: Readonly<Record<PartitionMethod, string>> = { keys: 'by keys', coactivation: 'by co-activation', random: 'at random (control)', contiguous: 'in index order (control)' };

/** Whether a method is a control. */
export function isControl(method: PartitionMethod): boolean {
  return method === 'random' || method === 'contiguous';
}

export interface ProbeFacts {
  /** "default" or the file's name. */
  readonly name: string;
  readonly texts: number;
  readonly tokens: number;
  /** Tokens on which partitions were made, and on which they were scored. */
  readonly splitTokens: number;
  readonly scoreTokens: number;
  /** First tokens of sequences and attention sinks, left out of the statistics. */
  readonly droppedTokens: number;
  readonly sha256: string;
  readonly labels: readonly string[];
  /** Scored tokens per label, same order. */
  readonly tokensPerLabel: readonly number[];
}

export interface PartitionRecord {
  readonly method: PartitionMethod;
  readonly experts: number;
  readonly sizes: readonly number[];
  /** One integer per neuron; experts are numbered by their lowest neuron. */
  readonly labels: readonly number[];
  /** Sum of squared distances of unit-norm keys to their centroid. */
  readonly inertia: number;
}

/** Scores of a layer, in the order in which pages show them. */
export const LAYER_SCORES = {
  stability: { title: 'Seed stability', short: 'Stability', needsText: false },
  compactness: { title: 'Key compactness', short: 'Compact', needsText: false },
  modularity: { title: 'Held-out Q', short: 'Modularity', needsText: true },
  captured: { title: 'Captured mass', short: 'Captured', needsText: true },
  specialised: { title: 'Specialised experts', short: 'Specialised', needsText: true },
  agreement: { title: 'Methods agree', short: 'Agree', needsText: true },
  errorLeft: { title: 'Reconstruction error', short: 'Error left', needsText: true },
  oracleAgreement: { title: 'Oracle agreement', short: 'Oracle', needsText: true },
  ablation: { title: 'Ablation effect', short: 'Ablation', needsText: true },
} as const;
export type LayerScoreName = keyof typeof LAYER_SCORES;

export interface LayerResult {
  readonly index: number;
  readonly partition: PartitionRecord;
  readonly scores: Readonly<Partial<Record<LayerScoreName, Score>>>;
  readonly notSeenActive: number | null;
  readonly resident: number | null;
  /** Experts enriched for some label at q < 0.05. */
  readonly specialised: number | null;
}

export interface AnalysisHead {
  /** Key of the results in the store; pictures and details are asked for with it. */
  readonly key: string;
  readonly model: ModelFacts;
  readonly device: DeviceUse;
  readonly seed: number;
  readonly method: PartitionMethod;
  readonly experts: number;
  readonly topK: number;
  /** Null: weights only. `probeMissing` says why and what to do. */
  readonly probe: ProbeFacts | null;
  readonly probeMissing?: string;
  /** Layers that this run covers, in order. */
  readonly layerIndices: readonly number[];
  readonly nullNote: string;
}

export interface AnalysisDocument extends DocumentHead, AnalysisHead {
  readonly kind: 'analyze';
  readonly layers: readonly LayerResult[];
  /** One sentence: how many layers hold experts that chance does not explain. */
  readonly finding: string;
}

// ---------------------------------------------------------------- pictures of a layer (binary, host and pages only)

/** Everything that the picture column of a layer needs. Matrices are row-major. */
export interface LayerPicture {
  readonly index: number;
  readonly experts: number;
  readonly sizes: Int32Array;
  /** 'coactivation' with a probe, else 'keySimilarity'. */
  readonly kind: 'coactivation' | 'keySimilarity';
  /** Share of activation mass per expert `[E]` (sums to 1); empty without a probe. */
  readonly mass: Float32Array;
  /** 95 % null band of a share (random experts of equal size). */
  readonly massBand: readonly [number, number] | null;
  /** Index into `labels` of the head, or -1 where nothing is above chance `[E]`. */
  readonly dominant: Int16Array;
  /** Mean pairwise co-activation (correlation of neuron activity, or cosine of keys) between experts `[E, E]`, and the same minus its null. */
  readonly raw: Float32Array;
  readonly excess: Float32Array;
  /** Half width of the null's 95 % band for an off-diagonal entry of `excess`. */
  readonly excessBand: number;
  readonly nullDraws: number;
  /** log2 fold of expert x label `[E, labels]`, -Infinity where no neuron of the expert answers to the label, and its Benjamini-Hochberg q-values; empty without labels. */
  readonly fold: Float32Array;
  readonly q: Float32Array;
  /** Cosine of router rows minus null `[E, E]` and the half width of its null band. */
  readonly router: Float32Array;
  readonly routerBand: number;
}

/** A part of the neuron x neuron map, neurons ordered by expert, inside an expert by mass. */
export interface HeatmapTile {
  readonly layer: number;
  readonly kind: 'excess' | 'raw';
  /** Rows and columns of the ordered map that the tile covers: [from, to). */
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
  readonly width: number;
  readonly height: number;
  /** `[height, width]`, means over the neurons that a cell covers. */
  readonly data: Float32Array;
  /** Colour scale's end; the same for every tile of a layer and kind. */
  readonly limit: number;
  /** Neuron ids of the ordered map, only in tiles that show single neurons. */
  readonly rowNeurons?: Int32Array;
  readonly columnNeurons?: Int32Array;
}

export interface TokenInContext {
  readonly before: string;
  readonly token: string;
  readonly after: string;
  readonly activation: number;
  readonly label: string | null;
}

export interface ExpertDetail {
  readonly layer: number;
  readonly expert: number;
  /** Share of the layer's activation mass, null = experts of the same size drawn at random. */
  readonly mass: Score | null;
  readonly byLabel: readonly { readonly label: string; readonly enrichment: Score; readonly q: number }[];
  readonly topTokens: readonly TokenInContext[];
  readonly logitEffect: {
    readonly up: readonly { readonly token: string; readonly value: number }[];
    readonly down: readonly { readonly token: string; readonly value: number }[];
    /** Largest effect that 95 % of matched random groups reach. */
    readonly nullBand: number;
    readonly nullDraws: number;
    readonly n: number;
  } | null;
  readonly logitMissing?: string;
  /** Neuron ids by falling output norm, their norms, and the band of random groups at the same rank. */
  readonly neurons: { readonly ids: Int32Array; readonly norms: Float32Array; readonly nullLow: Float32Array; readonly nullHigh: Float32Array; readonly notSeenActive: number; readonly resident: number; readonly normOf: 'output' | 'key'; readonly nullDraws: number };
  readonly routerRow: { readonly cosine: Float32Array; readonly nullLow: number; readonly nullHigh: number; readonly nullDraws: number };
  readonly oracleAgreement: Score | null;
}

/** What happens to the loss when an expert is silenced, per label, against random groups of the same layer and norm. */
export interface AblationDetail {
  readonly layer: number;
  readonly expert: number;
  readonly overall: Score;
  readonly byLabel: readonly { readonly label: string; readonly effect: Score }[];
}

// ---------------------------------------------------------------- tensors page

export interface TensorStatistics {
  readonly name: string;
  readonly elements: number;
  readonly mean: number | null;
  readonly sd: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly zeros: number;
  readonly nan: number;
  readonly infinite: number;
  readonly l2: number | null;
  readonly kurtosis: number | null;
  /** Counts of finite non-zero values in equal bins between min and max. */
  readonly histogram: { readonly from: number; readonly to: number; readonly counts: Float64Array };
}

export interface TensorTile {
  readonly name: string;
  readonly shape: readonly number[];
  readonly width: number;
  readonly height: number;
  /** Per cell the value of largest magnitude (a mean would hide outliers) `[height, width]`; NaN where a NaN lies. */
  readonly data: Float32Array;
  readonly rowNorms: Float32Array;
  readonly columnNorms: Float32Array;
  /** Null band of the norms: the same values shuffled in the tensor. */
  readonly rowBand: readonly [number, number];
  readonly columnBand: readonly [number, number];
  readonly nullDraws: number;
  /** First places of values that are not finite: [row, column]. */
  readonly notFinite: readonly (readonly [number, number])[];
}

// ---------------------------------------------------------------- evaluate

export interface EvaluationRun {
  readonly name: string;
  readonly modules: readonly string[];
  readonly tokens: number;
  readonly lossPerToken: number;
  readonly bitsPerByte: number;
  /** With labels in the file: share of labelled rows whose label is the likeliest per character. */
  readonly accuracy?: number;
  /** Labelled rows, labels to choose between, and the share that always answering the most frequent one would reach. */
  readonly accuracyRows?: number;
  readonly labels?: number;
  readonly majorityShare?: number;
}

export interface EvaluateDocument extends DocumentHead {
  readonly kind: 'evaluate';
  readonly model: ModelFacts;
  readonly device: DeviceUse;
  readonly seed: number;
  readonly data: { readonly file: string; readonly documents: number; readonly skipped: number; readonly sha256: string };
  readonly runs: readonly EvaluationRun[];
  readonly controls: readonly EvaluationRun[];
  /** Losses are pseudo-likelihoods of a masked model. */
  readonly pseudo?: boolean;
}

export interface ProbeDocument extends DocumentHead {
  readonly kind: 'probe';
  readonly model: ModelFacts;
  readonly device: DeviceUse;
  readonly out: string;
  readonly taps: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly texts: number;
  readonly tokens: number;
}
