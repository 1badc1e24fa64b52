import type { ErrorRecord } from '../../extension/protocol/errors';
import type { HostMessage, RunState } from '../../extension/protocol/pageMessages';
import type { Progress } from '../../extension/protocol/progress';
import type { RoutingHead, RoutingResult, RoutingSelection, RoutingSummary } from '../../extension/protocol/routing';
import { NO_SELECTION } from '../../extension/protocol/routing';
import type { Score } from '../../extension/protocol/score';
import type { ExpertAxis, ExpertOrder } from '../render/routingExperts';
import { expertAxis, expertOrders } from '../render/routingExperts';
import type { Quantity, ScoreStats } from '../render/routingValues';
import { quantitiesOf, scoreStats } from '../render/routingValues';
import { switchScore } from '../render/routingNull';
import type { Measure, ScaleRange } from '../render/routingScale';
import { usualMeasure } from '../render/routingScale';
import { BEFORE, NONE, NOW } from '../render/routingCarry';
import type { Counted, SiteNumbers, SiteRow, SiteStats, TokenFilter } from '../render/routingTrace';
import { countedTokens, siteRows, siteStats } from '../render/routingTrace';
import type { Bridge } from '../ui/bridge';
import { FrameChanges, FrameQueue, RestQueue } from '../ui/frames';
import { SliceLoader } from './slices';

export type Change = 'run' | 'progress' | 'trace' | 'stale' | 'data' | 'selection' | 'anchor' | 'view' | 'keep' | 'size' | 'theme';

interface Kept {
  readonly order: ExpertOrder;
  readonly range: ScaleRange;
  readonly measure: Measure;
  readonly kept: number;
  readonly quantity: Quantity;
}

/** Drawing work of one frame that can wait for the next, in milliseconds. */
const DRAW_BUDGET = 4;
/** Pictures beside the pointer follow when it has rested this long, and at the latest every so often, in milliseconds. */
const REST = 50;
const REST_MOST = 300;

/** State of the routing page: what the host told, what is chosen, the numbers that have come. */
export class RoutingModel {
  state: RunState = 'starting';
  source = '';
  modelName = '';
  result: RoutingResult | null = null;
  summary: RoutingSummary | null = null;
  texts: readonly string[] = [];
  stale = false;
  /** Folder of adapters that the host can describe; null without one. */
  modules: string | null = null;
  error: ErrorRecord | null = null;
  progress: Progress | null = null;
  selection: RoutingSelection = NO_SELECTION;
  filter: TokenFilter = { kind: 'all' };
  order: ExpertOrder = 'match';
  range: ScaleRange = 'fixed';
  measure: Measure = 'mean';
  #quantity: Quantity = 'weight';
  /** Experts kept in the coverage picture; 0 = half of them. */
  kept = 0;
  rows: readonly SiteRow[] = [];
  /** The token that the window of the raster follows: chosen by click or key, or by the editor; pointing does not move it. */
  anchor: number | null = null;

  /** The trace took the place of one with the same sites: pictures keep what they show until its numbers are here. */
  updated = false;
  /** Sites whose numbers have come since the last frame. */
  arrived: ReadonlySet<number> = new Set();

  readonly slices: SliceLoader;
  readonly #bridge: Bridge;
  readonly #arriving = new Set<number>();
  readonly #frames = new FrameChanges<Change>(() => {
    this.arrived = new Set(this.#arriving);
    this.#arriving.clear();
    if (this.#pendingPost) this.#post();
  });
  readonly #stats = new Map<number, SiteStats>();
  /** Of the trace before, for sites whose numbers are on their way. */
  readonly #oldStats = new Map<number, SiteStats>();
  readonly #scores = new Map<string, ScoreStats>();
  readonly #oldScores = new Map<string, ScoreStats>();
  #usualSite: number | null = null;
  #staleTokens: Uint8Array | null = null;
  readonly #switches = new Map<number, Score>();
  #counted: Counted | null = null;
  #axis: ExpertAxis | null = null;
  readonly #later = new FrameQueue<string>(DRAW_BUDGET);
  readonly #rested = new RestQueue<string>(this.#later, REST, REST_MOST);
  #pendingPost = false;
  #measureChosen = false;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.slices = new SliceLoader(bridge, (sites) => {
      for (const site of sites) this.#arriving.add(site);
      this.changed('data');
    }, () => this.site);
    const kept = bridge.restore<Kept>();
    this.order = kept.order ?? 'match';
    this.range = kept.range ?? 'fixed';
    this.kept = kept.kept ?? 0;
    this.#quantity = kept.quantity ?? 'weight';
    if (kept.measure) {
      this.measure = kept.measure;
      this.#measureChosen = true;
    }
  }

  /** Calls the view once per frame with what changed. */
  watch(view: (changes: ReadonlySet<Change>) => void): void {
    this.#frames.watch(view);
  }

  changed(...changes: readonly Change[]): void {
    this.#frames.add(changes);
  }

  /**
   * Runs a view's drawing in one of the next frames; a newer one under the same name takes its place. A frame does what fits into a few
   * milliseconds, at least one.
   */
  later(name: string, draw: () => void): void {
    this.#later.put(name, draw);
  }

  /** The same once the pointer has rested: for pictures that follow it but are not under it. */
  rested(name: string, draw: () => void): void {
    this.#rested.put(name, draw);
  }

  /** Takes a message of the host. The state may be sent again at any time. */
  receive(message: HostMessage): void {
    if (message.type === 'routing/selection') this.#receiveSelection(message.selection);
    else if (message.type === 'analysis/progress') {
      this.progress = message.progress;
      this.changed('progress');
    } else if (message.type === 'routing/state') {
      // Without its summary a trace is not shown yet: the run goes on, as far as this page is concerned.
      const result = message.summary ? message.result : null;
      const other = result?.key !== this.result?.key;
      this.state = message.result && !result && message.state === 'done' ? 'running' : message.state;
      this.source = message.source;
      this.modelName = message.model;
      this.stale = message.stale;
      this.modules = message.modules ?? null;
      this.error = message.error;
      this.texts = message.texts;
      const working = this.state === 'running' || this.state === 'starting';
      if (!working) this.progress = null;
      // A run in progress keeps what is shown, so that nothing moves until its own numbers are here.
      if (result === null && this.result && working) {
        this.changed('run', ...(this.#readStale(message.staleTokens ?? null) ? ['stale' as const] : []));
        return;
      }
      this.result = result;
      this.summary = message.summary;
      if (other) this.#newTrace();
      const stale = this.#readStale(message.staleTokens ?? null);
      this.changed('run', ...(other ? ['trace' as const, 'selection' as const, 'anchor' as const] : []), ...(stale ? ['stale' as const] : []));
    }
  }

  get head(): RoutingHead | null {
    return this.result && this.summary ? this.result.head : null;
  }

  /** Columns of experts in the chosen order. */
  get axis(): ExpertAxis {
    const { head, summary } = this;
    if (!head || !summary) return { columns: [], columnOf: () => 0, expertAt: () => -1 };
    const orders = expertOrders(head, summary).map(([order]) => order);
    return (this.#axis ??= expertAxis(head, summary, orders.includes(this.order) ? this.order : orders[0] ?? 'id'));
  }

  get counted(): Counted {
    return (this.#counted ??= this.head ? countedTokens(this.head, this.filter) : { tokens: new Int32Array(0), spans: [] });
  }

  /** The site that pictures are about: the chosen one, else where kinds of text lie furthest apart; an edit does not move it. */
  get site(): number {
    const sites = this.head?.sites.length ?? 0;
    const { site } = this.selection;
    return site !== null && site < sites ? site : (this.#usualSite ??= this.#furthest());
  }

  #furthest(): number {
    let best = 0;
    let most = -Infinity;
    this.summary?.sites.forEach((one, s) => {
      const score = one.divergence ?? one.switchRate;
      const far = score.value === null || score.null === null ? -Infinity : Math.abs(score.value - score.null);
      if (far > most) [best, most] = [s, far];
    });
    return best;
  }

  get token(): number | null {
    const { token } = this.selection;
    return token !== null && token >= 0 && token < (this.head?.tokens.length ?? 0) ? token : null;
  }

  numbers(site: number): SiteNumbers | null {
    return this.slices.get(site);
  }

  /** Numbers of a site or, until they are here, those of the trace before in the places of its tokens. */
  shown(site: number): SiteNumbers | null {
    return this.slices.shown(site);
  }

  /** What a token's numbers are worth: the trace's own and of the text as it is, or of before the last edit, or none. */
  tokenState(numbers: SiteNumbers, token: number): number {
    const own = numbers.state?.[token] ?? NOW;
    return own === NONE ? NONE : this.#staleTokens?.[token] === 1 ? BEFORE : own;
  }

  /** Whether the editor says which tokens its last edit left behind. */
  get knowsStale(): boolean {
    return this.#staleTokens !== null;
  }

  /** Means of a site or, until they are here, those of the trace before. */
  shownStats(site: number): SiteStats | null {
    return this.stats(site) ?? this.#oldStats.get(site) ?? null;
  }

  /** Means, loads and entropy of a site over the counted tokens; null until its numbers are here. */
  stats(site: number): SiteStats | null {
    const known = this.#stats.get(site);
    if (known) return known;
    const numbers = this.numbers(site);
    if (!numbers) return null;
    const made = siteStats(numbers, this.counted);
    this.#stats.set(site, made);
    return made;
  }

  /** What the numbers hold; weights alone until the first have come. */
  get quantities(): readonly Quantity[] {
    for (const site of [this.site, ...this.rows.keys()]) {
      const numbers = this.shown(site);
      if (numbers) return quantitiesOf(numbers);
    }
    return ['weight'];
  }

  /** What pictures show: as chosen, or weights where the trace holds nothing else. */
  get quantity(): Quantity {
    return this.#quantity === 'weight' || this.quantities.includes(this.#quantity) ? this.#quantity : 'weight';
  }

  /** Mean logits or cosines of a site; null until its numbers are here. */
  scores(site: number, quantity: Exclude<Quantity, 'weight'>): ScoreStats | null {
    const name = `${quantity} ${site}`;
    const known = this.#scores.get(name);
    if (known) return known;
    const numbers = this.numbers(site);
    if (!numbers) return this.#oldScores.get(name) ?? null;
    const made = scoreStats(numbers, this.counted, quantity);
    this.#scores.set(name, made);
    return made;
  }

  /** Switch rate of a site over the counted tokens. */
  switches(site: number): Score | null {
    if (this.filter.kind === 'all') return this.summary?.sites[site]?.switchRate ?? null;
    const known = this.#switches.get(site);
    if (known) return known;
    const stats = this.stats(site);
    if (!stats) return null;
    const made = switchScore(stats.tops, this.counted.spans, site);
    this.#switches.set(site, made);
    return made;
  }

  /** Divergence between kinds of text per site; null where the texts that are counted hold one kind only. */
  get divergence(): readonly (Score | null)[] | null {
    if (this.filter.kind !== 'all' || !this.summary || this.summary.labels.length < 2) return null;
    return this.summary.sites.map((site) => site.divergence);
  }

  /** Changes the shared selection; the host hears of it once per frame. */
  select(change: Partial<RoutingSelection>, anchor = false): void {
    const next = { ...this.selection, ...change };
    if (JSON.stringify(next) === JSON.stringify(this.selection) && !anchor) return;
    this.selection = next;
    this.#pendingPost = true;
    if (anchor) this.anchor = this.token ?? this.anchor;
    this.changed('selection', ...(anchor ? ['anchor' as const] : []));
  }

  /** What the pointer is on. A locked selection stays. */
  preview(change: Partial<Pick<RoutingSelection, 'token' | 'site' | 'expert'>>): void {
    if (!this.selection.locked) this.select(change);
  }

  /** A click: what is under the pointer stays. */
  lock(change: Partial<Pick<RoutingSelection, 'token' | 'site' | 'expert'>>): void {
    this.select({ ...change, locked: true }, change.token !== undefined);
  }

  /** One step back: the token, then the row, then nothing. */
  stepBack(): void {
    const { selection } = this;
    if (selection.token !== null) this.select({ token: null, locked: selection.site !== null && selection.locked });
    else this.select({ site: null, expert: null, locked: false });
  }

  togglePin(): void {
    const { token } = this;
    if (token === null) return;
    const { pinned } = this.selection;
    this.select({ pinned: pinned.includes(token) ? pinned.filter((t) => t !== token) : [...pinned, token] });
  }

  setFilter(filter: TokenFilter): void {
    this.filter = filter;
    this.#counted = null;
    this.#stats.clear();
    this.#oldStats.clear();
    this.#scores.clear();
    this.#oldScores.clear();
    this.#switches.clear();
    this.changed('view', 'run');
  }

  setView(view: Partial<Kept>): void {
    if (view.order) this.order = view.order;
    if (view.range) this.range = view.range;
    if (view.measure) {
      this.measure = view.measure;
      this.#measureChosen = true;
    }
    if (view.kept !== undefined) this.kept = view.kept;
    if (view.quantity) this.#quantity = view.quantity;
    this.#axis = null;
    this.#bridge.keep({ order: this.order, quantity: this.#quantity, range: this.range, kept: this.kept, ...(this.#measureChosen ? { measure: this.measure } : {}) } satisfies Partial<Kept>);
    this.changed(view.kept !== undefined ? 'keep' : 'view');
  }

  #receiveSelection(selection: RoutingSelection): void {
    if (JSON.stringify(selection) === JSON.stringify(this.selection)) return;
    this.selection = selection;
    if (this.token !== null) this.anchor = this.token;
    this.changed('selection', 'anchor');
  }

  #post(): void {
    this.#pendingPost = false;
    this.#bridge.post({ type: 'routing/select', selection: this.selection });
  }

  /** Tokens that the editor's text has left behind; says whether they are others than before. */
  #readStale(ranges: readonly (readonly [number, number])[] | null): boolean {
    const before = this.#staleTokens;
    this.#staleTokens = null;
    if (ranges !== null && this.head) {
      const now = (this.#staleTokens = new Uint8Array(this.head.tokens.length));
      for (const [from, to] of ranges) now.fill(1, from, to);
      return before?.length !== now.length || now.some((value, t) => value !== before[t]);
    }
    return before !== null;
  }

  #newTrace(): void {
    const { head, result } = this;
    const before = this.#usualSite;
    // The loader begins with the site that is shown, which another trace does not have.
    this.#usualSite = null;
    const carry = this.slices.open(head && result ? { key: result.key, head, reused: result.reused } : null);
    this.updated = carry !== null;
    if (carry) this.#usualSite = before;
    if (!carry) {
      this.#oldStats.clear();
      this.#oldScores.clear();
    } else {
      for (const [site, stats] of this.#stats) this.#oldStats.set(site, stats);
      for (const [name, scores] of this.#scores) this.#oldScores.set(name, scores);
    }
    this.#scores.clear();
    this.#arriving.clear();
    this.#stats.clear();
    this.#switches.clear();
    this.#counted = null;
    this.#axis = null;
    this.rows = head ? siteRows(head.sites) : [];
    if (head && !this.#measureChosen) this.measure = usualMeasure(head);
    if (head && this.filter.kind === 'record' && this.filter.record >= head.records.length) this.filter = { kind: 'all' };
    if (this.anchor !== null) this.anchor = carry ? placeIn(carry.from, this.anchor) : this.anchor < (head?.tokens.length ?? 0) ? this.anchor : null;
  }
}

/** The new number of a token; null when it is gone. */
function placeIn(from: Int32Array, token: number): number | null {
  const at = from.indexOf(token);
  return at >= 0 ? at : null;
}
