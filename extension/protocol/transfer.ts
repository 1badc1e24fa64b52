import type { DeviceChoice, DeviceUse, DocumentHead, EvaluationRun, ModelFacts, Notice } from './documents';
import type { Score } from './score';

/** Ways to carry a module to another base; each is one file in `transfer/methods`. */
export const TRANSFER_METHODS = ['activation-transport', 'seed-fixed', 'seed-exact', 'skip', 'average', 'average-as-released', 'copy'] as const;
export type TransferMethodName = (typeof TRANSFER_METHODS)[number];

/** Which source layer a target layer takes: the paper's every k-th, proportional depth, or the monotone alignment by CKA. */
export const LAYER_RULES = ['paper', 'proportional', 'cka'] as const;
export type LayerRule = (typeof LAYER_RULES)[number];

/** `no-verdict`: nothing was measured, because there was no data to measure on. */
export const VERDICTS = ['helps', 'no-evidence', 'hurts', 'no-verdict'] as const;
export type TransferVerdict = (typeof VERDICTS)[number];

/** How one side of a site was mapped. `identity`: nothing was fitted. `permutation`: units of the source moved, signs kept. */
export type MapKind = 'procrustes' | 'ridge' | 'assignment' | 'signed-assignment' | 'permutation' | 'identity';

/** What to carry where, and how to prove it. */
export interface TransferRequest {
  /** Folder of the module. */
  readonly module: string;
  /** Checkpoint that the module was trained on, and the one it goes to. */
  readonly from: string;
  readonly to: string;
  readonly method: TransferMethodName;
  readonly layers?: LayerRule;
  /** Texts without labels that both bases read; undefined = the default probe set. */
  readonly probe?: string;
  /** Most paired tokens that maps are fitted on. */
  readonly tokens?: number;
  /** Texts (and labels) of the task; without them there is no verdict. */
  readonly data?: string;
  readonly seed?: number;
  readonly device?: DeviceChoice;
}

export interface TransferModuleFacts {
  readonly name: string;
  readonly path: string;
  /** `lora`, `ia3`, ... */
  readonly kind: string;
  /** What adapter_config.json calls its base. */
  readonly base: string | null;
  readonly rank: number | null;
  readonly sites: number;
  readonly parameters: number;
}

/** A pair of layers of the two bases. */
export interface LayerPair {
  /** Target layer, and the source layer whose part it takes; null: it takes none. */
  readonly to: number;
  readonly from: number | null;
  /** Share of the module's squared update norm that the source layer holds. */
  readonly share: number;
  /** Likeness of the two layers' inputs on held-out tokens, null = shuffled pairs; null before anything was run. */
  readonly cka: Score | null;
}

/** Which source head each target head takes, at one target layer. */
export interface HeadPairs {
  readonly layer: number;
  readonly part: 'q' | 'kv';
  /** One per target head; null: it takes none. */
  readonly from: readonly (number | null)[];
  /** Fit of each pair in [0, 1], and what the best assignment reaches on shuffled tokens. */
  readonly score: readonly number[];
  readonly nullScore: number;
}

/** A part that will not arrive. */
export interface DroppedPart {
  /** Site or tensor of the source. */
  readonly name: string;
  /** In words, ready to be shown. */
  readonly reason: string;
  /** Share of the module's squared update norm. */
  readonly share: number;
}

/** What a transfer would do, before any compute. */
export interface TransferPlan {
  readonly module: TransferModuleFacts;
  readonly from: ModelFacts;
  readonly to: ModelFacts;
  readonly method: TransferMethodName;
  readonly methodTitle: string;
  /** What the method does, in one sentence. */
  readonly methodSays: string;
  readonly layerRule: LayerRule;
  /** `identical`: same weights, so the module is copied. `lineage`: same shapes and alike weights. */
  readonly relation: 'identical' | 'lineage' | 'same-shapes' | 'different';
  /** Mean cosine of the two bases' weights at the module's sites, where shapes are equal. */
  readonly weightCosine: number | null;
  /** Provisional where the rule needs activations (`provisionalLayers`). */
  readonly layers: readonly LayerPair[];
  readonly provisionalLayers: boolean;
  readonly sites: readonly PlannedSite[];
  readonly dropped: readonly DroppedPart[];
  /** Heads of source and target: query heads and key/value heads; null where there is no attention part in the module. */
  readonly heads: { readonly from: { readonly q: number; readonly kv: number; readonly width: number }; readonly to: { readonly q: number; readonly kv: number; readonly width: number } } | null;
  readonly probe: { readonly name: string; readonly texts: number } | null;
  readonly data: { readonly name: string; readonly rows: number } | null;
  /** Rough guess of what running it takes. */
  readonly estimate: { readonly seconds: number; readonly bytes: number };
  readonly warnings: readonly Notice[];
}

export interface PlannedSite {
  /** Site of the target and of the source: `blocks.3.attention.q`. */
  readonly name: string;
  readonly from: string;
  readonly rank: number;
  /** Widths of the source and of the target map: `[in, out]`. */
  readonly source: readonly [number, number];
  readonly target: readonly [number, number];
  /** How the site will be mapped, in a few words ("by head, ridge or Procrustes"). */
  readonly rule: string;
  /** Share of the module's squared update norm. */
  readonly share: number;
}

/** A site that arrived. */
export interface TransferredSite {
  readonly name: string;
  readonly from: string;
  /** Rank of the update on the target. */
  readonly kept: number;
  /** Share of the source factors' norm that the maps could carry: in times out. */
  readonly coverage: number;
  readonly coverageIn: number;
  readonly coverageOut: number;
  readonly mapIn: MapKind;
  readonly mapOut: MapKind;
  /** Ridge strength relative to the mean variance, where ridge was chosen. */
  readonly rhoIn: number | null;
  readonly rhoOut: number | null;
  /** Held-out share of variance that the maps explain, the worse of both sides, and the same with token pairs shuffled before fitting; null where nothing was fitted. */
  readonly r2: number | null;
  readonly r2Null: number | null;
  readonly r2In: number | null;
  readonly r2Out: number | null;
  /** Scale factors applied on top of the maps. */
  readonly scaleIn: number;
  readonly scaleOut: number;
  /** Frobenius norm of the update relative to that of the weight it changes, on the source and on the target. */
  readonly relativeNormFrom: number;
  readonly relativeNormTo: number;
  /** Paired tokens that maps were fitted on, and those held out. */
  readonly tokens: number;
  readonly heldOut: number;
}

/** Difference of two runs on the same documents, paired. */
export interface PairedDifference {
  readonly run: string;
  readonly against: string;
  /** Nats per token (run minus against), or share of right labels. */
  readonly unit: 'nats per token' | 'accuracy';
  readonly value: number;
  /** 95 % interval from resampled documents. */
  readonly low: number;
  readonly high: number;
  /** Documents. */
  readonly n: number;
  readonly resamples: number;
}

/** A text whose loss changed most, or whose label changed. */
export interface ChangedText {
  /** Index in the data file. */
  readonly row: number;
  readonly text: string;
  readonly label: string | null;
  /** Nats per token without and with the module. */
  readonly before: number;
  readonly after: number;
  readonly direction: 'better' | 'worse';
}

export interface TransferProof {
  /** Strengths tried on one half of the documents, with their loss there; `chosen` is reported on the other half. */
  readonly curve: readonly { readonly alpha: number; readonly lossPerToken: number; readonly accuracy?: number }[];
  readonly chosen: number;
  /** Documents that strength was chosen on, and that everything else is reported on. */
  readonly chooseOn: number;
  readonly reportOn: number;
  /** First the transferred module against the target alone, then against each control; after that each control against the target alone and the source module against the source alone. */
  readonly differences: readonly PairedDifference[];
  /** Share of what the module does on its own base that arrived; `why` when undefined. */
  readonly lift: { readonly value: number | null; readonly low: number | null; readonly high: number | null; readonly measure: 'loss' | 'bits per byte' | 'accuracy'; readonly why?: string };
  /** Loss on texts that have nothing to do with the task (the probe texts), target alone and with the module. */
  readonly damage: { readonly name: string; readonly before: number; readonly after: number; readonly tokens: number } | null;
  readonly changed: readonly ChangedText[];
}

/** `modulens transfer --json`. */
export interface TransferDocument extends DocumentHead {
  readonly kind: 'transfer';
  readonly module: TransferModuleFacts;
  readonly from: ModelFacts;
  readonly to: ModelFacts;
  readonly device: DeviceUse;
  readonly seed: number;
  readonly method: TransferMethodName;
  readonly layerRule: LayerRule;
  readonly relation: TransferPlan['relation'];
  /** Folder that was written, and its files. */
  readonly out: string;
  readonly files: readonly { readonly file: string; readonly bytes: number; readonly sha256: string }[];
  readonly probe: { readonly name: string; readonly texts: number; readonly pairedTokens: number; /** Share of target tokens with a partner. */ readonly keptShare: number; readonly sha256: string } | null;
  readonly layers: readonly LayerPair[];
  readonly heads: readonly HeadPairs[];
  readonly sites: readonly TransferredSite[];
  readonly dropped: readonly DroppedPart[];
  readonly verdict: TransferVerdict;
  /** The answer in one sentence, made from the numbers below. */
  readonly sentence: string;
  readonly data: { readonly file: string; readonly documents: number; readonly sha256: string } | null;
  /** Target alone (`base`), with the transferred module (`transferred`), source alone and with its module (`source base`, `source module`). */
  readonly runs: readonly EvaluationRun[];
  /** `naive copy`, `shuffled pairs`, and draws of `moment-matched random` and `norm-matched random` (`... 2`, `... 3`); an impossible one is in `impossible`. */
  readonly controls: readonly EvaluationRun[];
  readonly impossible: readonly { readonly name: string; readonly why: string }[];
  readonly proof: TransferProof | null;
}
