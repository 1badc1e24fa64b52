import type { BoundModel } from '../architecture/resolve';
import { linearsOf } from '../architecture/resolve';
import { ropeTables } from '../architecture/rope';
import type { BlockSpec, LinearSpec, StackSpec } from '../architecture/spec';
import { assertUnchanged } from '../checkpoint/files';
import { BLOCK_INPUTS, BLOCK_OUTPUTS, type BlockOptions, type BlockTap, buildBlock, tapsOf } from '../graph/block';
import { buildEmbeddingStage, buildHeadSlice, buildPreHead } from '../graph/stages';
import type { AttachedModules } from '../module/attach';
import { failure } from '../protocol/errors';
import type { SessionPool } from '../runtime/pool';
import type { Scheduler } from '../runtime/scheduler';
import type { GraphSession } from '../runtime/session';
import { floatData, floats, type HostTensor } from '../graph/hostTensor';
import { Embedder } from './embed';
import { biasBehind, packBehind, sequenceMeans } from './lead';
import { attentionBias, type Pack, packSequences, tokensPerRun } from './pack';

/** What a forward pass needs besides the model. */
export interface ForwardEnvironment {
  readonly pool: SessionPool;
  readonly scheduler: Scheduler;
  readonly signal?: AbortSignal;
  readonly interactive?: boolean;
}

type Feeds = Record<string, HostTensor>;

/**
 * Runs a model block by block over packed sequences: blocks outside, packs inside, so that one block's weights are
 * alive at a time. Every method leaves turns to others between runs.
 */
export class ForwardPass {
  readonly stack: StackSpec;
  readonly packs: readonly Pack[];
  readonly tokens: number;
  private readonly embedder: Embedder;
  private readonly biases = new WeakMap<Pack, Map<string, HostTensor>>();
  /** With the tensors that modules saved anew. */
  readonly model: BoundModel;
  /** Packs as they run: behind what modules put before every sequence, their virtual tokens at the end. */
  private readonly runs: readonly Pack[];
  /** Rows of the virtual tokens of each pack as they enter the next block. */
  private virtual: Float32Array[] = [];

  constructor(base: BoundModel, sequences: readonly Int32Array[], private readonly environment: ForwardEnvironment, private readonly modules: AttachedModules | null = null) {
    const model = (this.model = modules?.model ?? base), lead = modules?.lead;
    this.stack = model.spec.stacks[0];
    this.embedder = new Embedder(model, this.stack, modules);
    checkIds(sequences, this.embedder.vocabulary, this.stack.context);
    this.packs = packSequences(sequences, tokensPerRun(this.stack.blocks.reduce((most, block) => Math.max(most, blockParameters(block, environment.pool.device !== 'cpu')), 1)));
    this.tokens = this.packs.reduce((sum, pack) => sum + pack.tokens, 0);
    this.runs = lead ? this.packs.map((pack) => packBehind(pack, lead)) : this.packs;
  }

  /** What enters block 0, one `[tokens, d_model]` array per pack. */
  async embed(): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    for (const pack of this.runs) rows.push(await this.embedder.rows(pack));
    if (this.stack.embedding.norm || this.stack.embedding.projection) {
      await this.use(`embeddings${this.stageKey}`, async () => notNull(await buildEmbeddingStage(this.model, this.stack, this.modules ?? {})), async (session) => {
        for (const [i, pack] of this.runs.entries()) {
          rows[i] = floatData((await this.run(session, { ...this.modules?.stages?.feeds, rows: floats([pack.tokens, this.stack.embedding.width], rows[i]) }))['hidden']);
        }
      });
    }
    for (const [i, pack] of this.runs.entries()) this.embedder.addLatePositions(pack, rows[i]);
    if (!this.modules?.lead?.prompt) return rows;
    const { dModel } = this.stack;
    this.virtual = rows.map((all, i) => all.slice(this.packs[i].tokens * dModel));
    return rows.map((all, i) => all.slice(0, this.packs[i].tokens * dModel));
  }

  /** Tells the graphs before and after the blocks from the base's. */
  private get stageKey(): string {
    return this.modules?.stages ? `|${this.modules.stages.key}` : '';
  }

  /**
   * Runs one block on every pack. `hidden` is replaced pack by pack by the block's output (unless it stops at the FFN).
   * `each` sees a pack's outputs by name: `tap:ffn.hidden` and whatever `extend` added; those that `into` names are in its tensors.
   */
  async block(block: BlockSpec, hidden: Float32Array[], options: BlockOptions & { readonly key?: string; readonly feeds?: Feeds; readonly feedsOf?: (pack: Pack, index: number) => Feeds; readonly into?: (pack: Pack) => Feeds }, each?: (pack: Pack, outputs: Readonly<Record<string, HostTensor>>, index: number) => void): Promise<void> {
    const key = `block ${block.index}|${[...(options.taps ?? [])].join()}|${options.key ?? ''}|${options.mask === true}|${options.stopAtHidden === true}|${this.modules?.key ?? ''}`;
    const moduleFeeds = { ...this.modules?.feeds(block), ...this.prefixFeeds(block) };
    await this.use(key, () => buildBlock(this.model, this.stack, block, { gather: this.environment.pool.device === 'cpu', ...options, ...hooksOf(this.modules) }), async (session) => {
      for (const [i, pack] of this.packs.entries()) {
        const run = this.runs[i];
        const feeds: Feeds = { ...moduleFeeds, ...options.feeds, ...options.feedsOf?.(pack, i), [BLOCK_INPUTS.hidden]: floats([run.tokens, this.stack.dModel], this.withVirtual(hidden[i], i)), ...this.attentionFeeds(block, run, pack.tokens) };
        const outputs = this.withoutVirtual(await this.run(session, feeds, options.into?.(pack)), i);
        const next = outputs[BLOCK_OUTPUTS.hidden];
        if (next) hidden[i] = floatData(next);
        each?.(pack, outputs, i);
      }
    });
    await assertUnchanged(this.model.checkpoint.files);
  }

  private prefixFeeds(block: BlockSpec): Feeds {
    const { lead } = this.modules ?? {};
    if (!lead || lead.prefix === 0) return {};
    if (lead.gated) return lead.gated.feeds(block);
    const { key, value } = lead.past(block);
    return { [BLOCK_INPUTS.pastKey]: key, [BLOCK_INPUTS.pastValue]: value };
  }

  /** What enters a block: a pack's rows, then those of its virtual tokens. */
  private withVirtual(rows: Float32Array, index: number): Float32Array {
    if (this.runs[index].tokens === this.packs[index].tokens) return rows;
    const more = this.virtual[index], all = new Float32Array(rows.length + more.length);
    all.set(rows);
    all.set(more, rows.length);
    return all;
  }

  /** Outputs cut to the rows of the pack; what leaves the block for the virtual tokens is kept for the next one. */
  private withoutVirtual(outputs: Readonly<Record<string, HostTensor>>, index: number): Readonly<Record<string, HostTensor>> {
    const { tokens } = this.packs[index], all = this.runs[index].tokens;
    if (all === tokens) return outputs;
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => {
      if (tensor.dims[0] !== all) return [name, tensor];
      const data = floatData(tensor), width = data.length / all;
      if (name === BLOCK_OUTPUTS.hidden) this.virtual[index] = data.slice(tokens * width);
      return [name, floats([tokens, ...tensor.dims.slice(1)], data.slice(0, tokens * width))];
    }));
  }

  /** Final norm and what the decoder multiplies, per pack. */
  async preHead(hidden: readonly Float32Array[], parts: { readonly final: boolean; readonly head: boolean }): Promise<{ readonly final: Float32Array[]; readonly decoderInput: Float32Array[] }> {
    const final: Float32Array[] = [], decoderInput: Float32Array[] = [];
    await this.use(`preHead ${String(parts.final)} ${String(parts.head)}${this.stageKey}`, () => buildPreHead(this.model, this.stack, parts, this.modules ?? {}), async (session) => {
      for (const [i, pack] of this.packs.entries()) {
        const out = await this.run(session, { ...this.modules?.stages?.feeds, hidden: floats([pack.tokens, this.stack.dModel], hidden[i]) });
        if (out['final']) final.push(floatData(out['final']));
        if (out['decoderInput']) decoderInput.push(floatData(out['decoderInput']));
      }
    });
    return { final, decoderInput };
  }

  /** Rows of the decoder: the size of the head's vocabulary. */
  get headRows(): number {
    const head = this.model.spec.head;
    return head ? this.model.tensor(head.decoder.weight).shape[0] : 0;
  }

  /**
   * Runs the head slice by slice over the vocabulary; `each` sees the outputs of a slice on a pack. A pack's entry may hold
   * any rows of its decoder input (a loss needs few); one without rows is left out.
   */
  async head(decoderInput: readonly Float32Array[], kind: 'logits' | 'logSumExp', each: (pack: Pack, index: number, slice: readonly [number, number], outputs: Readonly<Record<string, HostTensor>>) => void): Promise<void> {
    const head = notNull(this.model.spec.head ?? null), rows = this.headRows;
    const size = Math.max(1, Math.min(rows, Math.floor(SLICE_ELEMENTS / Math.max(head.decoder.inWidth, this.packs.reduce((m, p) => Math.max(m, p.tokens), 1)))));
    for (let from = 0; from < rows; from += size) {
      const to = Math.min(rows, from + size);
      const change = this.modules?.head, changeFeeds = change?.feeds(from, to);
      await this.use(`head ${from} ${to} ${kind}${this.stageKey}`, () => buildHeadSlice(this.model, from, to, kind, change?.hook), async (session) => {
        for (const [i, pack] of this.packs.entries()) {
          const tokens = decoderInput[i].length / head.decoder.inWidth;
          if (tokens > 0) each(pack, i, [from, to], await this.run(session, { ...changeFeeds, decoderInput: floats([tokens, head.decoder.inWidth], decoderInput[i]) }));
        }
      });
    }
  }

  /** Taps that a block has. */
  taps(block: BlockSpec): readonly BlockTap[] {
    return tapsOf(block);
  }

  /** `tokens`: rows of the text; those after them are virtual. */
  private attentionFeeds(block: BlockSpec, pack: Pack, tokens: number): Feeds {
    let kept = this.biases.get(pack);
    if (!kept) this.biases.set(pack, (kept = new Map<string, HostTensor>()));
    const { window, causal, rope } = block.attention, { lead } = this.modules ?? {};
    const feeds: Feeds = {};
    const remember = (name: string, make: () => HostTensor): void => {
      let tensor = kept.get(name);
      if (!tensor) kept.set(name, (tensor = make()));
      feeds[name] = tensor;
    };
    remember(BLOCK_INPUTS.bias(window), () => {
      if (!lead) return floats([pack.tokens, pack.tokens], attentionBias(pack, causal, window));
      const { keys, data } = biasBehind(pack, tokens, lead, causal, window);
      return floats([pack.tokens, keys], data);
    });
    if (this.modules?.averages) {
      for (const [name, each] of [[BLOCK_INPUTS.sequenceMean, 'row'], [BLOCK_INPUTS.sequenceRows, 'sequence']] as const) {
        remember(name, () => {
          const { rows, data } = sequenceMeans(pack, each);
          return floats([rows, pack.tokens], data);
        });
      }
    }
    const spec = rope === undefined ? undefined : this.stack.ropes.get(rope);
    if (spec && rope !== undefined && !kept.has(BLOCK_INPUTS.cos(rope))) {
      const { cos, sin } = ropeTables(spec, pack.positions);
      kept.set(BLOCK_INPUTS.cos(rope), floats([pack.tokens, 1, spec.rotaryDim], cos));
      kept.set(BLOCK_INPUTS.sin(rope), floats([pack.tokens, 1, spec.rotaryDim], sin));
    }
    if (spec && rope !== undefined) for (const name of [BLOCK_INPUTS.cos(rope), BLOCK_INPUTS.sin(rope)]) feeds[name] = notNull(kept.get(name) ?? null);
    return feeds;
  }

  private async use(key: string, build: () => Promise<Parameters<typeof GraphSession.create>[0]>, work: (session: GraphSession) => Promise<void>): Promise<void> {
    await this.environment.pool.with(sessionPrefix(this.model) + key, build, work);
  }

  private async run(session: GraphSession, feeds: Feeds, into?: Feeds): Promise<Readonly<Record<string, HostTensor>>> {
    await this.environment.scheduler.turn(this.environment.signal, this.environment.interactive);
    return session.run(feeds, into);
  }
}

/** What modules change in a block's graph. */
export function hooksOf(modules: AttachedModules | null): Pick<BlockOptions, 'hook' | 'before' | 'join' | 'prefix' | 'keys'> {
  if (!modules) return {};
  const { hook, before, join, lead } = modules;
  return { hook, ...(before ? { before } : {}), ...(join ? { join } : {}), ...(lead?.gated ? { keys: lead.gated.keys } : lead && lead.prefix > 0 ? { prefix: true } : {}) };
}

/** Elements of weights or logits that one head slice may have (256 MB of float32 would be 64 M; half leaves room for both). */
const SLICE_ELEMENTS = 32 << 20;

/** Parameters of a block's linear maps that a token is multiplied with: of a mixture the experts that it uses, unless `everyExpert` runs. */
export function blockParameters(block: BlockSpec, everyExpert = false): number {
  const of = (linears: readonly LinearSpec[]): number => linears.reduce((sum, l) => sum + l.inWidth * l.outWidth, 0), all = of(linearsOf(block));
  if (everyExpert) return all;
  const { ffn, attention: { qkv } } = block;
  const unused = (experts: readonly Readonly<Record<string, LinearSpec>>[], k: number): number => (experts.length - k) * of(Object.values(experts[0]));
  return all - (ffn.kind === 'moe' ? unused(ffn.experts.map(({ gate, up, down }) => ({ gate, up, down })), ffn.k) : 0) - (qkv.kind === 'routed' ? unused(qkv.experts.map(({ q, o }) => ({ q, o })), qkv.k) : 0);
}

/** Tells sessions of a checkpoint from those of what its files held before. */
export function sessionPrefix(model: BoundModel): string {
  return `${model.checkpoint.path}|${stampKey(model)}|`;
}

function stampKey(model: BoundModel): string {
  return model.checkpoint.files.map((f) => `${f.size}.${f.mtimeMs}.${f.ino}`).join();
}

function checkIds(sequences: readonly Int32Array[], vocabulary: number, context: number): void {
  for (const [row, ids] of sequences.entries()) {
    if (ids.length > context) throw failure('model/too-long', { row, tokens: ids.length, context });
    checkVocabulary(ids, vocabulary, row);
  }
}

/** @throws model/token-id for an id that the model has no row for */
export function checkVocabulary(ids: Int32Array, vocabulary: number, row: number): void {
  for (const id of ids) if (id < 0 || id >= vocabulary) throw failure('model/token-id', { id, vocabulary, row });
}

function notNull<T>(value: T | null): T {
  if (value === null) throw new Error('unexpected null');
  return value;
}
