import type { MergePlanDocument } from '../../extension/protocol/merge';
import { type InspectPart, type MergeInspectDocument, pairsOf } from '../../extension/protocol/mergeInspect';
import type { MergePageState, MergeStep } from '../../extension/protocol/mergePage';
import type { HostMessage } from '../../extension/protocol/pageMessages';
import type { Progress } from '../../extension/protocol/progress';
import { type Advice, adviceOf } from '../render/mergeAdvice';
import { comparedParts, type DeltaRow, deltaRows, groupSizes, isPairMeasure, type LayerGroup, layerGroups, type Measure, pairMatrices, type PairMatrix, type PartMap, partMap, usualSize } from '../render/mergeData';
import type { Bridge } from '../ui/bridge';
import { FrameChanges } from '../ui/frames';

/** What views hear of. `state`: another step, plan or document; `view`: choices of this page; `layer`: the layer looked at. */
export type Change = 'state' | 'progress' | 'view' | 'layer' | 'size' | 'theme';

/** What survives hiding the page. */
interface Kept {
  /** Layers in a group; null: as fits. */
  readonly size: number | null;
  /** Part of the map of differences; null: all. */
  readonly part: InspectPart | null;
  readonly measure: Measure;
  /** The model or the pair that the map of parts is about. */
  readonly subject: number;
}

/** What the page knows: the host's state, its own choices, the layer under the pointer. */
export class MergeModel {
  readonly #frames = new FrameChanges<Change>();
  readonly #bridge: Bridge;
  #state: MergePageState | null = null;
  #kept: Kept;
  #groups: readonly LayerGroup[] | null = null;
  #matrices: readonly PairMatrix[] | null = null;
  #rows: readonly DeltaRow[] | null = null;
  #map: PartMap | null = null;
  #advice: readonly Advice[] | null = null;
  progress: Progress | null = null;
  layer: number | null = null;
  locked = false;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.#kept = { size: null, part: null, measure: 'cosine', subject: 0, ...bridge.restore<Kept>() };
  }

  get state(): MergePageState | null {
    return this.#state;
  }
  get step(): MergeStep {
    return this.#state?.step ?? 'reading';
  }
  get plan(): MergePlanDocument | null {
    return this.#state?.plan ?? null;
  }
  get document(): MergeInspectDocument | null {
    return this.#state?.document ?? null;
  }
  /** Whether the document has anything that lies in layers or pairs. */
  get hasPairs(): boolean {
    return (this.document?.models.length ?? 0) > 1;
  }

  get sizes(): readonly number[] {
    return groupSizes(this.document?.layers ?? 0);
  }
  get size(): number {
    const { size } = this.#kept;
    return size !== null && this.sizes.includes(size) ? size : usualSize(this.document?.layers ?? 0);
  }
  get groups(): readonly LayerGroup[] {
    return (this.#groups ??= this.document ? layerGroups(this.document.layers, this.size) : []);
  }
  get matrices(): readonly PairMatrix[] {
    return (this.#matrices ??= this.document ? pairMatrices(this.document, this.groups) : []);
  }
  get part(): InspectPart | null {
    return this.#kept.part !== null && this.document && comparedParts(this.document).includes(this.#kept.part) ? this.#kept.part : null;
  }
  get rows(): readonly DeltaRow[] {
    return (this.#rows ??= this.document ? deltaRows(this.document, this.part) : []);
  }
  get measures(): readonly Measure[] {
    const { document } = this;
    if (!document) return [];
    const related = document.base !== null;
    return [...(this.hasPairs ? ['cosine' as const, 'conflict' as const] : []), ...(related ? ['moved' as const, 'lost' as const] : [])];
  }
  get measure(): Measure {
    return this.measures.includes(this.#kept.measure) ? this.#kept.measure : this.measures[0] ?? 'moved';
  }
  get subject(): number {
    const models = this.document?.models.length ?? 0;
    const count = isPairMeasure(this.measure) ? pairsOf(models).length : models;
    return this.#kept.subject < count ? this.#kept.subject : 0;
  }
  get map(): PartMap | null {
    return (this.#map ??= this.document && this.measures.length > 0 && this.document.layers > 0 ? partMap(this.document, this.measure, this.subject) : null);
  }
  get advice(): readonly Advice[] {
    return (this.#advice ??= this.document ? adviceOf(this.document, this.matrices) : []);
  }

  setView(view: Partial<Kept>): void {
    // Models and pairs are counted apart.
    const subject = view.measure !== undefined && view.subject === undefined && isPairMeasure(view.measure) !== isPairMeasure(this.measure) ? { subject: 0 } : {};
    this.#kept = { ...this.#kept, ...view, ...subject };
    this.#forget();
    this.#bridge.keep(this.#kept);
    this.#frames.add(['view']);
  }

  receive(message: HostMessage): void {
    if (message.type === 'merge/state') {
      this.#state = message.state;
      this.#forget();
      if (this.step !== 'reading') this.progress = null;
      if (this.layer !== null && this.layer >= (this.document?.layers ?? 0)) [this.layer, this.locked] = [null, false];
      this.#frames.add(['state']);
    } else if (message.type === 'analysis/progress') {
      this.progress = message.progress;
      this.#frames.add(['progress']);
    }
  }

  /** What the pointer is on; a locked layer stays. */
  preview(layer: number | null): void {
    if (this.locked || layer === this.layer) return;
    this.layer = layer;
    this.#frames.add(['layer']);
  }

  /** A click or a key: the layer stays; the same one again lets it go. */
  lock(layer: number | null): void {
    const again = this.locked && layer === this.layer;
    this.layer = again ? null : layer;
    this.locked = !again && layer !== null;
    this.#frames.add(['layer']);
  }

  /** Up or down through the layers; stays. */
  moveLayer(by: number): number | null {
    const layers = this.document?.layers ?? 0;
    if (layers === 0) return null;
    const at = this.layer === null ? (by > 0 ? -1 : layers) : this.layer;
    const next = Math.max(0, Math.min(layers - 1, at + by));
    [this.layer, this.locked] = [next, true];
    this.#frames.add(['layer']);
    return next;
  }

  unlock(): void {
    [this.layer, this.locked] = [null, false];
    this.#frames.add(['layer']);
  }

  watch(view: (changes: ReadonlySet<Change>) => void): () => void {
    return this.#frames.watch(view);
  }
  changed(...changes: readonly Change[]): void {
    this.#frames.add(changes);
  }

  #forget(): void {
    this.#groups = this.#matrices = this.#rows = this.#map = this.#advice = null;
  }
}
