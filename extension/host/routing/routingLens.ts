import * as vscode from 'vscode';
import { type ErrorRecord, failure } from '../../protocol/errors';
import { mayRun } from '../analysisPanel';
import { readSetting, setContext } from '../contributions';
import { Disposables, Emitter } from '../disposables';
import { nameOf } from '../paths';
import type { Services } from '../services';
import { unitAt } from './blocks';
import type { BlockState } from './blockState';
import { askChoice, rememberChoice, rememberedChoice } from './chooseModel';
import { kindOf } from './documentKind';
import { isHighContrast, LensDecorations, themeShade } from './decorations';
import { LensDocument } from './lensDocument';
import { LensStatus } from './lensStatus';
import { Painter, type Painted } from './painter';
import type { RoutingChoice, RoutingSettings } from './request';
import { spanAt } from './spanIndex';
import { type Channel, CHANNELS } from './tints';
import { RoutingPanels } from './routingPanels';
import { TokenHandles } from './tokenHandles';

const CHANNEL_MEMORY = 'routing.channel';
const SITE_MEMORY = 'routing.site';
/** Painting more often than this makes scrolling and typing heavy. */
const PAINT_MS = 40;
/** Paint times that are kept for the log. */
const MOST_TIMES = 500;

/** A document with its routing, and whether the editor shows it. */
export interface LensEntry {
  readonly uri: vscode.Uri;
  readonly document: LensDocument;
  shown: boolean;
}

/** A token of a document. */
export interface TokenPlace {
  readonly entry: LensEntry;
  readonly block: BlockState;
  /** Number in the block's trace. */
  readonly token: number;
  /** The expert that a link names, and its site. */
  readonly at?: { readonly site: number; readonly expert: number };
}

/** The Routing Lens: routing on the text of any editor, after the user asked for it. */
export class RoutingLens extends Disposables {
  readonly panels: RoutingPanels;
  readonly handles = new TokenHandles();
  private readonly entries = new Map<string, LensEntry>();
  private decorations = new LensDecorations();
  private painter = new Painter(this.decorations);
  private readonly status: LensStatus;
  private readonly change = new Emitter<void>();
  /** Lenses, cell items and hovers have changed. */
  readonly onChange = this.change.on;
  private painting: NodeJS.Timeout | undefined;
  private readonly painted = new WeakMap<LensDocument, Painted>();
  private readonly paintTimes: number[] = [];
  channel: Channel;

  constructor(readonly services: Services) {
    super();
    this.channel = CHANNELS.find((one) => one === services.context.workspaceState.get(CHANNEL_MEMORY)) ?? 'weight';
    this.status = this.add(new LensStatus());
    this.panels = this.add(new RoutingPanels(this));
    this.add(vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => contentChanges.length > 0 && this.entryOf(document.uri)?.document.edit(document.getText())));
    this.add(vscode.workspace.onDidCloseTextDocument((document) => this.closed(document.uri)));
    this.add(vscode.window.onDidChangeActiveTextEditor(() => this.follow()));
    this.add(vscode.window.onDidChangeVisibleTextEditors(() => this.later()));
    this.add(vscode.window.onDidChangeTextEditorVisibleRanges(() => this.later()));
    this.add(vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => this.moved(textEditor)));
    this.add(vscode.window.onDidChangeActiveColorTheme(() => this.recolour()));
    this.add(vscode.workspace.onDidChangeConfiguration((changed) => changed.affectsConfiguration('modulens') && this.changed()));
    this.add(services.engine.onState(() => this.changed()));
    this.add({ dispose: () => this.end() });
  }

  /** The entry of a document that shows its routing. */
  entryOf(uri: vscode.Uri): LensEntry | undefined {
    return this.entries.get(uri.toString());
  }

  get active(): LensEntry | undefined {
    const editor = vscode.window.activeTextEditor;
    const entry = editor && this.entryOf(editor.document.uri);
    return entry?.shown ? entry : undefined;
  }

  /** Shows routing on a text; asks for a checkpoint the first time. Resolves when the routing is there or has failed; undefined when the user left. */
  async show(uri?: vscode.Uri, choice?: RoutingChoice): Promise<LensEntry | undefined> {
    const document = uri ? await vscode.workspace.openTextDocument(uri) : vscode.window.activeTextEditor?.document;
    if (!document || document.uri.scheme === 'output') throw failure('routing/no-editor', {});
    const known = this.entryOf(document.uri);
    const usual = known && isModelsFault(known.document.error) ? undefined : (known?.document.choice ?? rememberedChoice(this.services));
    const chosen = choice ?? usual ?? (await askChoice(this.services));
    if (!chosen) return undefined;
    if (!mayRun(chosen.path, this.services.context)) throw failure('workspace/untrusted', { what: 'Showing routing' });
    const entry = known ?? this.open(document, chosen);
    entry.shown = true;
    this.follow();
    const begun = performance.now();
    const before = entry.document.page;
    const first = entry.document.onChange(() => {
      if (entry.document.page === before || !entry.document.blocks.some((block) => block.trace?.has(entry.document.site))) return;
      first.dispose();
      this.paint();
      const paint = this.painted.get(entry.document);
      this.services.log.info(`routing: first tint after ${Math.round(performance.now() - begun)} ms; ${paint?.ranges ?? 0} ranges painted in ${paint?.milliseconds.toFixed(1) ?? '-'} ms`);
    });
    await entry.document.route(chosen);
    first.dispose();
    if (entry.document.error) this.services.log.error(`routing ${entry.document.name}: ${entry.document.error.message}`);
    if (!isModelsFault(entry.document.error)) await rememberChoice(this.services, chosen);
    return entry;
  }

  /** Takes the tints away; a page that is open stays. */
  clear(entry: LensEntry): void {
    entry.shown = false;
    const times = [...this.paintTimes].sort((a, b) => a - b);
    if (times.length > 0) this.services.log.info(`routing: ${times.length} paints, median ${times[times.length >> 1].toFixed(1)} ms, slowest ${times[times.length - 1].toFixed(1)} ms`);
    for (const editor of this.editorsOf(entry)) this.painter.clear(editor);
    if (!this.panels.has(entry)) this.drop(entry);
    this.follow();
  }

  /** Steps the layer (site) that the tints show, from input to output. */
  step(entry: LensEntry, by: 1 | -1): void {
    const { head, site } = entry.document;
    if (!head) return;
    this.showSite(entry, Math.max(0, Math.min(head.sites.length - 1, site + by)));
  }

  showSite(entry: LensEntry, site: number): void {
    const id = entry.document.head?.sites[site]?.id ?? null;
    entry.document.showSite(id);
    entry.document.selection.site(site, 'lens');
    void this.services.context.workspaceState.update(SITE_MEMORY, id);
    this.paint();
  }

  setChannel(channel: Channel): void {
    this.channel = channel;
    void this.services.context.workspaceState.update(CHANNEL_MEMORY, channel);
    this.changed();
  }

  /** The token at a place of a document, as far as its routing is known and fresh. */
  tokenAt(entry: LensEntry, position: vscode.Position): TokenPlace | null {
    const { document } = entry;
    for (const block of document.blocks) {
      const index = block.index(document.lines);
      const span = index && spanAt(index, position.line, position.character);
      if (index && span !== null) return { entry, block, token: index.tokens[span] };
    }
    return null;
  }

  /** The block that a place lies in. */
  blockAt(entry: LensEntry, position: vscode.Position): BlockState | null {
    const offset = (entry.document.lines.starts[position.line] ?? 0) + position.character;
    return entry.document.blocks.find(({ block }) => unitAt(block, offset) !== null) ?? null;
  }

  editorsOf(entry: LensEntry): readonly vscode.TextEditor[] {
    return vscode.window.visibleTextEditors.filter(({ document }) => document.uri.toString() === entry.uri.toString());
  }

  /** A page that showed a document is gone. */
  released(entry: LensEntry): void {
    if (!entry.shown) this.drop(entry);
  }

  /** What is shown has changed: once per moment. */
  changed(): void {
    this.later();
    this.change.fire();
  }

  private open(document: vscode.TextDocument, choice: RoutingChoice): LensEntry {
    const settings = (): RoutingSettings => settingsFor(document.uri);
    const lens = new LensDocument(nameOf(document.uri.path), kindOf(document), document.getText(), this.services.engine, choice, settings);
    lens.showSite(this.services.context.workspaceState.get<string | null>(SITE_MEMORY) ?? null);
    const entry: LensEntry = { uri: document.uri, document: lens, shown: true };
    this.entries.set(document.uri.toString(), entry);
    lens.onChange(() => this.changed());
    lens.selection.onChange(({ source }) => {
      lens.previewInEditor = source === 'page';
      this.later();
    });
    return entry;
  }

  private drop(entry: LensEntry): void {
    entry.document.dispose();
    this.entries.delete(entry.uri.toString());
    this.changed();
  }

  private closed(uri: vscode.Uri): void {
    const entry = this.entryOf(uri);
    if (!entry) return;
    entry.shown = false;
    if (!this.panels.has(entry)) this.drop(entry);
    this.follow();
  }

  private follow(): void {
    void setContext('modulens.routingActive', this.active !== undefined);
    this.changed();
  }

  private moved(editor: vscode.TextEditor): void {
    const entry = this.entryOf(editor.document.uri);
    if (!entry?.shown) return;
    const place = this.tokenAt(entry, editor.selection.active);
    entry.document.selection.preview(place && place.block.trace?.result === entry.document.page?.result ? place.token : null);
    this.later();
  }

  private recolour(): void {
    const shade = themeShade();
    // Backgrounds follow the theme by themselves; underlines and their absence do not.
    if (shade !== this.decorations.shade && (isHighContrast(shade) || isHighContrast(this.decorations.shade))) {
      this.decorations.dispose();
      this.decorations = new LensDecorations();
      this.painter = new Painter(this.decorations);
    }
    this.changed();
  }

  private later(): void {
    this.painting ??= setTimeout(() => this.paint(), PAINT_MS);
  }

  private paint(): void {
    clearTimeout(this.painting);
    this.painting = undefined;
    for (const editor of vscode.window.visibleTextEditors) {
      const entry = this.entryOf(editor.document.uri);
      // An edit that has not reached us yet would be painted at wrong places.
      if (!entry?.shown || entry.document.lines.count !== editor.document.lineCount) continue;
      const painted = this.painter.paint(editor, entry.document, { channel: this.channel, summary: readSetting('modulens.routingSummary', entry.uri) });
      this.painted.set(entry.document, painted);
      this.paintTimes.push(painted.milliseconds);
      if (this.paintTimes.length > MOST_TIMES) this.paintTimes.shift();
    }
    const { active } = this;
    this.status.update(active?.document ?? null, this.channel, this.services.engine.state, active ? (this.painted.get(active.document) ?? null) : null);
  }

  private end(): void {
    clearTimeout(this.painting);
    for (const { document } of this.entries.values()) document.dispose();
    this.decorations.dispose();
  }
}

/** Whether another checkpoint or router might do better: then the next time asks again. */
function isModelsFault(error: ErrorRecord | null): boolean {
  return error !== null && /^(checkpoint|model|probe|runtime|analysis)\/|^routing\/(no-router|library|import)$/.test(error.code);
}

function settingsFor(uri: vscode.Uri): RoutingSettings {
  const some = (value: number): number | undefined => (value > 0 ? value : undefined);
  const resource = uri.scheme === 'file' ? uri : undefined;
  return { experts: some(readSetting('modulens.experts', resource)), topK: some(readSetting('modulens.topK', resource)), seed: readSetting('modulens.seed', resource) };
}
