import type { Carried } from './changes';
import { freshUnits } from './changes';
import type { TextBlock } from './blocks';
import type { LineTable } from './lineTable';
import type { Names } from './palette';
import { indexSpans, type SpanIndex } from './spanIndex';
import { type Channel, tintTokens } from './tints';
import type { TraceView } from './traceView';

/** A block as it stands in the document now, and the routing that is known of it. */
export class BlockState {
  trace: TraceView | null = null;
  record = 0;
  /** The text that `trace` belongs to. */
  routed: string | null = null;
  request: AbortController | null = null;
  private spans: { readonly lines: LineTable; readonly trace: TraceView; readonly block: TextBlock; readonly index: SpanIndex } | null = null;
  private counted: { readonly trace: TraceView; readonly record: number; readonly placed: number } | null = null;

  constructor(
    /** Names the block to the engine over its edits. */
    readonly session: string,
    public block: TextBlock,
  ) {}

  show(trace: TraceView, record: number, text: string): void {
    this.trace = trace;
    this.record = record;
    this.routed = text;
  }

  get isStale(): boolean {
    return this.routed !== this.block.text;
  }

  /** Units from the beginning whose routing holds. */
  get fresh(): number {
    if (this.trace === null || this.routed === null) return 0;
    return freshUnits(this.routed, this.block.text, this.trace.head.causal);
  }

  get cut(): number {
    return this.trace?.head.records[this.record]?.cut ?? 0;
  }

  /** Tokens of the trace that belong to this block. */
  get tokens(): readonly number[] {
    const record = this.trace?.head.records[this.record];
    return record ? Array.from({ length: record.to - record.from }, (_, i) => record.from + i) : [];
  }

  get staleTokens(): number {
    if (!this.isStale || this.trace === null) return 0;
    const { fresh, trace } = this;
    return this.tokens.filter((token) => (trace.head.tokens[token].end ?? 0) > fresh).length;
  }

  /** Spans of what is fresh; made again when the document, the trace or the block has changed. */
  index(lines: LineTable): SpanIndex | null {
    if (this.trace === null) return null;
    if (this.spans?.lines !== lines || this.spans.trace !== this.trace || this.spans.block !== this.block) {
      this.spans = { lines, trace: this.trace, block: this.block, index: indexSpans(this.block, this.trace.head, this.record, lines, this.fresh) };
    }
    return this.spans.index;
  }

  /** Tint classes of the trace's tokens; null while the site's numbers are not there. */
  tints(site: number, channel: Channel, names: Names): Int8Array | null {
    return this.trace?.has(site) ? tintsOf(this.trace, site, channel, names) : null;
  }

  /** Tokens that have a place in the text. */
  get placedTokens(): number {
    const { trace, record } = this;
    if (trace === null) return 0;
    if (this.counted?.trace !== trace || this.counted.record !== record) this.counted = { trace, record, placed: this.tokens.filter((token) => trace.head.tokens[token].start !== null).length };
    return this.counted.placed;
  }
}

/** Tints by trace: blocks that were routed together share them. */
const known = new WeakMap<TraceView, { readonly key: string; readonly names: Names; readonly tints: Int8Array }>();

function tintsOf(trace: TraceView, site: number, channel: Channel, names: Names): Int8Array {
  const key = `${site} ${channel}`;
  const found = known.get(trace);
  if (found?.key === key && found.names === names) return found.tints;
  const tints = tintTokens(trace, site, channel, names);
  known.set(trace, { key, names, tints });
  return tints;
}

/** Block states after an edit: carried ones keep trace and session, those that are gone are cancelled. */
export function carryStates(old: readonly BlockState[], carried: readonly Carried[], make: (block: TextBlock) => BlockState): readonly BlockState[] {
  const kept = new Set<BlockState>();
  const next = carried.map(({ block, was }) => {
    const state = was === null ? undefined : old[was];
    if (!state) return make(block);
    kept.add(state);
    if (state.block.text !== block.text) {
      state.request?.abort();
      state.request = null;
    }
    state.block = block;
    return state;
  });
  for (const state of old) if (!kept.has(state)) state.request?.abort();
  return next;
}
