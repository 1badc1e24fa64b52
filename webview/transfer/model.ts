import type { HostMessage } from '../../extension/protocol/pageMessages';
import type { Progress } from '../../extension/protocol/progress';
import type { TransferDocument, TransferPlan, TransferRequest } from '../../extension/protocol/transfer';
import type { TransferPageState, TransferStep } from '../../extension/protocol/transferPage';
import { type LayerMap, layerMapOfDocument, layerMapOfPlan } from '../render/transferData';
import type { HeadPart } from '../render/transferHeads';
import { headParts } from '../render/transferHeads';
import { type RunsPicture, type RunUnit, runsPicture, runUnits } from '../render/transferRuns';
import type { Bridge } from '../ui/bridge';
import { FrameChanges } from '../ui/frames';

/** What views hear of. `state`: another step, plan or document; `view`: choices of this page; `layer`: the target layer looked at. */
export type Change = 'state' | 'progress' | 'view' | 'layer' | 'size' | 'theme';

/** What survives hiding the page. */
interface Kept {
  readonly unit: RunUnit | null;
  readonly part: HeadPart | null;
  readonly every: boolean;
}

/** What the page knows: the host's state, the choices of the page, the target layer under the pointer. */
export class TransferModel {
  readonly #frames = new FrameChanges<Change>();
  readonly #bridge: Bridge;
  #state: TransferPageState | null = null;
  #map: LayerMap | null = null;
  #runs: RunsPicture | null = null;
  #kept: Kept;
  progress: Progress | null = null;
  /** Target layer that is looked at, and whether a click holds it. */
  layer: number | null = null;
  locked = false;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.#kept = { unit: null, part: null, every: false, ...bridge.restore<Kept>() };
  }

  get step(): TransferStep {
    return this.#state?.step ?? 'planning';
  }
  get state(): TransferPageState | null {
    return this.#state;
  }
  get request(): TransferRequest | null {
    return this.#state?.request ?? null;
  }
  get plan(): TransferPlan | null {
    return this.#state?.plan ?? null;
  }
  get document(): TransferDocument | null {
    return this.#state?.document ?? null;
  }
  get busy(): boolean {
    return this.step === 'planning' || this.step === 'starting' || this.step === 'running';
  }
  /** What the body of the page shows. */
  get shows(): 'report' | 'plan' | 'nothing' {
    return this.document ? 'report' : this.plan ? 'plan' : 'nothing';
  }

  get map(): LayerMap | null {
    const { document, plan } = this;
    return (this.#map ??= document ? layerMapOfDocument(document) : plan ? layerMapOfPlan(plan) : null);
  }

  /** Units that the bars can be drawn in. */
  get units(): readonly RunUnit[] {
    return this.document ? runUnits(this.document) : [];
  }
  get unit(): RunUnit {
    const { units } = this;
    return this.#kept.unit !== null && units.includes(this.#kept.unit) ? this.#kept.unit : units[0] ?? 'nats per token';
  }
  get runs(): RunsPicture | null {
    return (this.#runs ??= this.document ? runsPicture(this.document, this.unit) : null);
  }

  get part(): HeadPart {
    const parts = headParts(this.document?.heads ?? []);
    return this.#kept.part !== null && parts.includes(this.#kept.part) ? this.#kept.part : parts[0] ?? 'q';
  }
  /** Every site has its line in the tables of the page. */
  get every(): boolean {
    return this.#kept.every;
  }

  setView(view: Partial<Kept>): void {
    this.#kept = { ...this.#kept, ...view };
    this.#runs = null;
    this.#bridge.keep(this.#kept);
    this.#frames.add(['view']);
  }

  receive(message: HostMessage): void {
    if (message.type === 'transfer/state') {
      this.#state = message.state;
      this.#map = this.#runs = null;
      if (!this.busy) this.progress = null;
      if (this.layer !== null && this.layer >= (this.map?.target.length ?? 0)) [this.layer, this.locked] = [null, false];
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

  /** Up or down through the layers, or through the given ones. */
  moveLayer(by: number): number | null {
    const layers = this.map?.target.map(({ index }) => index) ?? [];
    if (layers.length === 0) return null;
    const at = this.layer === null ? (by > 0 ? -1 : layers.length) : layers.indexOf(this.layer);
    const next = layers[Math.max(0, Math.min(layers.length - 1, at + by))] ?? null;
    [this.layer, this.locked] = [next, next !== null];
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
}
