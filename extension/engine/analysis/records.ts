import type { AblationDetail, AnalysisHead, LayerResult, Notice } from '../../protocol/documents';
import type { Score } from '../../protocol/score';
import type { ResultStore } from '../../store/resultStore';

/** What the weights-only stage keeps of a layer. */
export interface WeightsRecord {
  readonly index: number;
  /** Partition of the keys `[d_ff]`, and its inertia. */
  readonly labels: Int32Array;
  readonly inertia: number;
  readonly stability: Score;
  readonly compactness: Score;
  /** Length of what each neuron writes `[d_ff]`; the key's length where values are unknown. */
  readonly norms: Float32Array;
  readonly normOf: 'output' | 'key';
  /** Key similarity between experts beside random partitions `[E, E]`. */
  readonly similarity: MatrixRecord;
  readonly router: RouterRecord;
}

export interface MatrixRecord {
  readonly raw: Float32Array;
  readonly excess: Float32Array;
  readonly excessBand: number;
  readonly nullDraws: number;
}

export interface RouterRecord {
  readonly cosine: Float32Array;
  readonly nullMean: number;
  readonly nullBand: number;
  readonly nullLow: number;
  readonly nullHigh: number;
  readonly nullDraws: number;
}

/** What the probe stage keeps of a layer. */
export interface ProbeRecord {
  readonly index: number;
  /** The partition that was scored: the keys' one, or the co-activation split `[d_ff]`. */
  readonly labels: Int32Array;
  readonly inertia: number;
  readonly result: LayerResult;
  readonly mass: Float32Array;
  readonly massBand: readonly [number, number];
  readonly massScores: readonly Score[];
  readonly matrix: MatrixRecord;
  readonly router: RouterRecord;
  readonly dominant: Int16Array;
  readonly fold: Float32Array;
  readonly q: Float32Array;
  /** Label selectivity of neurons `[labels, d_ff]` and how many are listed per label. */
  readonly selectivity: Float32Array;
  readonly listed: number;
  readonly eligible: Uint8Array;
  /** Mean length of what each neuron writes, on the scored half `[d_ff]`. */
  readonly meanOutput: Float32Array;
  readonly notSeenActive: Uint8Array;
  readonly resident: Uint8Array;
  /** Activity on the scored half, one bit per token `[d_ff, ceil(tokens / 8)]`. */
  readonly bits: Uint8Array;
  readonly tokens: number;
  /** Per expert the tokens (rows of the scored half) on which it is most active, and how much `[E, TOP_TOKENS]`; -1 = none. */
  readonly topTokens: Int32Array;
  readonly topActivations: Float32Array;
  /** What each expert writes when it is most active, above its mean `[E, d_model]`; and the same of matched random groups `[E, draws, d_model]`. */
  readonly writes: Float32Array;
  readonly nullWrites: Float32Array;
  readonly writeDraws: number;
  /** Experts that avg-k and the oracle choose for the tokens of the routing sample `[sample, k]`. */
  readonly chosen: Int32Array;
  readonly oracle: Int32Array;
  readonly sample: number;
  /** Mean hidden activation `[d_ff]` over both halves: what an ablated neuron is set to. */
  readonly meanHidden: Float32Array;
}

/** What reopening an analysis needs besides its layers: kept when it starts and again when it ends. */
export interface AnalysisRecord {
  readonly head: AnalysisHead;
  /** Key of the weights-only records, which other probes of the same checkpoint share. */
  readonly weightsKey: string;
  readonly path: string;
  readonly done: boolean;
  readonly warnings: readonly Notice[];
  readonly seconds: number;
  /** Token ids and label names of the scored texts, for contexts. */
  readonly probe: ProbeTexts | null;
}

export interface ProbeTexts {
  readonly sequences: readonly Int32Array[];
  readonly labels: Int32Array;
  readonly half: Uint8Array;
  readonly labelNames: readonly string[];
  /** Sequence and place of each token of the scored half. */
  readonly sequence: Int32Array;
  readonly position: Int32Array;
}

/** Tokens kept per expert. */
export const TOP_TOKENS = 12;

/** The records of analyses in the result store. Every finished layer has its own record, so a run that was cancelled or killed continues. */
export class AnalysisStore {
  constructor(private readonly store: ResultStore) {}

  key(parts: Parameters<ResultStore['key']>[0]): string { return this.store.key(parts); }
  analysis(key: string): Promise<AnalysisRecord | undefined> { return this.store.get(this.store.key(['analysis', key])); }
  weights(key: string, layer: number): Promise<WeightsRecord | undefined> { return this.store.get(this.store.key(['weights', key, layer])); }
  probe(key: string, layer: number): Promise<ProbeRecord | undefined> { return this.store.get(this.store.key(['probe', key, layer])); }
  ablation(key: string, layer: number, expert: number): Promise<AblationDetail | undefined> { return this.store.get(this.store.key(['ablation', key, layer, expert])); }

  /** Each returns why the record could not be kept, or null. */
  putAnalysis(key: string, record: AnalysisRecord): Promise<string | null> { return this.store.put(this.store.key(['analysis', key]), record); }
  putWeights(key: string, record: WeightsRecord): Promise<string | null> { return this.store.put(this.store.key(['weights', key, record.index]), record); }
  putProbe(key: string, record: ProbeRecord): Promise<string | null> { return this.store.put(this.store.key(['probe', key, record.index]), record); }
  putAblation(key: string, detail: AblationDetail): Promise<string | null> { return this.store.put(this.store.key(['ablation', key, detail.layer, detail.expert]), detail); }
}
