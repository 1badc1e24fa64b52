import type { AblationDetail, AnalysisDocument, AnalysisHead, ExpertDetail, HeatmapTile, LayerPicture, LayerResult } from '../../extension/protocol/documents';
import type { ErrorRecord } from '../../extension/protocol/errors';
import type { HostMessage, RunState } from '../../extension/protocol/pageMessages';
import type { Progress } from '../../extension/protocol/progress';
import type { LabelStyle } from '../render/labels';
import { styleLabels } from '../render/labels';
import { holdsExperts } from '../../extension/protocol/finding';
import { isFinished } from '../render/tracks';
import type { Bridge, PendingCall } from '../ui/bridge';
import { FrameChanges } from '../ui/frames';
import { CallError } from '../ui/bridge';

/** Something asked of the engine. */
export type Remote<T> =
  | { readonly state: 'pending' }
  | { readonly state: 'ready'; readonly value: T }
  | { readonly state: 'failed'; readonly error: ErrorRecord };

/** What the user looks at; one for all views. */
export interface Selection {
  /** Null until the first layer has come. */
  readonly layer: number | null;
  /** The locked expert. */
  readonly expert: number | null;
  /** The expert under the pointer. */
  readonly hover: number | null;
  readonly map: 'excess' | 'raw';
}

export type Change = 'run' | 'progress' | 'layers' | 'selection' | 'hover' | 'picture' | 'tile' | 'detail' | 'ablation' | 'size' | 'theme';

interface Kept {
  readonly layer: number;
  readonly expert: number;
  readonly map: 'excess' | 'raw';
}

/** Tiles kept per layer; one is at most 4 MB. */
const TILES_KEPT = 24;
const PICTURES_KEPT = 12;
const DETAILS_KEPT = 96;

/** State of the analysis page: what the host told, what was chosen, what the engine answered. */
export class AnalysisModel {
  state: RunState = 'starting';
  name = '';
  head: AnalysisHead | null = null;
  document: AnalysisDocument | null = null;
  error: ErrorRecord | null = null;
  progress: Progress | null = null;
  readonly layers = new Map<number, LayerResult>();
  labels: readonly LabelStyle[] = [];
  selection: Selection = { layer: null, expert: null, hover: null, map: 'excess' };

  readonly #bridge: Bridge;
  readonly #frames = new FrameChanges<Change>();
  readonly #pictures = new Map<string, Remote<LayerPicture>>();
  readonly #tiles = new Map<string, Remote<HeatmapTile>>();
  readonly #details = new Map<string, Remote<ExpertDetail>>();
  readonly #ablations = new Map<string, Remote<AblationDetail>>();
  readonly #calls = new Map<string, PendingCall<unknown>>();

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    const kept = bridge.restore<Kept>();
    this.selection = { layer: kept.layer ?? null, expert: kept.expert ?? null, hover: null, map: kept.map ?? 'excess' };
  }

  /** Calls the view once per frame with what changed, until the returned function is called. */
  watch(view: (changes: ReadonlySet<Change>) => void): () => void {
    return this.#frames.watch(view);
  }

  changed(...changes: readonly Change[]): void {
    this.#frames.add(changes);
  }

  /** Takes a message of the host. The state may be sent again at any time. */
  receive(message: HostMessage): void {
    switch (message.type) {
      case 'analysis/state': {
        const otherRun = message.head?.key !== this.head?.key;
        this.state = message.state;
        this.name = message.name;
        this.head = message.head;
        this.document = message.document;
        this.error = message.error;
        if (message.state !== 'running' && message.state !== 'starting') this.progress = null;
        this.layers.clear();
        for (const layer of message.layers.length > 0 ? message.layers : message.document?.layers ?? []) this.layers.set(layer.index, layer);
        this.labels = styleLabels(message.head?.probe?.labels ?? []);
        if (otherRun) this.#forget();
        if (message.selection?.layer !== undefined && this.selection.layer === null) this.selection = { ...this.selection, layer: message.selection.layer, expert: message.selection.expert ?? this.selection.expert };
        this.#settle();
        this.changed('run', 'layers', 'selection');
        return;
      }
      case 'analysis/layer':
        this.layers.set(message.layer.index, message.layer);
        this.#forgetLayer(message.layer.index);
        this.#settle();
        this.changed('layers', 'selection');
        return;
      case 'analysis/progress':
        this.progress = message.progress;
        if (this.state === 'starting') {
          this.state = 'running';
          this.changed('run');
        }
        this.changed('progress');
        return;
      case 'reveal':
        this.select({ layer: message.layer ?? this.selection.layer, ...(message.expert === undefined ? {} : { expert: message.expert }) });
        return;
      default:
        return;
    }
  }

  /** Layers that the run covers, input first. */
  get indices(): readonly number[] {
    return this.head?.layerIndices ?? [...this.layers.keys()].sort((a, b) => a - b);
  }

  /** Results in layer order. */
  get results(): readonly LayerResult[] {
    return [...this.layers.values()].sort((a, b) => a.index - b.index);
  }

  get result(): LayerResult | null {
    return this.selection.layer === null ? null : this.layers.get(this.selection.layer) ?? null;
  }

  get withProbe(): boolean {
    return this.head?.probe != null;
  }

  /** Layers whose scores are all there, input first. With a probe, what the weights alone tell of a layer comes earlier. */
  get finished(): readonly number[] {
    return this.results.filter((layer) => isFinished(layer, this.withProbe)).map((layer) => layer.index);
  }

  /** The expert whose details are shown: the locked one, else the one under the pointer, else the heaviest. */
  get shownExpert(): number | null {
    if (this.selection.expert !== null) return this.selection.expert;
    if (this.selection.hover !== null) return this.selection.hover;
    const picture = this.picture;
    if (picture?.state !== 'ready') return null;
    const { mass } = picture.value;
    let best = 0;
    mass.forEach((share, expert) => {
      if (share > (mass[best] ?? 0)) best = expert;
    });
    return best;
  }

  select(change: Partial<Selection>): void {
    const before = this.selection;
    this.selection = { ...before, ...change };
    if (this.selection.layer !== before.layer || this.selection.expert !== before.expert || this.selection.map !== before.map) {
      this.#settle();
      this.#keep();
      this.changed('selection');
    } else if (this.selection.hover !== before.hover) this.changed('hover');
  }

  /** The picture of the selected layer; asked for on first use. */
  get picture(): Remote<LayerPicture> | null {
    const { head, result } = this;
    if (!head || !result) return null;
    return this.#ask(this.#pictures, `${result.index}`, PICTURES_KEPT, 'picture', () => this.#bridge.call('analysis/picture', { key: head.key, layer: result.index }));
  }

  /** A part of the selected layer's map; null while there is no layer. */
  tile(kind: 'excess' | 'raw', rows: readonly [number, number], columns: readonly [number, number], width: number, height: number): Remote<HeatmapTile> | null {
    const { head, result } = this;
    if (!head || !result) return null;
    const name = [result.index, kind, ...rows, ...columns, width, height].join(' ');
    return this.#ask(this.#tiles, name, TILES_KEPT, 'tile', () => this.#bridge.call('analysis/tile', { key: head.key, layer: result.index, kind, rows, columns, width, height }));
  }

  detail(expert: number): Remote<ExpertDetail> | null {
    const { head, result } = this;
    if (!head || !result) return null;
    return this.#ask(this.#details, `${result.index} ${expert}`, DETAILS_KEPT, 'detail', () => this.#bridge.call('analysis/expert', { key: head.key, layer: result.index, expert }));
  }

  /** The ablation of an expert if it was measured or is being measured. */
  ablation(expert: number): Remote<AblationDetail> | null {
    return this.#ablations.get(`${this.selection.layer} ${expert}`) ?? null;
  }

  measureAblation(expert: number): void {
    const { head, result } = this;
    if (!head || !result) return;
    const name = `${result.index} ${expert}`;
    if (this.#ablations.get(name)?.state === 'failed') this.#ablations.delete(name);
    this.#ask(this.#ablations, name, DETAILS_KEPT, 'ablation', () => this.#bridge.call('analysis/ablation', { run: '', key: head.key, layer: result.index, expert }));
    this.changed('ablation');
  }

  cancelAblation(expert: number): void {
    this.#calls.get(`ablation ${this.selection.layer} ${expert}`)?.cancel();
  }

  /** Forgets a failed answer, so that it is asked for again. */
  retry(what: 'picture' | 'detail' | 'tile'): void {
    const map = { picture: this.#pictures, detail: this.#details, tile: this.#tiles }[what] as Map<string, Remote<unknown>>;
    for (const [name, remote] of map) if (remote.state === 'failed') map.delete(name);
    this.changed(what);
  }

  #ask<T>(map: Map<string, Remote<T>>, name: string, limit: number, change: Change, start: () => PendingCall<T>): Remote<T> {
    const known = map.get(name);
    if (known) return known;
    for (const [old, remote] of map) {
      if (map.size < limit) break;
      if (remote.state !== 'pending') map.delete(old);
    }
    const pending: Remote<T> = { state: 'pending' };
    map.set(name, pending);
    const call = start();
    const id = `${change} ${name}`;
    this.#calls.set(id, call);
    const settle = (remote: Remote<T> | null): void => {
      if (map.get(name) !== pending) return;
      this.#calls.delete(id);
      if (remote) map.set(name, remote);
      else map.delete(name);
      this.changed(change);
    };
    call.result.then(
      (value) => settle({ state: 'ready', value }),
      (error: unknown) => settle(error instanceof CallError && error.record ? { state: 'failed', error: error.record } : null),
    );
    return pending;
  }

  #forget(): void {
    for (const call of this.#calls.values()) call.cancel();
    this.#calls.clear();
    for (const map of [this.#pictures, this.#tiles, this.#details, this.#ablations]) map.clear();
  }

  /** A layer's new result makes what was drawn from the old one stale. */
  #forgetLayer(index: number): void {
    for (const map of [this.#pictures, this.#tiles, this.#details, this.#ablations]) {
      for (const name of map.keys()) if (name === `${index}` || name.startsWith(`${index} `)) map.delete(name);
    }
  }

  /** Keeps the selection inside what there is; before the user chose, the clearest finished layer. */
  #settle(): void {
    const { indices, selection } = this;
    let layer = selection.layer;
    if (layer !== null && indices.length > 0 && !indices.includes(layer)) layer = null;
    if (layer === null && this.layers.size > 0) layer = this.#clearest();
    const experts = (layer === null ? undefined : this.layers.get(layer)?.partition.experts) ?? this.head?.experts ?? 0;
    const within = (expert: number | null): number | null => (expert !== null && experts > 0 && expert >= experts ? null : expert);
    this.selection = { ...selection, layer, expert: within(selection.expert), hover: within(selection.hover) };
  }

  #clearest(): number {
    const { results } = this;
    let best = results[0]?.index ?? 0;
    let most = -Infinity;
    for (const layer of results) {
      const score = layer.scores.modularity ?? layer.scores.stability;
      const z = holdsExperts(layer, this.withProbe) ? score?.z ?? 0 : -1;
      if (z > most) {
        most = z;
        best = layer.index;
      }
    }
    return best;
  }

  #keep(): void {
    const { layer, expert, map } = this.selection;
    this.#bridge.keep({ layer, expert, map });
    if (layer !== null) this.#bridge.post({ type: 'select', layer, expert });
  }
}
