import type { InspectDocument, TensorEntry, TensorStatistics, TensorTile } from '../../extension/protocol/documents';
import type { ErrorRecord } from '../../extension/protocol/errors';
import type { Bridge, PendingCall } from '../ui/bridge';
import { FrameChanges } from '../ui/frames';
import { CallError } from '../ui/bridge';
import { isEmpty, matching, parseFilter } from './filter';
import type { Filter } from './filter';
import type { Line, TreeNode } from './tree';
import { buildTree, firstOpen, groupsAround, visibleLines } from './tree';

export type Mode = 'tree' | 'flat' | 'size';
export type StatisticsState = TensorStatistics | 'pending' | ErrorRecord;
export type TileState = { readonly state: 'pending' } | { readonly state: 'ready'; readonly value: TensorTile } | { readonly state: 'failed'; readonly error: ErrorRecord };
type Change = 'document' | 'lines' | 'selection' | 'statistics' | 'tile' | 'size' | 'theme';

/** A batch of statistics reads about so much, so that cancelling answers soon and lines fill in as one looks. */
const BATCH_BYTES = 128e6;
const BATCH_TENSORS = 64;
const OPEN_LINES = 200;
const TILES_KEPT = 24;

interface Kept {
  readonly mode: Mode;
  readonly filter: string;
  readonly selected: string | null;
  readonly open: readonly string[];
}

/** State of the tensors page: the file, what is listed, what is chosen, what has been read. */
export class TensorsModel {
  document: InspectDocument | null = null;
  error: ErrorRecord | null = null;
  mode: Mode = 'tree';
  filterText = '';
  filter: Filter = parseFilter('');
  selected: string | null = null;
  /** Leading indices of the shown plane, for more than two dimensions. */
  leading: readonly number[] = [];
  readonly statistics = new Map<string, StatisticsState>();
  readonly byName = new Map<string, TensorEntry>();
  /** Reading of many tensors that is under way. */
  reading: { readonly done: number; readonly total: number } | null = null;

  readonly #bridge: Bridge;
  readonly #frames = new FrameChanges<Change>();
  readonly #tiles = new Map<string, TileState>();
  readonly #open = new Set<string>();
  #roots: readonly TreeNode[] = [];
  #lowerNames: readonly string[] | null = null;
  #lines: readonly Line[] = [];
  #flat: Int32Array = new Int32Array(0);
  #batch: PendingCall<unknown> | null = null;
  #tileCall: PendingCall<unknown> | null = null;
  #restored: Partial<Kept>;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.#restored = bridge.restore<Kept>();
    this.mode = this.#restored.mode ?? 'tree';
    this.filterText = this.#restored.filter ?? '';
    this.filter = parseFilter(this.filterText);
    this.selected = this.#restored.selected ?? null;
  }

  watch(view: (changes: ReadonlySet<Change>) => void): void {
    this.#frames.watch(view);
  }

  changed(...changes: readonly Change[]): void {
    this.#frames.add(changes);
  }

  /** Takes a file's header, or why it could not be read. May come again when the file changes. */
  receive(document: InspectDocument | null, error: ErrorRecord | null): void {
    this.cancelReading();
    this.document = document;
    this.error = error;
    this.statistics.clear();
    this.#tiles.clear();
    this.byName.clear();
    for (const tensor of document?.tensors ?? []) this.byName.set(tensor.name, tensor);
    this.#roots = buildTree(document?.tensors ?? []);
    this.#lowerNames = null;
    if (this.#open.size === 0) for (const path of this.#restored.open ?? firstOpen(this.#roots, OPEN_LINES)) this.#open.add(path);
    if (this.selected !== null && !this.byName.has(this.selected)) this.selected = null;
    this.#relist();
    this.changed('document', 'lines', 'selection', 'statistics');
  }

  get isFlat(): boolean {
    return this.mode !== 'tree' || !isEmpty(this.filter);
  }

  get count(): number {
    return this.isFlat ? this.#flat.length : this.#lines.length;
  }

  /** Line `i`: a group or a tensor. */
  lineAt(i: number): Line | { readonly tensor: TensorEntry } | null {
    if (!this.isFlat) return this.#lines[i] ?? null;
    const tensor = this.document?.tensors[this.#flat[i] ?? -1];
    return tensor ? { tensor } : null;
  }

  tensorAt(i: number): TensorEntry | null {
    const line = this.lineAt(i);
    if (!line) return null;
    return 'tensor' in line ? line.tensor : this.document?.tensors[line.node.tensor] ?? null;
  }

  /** Line of a tensor, or -1. */
  lineOf(name: string | null): number {
    if (name === null) return -1;
    if (this.isFlat) return this.#flat.findIndex((index) => this.document?.tensors[index]?.name === name);
    return this.#lines.findIndex((line) => line.node.tensor >= 0 && line.node.path === name);
  }

  isOpen(path: string): boolean {
    return this.#open.has(path);
  }

  toggle(path: string, open = !this.#open.has(path)): void {
    if (open) this.#open.add(path);
    else this.#open.delete(path);
    this.#relist();
    this.#keep();
    this.changed('lines');
  }

  setFilter(text: string): void {
    this.filterText = text;
    this.filter = parseFilter(text);
    if (isEmpty(this.filter) && this.selected) for (const path of groupsAround(this.#roots, this.selected)) this.#open.add(path);
    this.#relist();
    this.#keep();
    this.changed('lines');
  }

  setMode(mode: Mode): void {
    this.mode = mode;
    this.#relist();
    this.#keep();
    this.changed('lines');
  }

  select(name: string | null): void {
    if (name === this.selected) return;
    this.selected = name;
    const shape = name === null ? [] : this.byName.get(name)?.shape ?? [];
    this.leading = shape.slice(0, Math.max(0, shape.length - 2)).map(() => 0);
    this.#keep();
    this.changed('selection');
  }

  setLeading(leading: readonly number[]): void {
    this.leading = leading;
    this.changed('selection');
  }

  statisticsOf(name: string): TensorStatistics | null {
    const state = this.statistics.get(name);
    return state && state !== 'pending' && 'histogram' in state ? state : null;
  }

  /** Names of the listed tensors that have not been read, and their bytes. */
  unread(): { readonly names: readonly string[]; readonly bytes: number } {
    const tensors = this.document?.tensors ?? [];
    const names: string[] = [];
    let bytes = 0;
    const consider = (tensor: TensorEntry | undefined): void => {
      if (!tensor || this.statistics.has(tensor.name)) return;
      names.push(tensor.name);
      bytes += tensor.bytes;
    };
    if (!isEmpty(this.filter)) for (const index of this.#flat) consider(tensors[index]);
    else tensors.forEach(consider);
    return { names, bytes };
  }

  /** Reads statistics in batches, one after the other; lines fill in as they come. */
  async read(names: readonly string[]): Promise<void> {
    const wanted = names.filter((name) => !this.statistics.has(name));
    const many = wanted.length > 1;
    if (many) this.cancelReading();
    let done = 0;
    for (let from = 0; from < wanted.length; ) {
      const batch: string[] = [];
      for (let bytes = 0; from < wanted.length && batch.length < BATCH_TENSORS && (batch.length === 0 || bytes < BATCH_BYTES); from++) {
        const name = wanted[from] ?? '';
        batch.push(name);
        bytes += this.byName.get(name)?.bytes ?? 0;
      }
      if (many) this.reading = { done, total: wanted.length };
      for (const name of batch) this.statistics.set(name, 'pending');
      this.changed('statistics');
      const call = this.#bridge.call('tensors/statistics', { path: '', names: batch });
      if (many) this.#batch = call;
      try {
        for (const found of await call.result) this.statistics.set(found.name, found);
      } catch (error) {
        const record = error instanceof CallError ? error.record : null;
        for (const name of batch) {
          if (record && batch.length === 1) this.statistics.set(name, record);
          else this.statistics.delete(name);
        }
        if (many) this.reading = null;
        if (record && batch.length > 1) this.error = record;
        this.changed('statistics', ...(record && batch.length > 1 ? ['document' as const] : []));
        return;
      }
      done += batch.length;
      this.changed('statistics');
    }
    if (many) this.reading = null;
    if (this.filter.nan || this.filter.inf || this.filter.zero) {
      this.#relist();
      this.changed('lines');
    }
    this.changed('statistics');
  }

  cancelReading(): void {
    this.#batch?.cancel();
    this.#batch = null;
    this.reading = null;
  }

  /** The map of the chosen tensor, `side` cells wide and high at most. */
  tile(name: string, side: number): TileState {
    const id = JSON.stringify([name, this.leading, side]);
    const known = this.#tiles.get(id);
    if (known) return known;
    this.#tileCall?.cancel();
    for (const [old, state] of this.#tiles) {
      if (state.state === 'pending') this.#tiles.delete(old);
      else if (this.#tiles.size >= TILES_KEPT) this.#tiles.delete(old);
    }
    const pending: TileState = { state: 'pending' };
    this.#tiles.set(id, pending);
    const call = this.#bridge.call('tensors/tile', { path: '', name, leading: [...this.leading], width: side, height: side });
    this.#tileCall = call;
    call.result.then(
      (value) => this.#tiles.set(id, { state: 'ready', value }),
      (error: unknown) => {
        if (error instanceof CallError && error.record) this.#tiles.set(id, { state: 'failed', error: error.record });
        else this.#tiles.delete(id);
      },
    ).then(() => this.changed('tile'), () => undefined);
    return pending;
  }

  forgetTile(): void {
    for (const [id, state] of this.#tiles) if (state.state === 'failed') this.#tiles.delete(id);
    this.changed('tile');
  }

  #relist(): void {
    const tensors = this.document?.tensors ?? [];
    if (!this.isFlat) {
      this.#lines = visibleLines(this.#roots, this.#open);
      return;
    }
    let found = isEmpty(this.filter) ? Int32Array.from({ length: tensors.length }, (_, i) => i) : matching(tensors, (this.#lowerNames ??= tensors.map((tensor) => tensor.name.toLowerCase())), this.filter, (name) => this.statisticsOf(name));
    if (this.mode === 'size') found = found.slice().sort((a, b) => (tensors[b]?.bytes ?? 0) - (tensors[a]?.bytes ?? 0) || a - b);
    this.#flat = found;
  }

  #keep(): void {
    this.#bridge.keep({ mode: this.mode, filter: this.filterText, selected: this.selected, open: [...this.#open].slice(0, 500) } satisfies Kept);
  }
}
