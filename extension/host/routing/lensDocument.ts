import { randomUUID } from 'node:crypto';
import { type ErrorRecord, failure, ModulensError, toErrorRecord } from '../../protocol/errors';
import type { RunState } from '../../protocol/pageMessages';
import type { Progress } from '../../protocol/progress';
import type { RoutingHead, RoutingResult, RoutingSummary, WhatIf } from '../../protocol/routing';
import { type Disposable, Disposables, Emitter } from '../disposables';
import type { EngineClient } from '../engineClient';
import type { EngineNotification } from '../engineProcess';
import { type BlockKind, splitDocument, type TextBlock } from './blocks';
import { BlockState, carryStates } from './blockState';
import { type Carried, carryRecords, carryWindows } from './changes';
import { LineTable } from './lineTable';
import { namingOf } from '../../protocol/routingNames';
import type { Names } from './palette';
import { renumber, sameToken } from './renumber';
import { type RoutingChoice, type RoutingSettings, routeRequest } from './request';
import { SharedSelection } from './selection';
import { TraceView } from './traceView';
import { windowFor } from './windows';

/** Rest after the last key before an edited block is routed again. */
export const QUIET_MS = 150;
/** More changed blocks than this are cheaper in one run. */
const MOST_UPDATES = 8;
/** A text is cut into windows after its first run says how much fits; denser passages may need another round. */
const MOST_ROUNDS = 5;
/** First tint does not wait longer than this for letters that follow the tokens over the layers. */
const NAMES_MS = 150;

/** What a page shows: one result over all texts. */
export interface PageResult {
  readonly result: RoutingResult;
  readonly texts: readonly string[];
}

/**
 * Routing of one document: its blocks, their traces, what is stale, and the requests on their way. Knows text and
 * engine, nothing of editors.
 */
export class LensDocument implements Disposable {
  private readonly disposables = new Disposables();
  private readonly change = new Emitter<void>();
  /** Something that is shown has changed. */
  readonly onChange = this.change.on;
  readonly selection = new SharedSelection();
  blocks: readonly BlockState[] = [];
  lines: LineTable;
  state: RunState = 'starting';
  error: ErrorRecord | null = null;
  /** Newest step of the run; null before the first and when nothing runs. */
  progress: Progress | null = null;
  names: Names = null;
  /** What is changed on purpose; null: the model as it is. */
  whatIf: WhatIf | null = null;
  private summaries: { readonly key: string; readonly summary: RoutingSummary } | null = null;
  page: PageResult | null = null;
  /** Characters at the end of the document that are not routed. */
  left = 0;
  private hasPage = false;
  private readonly lifetime = new AbortController();
  /** The selection's token comes from the page: the editor frames it. (The editor's own cursor needs no frame.) */
  previewInEditor = false;
  private windowCharacters = Infinity;
  private wantedSite: string | null = null;
  private run: { readonly id: string; readonly controller: AbortController } | null = null;
  private quiet: NodeJS.Timeout | undefined;
  private sessions = 0;
  private readonly id = randomUUID();

  constructor(
    readonly name: string,
    readonly kind: BlockKind,
    text: string,
    private readonly engine: EngineClient,
    public choice: RoutingChoice,
    private readonly settings: () => RoutingSettings,
  ) {
    this.lines = new LineTable(text);
    this.disposables.add(engine.onNotification((notification) => this.receive(notification)));
  }

  get text(): string {
    return this.lines.text;
  }

  get isStale(): boolean {
    return this.blocks.some((block) => block.isStale);
  }

  get isRunning(): boolean {
    return this.run !== null;
  }

  /** What the page's result says as a whole; null until the engine has summed it up. */
  get summary(): RoutingSummary | null {
    return this.summaries !== null && this.summaries.key === this.page?.result.key ? this.summaries.summary : null;
  }

  /** From now on a page shows the document: it needs one result over all blocks, and its summary. */
  attachPage(attached: boolean): void {
    this.hasPage = attached;
    if (!attached || this.isRunning) return;
    if (this.blocks.some(({ trace }) => trace?.result !== this.page?.result)) void this.route();
    else if (this.page && this.summary === null) void this.askNames(this.page.result, this.lifetime.signal);
  }

  /** Facts that all traces of the document share; null before the first. */
  get head(): RoutingHead | null {
    return this.page?.result.head ?? this.blocks.find(({ trace }) => trace !== null)?.trace?.head ?? null;
  }

  /** The site that the tints show. */
  get site(): number {
    const { head } = this;
    return head === null ? 0 : this.siteIn(head);
  }

  get siteId(): string | null {
    return this.head?.sites[this.site]?.id ?? this.wantedSite;
  }

  showSite(id: string | null): void {
    this.wantedSite = id;
    this.change.fire();
  }

  /** Routes the whole document with a router; what is shown stays until the new numbers are there. Never rejects. */
  async route(choice: RoutingChoice = this.choice): Promise<void> {
    this.cancel();
    const changed = choice.path !== this.choice.path || choice.router !== this.choice.router || choice.modules !== this.choice.modules;
    if (choice.path !== this.choice.path) this.windowCharacters = Infinity;
    if (changed) {
      this.names = null;
      this.whatIf = null;
    }
    this.choice = choice;
    const mine = (this.run = { id: randomUUID(), controller: new AbortController() });
    this.error = null;
    this.progress = null;
    this.enter(changed || this.page === null ? 'starting' : 'running');
    try {
      await this.rounds(mine, changed);
      if (this.run !== mine) return;
      this.run = null;
      this.enter('done');
      if (this.isStale) this.later();
    } catch (error) {
      if (this.run !== mine) return;
      this.run = null;
      const cancelled = error instanceof ModulensError && error.code === 'cancelled';
      this.error = cancelled ? null : toErrorRecord(error);
      this.enter(cancelled ? 'cancelled' : 'failed');
    }
  }

  /** Routes again with something changed on purpose, or as the model is. What cannot be done is given back, and what was shown stays. */
  async setWhatIf(whatIf: WhatIf | null): Promise<ErrorRecord | null> {
    const before = this.whatIf;
    this.whatIf = whatIf;
    await this.route();
    const { error } = this;
    if (error?.code !== 'routing/what-if') return null;
    this.whatIf = before;
    this.error = null;
    this.enter(this.page ? 'done' : 'cancelled');
    return error;
  }

  /** The document has changed: what the edit touches is stale at once and routed again after a rest. */
  edit(text: string): void {
    if (text === this.text) return;
    const old = this.text;
    this.lines = new LineTable(text);
    const before = this.blocks.map(({ block }) => block);
    if (this.blocks.length > 0) {
      const carried = this.kind === 'records' ? carryRecords(before, splitDocument(text, 'records').blocks) : carryWindows(before, old, text);
      this.blocks = carryStates(this.blocks, carried, (block) => this.makeState(block));
    }
    this.change.fire();
    this.later();
  }

  /** Stops a run at the user's wish. */
  cancelRun(): void {
    this.cancel();
    this.enter(this.page ? 'done' : 'cancelled');
  }

  /** Stops what is on its way; what is shown stays. */
  cancel(): void {
    clearTimeout(this.quiet);
    this.run?.controller.abort();
    this.run = null;
    for (const block of this.blocks) {
      block.request?.abort();
      block.request = null;
    }
  }

  dispose(): void {
    this.cancel();
    this.lifetime.abort();
    this.disposables.dispose();
  }

  private later(): void {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => void this.update(), QUIET_MS);
  }

  private async update(): Promise<void> {
    const stale = this.blocks.filter((block) => block.isStale && block.request === null);
    const whole = this.blocks.length === 0 || this.state === 'failed' || stale.length > MOST_UPDATES || stale.some(({ trace }) => trace === null);
    if (whole || this.run !== null || (this.hasPage && this.blocks.length > 1)) return this.route();
    await Promise.all(stale.map((block) => this.updateBlock(block)));
    if (!this.isStale && this.state === 'running') this.enter('done');
  }

  private async updateBlock(block: BlockState): Promise<void> {
    const controller = (block.request = new AbortController());
    const { text } = block.block;
    try {
      this.enter('running');
      const result = await this.engine.request('routing/update', { session: block.session, request: routeRequest(this.choice, this.settings(), [block.block], this.whatIf) }, controller.signal);
      if (block.request !== controller) return;
      if ((result.head.records[0]?.cut ?? 0) > 0 && this.kind === 'text') return void this.route();
      const trace = new TraceView(result);
      const groups = trace.groups(this.site);
      await this.readSlices(trace, groups.slice(0, 1), controller.signal);
      if (block.request !== controller) return;
      const move = block.trace && block.routed !== null ? renumber(block.trace.head, block.record, block.routed, result.head, text) : () => null;
      block.show(trace, 0, text);
      if (this.blocks.length === 1) {
        this.page = { result, texts: [text] };
        this.selection.forget(move);
      }
      this.change.fire();
      await this.readSlices(trace, groups.slice(1), controller.signal);
      if (block.request === controller) block.request = null;
      if (this.hasPage && this.blocks.length === 1) void this.askNames(result, this.lifetime.signal);
      this.error = null;
      this.change.fire();
    } catch (error) {
      if (block.request !== controller || controller.signal.aborted) return;
      block.request = null;
      if (error instanceof ModulensError && error.code === 'routing/gone') return void this.route();
      this.error = toErrorRecord(error);
      this.enter('failed');
    }
  }

  private async rounds(mine: { readonly id: string; readonly controller: AbortController }, changed: boolean): Promise<void> {
    const { signal } = mine.controller;
    for (let round = 0; ; round++) {
      const { text } = this;
      if (text.includes('\0')) throw failure('routing/binary', { name: this.name });
      const { blocks, left } = splitDocument(text, this.kind, this.windowCharacters);
      if (blocks.length === 0) throw failure('routing/empty', {});
      const result = await this.engine.request('routing/run', { run: mine.id, request: routeRequest(this.choice, this.settings(), blocks, this.whatIf) }, signal);
      const trace = new TraceView(result);
      const again = this.kind === 'text' && round + 1 < MOST_ROUNDS && this.shrinkWindows(result.head, blocks);
      const names = again ? null : this.askNames(result, signal);
      const groups = trace.groups(this.siteIn(result.head));
      await this.readSlices(trace, groups.slice(0, 1), signal);
      if (names) await Promise.race([names, new Promise((resolve) => setTimeout(resolve, NAMES_MS))]);
      if (this.run !== mine) return;
      this.adopt(text, blocks, trace, changed && round === 0);
      this.left = left;
      this.change.fire();
      if (again) continue;
      await Promise.all([this.readSlices(trace, groups.slice(1), signal), names]);
      return;
    }
  }

  /** Takes over a whole run of `text`. The document may have been edited meanwhile: what has changed is stale then. */
  private adopt(text: string, blocks: readonly TextBlock[], trace: TraceView, changed: boolean): void {
    const routed = blocks.map((block, i) => {
      const state = this.makeState(block);
      state.show(trace, i, block.text);
      return state;
    });
    for (const block of this.blocks) block.request?.abort();
    const carried = (): readonly Carried[] => (this.kind === 'records' ? carryRecords(blocks, splitDocument(this.text, 'records').blocks) : carryWindows(blocks, text, this.text));
    this.blocks = text === this.text ? routed : carryStates(routed, carried(), (block) => this.makeState(block));
    const before = this.page?.result;
    this.page = { result: trace.result, texts: blocks.map((block) => block.text) };
    if (before && before.key !== trace.result.key) this.selection.forget((token) => (changed ? null : sameToken(before.head, trace.head, token)));
  }

  /** Remembers how much fits when a text did not; says whether the windows became smaller. */
  private shrinkWindows(head: RoutingHead, blocks: readonly TextBlock[]): boolean {
    let least = Infinity;
    head.records.forEach(({ from, to, cut }, record) => {
      if (cut === 0) return;
      let covered = 0;
      for (let token = from; token < to; token++) covered = Math.max(covered, head.tokens[token].end ?? 0);
      if (blocks[record].text.slice(covered).trim() !== '') least = Math.min(least, windowFor(covered));
    });
    if (least >= this.windowCharacters) return false;
    this.windowCharacters = least;
    return true;
  }

  private siteIn(head: RoutingHead): number {
    const wanted = head.sites.findIndex(({ id }) => id === this.wantedSite);
    return wanted >= 0 ? wanted : Math.floor(head.sites.length / 2);
  }

  /** Names of the run's experts, and what it says as a whole. Without it experts are named by their numbers. */
  private async askNames({ key, head }: RoutingResult, signal: AbortSignal): Promise<void> {
    try {
      const own = await this.engine.request('routing/summary', { key }, signal);
      if (signal.aborted) return;
      // In a what-if experts keep the letters that they have in the model as it is, here and on the page; how well letters match is not said of it.
      const summary = head.whatIf && this.names?.letters ? { ...own, letters: this.names.letters, matching: null } : own;
      this.summaries = { key, summary };
      this.names = namingOf(head, summary);
      this.change.fire();
    } catch {
      // A trace that is gone by now, or a stopped engine: whatever needs it next says so.
    }
  }

  private async readSlices(trace: TraceView, groups: readonly { readonly from: number; readonly to: number }[], signal: AbortSignal): Promise<void> {
    for (const { from, to } of groups) {
      trace.add(await this.engine.request('routing/slice', { key: trace.result.key, from, to }, signal));
      this.change.fire();
    }
  }

  private receive(notification: EngineNotification): void {
    if (notification.name !== 'run/progress' || notification.params.run !== this.run?.id) return;
    this.progress = notification.params.progress;
    if (this.state === 'starting') this.state = 'running';
    this.change.fire();
  }

  private enter(state: RunState): void {
    this.state = state;
    this.change.fire();
  }

  private makeState(block: TextBlock): BlockState {
    return new BlockState(`${this.id}#${this.sessions++}`, block);
  }
}
